"""Giving people further names, and ending them: an alias belongs to one person at a time.

Only the future and the past of the name change here; rows that are landed already stay whose they are. A name that passes
from one person to another, with its rows, is a transfer (`shelflife.identity`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError
from shelflife.keys.leases import advance_epoch
from shelflife.subjects.directory import attach, find, owners
from shelflife.subjects.periods import Period, contain, overlap, united, without
from shelflife.subjects.tombstones import refused_periods

if TYPE_CHECKING:
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.subjects.directory import Alias, Subject
    from shelflife.subjects.periods import Periods


def add_alias(
    estate: Estate, tx: Transaction, person: Subject, name: Alias, period: Period, now: datetime
) -> None:
    """Make an alias a person's for a period.

    Raises:
        ConfigurationError: it is, or was, another person's for a part of that time; or an erased person's.
    """
    mine: Periods = ()
    others: Periods = ()
    for turn in owners(estate, tx.conn, [name]).get(name, ()):
        if turn.person == person:
            mine = turn.periods
        else:
            others = (*others, *turn.periods)
    if overlap([period], others):
        raise ConfigurationError(
            "The alias is another person's for a part of that time.",
            remedy="Give a period in which it is nobody's, or transfer it: `shelflife subjects transfer`.",
        )
    if overlap([period], refused_periods(estate, tx.conn, [name]).get(name, ())):
        raise ConfigurationError(
            "The alias was an erased person's for a part of that time.",
            remedy="Begin after the erasure: `shelflife subjects register`, then a later --since.",
        )
    attach(estate, tx, name, person, united([*mine, period]), now)
    _changed(estate, tx, "alias_added", now)


def end_alias(estate: Estate, tx: Transaction, name: Alias, at: datetime, now: datetime) -> None:
    """End whoever's an alias is at a time: from then on it is nobody's, and rows under it are refused as `no_owner`.

    Raises:
        ConfigurationError: the alias is nobody's at that time, or the time is its very first instant.
    """
    turns = [t for t in owners(estate, tx.conn, [name]).get(name, ()) if contain(t.periods, at)]
    if not turns:
        raise ConfigurationError(
            "The alias is nobody's at that time.", remedy="Check the alias, its --kind and the time."
        )
    [turn] = turns
    [current] = [one for one in turn.periods if one.contains(at)]
    left = without(turn.periods, Period(at, current.until))
    if not left:
        raise ConfigurationError(
            "Nothing would be left of the alias.", remedy="Give a time after it became the person's."
        )
    attach(estate, tx, name, turn.person, left, now)
    _changed(estate, tx, "alias_ended", now)


def person_behind(estate: Estate, tx: Transaction, name: Alias) -> Subject:
    """Return who has an alias, or had it last.

    Raises:
        ConfigurationError: nobody.
    """
    person = find(estate, tx.conn, [name]).get(name)
    if person is None:
        raise ConfigurationError("No subject has this alias.", remedy="Check the alias and its --kind.")
    return person


def _changed(estate: Estate, tx: Transaction, what: str, now: datetime) -> None:
    """Record it, and make every landing that looked the owners up before look again."""
    advance_epoch(tx)
    estate.ledger.append(tx, [{"type": what}], now)
