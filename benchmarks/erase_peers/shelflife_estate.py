"""Shelflife itself: an estate whose people are erased as its register of requests does it, step by step."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.erase_peers import shelflife_search
from benchmarks.erase_peers.rows import FIRST_DAY
from shelflife.config import load_settings
from shelflife.errors import KeyTreeUnopenable
from shelflife.estate import Estate
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.catalog import files_of_partition, partitions
from shelflife.lake.checks import check_batches
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.unseal import read_partition
from shelflife.retention.apply import apply_plan, plan_purge
from shelflife.retention.plan_file import write_plan
from shelflife.rights.erasure import Options, due, run_erasures
from shelflife.rights.finality import finalize
from shelflife.rights.request_states import Kind
from shelflife.rights.requests import record_identity_check, submit
from shelflife.subjects.directory import Alias, find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.erase_peers.peer import Found, Rows

ROOT = Path(__file__).parents[2]
# Some days after the last day of the rows, so that no sample is of the future.
NOW = dt.datetime.combine(FIRST_DAY, dt.time(), dt.UTC) + dt.timedelta(days=45)
ZONES = ("identity", "raw", "derived")
# The steps of an erasure before which the rows are unreadable, and gone.
_UNREADABLE, _GONE = "erase every copy", "look for what is left, with other code"
# What the policy says for heart rates.
_YEARS_KEPT = 2


class _StopError(Exception):
    """Stops an erasure between two steps; running it again goes on there."""


class ShelflifeRaw:
    """An estate with a raw zone alone, so that it holds what the peers hold."""

    procedure = "request erase, to the last overwritten block"
    purging = "plan; apply"
    # What is not part of a copy of the data files, and is as it is when such a copy is tried.
    keys = ("estate/control", "estate/roots", "estate/journal", "estate/witness")
    derives = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.details: dict[str, float] = {}
        self.settings = load_settings(
            home=folder / "estate",
            inbox=folder / "inbox",
            models=ROOT / "sql",
            policies=ROOT / "retention_policies",
            purge_brake_percent=100,
            consent="not_relied_on",
        )
        self._asked: list[str] = []
        self._estate: Estate | None = None

    def load(self, rows: Rows) -> None:
        """Land the day files as they lie in an inbox, and derive from them where that is asked for."""
        inbox = self.settings.inbox / "export"
        inbox.mkdir(parents=True)
        for path in rows.days():
            shutil.copyfile(path, inbox / path.name)
        estate = Estate.create(self.settings, NOW)
        landed = land(estate, list_inbox(self.settings.inbox), clock=_clock)
        if landed.total("landed") != rows.count():
            raise SystemExit("Not every row was landed.")
        if self.derives:
            check_batches(estate, landed.batches)
            derived = derive(estate, clock=_clock)
            self.details["derived_rows"] = derived.rows
        self._note_pseudonyms(estate, rows)
        estate.close()

    def ask(self, ids: Sequence[str]) -> None:
        """Register a request a person and record that its identity check passed; a peer has nothing like it."""
        estate = self._open()
        for one in ids:
            made = submit(estate, kind=Kind.ERASURE, alias=Alias("account", one), now=NOW)
            record_identity_check(estate, made.request_id, method="signed_in_session", passed=True, now=NOW)

    def erase(self, ids: Sequence[str]) -> None:
        """Run every registered request until no reader has a key."""
        del ids
        self._asked = due(self._open())
        self._run_until(_UNREADABLE)

    def finish(self) -> None:
        """Go on until every block is overwritten and every replaced file unlinked; a purge has done so already."""
        if self._asked:
            self._run_until(_GONE)
        else:
            self._close()

    def prove(self) -> None:
        """Go on: verify with other code, sign the certificates, shred who asked."""
        self._run_until(None)
        self._close()

    def expire(self, day: str) -> None:
        """Plan a purge at the time at which this day's two years are over and the next day's are not; apply it."""
        over = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(13), dt.UTC) + dt.timedelta(days=1)
        later = over.replace(year=over.year + _YEARS_KEPT)
        estate = self._open()
        plan = plan_purge(estate, clock=lambda: later)
        apply_plan(estate, write_plan(self.settings, plan), clock=lambda: later)

    def count(self, ids: Sequence[str]) -> tuple[int, int]:
        """Unseal everything that the estate can unseal."""
        estate = Estate.open(self.settings, NOW)
        with estate.database.read() as conn:
            pids = pa.array(shelflife_search.known(estate, conn, ids), pa.binary())
            theirs = everyone = 0
            for home in partitions(conn, zone="raw"):
                files = files_of_partition(conn, home.partition_id)
                owners = read_partition(estate, conn, home, files, columns=["value_num"]).column("pid")
                everyone += len(owners)
                theirs += pc.sum(pc.is_in(owners, value_set=pids)).as_py() or 0
        estate.close()
        return theirs, everyone

    def pseudonyms(self, ids: Sequence[str]) -> dict[bytes, str]:
        """Return every zone's pseudonym of these people, and their own ids, as they were noted at loading."""
        noted = json.loads((self.folder.parent / "pseudonyms.json").read_text())
        return {bytes.fromhex(text): one for one in ids for text in noted[one]}

    def recover(self, ids: Sequence[str], found: Found) -> None:
        """Try to read these people with every key that is there, through the catalog's files in any state."""
        try:
            estate = Estate.open(self.settings, NOW)
        except KeyTreeUnopenable:
            return
        noted = json.loads((self.folder.parent / "pseudonyms.json").read_text())
        with estate.database.read() as conn:
            known = {one for one in ids if shelflife_search.known(estate, conn, [one])}
            found.add("directory", known, rows=False)
            raw = {bytes.fromhex(noted[one][2]): one for one in ids}
            for pids in shelflife_search.raw_readable(estate, conn, set(raw)):
                found.add("raw zone", {raw[pid] for pid in pids}, rows=True)
            derived = {bytes.fromhex(noted[one][3]): one for one in ids}
            for pids in shelflife_search.derived_readable(estate, conn):
                found.add("derived zone", {derived[pid] for pid in pids & set(derived)}, rows=True)
        estate.close()
        loaded = self.folder.parent / "loaded" / "estate" / "control" / "control.db"
        if loaded.exists() and shelflife_search.old_pages_left(loaded, self.settings.home / "control"):
            found.add("old key page", set(ids), rows=True)

    def from_backup(self, ids: Sequence[str], loaded: Path) -> dict[str, float]:
        """Return the share of people whose keys an older control database opens with the root keys that there are.

        Returns:
            `within` the finality window, and `after` it, once its root keys were destroyed.
        """
        noted = json.loads((self.folder.parent / "pseudonyms.json").read_text())
        pids = [bytes.fromhex(noted[one][2]) for one in ids]
        backup, roots = loaded / "estate" / "control" / "control.db", self.settings.root_slot_folder
        within = shelflife_search.opened_by_backup(pids, backup, roots, self.folder.parent)
        estate = self._open()
        finalize(estate, clock=lambda: NOW + dt.timedelta(days=self.settings.finality_window_days + 1))
        self._close()
        after = shelflife_search.opened_by_backup(pids, backup, roots, self.folder.parent)
        return {"within": within / len(pids), "after": after / len(pids)}

    def _open(self) -> Estate:
        if self._estate is None:
            self._estate = Estate.open(self.settings, NOW)
        return self._estate

    def _close(self) -> None:
        if self._estate is not None:
            self._estate.close()
            self._estate = None

    def _run_until(self, step: str | None) -> None:
        """Run the erasures, timing each step, and stop before one of them."""
        marks: list[tuple[str, float]] = []

        def mark(says: str, requests: int) -> None:
            del requests
            marks.append((says, time.perf_counter()))
            if says == step:
                raise _StopError

        with suppress(_StopError):
            run_erasures(self._open(), self._asked, Options(clock=_clock, progress=mark))
        marks.append(("", time.perf_counter()))
        for (says, began), (_, ended) in pairwise(marks):
            self.details[says] = ended - began

    def _note_pseudonyms(self, estate: Estate, rows: Rows) -> None:
        """Write down, outside of the estate, what the search for residue is going to look for."""
        first = next(rows.tables())[1]
        people = first.column("subject").unique().to_pylist()
        with estate.database.read() as conn:
            subjects = find(estate, conn, [Alias("account", one) for one in people])
            peppers = [estate.pepper(conn, zone) for zone in ZONES]
        noted = {
            name.value: [
                subject.subject_id.hex(),
                *(pseudonym(pepper, subject.subject_id).hex() for pepper in peppers),
            ]
            for name, subject in subjects.items()
        }
        (self.folder.parent / "pseudonyms.json").write_text(json.dumps(noted))


class ShelflifeDerived(ShelflifeRaw):
    """An estate with derived tables, too, which no peer here has."""

    derives = True


def _clock() -> dt.datetime:
    return NOW
