"""An identity change as a state machine that can be killed anywhere and run again to the same end.

    prepared -> moved -> settled -> cleared -> rewritten -> done

`explain` walks the same steps as `run`.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.copies.erasing import erase_from_copies
from shelflife.errors import (
    CommitConflict,
    CopyUnreachable,
    KeyDestroyed,
    LeaseExpired,
    PlanOutdated,
    RequestRefused,
)
from shelflife.identity.change import Kind, State, change_in, get, move_on, terms_of
from shelflife.identity.moving import Mover, make_true, record_moved
from shelflife.identity.persons import join, pass_name, welcome
from shelflife.identity.plan import obstacles, plan
from shelflife.identity.prepare import check
from shelflife.keys import leases
from shelflife.keys.pseudonyms import pseudonym
from shelflife.keys.shredding import alone
from shelflife.lake.awaiting import await_rewrites
from shelflife.lake.batches import give_up_dead
from shelflife.lake.collect import collect
from shelflife.lake.derive import derive
from shelflife.lake.leasing import held_lease
from shelflife.lake.models import load_models
from shelflife.lake.record import publish
from shelflife.lake.rewrite import rewrite_without, tables_about
from shelflife.lake.scrub import scrub, scrub_replaced
from shelflife.rights.deadlines import DEFAULT_DEADLINE
from shelflife.subjects.joined import ended_by

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.identity.change import Change, Terms

ATTEMPTS = 5
_TOUCHED_TABLES = ("subject", "alias", "keyring", "key_page", "identity_change", "awaiting_rewrite")


@dataclass(frozen=True)
class Running:
    """How a change is run.

    Attributes:
        clock: gives the time.
        wait: sleeps for some seconds, while readers finish.
        progress: called with the name of each step.
    """

    clock: Callable[[], datetime]
    wait: Callable[[float], None] = time.sleep
    progress: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Step:
    """One step: from a state to the next.

    Attributes:
        says: what it does, for whoever reads the plan.
        act: does it, records it and moves the change on.
    """

    before: State
    after: State
    says: str
    act: Callable[[Estate, str, Running], None]


def run(estate: Estate, change_id: str, running: Running) -> Change:
    """Take a prepared change from wherever it is to its end; one that is done changes nothing.

    Raises:
        ConfigurationError: there is no such change.
        RequestRefused: it was withdrawn, or something stands in its way by now.
        PlanOutdated: it would do something else than was previewed; prepare it anew.
        ReadersRemain: readers hold keys for longer than a lease lasts; run it again.
        CopyUnreachable: a copy does not answer; run it again.
    """
    if get(estate, change_id).state is State.WITHDRAWN:
        raise RequestRefused("The change was withdrawn.", remedy="Prepare a new one.")
    with alone(estate.settings.home, "erasure"):
        for step in STEPS:
            if get(estate, change_id).state is step.before:
                if running.progress:
                    running.progress(step.says)
                step.act(estate, change_id, running)
                reached(f"identity.{step.after}")
    publish(estate, running.clock())
    return get(estate, change_id)


def explain(estate: Estate, change_id: str) -> list[str]:
    """Say what running a change would still do, step by step."""
    states = [step.before for step in STEPS]
    state = get(estate, change_id).state
    return [step.says for step in STEPS[states.index(state) :]] if state in states else []


def _move(estate: Estate, change_id: str, running: Running) -> None:
    give_up_dead(estate, running.clock())
    with estate.database.read() as conn:
        terms = terms_of(estate, conn, change_id)
        found = plan(estate, conn, terms)
        change = change_in(conn, change_id)
    check(found.obstacles)
    if found.digest != change.plan_digest:
        raise PlanOutdated(
            "The change would do something else than was previewed.",
            remedy="Withdraw it and prepare it anew.",
        )
    with estate.database.commit() as tx:
        welcome(estate, tx, terms, running.clock())
    for attempt in range(ATTEMPTS):
        try:
            return _move_once(estate, change_id, terms, running)
        except (CommitConflict, LeaseExpired, KeyDestroyed):
            if attempt == ATTEMPTS - 1:
                raise
    return None


def _move_once(estate: Estate, change_id: str, terms: Terms, running: Running) -> None:
    with held_lease(estate, "identity", running.clock) as lease, ExitStack() as stack:
        mover = Mover(estate, terms, lease, running.clock)
        made = mover.seal(stack)
        reached("identity.before_commit")
        with estate.database.commit() as tx:
            now = running.clock()
            mover.lease.check(tx.conn, now)
            # A hold or a request that came while rows were sealed counts as one from before.
            check(set(obstacles(estate, tx.conn, terms, made.streams)))
            files = make_true(estate, tx, terms, made, now)
            record_moved(estate, tx, terms, made, change_id, now)
            facts = {"rows_moved": made.rows, "rows_known_already": made.duplicates}
            if terms.kind is Kind.MERGE:
                join(estate, tx, terms, change_id, now)
                _leave_out(estate, tx, terms, change_id, now)
            else:
                pass_name(estate, tx, terms, now)
            move_on(tx, change_id, State.MOVED, facts, files=files)
            leases.advance_epoch(tx)
            reached("identity.in_commit")


def _leave_out(estate: Estate, tx: Transaction, terms: Terms, change_id: str, now: datetime) -> None:
    """Leave the ended subject's derived rows out of every read until they are rewritten."""
    pid = pseudonym(estate.pepper(tx.conn, "derived"), terms.source.subject_id)
    tables = tables_about(load_models(estate.settings.models), None)
    await_rewrites(tx, {table: {pid: change_id} for table in tables}, due_at=now + DEFAULT_DEADLINE)


def _settle(estate: Estate, change_id: str, running: Running) -> None:
    """Wait until every reader that could have looked keys or files up has let go."""
    leases.wait_for_readers(
        estate.database, running.clock, running.wait, estate.settings.lease_seconds, "from before the change"
    )
    with estate.database.commit() as tx:
        move_on(tx, change_id, State.SETTLED, {})


def _clear(estate: Estate, change_id: str, running: Running) -> None:
    """Remove an ended subject from every copy; the next publication holds the merged person."""
    gone = _ended(estate, change_id)
    if gone is not None:
        found = erase_from_copies(estate, [gone], streams=None, now=running.clock())
        late = sorted(name for name, one in found.items() if one.outcome in ("deferred_until", "failed"))
        if late:
            raise CopyUnreachable(
                f"Copies still hold the ended subject: {', '.join(late)}.",
                remedy="Mend them, then run it again.",
            )
    with estate.database.commit() as tx:
        move_on(tx, change_id, State.CLEARED, {})


def _rewrite(estate: Estate, change_id: str, running: Running) -> None:
    """Take an ended subject's rows out of derived files, and derive anew what follows from the moved rows."""
    gone = _ended(estate, change_id)
    models = load_models(estate.settings.models)
    removed = 0
    if gone is not None:
        with estate.database.read() as conn:
            pid = pseudonym(estate.pepper(conn, "derived"), gone)
        tables = tables_about(models, None)
        removed = rewrite_without(
            estate, {table: [pid] for table in tables}, clock=running.clock
        ).rows_removed
        reached("identity.files_rewritten")
    derive(estate, clock=running.clock)
    with estate.database.commit() as tx:
        move_on(tx, change_id, State.REWRITTEN, {"derived_rows_removed": removed})


def _finish(estate: Estate, change_id: str, running: Running) -> None:
    """Overwrite the old blocks, unlink replaced files, and forget whom a split or transfer was about."""
    change, now = get(estate, change_id), running.clock()
    gone = _ended(estate, change_id)
    with estate.database.read() as conn:
        if gone is not None:
            people = [pseudonym(estate.pepper(conn, "raw"), gone)]
        else:
            people = [terms_of(estate, conn, change_id).source.raw_pid]
    done = scrub(estate, people) if gone is not None else scrub_replaced(estate, change.files, people)
    reached("identity.scrubbed")
    with estate.database.commit() as tx:
        values: dict[str, object] = {"files": [], "finished_at": now}
        if change.kind is not Kind.MERGE:
            values |= {"pid": None, "sealed": None}
        move_on(tx, change_id, State.DONE, {"blocks_overwritten": done.blocks}, **values)
    collect(estate, now)
    # A reader that is in the way keeps old pages of the log until the next one tries.
    with suppress(CommitConflict):
        estate.database.forget_old_pages(_TOUCHED_TABLES)


def _ended(estate: Estate, change_id: str) -> bytes | None:
    """Return the subject that a merge ended; none for other changes."""
    with estate.database.read() as conn:
        if change_in(conn, change_id).kind is not Kind.MERGE:
            return None
        return ended_by(estate, conn, change_id)


STEPS: tuple[Step, ...] = (
    Step(State.PREPARED, State.MOVED, "seal the rows under the other person's keys, pass names on", _move),
    Step(State.MOVED, State.SETTLED, "wait for readers that hold keys", _settle),
    Step(State.SETTLED, State.CLEARED, "remove an ended subject from every copy", _clear),
    Step(State.CLEARED, State.REWRITTEN, "rewrite and derive what follows from the rows", _rewrite),
    Step(State.REWRITTEN, State.DONE, "overwrite the old blocks, unlink replaced files", _finish),
)
