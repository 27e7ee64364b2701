"""The second half of an erasure: copies, derived files, cohorts, raw blocks, the inbox. Each place gets its outcome."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import derivation
from shelflife.copies.erasing import erase_from_copies
from shelflife.lake.collect import collect
from shelflife.lake.derive import derive
from shelflife.lake.inbox import discard, list_inbox
from shelflife.lake.landing import land
from shelflife.lake.models import load_models
from shelflife.lake.rewrite import rewrite_without
from shelflife.lake.scrub import scrub
from shelflife.lake.staleness import frozen_periods
from shelflife.rights.erasure_keys import manifests_of
from shelflife.rights.exporting import remove_all_exports
from shelflife.rights.outcomes import COPY, PlaceOutcome, outcomes, record_outcomes
from shelflife.rights.request_states import State
from shelflife.rights.requests import move_on, requests_in
from shelflife.subjects.directory import Alias
from shelflife.subjects.tombstones import tombstoned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.lake.inbox import InboxFile
    from shelflife.lake.rewrite import Rewritten
    from shelflife.rights.erasure import Options
    from shelflife.rights.manifest import Manifest

_ACCOUNT = "account"


def erase_copies(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Erase the people from every declared copy; one that fails or does not answer stops no other."""
    for manifests in _by_scope(manifests_of(estate, request_ids)):
        erase_copies_of(estate, manifests, options)
    with estate.database.commit() as tx:
        move_on(tx, {one: {} for one in request_ids}, State.COPIES_ERASED)


def erase_copies_of(estate: Estate, manifests: Sequence[Manifest], options: Options) -> None:
    """Erase people of one scope from every copy and record each copy's outcome."""
    now = options.clock()
    again = _begun_before(estate, manifests, "copies")
    people = [manifest.subject_id for manifest in manifests]
    found = erase_from_copies(estate, people, streams=manifests[0].streams, now=now)
    with estate.database.commit() as tx:
        places = [
            (
                manifest.request_id,
                PlaceOutcome(
                    COPY + name,
                    _settled(one.outcome, again=manifest.request_id in again),
                    one.until,
                    {},
                ),
            )
            for manifest in manifests
            for name, one in found.items()
        ]
        record_outcomes(tx, places, now)
    reached("erase.copies_recorded")


def rewrite(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Rewrite the derived files that hold the people, then make the cohorts anew that counted them.

    With `batched`, reads go on leaving the people out, and the rewrite is recorded as deferred to its deadline.
    """
    manifests = manifests_of(estate, request_ids)
    if options.batched:
        _defer(estate, manifests, options.clock())
        return
    rewrite_now(estate, manifests, options)
    with estate.database.commit() as tx:
        move_on(tx, {one.request_id: {} for one in manifests}, State.REWRITTEN)


def rewrite_now(estate: Estate, manifests: Sequence[Manifest], options: Options) -> None:
    """Rewrite derived files without the people, derive the cohorts again that read those files, and record it."""
    again = _begun_before(estate, manifests, "rewrite")
    gone: defaultdict[str, set[bytes]] = defaultdict(set)
    for manifest in manifests:
        for table in manifest.tables:
            gone[table].add(manifest.pids["derived"])
    done = rewrite_without(estate, gone, clock=options.clock)
    reached("erase.files_rewritten")
    models = load_models(estate.settings.models)
    cohorts = [
        name for name, model in models.items() if model.zone == "analytics" and model.erasure == "rederive"
    ]
    touched = done.files > 0 or bool(again)
    if touched and cohorts:
        derive(estate, clock=options.clock, names=cohorts)
    with estate.database.commit() as tx:
        _record_rewritten(tx, estate, manifests, done, options.clock(), touched=touched)


def _begun_before(estate: Estate, manifests: Sequence[Manifest], step: str) -> set[str]:
    """Return the requests whose step was begun by a run that died, and note that it is begun now."""
    with estate.database.commit() as tx:
        begun: dict[str, list[str]] = {}
        for asked in requests_in(tx.conn, [manifest.request_id for manifest in manifests]):
            known = asked.facts.get("begun")
            begun[asked.request_id] = list(known) if isinstance(known, list) else []
        move_on(tx, {one: {"begun": sorted({*steps, step})} for one, steps in begun.items()})
    return {request_id for request_id, steps in begun.items() if step in steps}


def _settled(outcome: str, *, again: bool) -> str:
    """Return what is said of a place: what a run that died may have removed was not absent before."""
    return "deleted" if again and outcome == "already_absent" else outcome


def gather(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Overwrite the people's raw blocks, unlink replaced files, empty their inbox folders."""
    manifests = manifests_of(estate, request_ids)
    if not options.batched:
        gather_now(estate, manifests, options)
    with estate.database.commit() as tx:
        move_on(tx, {one.request_id: {} for one in manifests}, State.COLLECTED)


def gather_now(estate: Estate, manifests: Sequence[Manifest], options: Options) -> None:
    """Make physically gone what no key opens any more."""
    now = options.clock()
    blocks = files = 0
    for group in _by_scope(manifests):
        scrubbed = scrub(estate, [manifest.pids["raw"] for manifest in group], group[0].streams)
        blocks, files = blocks + scrubbed.blocks, files + scrubbed.files
    reached("erase.scrubbed")
    collect(estate, now)
    discarded = {manifest.request_id: _empty_inbox(estate, manifest, options) for manifest in manifests}
    packages = remove_all_exports(estate, [one.subject_id for one in manifests if one.whole_person])
    with estate.database.commit() as tx:
        places = []
        for manifest in manifests:
            if manifest.whole_person:
                counts = {
                    "inbox": discarded[manifest.request_id],
                    "exports": packages[manifest.subject_id],
                }
                for place, count in counts.items():
                    outcome = "deleted" if count else "already_absent"
                    places.append((manifest.request_id, PlaceOutcome(place, outcome, None, {"files": count})))
        record_outcomes(tx, places, now)
        facts = {
            "physical_at": now.isoformat(),
            "blocks_overwritten_in_batch": blocks,
            "files_overwritten_in_batch": files,
        }
        move_on(tx, {one.request_id: facts for one in manifests})


def _empty_inbox(estate: Estate, manifest: Manifest, options: Options) -> int:
    """Land what waits in the folders of the person's accounts, and discard what cannot be read; return how many files.

    Landing refuses and counts the rows of the erased, and keeps those of anybody else that such a file names.
    """
    with estate.database.read() as conn:
        # What waits under a name that passed on is not the person's alone: it is landed, never discarded.
        gone = tombstoned(estate, conn, manifest.aliases)
    accounts = {name for name in gone if name.kind == _ACCOUNT}
    if not manifest.whole_person or not accounts:
        return 0

    def waiting() -> list[InboxFile]:
        files = list_inbox(estate.settings.inbox)
        return [file for file in files if file.account and Alias(_ACCOUNT, file.account) in accounts]

    files = waiting()
    if files:
        land(estate, files, clock=options.clock)
        for file in waiting():
            discard(file, estate.settings.inbox)
    return len(files)


def _defer(estate: Estate, manifests: Sequence[Manifest], now: datetime) -> None:
    with estate.database.commit() as tx:
        places = []
        for asked in requests_in(tx.conn, [manifest.request_id for manifest in manifests]):
            until = datetime.fromisoformat(str(asked.facts["physical_due"]))
            later = [PlaceOutcome(place, "deferred_until", until, {}) for place in ("derived", "analytics")]
            places += [(asked.request_id, one) for one in later]
        record_outcomes(tx, places, now)
        move_on(tx, {one.request_id: {} for one in manifests}, State.REWRITTEN)


def _record_rewritten(
    tx: Transaction,
    estate: Estate,
    manifests: Sequence[Manifest],
    done: Rewritten,
    now: datetime,
    *,
    touched: bool,
) -> None:
    outcome = "deleted" if touched else "already_absent"
    counts = {"files_in_batch": done.files, "rows_in_batch": done.rows_removed}
    places = [PlaceOutcome("derived", outcome, None, counts)]
    kept = _frozen_cohorts(tx.conn, estate)
    if touched and kept:
        rule = {"rule": "cohort_of_minimum_size", "periods_kept": kept}
        places.append(PlaceOutcome("analytics", "exempt", None, rule))
    else:
        places.append(PlaceOutcome("analytics", outcome, None, {}))
    record_outcomes(tx, [(one.request_id, place) for one in manifests for place in places], now)


def _frozen_cohorts(conn: sa.Connection, estate: Estate) -> int:
    """Count the cohort periods that cannot be made again, because a part of what they were made from expired.

    Such a cohort stands for at least the minimum number of people and is kept by rule until its own retention ends.
    """
    models = load_models(estate.settings.models)
    kept = 0
    for model in models.values():
        if model.zone == "analytics":
            frozen = frozen_periods(conn, model, models)
            made = sa.select(derivation.c.period).where(
                derivation.c.model == model.name, derivation.c.rows > 0
            )
            kept += len(frozen & set(conn.execute(made).scalars()))
    return kept


def _by_scope(manifests: Iterable[Manifest]) -> Iterable[list[Manifest]]:
    """Group manifests by what they erase."""
    groups: defaultdict[tuple[str, ...] | None, list[Manifest]] = defaultdict(list)
    for manifest in manifests:
        groups[None if manifest.streams is None else tuple(manifest.streams)].append(manifest)
    return groups.values()


def unfinished_copies(conn: sa.Connection, request_id: str) -> Collection[str]:
    """Return the names of the copies in which a request still waits for something."""
    return [
        found.place.removeprefix(COPY)
        for found in outcomes(conn, request_id)
        if found.place.startswith(COPY) and found.unfinished
    ]
