"""Profile facts, sealed in the identity zone, and the one audited way that coarse attributes leave it.

Names, birth dates and sex never enter a sample or a derived row. What cohorts need, an age band and a sex, is
handed over by `coarse_attributes`, which records who was told what and for which purpose.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlalchemy as sa

from shelflife.control.subject_tables import subject
from shelflife.control.tables import attribute_disclosure
from shelflife.control.tables import estate as estate_table
from shelflife.errors import ConfigurationError, KeyDestroyed
from shelflife.keys.pseudonyms import pseudonym
from shelflife.seal.values import open_value, seal_value
from shelflife.sources.zones import is_zone
from shelflife.subjects.directory import PROFILE_STREAM, everyone, owners
from shelflife.subjects.periods import ALWAYS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.sources.source import ProfileFacts
    from shelflife.subjects.directory import Alias, Subject

Facts = dict[str, str | list[str]]
ATTRIBUTES_SCHEMA = pa.schema([("pid", pa.binary()), ("age_band", pa.string()), ("sex", pa.string())])
UNKNOWN = "unknown"
TIME_ZONE = "time_zone"
"""The fact that wall-clock times without a zone are placed by."""

_BANDS = ((18, "under 18"), (30, "18-29"), (40, "30-39"), (50, "40-49"), (60, "50-59"), (70, "60-69"))


def facts_of(known: ProfileFacts) -> Facts:
    """Return what a source says about a person as facts to seal; what it does not say is left out."""
    single = {
        "given_name": known.given_name,
        "family_name": known.family_name,
        "birth_date": known.birth_date,
        "sex": known.sex,
        **known.other,
    }
    facts: Facts = {name: value for name, value in single.items() if value}
    if known.source_names:
        facts["source_names"] = sorted(known.source_names)
    return facts


def read_profile(estate: Estate, conn: sa.Connection, person: Subject) -> Facts:
    """Open one person's profile facts.

    Raises:
        KeyDestroyed: the person's identity key is gone.
    """
    row = conn.execute(sa.select(subject.c.sealed_profile).where(subject.c.pid == person.identity_pid)).one()
    if row.sealed_profile is None:
        return {}
    facts: Facts = json.loads(
        open_value(_key(estate, conn, person), bytes(row.sealed_profile), _context(person))
    )
    return facts


def read_profiles(estate: Estate, conn: sa.Connection) -> list[tuple[Subject, Facts]]:
    """Open the profile of every subject whose identity key still exists, in bulk."""
    people = everyone(estate, conn)
    keys = estate.keyrings["identity"].keys(conn, [one.identity_pid for one in people], PROFILE_STREAM)
    rows = conn.execute(sa.select(subject.c.pid, subject.c.sealed_profile))
    sealed = {bytes(row.pid): row.sealed_profile for row in rows}
    found: list[tuple[Subject, Facts]] = []
    for person in people:
        key, body = keys.get(person.identity_pid), sealed.get(person.identity_pid)
        facts: Facts = {}
        if key is not None and body is not None:
            facts = json.loads(open_value(key, bytes(body), _context(person)))
        found.append((person, facts))
    return found


def merge_profile(
    estate: Estate, tx: Transaction, person: Subject, facts: Mapping[str, str | list[str]]
) -> bool:
    """Add facts to a person's sealed profile; later facts win, lists grow. Returns whether anything changed."""
    known = read_profile(estate, tx.conn, person)
    merged = dict(known)
    for name, value in facts.items():
        if isinstance(value, list):
            before = merged.get(name, [])
            merged[name] = sorted({*(before if isinstance(before, list) else [before]), *value})
        else:
            merged[name] = value
    if merged == known:
        return False
    body = json.dumps(merged, sort_keys=True).encode()
    sealed = seal_value(_key(estate, tx.conn, person), body, _context(person))
    tx.conn.execute(
        subject.update().where(subject.c.pid == person.identity_pid).values(sealed_profile=sealed)
    )
    tx.conn.execute(estate_table.update().values(attributes_version=estate_table.c.attributes_version + 1))
    return True


def time_zone_of(estate: Estate, conn: sa.Connection, name: Alias) -> str | None:
    """Return the time zone that wall-clock times of whoever has an alias are in: an IANA name, none when not known.

    Where the alias passed from one person to another, no single zone is right for all of its rows, and none is given.
    """
    turns = owners(estate, conn, [name]).get(name, ())
    if len(turns) != 1 or turns[0].periods != ALWAYS:
        return None
    zone = _text(read_profile(estate, conn, turns[0].person), TIME_ZONE)
    return zone if is_zone(zone) else None


def set_time_zone(estate: Estate, tx: Transaction, person: Subject, zone: str) -> None:
    """Seal a time zone into a person's profile; files that are landed from now on are read with it.

    Args:
        estate: the estate.
        tx: the transaction.
        person: whose it is.
        zone: an IANA name such as "Europe/Berlin".

    Raises:
        ConfigurationError: there is no such time zone.
    """
    if not is_zone(zone):
        raise ConfigurationError(
            "There is no time zone of this name.", remedy="Use a name of the IANA database: Europe/Berlin."
        )
    merge_profile(estate, tx, person, {TIME_ZONE: zone})


def age_band(birth_date: str | None, on: dt.date) -> str:
    """Return the coarse age band of an ISO birth date on a day; "unknown" when it is not a date."""
    try:
        year, month, day = (int(part) for part in (birth_date or "").split("-"))
    except ValueError:
        return UNKNOWN
    age = on.year - year - ((on.month, on.day) < (month, day))
    if not 0 <= age <= 120:
        return UNKNOWN
    return next((name for limit, name in _BANDS if age < limit), "70 and over")


def coarse_attributes(estate: Estate, *, zone: str, purpose: str, on: dt.date, now: dt.datetime) -> pa.Table:
    """Hand over age band and sex of every subject under a zone's pseudonyms, and record that it was done.

    Returns:
        A table of `ATTRIBUTES_SCHEMA`, one row a subject; nothing finer than the band ever leaves.
    """
    with estate.database.read() as conn:
        pepper = estate.pepper(conn, zone)
        people = read_profiles(estate, conn)
    rows = [
        {
            "pid": pseudonym(pepper, person.subject_id),
            "age_band": age_band(_text(facts, "birth_date"), on),
            "sex": facts.get("sex") if facts.get("sex") in ("female", "male") else UNKNOWN,
        }
        for person, facts in people
    ]
    with estate.database.commit() as tx:
        tx.conn.execute(
            attribute_disclosure.insert().values(
                disclosure_id=uuid.uuid4().hex,
                asked_at=now,
                purpose=purpose,
                attributes=["age_band", "sex"],
                subjects=len(rows),
            )
        )
    return pa.Table.from_pylist(rows, schema=ATTRIBUTES_SCHEMA)


def attributes_version(conn: sa.Connection) -> int:
    """Return the number that grows with every change of any profile; cohorts are stale when it moved."""
    return int(conn.execute(sa.select(estate_table.c.attributes_version)).scalar_one())


def _text(facts: Facts, name: str) -> str | None:
    value = facts.get(name)
    return value if isinstance(value, str) else None


def _key(estate: Estate, conn: sa.Connection, person: Subject) -> bytes:
    key = (
        estate.keyrings["identity"].keys(conn, [person.identity_pid], PROFILE_STREAM).get(person.identity_pid)
    )
    if key is None:
        raise KeyDestroyed("A subject's identity key was destroyed.", remedy="Treat it as erased.")
    return key


def _context(person: Subject) -> tuple[str, bytes]:
    return ("profile", person.identity_pid)
