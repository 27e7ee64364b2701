"""Finality: from an effective erasure to one that no backup can undo, and what was left for later on the way there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.retention.holds import active_holds
from shelflife.rights.certificates import Stage, issue, keep_file
from shelflife.rights.erasure_keys import manifests_of
from shelflife.rights.erasure_places import (
    erase_copies_of,
    gather_now,
    rewrite_now,
    unfinished_copies,
)
from shelflife.rights.erasure_proof import look
from shelflife.rights.outcomes import outcomes, record_outcome
from shelflife.rights.request_states import Kind, State
from shelflife.rights.requests import (
    add_event,
    add_facts,
    finish,
    get_all,
    request_in,
    requests,
    shred,
)
from shelflife.subjects import landing_keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.rights.erasure import Options
    from shelflife.rights.requests import Request


HELD = "restricted_hold"
PHYSICAL = "physical_at"
"""The fact that says when what no key opens any more was overwritten."""


@dataclass(frozen=True)
class Finalized:
    """What became final: keys destroyed, and the requests that got their last certificate."""

    root_keys: int
    landing_keys: int
    requests: list[str]


def finish_deferred(estate: Estate, options: Options) -> list[str]:
    """Do what certified erasures still wait for: rewrites that were batched, copies that did not answer.

    Each request whose last place is done is verified again, gets a new certificate, and is shredded.

    Returns:
        The ids of the requests that are complete now.

    Raises:
        ResidueFound: the verifier found something.
    """
    settle_released(estate, options.clock())
    with estate.database.read() as conn:
        waiting = [
            one.request_id
            for one in requests(conn, kinds=[Kind.ERASURE], states=[State.CERTIFIED])
            if _is_open(conn, one)
        ]
    manifests = manifests_of(estate, waiting)
    if not manifests:
        return []
    gone = {one.request_id for one in get_all(estate, waiting) if PHYSICAL in one.facts}
    late = [manifest for manifest in manifests if manifest.request_id not in gone]
    if late:
        rewrite_now(estate, late, options)
        gather_now(estate, late, options)
        reached("physical.rewritten")
    for manifest in manifests:
        with estate.database.read() as conn:
            left = unfinished_copies(conn, manifest.request_id)
        if left:
            erase_copies_of(estate, [manifest], options)
    look(estate, manifests, options)
    return [
        manifest.request_id
        for manifest in manifests
        if _complete(estate, manifest.request_id, options.clock())
    ]


def settle_released(estate: Estate, now: datetime) -> list[str]:
    """Say of erasures that a hold had restricted that nothing is left, once every such hold is released.

    The release itself destroyed what was held; here each request gets the outcome and the certificate that say so.

    Returns:
        The ids of the requests.
    """
    settled = []
    with estate.database.read() as conn:
        done = requests(conn, kinds=[Kind.ERASURE], states=[State.CERTIFIED, State.FINAL])
    for asked in done:
        with estate.database.commit() as tx:
            held = [one.place for one in outcomes(tx.conn, asked.request_id) if one.outcome == HELD]
            holds = asked.facts.get("holds")
            named = {str(hold_id) for hold_id in holds} if isinstance(holds, list) else set()
            if not held or named & {hold.hold_id for hold in active_holds(tx.conn)}:
                continue
            for place in held:
                record_outcome(tx, asked.request_id, place, "deleted", now, released=True)
            issue(estate, tx, asked.request_id, _stage(asked), now)
            settled.append(asked.request_id)
        keep_file(estate, asked.request_id, _stage(asked), anew=True)
    return settled


def _stage(asked: Request) -> Stage:
    return "final" if asked.state is State.FINAL else "effective"


def finalize(estate: Estate, *, clock: Callable[[], datetime]) -> Finalized:
    """Destroy the root keys whose finality window is over, then close the erasures that no backup can undo any more.

    Landing keys past their grace time go first: nobody else destroys them in an estate that rotates seldom.
    """
    overdue = landing_keys.retire(estate, clock=clock)
    now = clock()
    window = timedelta(days=estate.settings.finality_window_days)
    destroyed = 0
    for tree in estate.trees.values():
        with estate.database.commit() as tx:
            destroyed += tree.finalize(tx, now, window)
    reached("finalize.roots_destroyed")
    final = []
    with estate.database.read() as conn:
        certified = requests(conn, kinds=[Kind.ERASURE], states=[State.CERTIFIED])
    for asked in certified:
        generations = asked.facts.get("generations")
        with estate.database.commit() as tx:
            complete = not _is_open(tx.conn, asked)
            known = generations if isinstance(generations, dict) else {}
            if complete and all(estate.trees[zone].is_final(at) for zone, at in known.items()):
                add_event(tx, asked.request_id, "final", now)
                finish(estate, tx, asked.request_id, State.FINAL, now)
                issue(estate, tx, asked.request_id, "final", now)
                final.append(asked.request_id)
    for request_id in final:
        keep_file(estate, request_id, "final")
    return Finalized(destroyed, overdue, final)


def _is_open(conn: sa.Connection, asked: Request) -> bool:
    """Tell whether a certified erasure still has to make something physically gone, or a place to reach."""
    return PHYSICAL not in asked.facts or any(one.unfinished for one in outcomes(conn, asked.request_id))


def _complete(estate: Estate, request_id: str, now: datetime) -> bool:
    """Shred who asked and sign anew, if nothing is left to do for a request."""
    with estate.database.commit() as tx:
        if _is_open(tx.conn, request_in(tx.conn, request_id)):
            return False
        shred(estate, tx, request_id, now)
        generations = {zone: tree.generation(tx.conn) for zone, tree in estate.trees.items()}
        add_facts(tx, request_id, generations=generations)
        issue(estate, tx, request_id, "effective", now)
    keep_file(estate, request_id, "effective", anew=True)
    return True
