"""What passes on in the identity zone: names, facts of the profile, decisions about consent, upload devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.subject_tables import subject, upload_device
from shelflife.seal.values import open_value, seal_value
from shelflife.subjects import consent_ledger
from shelflife.subjects.directory import attach, enrol, owners, periods_of, profile_key
from shelflife.subjects.joined import Joined, forget_joined, joined_into, remember_joined
from shelflife.subjects.periods import ALWAYS, Period, common, united, without
from shelflife.subjects.profile import merge_profile, read_profile

if TYPE_CHECKING:
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.identity.change import Terms

_DEVICE = "upload-device"
_ZONES = ("identity", "raw")


def devices_count(conn: sa.Connection, pid: bytes) -> int:
    """Return how many upload devices someone has."""
    here = sa.select(sa.func.count()).where(upload_device.c.pid == pid)
    return int(conn.execute(here).scalar_one())


def welcome(estate: Estate, tx: Transaction, terms: Terms, now: datetime) -> None:
    """Make the receiving subject known under their alias, where they are new. Repeating it changes nothing."""
    if terms.newcomer is None:
        return
    turns = owners(estate, tx.conn, [terms.newcomer]).get(terms.newcomer, ())
    if not turns:
        enrol(estate, tx, [terms.target], now)
        attach(estate, tx, terms.newcomer, terms.target, ALWAYS, now)


def pass_name(estate: Estate, tx: Transaction, terms: Terms, now: datetime) -> None:
    """Make the passed alias the target's from the agreed time on, and no longer the source's."""
    if terms.passed is None:
        return
    since = Period(terms.at, None)
    turns = {turn.person: turn.periods for turn in owners(estate, tx.conn, [terms.passed])[terms.passed]}
    given = turns.get(terms.source, ())
    theirs = united([*turns.get(terms.target, ()), *common(given, since)])
    attach(estate, tx, terms.passed, terms.source, without(given, since), now)
    attach(estate, tx, terms.passed, terms.target, theirs, now)


def join(estate: Estate, tx: Transaction, terms: Terms, change_id: str, now: datetime) -> None:
    """Make everything that the identity zone has of the source the target's, and destroy the source's keys.

    Where facts of the profile differ, the target's stay.
    """
    source, target = terms.source, terms.target
    mine = periods_of(estate, tx.conn, target)
    for name, periods in periods_of(estate, tx.conn, source).items():
        attach(estate, tx, name, source, (), now)
        attach(estate, tx, name, target, united([*mine.get(name, ()), *periods]), now)
    kept = read_profile(estate, tx.conn, target)
    given = read_profile(estate, tx.conn, source)
    new = {name: fact for name, fact in given.items() if name not in kept or isinstance(fact, list)}
    merge_profile(estate, tx, target, new)
    consent_ledger.hand_over(estate, tx, source.identity_pid, target.identity_pid, now)
    _hand_over_devices(estate, tx, terms)
    rings = {
        zone: estate.keyrings[zone].numbers(tx.conn, [pid])[pid]
        for zone, pid in zip(_ZONES, (source.identity_pid, source.raw_pid), strict=True)
    }
    before = joined_into(estate, tx.conn, source.identity_pid)
    everybody = [Joined(source.subject_id, rings), *before]
    remember_joined(estate, tx, change_id, target.identity_pid, everybody)
    forget_joined(tx, [source.identity_pid])
    estate.keyrings["raw"].destroy(tx, [source.raw_pid], now)
    estate.keyrings["identity"].destroy(tx, [source.identity_pid], now)
    tx.conn.execute(subject.delete().where(subject.c.pid == source.identity_pid))


def _hand_over_devices(estate: Estate, tx: Transaction, terms: Terms) -> None:
    """Seal the keys of the source's upload devices under the target's key."""
    source, target = terms.source.identity_pid, terms.target.identity_pid
    rows = tx.conn.execute(sa.select(upload_device).where(upload_device.c.pid == source)).all()
    if not rows:
        return
    old, new = profile_key(estate, tx.conn, source), profile_key(estate, tx.conn, target)
    for row in rows:
        place = (_DEVICE, bytes(row.device_mac))
        sealed = seal_value(new, open_value(old, bytes(row.sealed), place), place)
        here = upload_device.c.device_mac == row.device_mac
        tx.conn.execute(upload_device.update().where(here).values(pid=target, sealed=sealed))
