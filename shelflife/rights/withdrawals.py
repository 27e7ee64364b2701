"""What follows when consent ends: each withdrawal, and each grant that ran out, is acted on once, as the policy says.

A withdrawal counts from its recording: landing refuses the stream, and where the policy says `restrict` or `erase`,
tables and copies leave the person out. What is left to do is to register the erasure, and to write down that it was
acted on. An erasure and that note are one commit: a process that dies in between leaves neither.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.bulk import chunks
from shelflife.control.crashpoints import reached
from shelflife.control.subject_tables import subject
from shelflife.policy.consent_events import PURPOSES
from shelflife.policy.loading import load_consent_policy, load_rulebook
from shelflife.rights.request_states import Kind
from shelflife.rights.requests import enter, sealed_names
from shelflife.subjects.consent import Acted, expiry, governing
from shelflife.subjects.consent_ledger import decisions_of, note
from shelflife.subjects.directory import by_identity_pid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON
    from shelflife.policy.consent import ConsentPolicy
    from shelflife.subjects.consent import Placed
    from shelflife.subjects.consent_ledger import Decisions

REASON = "consent_withdrawal"
EXPIRED = "expired"
PEOPLE_PER_COMMIT = 100


@dataclass
class WithdrawalReport:
    """What was done, in counts and opaque ids.

    Attributes:
        actions: withdrawals by action, and `expired` for grants that ran out.
        requests: the erasures that were registered.
    """

    actions: Counter[str] = field(default_factory=Counter)
    requests: list[str] = field(default_factory=list)


def apply_withdrawals(estate: Estate, *, clock: Callable[[], datetime]) -> WithdrawalReport:
    """Act on every withdrawal and every grant that ran out since the last time; doing it again changes nothing.

    Streams that one person withdrew and that are to be erased become one request. It runs like every other erasure,
    once somebody recorded the check of the identity behind it; until then the rows are left out of all use.

    Args:
        estate: the estate.
        clock: gives the time.

    Raises:
        ConfigurationError: the consent policy is missing or wrong.
    """
    policy = load_consent_policy(estate.settings.policies)
    purposes = set(PURPOSES)
    if estate.settings.consent != "required":
        # Whoever collects on another lawful basis goes on; a refusal to share or to sell counts on every one.
        purposes.remove("collection")
    with estate.database.read() as conn:
        everybody = [bytes(pid) for pid in conn.execute(sa.select(subject.c.pid)).scalars()]
        waiting = [
            pid
            for pid, decided in decisions_of(estate, conn).items()
            if ended(decided, policy, clock(), purposes)
        ]
    report = WithdrawalReport()
    for some in chunks(sorted(set(waiting) & set(everybody)), PEOPLE_PER_COMMIT):
        with estate.database.commit() as tx:
            done = _act(estate, tx, policy, some, clock(), purposes)
            reached("consent.in_commit")
        report.actions += done.actions
        report.requests += done.requests
        reached("consent.committed")
    return report


def ended(
    decided: Decisions, policy: ConsentPolicy, now: datetime, purposes: Collection[str] = PURPOSES
) -> list[Placed]:
    """Return the decisions of a person by which consent has ended and that nothing was done about. Pure."""
    settled = decided.settled
    return [
        one
        for one in governing(decided.placed).values()
        if one.event.purpose in purposes and one.place not in settled and _is_over(one, policy, now)
    ]


def _is_over(one: Placed, policy: ConsentPolicy, now: datetime) -> bool:
    if one.event.decision == "withdrawn":
        return True
    ends = expiry(one.event, policy.validity)
    return ends is not None and ends <= now


def _act(
    estate: Estate,
    tx: Transaction,
    policy: ConsentPolicy,
    pids: Sequence[bytes],
    now: datetime,
    purposes: Collection[str],
) -> WithdrawalReport:
    """Act on what some people's ledgers say in this very transaction."""
    report = WithdrawalReport()
    people = by_identity_pid(estate, tx.conn, pids)
    place = estate.settings.jurisdiction
    regimes = [place] if place in load_rulebook(estate.settings.policies).regimes else []
    for pid, decided in decisions_of(estate, tx.conn, pids).items():
        over = ended(decided, policy, now, purposes)
        actions = {one.place: _action(one, policy) for one in over}
        erased = sorted({one.event.stream for one in over if actions[one.place] == "erase"})
        request_id = None
        if erased:
            names = sealed_names(people[pid].subject_id)
            received = min(one.event.decided_at for one in over if actions[one.place] == "erase")
            request_id = enter(
                estate,
                tx,
                Kind.ERASURE,
                names,
                now=now,
                streams=erased,
                regimes=regimes,
                reason=REASON,
                received_at=received,
            )
            report.requests.append(request_id)
        acted = [
            Acted(one.place, actions[one.place], request_id if actions[one.place] == "erase" else None)
            for one in over
        ]
        if acted:
            note(estate, tx, pid, acted, now)
        report.actions.update(actions.values())
    if report.actions:
        estate.ledger.append(tx, [_entry(report)], now)
    return report


def _action(one: Placed, policy: ConsentPolicy) -> str:
    """Return what is done: a grant that ran out takes the rows out of use, and is never a reason to erase."""
    return policy.action(one.event.matter) if one.event.decision == "withdrawn" else EXPIRED


def _entry(report: WithdrawalReport) -> dict[str, JSON]:
    actions: dict[str, JSON] = dict(sorted(report.actions.items()))
    return {"type": "consent_ended", "actions": actions, "requests": sorted(report.requests)}
