"""Preparing an identity change: who and what is meant, the preview, and the record that the change is run from."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError, RequestRefused
from shelflife.identity.change import Kind, Terms, register
from shelflife.identity.plan import REASONS, plan
from shelflife.identity.selection import Selection
from shelflife.subjects.directory import find, owners, periods_of, subject_from
from shelflife.subjects.periods import Period, overlap
from shelflife.subjects.tombstones import refused_periods

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.identity.plan import Plan
    from shelflife.subjects.directory import Alias, Subject


def merge_terms(estate: Estate, conn: sa.Connection, kept: Alias, gone: Alias) -> Terms:
    """Return the terms of a merge: everything of one subject becomes another's, who turned out to be the same person.

    Args:
        estate: the estate.
        conn: a read snapshot.
        kept: an alias of the subject that remains.
        gone: an alias of the subject that ends.

    Raises:
        ConfigurationError: an alias is nobody's, or both are the same subject's.
    """
    target, source = _known(estate, conn, kept), _known(estate, conn, gone)
    _check_two(source, target)
    return Terms(Kind.MERGE, source, target)


def split_terms(
    estate: Estate, conn: sa.Connection, source: Alias, target: Alias, selection: Selection
) -> Terms:
    """Return the terms of a split: selected rows of one subject become another's, who may be new.

    Args:
        estate: the estate.
        conn: a read snapshot.
        source: an alias of the subject whose rows they are.
        target: an alias of the subject whose they become; a new subject is minted when nobody has it.
        selection: which rows.

    Raises:
        ConfigurationError: the first alias is nobody's, both are the same subject's, the second is that of an erased
            person, or nothing is selected by.
    """
    if selection == Selection():
        raise ConfigurationError(
            "Nothing says which rows move.", remedy="Name a time, a stream, a platform or a device."
        )
    giver = _known(estate, conn, source)
    receiver, newcomer = _receiver(estate, conn, target)
    _check_two(giver, receiver)
    return Terms(Kind.SPLIT, giver, receiver, newcomer, selection)


def transfer_terms(
    estate: Estate,
    conn: sa.Connection,
    name: Alias,
    target: Alias,
    at: datetime,
    selection: Selection | None = None,
) -> Terms:
    """Return the terms of a transfer: a name, such as that of a re-sold device, passes on, with the rows since then.

    Args:
        estate: the estate.
        conn: a read snapshot.
        name: the alias that passes on.
        target: an alias of the subject whose it becomes; a new subject is minted when nobody has it.
        at: from when on it is theirs.
        selection: which of the former owner's rows since then came under the name; all when absent.

    Raises:
        ConfigurationError: the name is nobody's then, both are the same subject's, the former owner has other names
            and nothing tells the rows of this one from theirs, or an alias is that of an erased person.
    """
    giver = find(estate, conn, [name], at).get(name)
    if giver is None:
        raise ConfigurationError(
            "The alias is nobody's at that time.", remedy="Check the alias, its --kind and the time."
        )
    receiver, newcomer = _receiver(estate, conn, target)
    _check_two(giver, receiver)
    if newcomer == name:
        raise ConfigurationError(
            "A name cannot pass on to itself.", remedy="Give another alias of the new owner."
        )
    others = [turn for turn in owners(estate, conn, [name])[name] if turn.person != giver]
    if any(overlap([Period(at, None)], turn.periods) for turn in others):
        raise ConfigurationError(
            "The alias is another person's at a later time.",
            remedy="End it there first; see `subjects alias end`.",
        )
    chosen = selection or Selection()
    if len(periods_of(estate, conn, giver)) > 1 and not chosen.of_source:
        raise ConfigurationError(
            "The former owner has other names, and a stored row does not say which name it came under.",
            remedy="Say which rows are the device's: --device-model, --platform, --app or --stream.",
        )
    since = chosen.period.since
    start = at if since is None else max(at, since)
    moving = Selection(**{**chosen.__dict__, "period": Period(start, chosen.period.until)})
    return Terms(Kind.TRANSFER, giver, receiver, newcomer, moving, passed=name, at=at)


def preview(estate: Estate, terms: Terms) -> Plan:
    """Return what a change would do now, in counts. Changes nothing."""
    with estate.database.read() as conn:
        return plan(estate, conn, terms)


def prepare(estate: Estate, terms: Terms, now: datetime) -> tuple[str, Plan]:
    """Write a change down, sealed, so that it can be run by its id; return the id and what it will do.

    Raises:
        RequestRefused: something stands in its way.
    """
    found = preview(estate, terms)
    check(found.obstacles)
    with estate.database.commit() as tx:
        change_id = register(estate, tx, terms, found.digest, found.facts(), now)
        estate.ledger.append(
            tx, [{"type": "identity_prepared", "change": change_id, "kind": str(terms.kind)}], now
        )
    return change_id, found


def check(obstacles: Collection[str]) -> None:
    """Refuse a change that something stands in the way of.

    Raises:
        RequestRefused: with every reason.
    """
    if obstacles:
        raise RequestRefused(
            f"The change is refused: {'; '.join(REASONS[one] for one in sorted(obstacles))}.",
            remedy="Settle that first (`shelflife hold list`, `shelflife request list`), then preview it again.",
        )


def _known(estate: Estate, conn: sa.Connection, name: Alias) -> Subject:
    person = find(estate, conn, [name]).get(name)
    if person is None:
        raise ConfigurationError("No subject has this alias.", remedy="Check the alias and its --kind.")
    return person


def _receiver(estate: Estate, conn: sa.Connection, name: Alias) -> tuple[Subject, Alias | None]:
    """Return who has an alias, or who a new subject under it will be."""
    person = find(estate, conn, [name]).get(name)
    if person is not None:
        return person, None
    if refused_periods(estate, conn, [name]):
        raise ConfigurationError(
            "The receiving alias is that of an erased person.",
            remedy="Let them register again first: `shelflife subjects register`.",
        )
    return subject_from(estate, conn, uuid.uuid4().bytes), name


def _check_two(source: Subject, target: Subject) -> None:
    if source == target:
        raise ConfigurationError(
            "Both aliases are the same subject's.", remedy="See `shelflife subjects find` for each."
        )
