"""The first half of an erasure: plan, fence, preserve, destroy keys, wait for readers. Nothing can be read afterwards."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import alias, subject
from shelflife.errors import ReadersRemain
from shelflife.estate import Secret
from shelflife.journal.destruction import AwaitingRewrite, Continuation, Destruction, Tombstone
from shelflife.journal.journal import record_all
from shelflife.keys import leases
from shelflife.lake.awaiting import await_rewrite
from shelflife.policy.loading import load_policies, load_rulebook
from shelflife.retention.hold_terms import counsel_needed
from shelflife.retention.holds import covering
from shelflife.retention.preserve import preserve as preserve_held
from shelflife.rights.deadlines import physical_deadline
from shelflife.rights.manifest import Manifest, make_manifest, read_manifest, write_manifest
from shelflife.rights.outcomes import record_outcome
from shelflife.rights.request_states import State
from shelflife.rights.requests import add_facts, get, request_in, sealed_names, set_state
from shelflife.subjects.directory import alias_digest, bury

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON
    from shelflife.rights.erasure import Options

REASON = "erasure"
_PAUSE_SECONDS = 0.1


def manifests_of(estate: Estate, request_ids: Sequence[str]) -> list[Manifest]:
    """Open the manifests of some requests."""
    with estate.database.read() as conn:
        return [read_manifest(estate, conn, request_id) for request_id in request_ids]


def plan(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Write each request's manifest; one that needs a decision of counsel stays where it is and says so."""
    del options
    known = load_rulebook(estate.settings.policies).regimes
    for request_id in request_ids:
        asked = get(estate, request_id)
        regimes = [known[regime_id] for regime_id in asked.regimes]
        with estate.database.commit() as tx:
            manifest = make_manifest(estate, tx.conn, request_id)
            holds = covering(tx.conn, [manifest.pids["identity"]], manifest.streams)
            blocked = counsel_needed(holds, regimes)
            add_facts(tx, request_id, blocked_by=blocked, holds=[hold.hold_id for hold in holds])
            if not blocked:
                write_manifest(estate, tx, manifest)
                set_state(tx, request_id, State.PLANNED)


def fence(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Record tombstones and start a new epoch: what lands from here on is refused, what is half landed starts again."""
    now = options.clock()
    manifests = manifests_of(estate, request_ids)
    with estate.database.commit() as tx:
        for manifest in manifests:
            if manifest.whole_person:
                bury(estate, tx, manifest.aliases, reason=REASON, now=now)
            set_state(tx, manifest.request_id, State.FENCED)
        leases.advance_epoch(tx)


def preserve(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Seal what a hold keeps anew, out of every ordinary reader's reach."""
    for manifest in manifests_of(estate, request_ids):
        with estate.database.read() as conn:
            holds = covering(conn, [manifest.pids["identity"]], manifest.streams)
        held = 0
        if holds and manifest.known:
            pids = [manifest.pids["identity"]]
            held = preserve_held(estate, pids, manifest.streams, clock=options.clock, reason=REASON).covered
        with estate.database.commit() as tx:
            add_facts(tx, manifest.request_id, rows_held=held)
            set_state(tx, manifest.request_id, State.PRESERVED)


def destroy(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Destroy the keys of everybody in one pass a zone; from this commit on nothing of them opens."""
    now = options.clock()
    manifests = manifests_of(estate, request_ids)
    due_at = now + physical_deadline(load_policies(estate.settings.policies), manifests)
    with estate.database.commit() as tx:
        destroyed = [_destruction(estate, tx.conn, manifest, now, due_at) for manifest in manifests]
        record_all(estate, tx.conn, destroyed)
        reached("erase.journalled")
        _destroy_keys(estate, tx, manifests, now)
        for manifest in manifests:
            if manifest.whole_person:
                _forget(tx, manifest)
            await_rewrite(
                tx,
                {table: [manifest.pids["derived"]] for table in manifest.tables},
                request_id=manifest.request_id,
                due_at=due_at,
            )
        epoch = leases.advance_epoch(tx)
        generations = {zone: tree.generation(tx.conn) for zone, tree in estate.trees.items()}
        for manifest in manifests:
            _record_destroyed(tx, manifest, now, due_at, epoch=epoch, generations=generations)
        estate.ledger.append(tx, [_entry(manifest) for manifest in manifests], now)
        reached("erase.in_commit")


def settle(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Wait until every reader that could have looked the keys up has let go; the erasure is effective then.

    Raises:
        ReadersRemain: a lease outlives its longest time.
    """
    waited = 0.0
    while True:
        now = options.clock()
        with estate.database.read() as conn:
            remaining = leases.outstanding(conn, now, leases.current_epoch(conn))
        if not remaining:
            break
        if waited > estate.settings.lease_seconds + 1:
            raise ReadersRemain("Readers still hold keys that were destroyed.", remedy="Run it again.")
        options.wait(_PAUSE_SECONDS)
        waited += _PAUSE_SECONDS
    with estate.database.commit() as tx:
        for request_id in request_ids:
            add_facts(tx, request_id, effective_at=now.isoformat())
            set_state(tx, request_id, State.EFFECTIVE)


def _destroy_keys(estate: Estate, tx: Transaction, manifests: Sequence[Manifest], now: datetime) -> None:
    """Destroy keys grouped by what is forgotten, so that each group costs one pass over the tree."""
    groups: defaultdict[tuple[str, ...] | None, list[Manifest]] = defaultdict(list)
    for manifest in manifests:
        groups[None if manifest.streams is None else tuple(manifest.streams)].append(manifest)
    for streams, group in groups.items():
        for zone in ("identity", "raw") if streams is None else ("raw",):
            pids = [manifest.pids[zone] for manifest in group]
            estate.keyrings[zone].destroy(tx, pids, now, streams)


def _forget(tx: Transaction, manifest: Manifest) -> None:
    """Remove the person's rows from the directory; what they hold is noise by now."""
    pid = manifest.pids["identity"]
    tx.conn.execute(sa.delete(alias).where(alias.c.pid == pid))
    tx.conn.execute(sa.delete(subject).where(subject.c.pid == pid))


def _record_destroyed(
    tx: Transaction,
    manifest: Manifest,
    now: datetime,
    due_at: datetime,
    *,
    epoch: int,
    generations: Mapping[str, int],
) -> None:
    count = sum(map(len, manifest.keys.values()))
    outcome = "deleted" if count else "already_absent"
    held = int(str(request_in(tx.conn, manifest.request_id).facts.get("rows_held", 0)))
    record_outcome(
        tx,
        manifest.request_id,
        "raw",
        "restricted_hold" if held else outcome,
        now,
        rows_held=held,
    )
    if manifest.whole_person:
        present = "deleted" if manifest.keys["identity"] else "already_absent"
        record_outcome(tx, manifest.request_id, "identity", present, now, aliases=len(manifest.aliases))
    add_facts(
        tx,
        manifest.request_id,
        keys_destroyed=count,
        destroyed_at=now.isoformat(),
        physical_due=due_at.isoformat(),
        epoch=epoch,
        generations=dict(generations),
    )
    set_state(tx, manifest.request_id, State.KEYS_DESTROYED)


def _destruction(
    estate: Estate, conn: sa.Connection, manifest: Manifest, now: datetime, due_at: datetime
) -> Destruction:
    """Return what the journal keeps, so that a restored backup loses the same keys again."""
    pid = manifest.pids["derived"]
    whole = manifest.whole_person
    buried = [
        Tombstone(alias_digest(estate, conn, name, Secret.TOMBSTONE), REASON, now)
        for name in manifest.aliases
    ]
    return Destruction(
        kind="erasure",
        record_id=manifest.request_id,
        at=now,
        keys=manifest.keys,
        subjects=[manifest.pids["identity"]] if whole else [],
        alias_macs=[alias_digest(estate, conn, name) for name in manifest.aliases] if whole else [],
        tombstones=buried if whole else [],
        keyrings={zone: [manifest.pids[zone]] for zone in ("identity", "raw")} if whole else {},
        awaiting=[AwaitingRewrite(table, pid, manifest.request_id, due_at) for table in manifest.tables],
        streams=manifest.streams,
        continuation=_continuation(conn, manifest),
    )


def _continuation(conn: sa.Connection, manifest: Manifest) -> Continuation:
    """Return what brings the request back if a backup from before it is restored: it then runs again to its end."""
    asked = request_in(conn, manifest.request_id)
    row = {
        "kind": str(asked.kind),
        "streams": list(asked.streams),
        "reason": asked.reason,
        "regimes": list(asked.regimes),
        "received_at": asked.received_at.isoformat(),
    }
    return Continuation(asked.request_id, row, sealed_names(manifest.subject_id))


def _entry(manifest: Manifest) -> dict[str, JSON]:
    return {
        "type": "erase",
        "request": manifest.request_id,
        "scope": "person" if manifest.whole_person else " ".join(manifest.streams or []),
        "keys": {zone: len(numbers) for zone, numbers in sorted(manifest.keys.items())},
        "tombstones": len(manifest.aliases) if manifest.whole_person else 0,
    }
