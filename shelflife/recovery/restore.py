"""Restores: a backup put back, and everything destroyed since it was made destroyed again, before anything is served.

    placed -> trees recovered -> ledger completed -> files fetched -> held rows preserved -> destructions replayed
    -> derived files rewritten, raw blocks scrubbed, cohorts retired -> copies emptied -> unregistered files removed
    -> checked -> recorded

From the first commit until the last the estate opens for nobody else. Every step can be killed and is repeated by the
same command; each finds done what was done.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import awaiting_rewrite
from shelflife.control.tables import estate as estate_table
from shelflife.errors import RestoreIncomplete
from shelflife.estate import Estate
from shelflife.journal import journal
from shelflife.keys.shredding import alone
from shelflife.lake.collect import collect
from shelflife.lake.record import publish
from shelflife.lake.rewrite import Rewritten, rewrite_without
from shelflife.lake.scrub import Scrubbed, scrub
from shelflife.ledger.mirror import LedgerMirror, complete
from shelflife.lineage import record as lineage
from shelflife.recovery import physical
from shelflife.recovery.backup import FILES
from shelflife.recovery.copies import empty_copies
from shelflife.recovery.history import RESTORE, counts_since
from shelflife.recovery.listing import read_listing
from shelflife.recovery.placing import obstacles, place, witnessed
from shelflife.recovery.readmission import readmit
from shelflife.recovery.replay import Replay, Replayed, apply, merge, people_to_scrub, prepare
from shelflife.recovery.replayed import unreplayed
from shelflife.recovery.report import RestoreReport
from shelflife.recovery.target import Target
from shelflife.retention.preserve import preserve
from shelflife.rights.exporting import expire_exports
from shelflife.subjects.directory import pseudonym_map

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from shelflife.config import Settings
    from shelflife.ledger.entries import JSON
    from shelflife.recovery.manifest import Manifest


_EMPTIED_TABLES = ("subject", "alias", "keyring", "key_page", "request", "awaiting_rewrite", "hold_subject")
"""Tables whose old pages would still hold what the replay removed."""


def restore(
    settings: Settings,
    source: Path,
    *,
    clock: Callable[[], dt.datetime],
    name: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> RestoreReport:
    """Put a backup back, and take away again what was taken away since.

    Args:
        settings: the estate's settings; its control database is lost, its root slots, witness and journal are not.
        source: a folder of backups.
        clock: gives the time.
        name: which backup; the newest when absent.
        progress: called with the name of each step.

    Raises:
        KeyTreeUnopenable: the backup is older than the finality window, or of a history that was left.
        LedgerBroken: journal, mirror or witness were cut or altered.
        SealBroken: the backup is damaged or not of this estate.
        ConfigurationError: a living control database is in the way.
        RestoreIncomplete: something that was destroyed since is still there; nothing is served.
    """
    target = Target(source.resolve())
    manifest = target.choose(witnessed(settings).log, name)
    say = progress or (lambda _: None)
    # No erasure runs beside a restore; a second restore waits and then finds a living database.
    with alone(settings.home, "erasure"):
        for obstacle in obstacles(settings, target, manifest):
            raise obstacle
        say("tables")
        run = place(settings, target, manifest, clock())
        estate = Estate.open(settings, clock(), while_restoring=True)
        try:
            return _Restore(estate, target, manifest, run, clock, say).finish()
        finally:
            estate.close()


@dataclass(frozen=True)
class _Restore:
    """The steps after the tables are in place; each takes the report so far and returns it with its own part."""

    estate: Estate
    target: Target
    manifest: Manifest
    run: str
    clock: Callable[[], dt.datetime]
    say: Callable[[str], None]

    def finish(self) -> RestoreReport:
        reached("restore.opened")
        report = RestoreReport(self.manifest.name, self.manifest.taken_at)
        self.say("ledger")
        report = self._complete_ledger(report)
        with self.estate.database.read() as conn:
            records = journal.read_since(self.estate, conn, self.manifest.journal)
        replay = merge(record.destruction for record in records)
        report = replace(report, destructions=len(records))
        self.say("files")
        report = self._bring_back(report, replay)
        self.say("destructions")
        report = self._take_away(report, replay)
        self.say("copies")
        report = self._clean_up(report)
        self.say("checks")
        self._record(report)
        reached("restore.recorded")
        publish(self.estate, self.clock())
        return report

    def _complete_ledger(self, report: RestoreReport) -> RestoreReport:
        mirror = LedgerMirror(self.estate.settings.mirror_file)
        with self.estate.database.commit() as tx:
            added = complete(tx.conn, mirror, self.estate.ledger.verifier_key)
            reached("restore.ledger_in_commit")
        reached("restore.ledger_completed")
        forgotten = counts_since(mirror.pages(), self.manifest.ledger_size)
        return replace(report, ledger_entries=added, forgotten=forgotten)

    def _bring_back(self, report: RestoreReport, replay: Replay) -> RestoreReport:
        """Fetch the data files, and set aside again what holds keep of what is about to go."""
        with self.estate.database.commit() as tx:
            prepare(tx, replay, self.clock())
        reached("restore.prepared")
        listed = read_listing(self.target.part(self.manifest.name, FILES))
        files = physical.fetch(self.estate, self.target, listed, self.clock())
        held = self._preserve(replay)
        reached("restore.preserved")
        return replace(report, files=files, rows_held=held)

    def _preserve(self, replay: Replay) -> int:
        """Seal held rows again: those that were set aside in the lost history lay under keys that are lost too."""
        rows = 0
        with self.estate.database.read() as conn:
            people = people_to_scrub(conn, replay)
            known = pseudonym_map(self.estate, conn, "raw", "identity") if people else {}
        for streams, raw_pids in people.items():
            if mine := [known[pid] for pid in sorted(raw_pids) if pid in known]:
                rows += preserve(self.estate, mine, streams, clock=self.clock, reason=RESTORE).rows
        closing = [home.partition_id for home in replay.partitions.values() if home.zone == "raw"]
        if closing:
            kept = preserve(self.estate, None, None, clock=self.clock, reason=RESTORE, partition_ids=closing)
            rows += kept.rows
        return rows

    def _take_away(self, report: RestoreReport, replay: Replay) -> RestoreReport:
        """Destroy again, then make it physically gone from the files that came back."""
        with self.estate.database.read() as conn:
            people = people_to_scrub(conn, replay)
        replayed, requests = self._replay(replay)
        reached("restore.replayed")
        rewritten, scrubbed = self._rewrite(), self._scrub(people)
        retired = physical.retire_stale_cohorts(self.estate, self.clock()) if replay.erased else 0
        reached("restore.rewritten")
        return replace(
            report,
            replayed=replayed,
            requests=requests,
            rewritten=rewritten,
            scrubbed=scrubbed,
            cohorts_retired=retired,
        )

    def _replay(self, replay: Replay) -> tuple[Replayed, int]:
        head = journal.head(self.estate.settings)
        with self.estate.database.commit() as tx:
            done = apply(self.estate, tx, replay, self.clock())
            lost = [one for one in replay.continuations.values() if one.request_id not in replay.requests]
            requests = readmit(self.estate, tx, lost)
            # A later step that destroys something records it, and must not take what was replayed for void.
            journal.set_mark(tx.conn, head.sequence)
            reached("restore.replay_in_commit")
        return done, requests

    def _rewrite(self) -> Rewritten:
        """Rewrite derived files without everybody who is erased, whenever that was."""
        gone: defaultdict[str, set[bytes]] = defaultdict(set)
        with self.estate.database.read() as conn:
            for row in conn.execute(sa.select(awaiting_rewrite)):
                gone[row.table_name].add(bytes(row.pid))
        return rewrite_without(self.estate, gone, clock=self.clock)

    def _scrub(self, people: Mapping[tuple[str, ...] | None, set[bytes]]) -> Scrubbed:
        done = Scrubbed()
        for streams, pids in people.items():
            if pids:
                done += scrub(self.estate, pids, streams)
        return done

    def _clean_up(self, report: RestoreReport) -> RestoreReport:
        """Empty the copies, and remove every file and page that nothing stands for any more."""
        emptied, left = empty_copies(self.estate, self.clock())
        unregistered = physical.remove_unregistered(self.estate) + expire_exports(self.estate, self.clock())
        collect(self.estate, self.clock())
        self.estate.database.forget_old_pages(_EMPTIED_TABLES)
        reached("restore.collected")
        return replace(report, copies_emptied=emptied, copies_left=left, unregistered=unregistered)

    def _record(self, report: RestoreReport) -> None:
        """Open the estate again, in the commit that records the restore; refuse while anything is not replayed."""
        now, lost = self.clock(), report.files.lost
        entry: dict[str, JSON] = {
            "type": RESTORE,
            "backup": report.backup,
            "backup_ledger_size": self.manifest.ledger_size,
            "destructions": report.destructions,
            "files_fetched": report.files.fetched,
            "files_lost": sum(lost.values()),
            "unregistered_removed": report.unregistered,
        }
        with self.estate.database.commit() as tx:
            journal.set_mark(tx.conn, journal.head(self.estate.settings).sequence)
            if reasons := unreplayed(self.estate, tx.conn):
                raise RestoreIncomplete(
                    f"After the replay something is still there: {'; '.join(reasons)}.",
                    remedy="Run the same `shelflife restore` again; report it if it stays. Nothing is served.",
                )
            [position] = self.estate.ledger.append(tx, [entry], now)
            lineage.finish_run(tx, self.run, now, facts={"ledger_position": position})
            tx.conn.execute(estate_table.update().values(restoring=False))
            reached("restore.record_in_commit")
