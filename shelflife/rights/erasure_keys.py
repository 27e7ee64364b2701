"""The first half of an erasure: plan, fence, preserve, destroy keys, wait for readers. Nothing can be read afterwards."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.bulk import chunks
from shelflife.control.crashpoints import reached
from shelflife.control.subject_tables import alias, consent, subject, upload_device
from shelflife.estate import Secret
from shelflife.journal.destruction import AwaitingRewrite, Continuation, Destruction, Tombstone
from shelflife.journal.journal import record_all
from shelflife.keys import leases
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.awaiting import await_rewrites
from shelflife.policy.loading import load_policies, load_rulebook
from shelflife.retention.hold_terms import counsel_needed
from shelflife.retention.holds import covering
from shelflife.retention.preserve import preserve as preserve_held
from shelflife.rights.deadlines import physical_deadline
from shelflife.rights.manifest import Manifest, make_manifests, read_manifests, write_manifests
from shelflife.rights.outcomes import PlaceOutcome, record_outcomes
from shelflife.rights.request_states import State
from shelflife.rights.requests import get_all, move_on, requests_in, sealed_names
from shelflife.subjects.directory import alias_digest, known_names
from shelflife.subjects.joined import forget_joined, joined_into, withdraw_about
from shelflife.subjects.periods import ALWAYS, united
from shelflife.subjects.tombstones import bury, stored_periods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shelflife.config import Zone
    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON
    from shelflife.rights.erasure import Options
    from shelflife.rights.requests import Request
    from shelflife.subjects.directory import Alias
    from shelflife.subjects.joined import Joined
    from shelflife.subjects.periods import Periods

REASON = "erasure"
# Bounds the variables of a statement.
_AT_ONCE = 400


def manifests_of(estate: Estate, request_ids: Sequence[str]) -> list[Manifest]:
    """Open the manifests of some requests."""
    with estate.database.read() as conn:
        return read_manifests(estate, conn, request_ids)


def plan(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Write each request's manifest; one that needs a decision of counsel stays where it is and says so."""
    del options
    asked = get_all(estate, request_ids)
    known = load_rulebook(estate.settings.policies).regimes if any(one.regimes for one in asked) else {}
    with estate.database.commit() as tx:
        free: dict[str, dict[str, object]] = {}
        blocked: dict[str, dict[str, object]] = {}
        manifests = make_manifests(estate, tx.conn, asked)
        for one, manifest in zip(asked, manifests, strict=True):
            holds = covering(tx.conn, [manifest.pids["identity"]], manifest.streams)
            behind = counsel_needed(holds, [known[regime_id] for regime_id in one.regimes])
            facts: dict[str, object] = {"blocked_by": behind, "holds": [hold.hold_id for hold in holds]}
            (blocked if behind else free)[one.request_id] = facts
        write_manifests(estate, tx, [one for one in manifests if one.request_id in free])
        move_on(tx, free, State.PLANNED)
        move_on(tx, blocked)


def fence(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Record tombstones and start a new epoch: what lands from here on is refused, what is half landed starts again."""
    now = options.clock()
    manifests = manifests_of(estate, request_ids)
    with estate.database.commit() as tx:
        theirs = _refused(estate, tx.conn, manifests)
        bury(estate, tx, list(theirs), reason=REASON, now=now, periods=theirs)
        move_on(tx, {one.request_id: {} for one in manifests}, State.FENCED)
        leases.advance_epoch(tx)


def preserve(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Seal what a hold keeps anew, out of every ordinary reader's reach."""
    manifests = manifests_of(estate, request_ids)
    with estate.database.read() as conn:
        held = [one for one in manifests if covering(conn, [one.pids["identity"]], one.streams)]
    rows = dict.fromkeys(request_ids, 0)
    for one in held:
        if one.known:
            pids = [one.pids["identity"]]
            kept = preserve_held(estate, pids, one.streams, clock=options.clock, reason=REASON)
            rows[one.request_id] = kept.covered
    with estate.database.commit() as tx:
        move_on(tx, {one: {"rows_held": count} for one, count in rows.items()}, State.PRESERVED)


def destroy(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Destroy the keys of everybody in one pass a zone; from this commit on nothing of them opens."""
    now = options.clock()
    manifests = manifests_of(estate, request_ids)
    due_at = now + physical_deadline(load_policies(estate.settings.policies), manifests)
    with estate.database.commit() as tx:
        asked = requests_in(tx.conn, request_ids)
        destroyed = [
            _destruction(estate, tx.conn, one, manifest, now, due_at)
            for one, manifest in zip(asked, manifests, strict=True)
        ]
        record_all(estate, tx.conn, destroyed)
        reached("erase.journalled")
        whole = [one for one in manifests if one.whole_person]
        withdraw_about(estate, tx, {one.pids["identity"] for one in whole}, now)
        _destroy_keys(estate, tx, manifests, now)
        _forget(tx, whole)
        await_rewrites(tx, _rewrites(manifests), due_at=due_at)
        epoch = leases.advance_epoch(tx)
        generations = {zone: tree.generation(tx.conn) for zone, tree in estate.trees.items()}
        _record_destroyed(tx, manifests, now, due_at, epoch=epoch, generations=generations)
        estate.ledger.append(tx, [_entry(manifest) for manifest in manifests], now)
        reached("erase.in_commit")


def settle(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Wait until every reader that could have looked the keys up has let go; the erasure is effective then.

    Raises:
        ReadersRemain: a lease outlives its longest time.
    """
    now = leases.wait_for_readers(
        estate.database, options.clock, options.wait, estate.settings.lease_seconds, "that were destroyed"
    )
    with estate.database.commit() as tx:
        effective = {"effective_at": now.isoformat()}
        move_on(tx, dict.fromkeys(request_ids, effective), State.EFFECTIVE)


def _destroy_keys(estate: Estate, tx: Transaction, manifests: Sequence[Manifest], now: datetime) -> None:
    """Destroy keys grouped by what is forgotten, so that each group costs one pass over the tree."""
    groups: defaultdict[tuple[str, ...] | None, list[Manifest]] = defaultdict(list)
    for manifest in manifests:
        groups[None if manifest.streams is None else tuple(manifest.streams)].append(manifest)
    for streams, group in groups.items():
        for zone in ("identity", "raw") if streams is None else ("raw",):
            pids = [manifest.pids[zone] for manifest in group]
            estate.keyrings[zone].destroy(tx, pids, now, streams)


def _forget(tx: Transaction, manifests: Sequence[Manifest]) -> None:
    """Remove people's rows from the directory; what they hold is noise by now."""
    for chunk in chunks([one.pids["identity"] for one in manifests], _AT_ONCE):
        tx.conn.execute(sa.delete(consent).where(consent.c.pid.in_(chunk)))
        tx.conn.execute(sa.delete(upload_device).where(upload_device.c.pid.in_(chunk)))
        tx.conn.execute(sa.delete(alias).where(alias.c.pid.in_(chunk)))
        forget_joined(tx, chunk)
        tx.conn.execute(sa.delete(subject).where(subject.c.pid.in_(chunk)))


def _rewrites(manifests: Sequence[Manifest]) -> dict[str, dict[bytes, str]]:
    """Return by table whose rows are to be rewritten out of it, and for which request."""
    gone: defaultdict[str, dict[bytes, str]] = defaultdict(dict)
    for manifest in manifests:
        for table in manifest.tables:
            gone[table].setdefault(manifest.pids["derived"], manifest.request_id)
    return gone


def _record_destroyed(
    tx: Transaction,
    manifests: Sequence[Manifest],
    now: datetime,
    due_at: datetime,
    *,
    epoch: int,
    generations: Mapping[str, int],
) -> None:
    known = requests_in(tx.conn, [manifest.request_id for manifest in manifests])
    places, facts = [], {}
    for manifest, asked in zip(manifests, known, strict=True):
        count = sum(map(len, manifest.keys.values()))
        outcome = "deleted" if count else "already_absent"
        held = int(str(asked.facts.get("rows_held", 0)))
        raw = PlaceOutcome("raw", "restricted_hold" if held else outcome, None, {"rows_held": held})
        places.append((manifest.request_id, raw))
        if manifest.whole_person:
            present = "deleted" if manifest.keys["identity"] else "already_absent"
            identity = PlaceOutcome("identity", present, None, {"aliases": len(manifest.aliases)})
            places.append((manifest.request_id, identity))
        facts[manifest.request_id] = {
            "keys_destroyed": count,
            "destroyed_at": now.isoformat(),
            "physical_due": due_at.isoformat(),
            "epoch": epoch,
            "generations": dict(generations),
        }
    record_outcomes(tx, places, now)
    move_on(tx, facts, State.KEYS_DESTROYED)


def _refused(estate: Estate, conn: sa.Connection, manifests: Sequence[Manifest]) -> dict[Alias, Periods]:
    """Return what is refused from now on: every alias of the people, for the time that it was theirs."""
    whole = [manifest for manifest in manifests if manifest.whole_person]
    known = known_names(estate, conn, [manifest.pids["identity"] for manifest in whole])
    found: dict[Alias, Periods] = {}
    for manifest in whole:
        theirs = known.get(manifest.pids["identity"]) or {}
        for name in manifest.aliases:
            found[name] = united([*found.get(name, ()), *theirs.get(name, ALWAYS)])
    return found


def _destruction(
    estate: Estate,
    conn: sa.Connection,
    asked: Request,
    manifest: Manifest,
    now: datetime,
    due_at: datetime,
) -> Destruction:
    """Return what the journal keeps, so that a restored backup loses the same keys again."""
    whole = manifest.whole_person
    # A backup from before a merge still has those who were merged into the person.
    before = joined_into(estate, conn, manifest.pids["identity"])
    keys = {zone: list(numbers) for zone, numbers in manifest.keys.items()}
    for one in before:
        for zone, numbers in one.keys(manifest.streams).items():
            keys[zone] = sorted({*keys.get(zone, []), *numbers})
    pids = {
        zone: [_pid(estate, conn, zone, one) for one in before] for zone in ("identity", "raw", "derived")
    }
    stones = [alias_digest(estate, conn, name, Secret.TOMBSTONE) for name in manifest.aliases]
    buried = [Tombstone(stone, REASON, now, stored_periods(conn, stone)) for stone in stones]
    # Where a name passed on, the rows of the others who have or had it stay.
    own = [
        alias_digest(estate, conn, name)
        for name, stone in zip(manifest.aliases, buried, strict=True)
        if stone.periods is None
    ]
    return Destruction(
        kind="erasure",
        record_id=manifest.request_id,
        at=now,
        keys=keys,
        subjects=[manifest.pids["identity"], *pids["identity"]] if whole else [],
        alias_macs=own if whole else [],
        tombstones=buried if whole else [],
        keyrings={zone: [manifest.pids[zone], *pids[zone]] for zone in ("identity", "raw")} if whole else {},
        awaiting=[
            AwaitingRewrite(table, pid, manifest.request_id, due_at)
            for table in manifest.tables
            for pid in (manifest.pids["derived"], *pids["derived"])
        ],
        streams=manifest.streams,
        continuation=_continuation(asked, manifest),
    )


def _pid(estate: Estate, conn: sa.Connection, zone: Zone, one: Joined) -> bytes:
    return pseudonym(estate.pepper(conn, zone), one.subject_id)


def _continuation(asked: Request, manifest: Manifest) -> Continuation:
    """Return what brings the request back if a backup from before it is restored: it then runs again to its end."""
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
