"""The time zone of an account: set by hand or told by a source, sealed, and used for the next files."""

from __future__ import annotations

import datetime as dt

import pytest

from shelflife.errors import ConfigurationError
from shelflife.lake import landing
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.subjects.directory import Alias, attach, ensure
from shelflife.subjects.periods import ALWAYS, Period
from shelflife.subjects.profile import merge_profile, read_profile, set_time_zone, time_zone_of
from tests.conftest import NOW
from tests.lake.conftest import estate, put, settings
from tests.lake.state import raw_rows
from tests.subjects.test_aliases import SOLD, beat, people

__all__ = ["estate", "put", "settings"]

ADA = Alias("account", "ada")
LOCAL = b'{"signal": "heart_rate", "value": 61, "unit": "/min", "start": "2026-07-01T09:00:00"}'


def set_zone(estate, zone: str) -> None:
    with estate.database.commit() as tx:
        set_time_zone(estate, tx, ensure(estate, tx, [ADA], NOW)[ADA], zone)


def landed(estate, put, body: bytes = LOCAL, name: str = "one.ndjson"):
    put(body, "ada", name)
    land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    [rows] = raw_rows(estate).values()
    return rows.row(0, named=True)


def test_a_wall_clock_time_is_placed_in_the_accounts_zone(estate, put):
    set_zone(estate, "Asia/Tokyo")
    row = landed(estate, put)
    assert row["start_utc"] == dt.datetime(2026, 7, 1, 0, tzinfo=dt.UTC)
    assert (row["utc_offset_min"], row["tz_basis"]) == (540, "account")


def test_without_a_zone_a_wall_clock_time_stays_one(estate, put):
    row = landed(estate, put)
    assert (row["utc_offset_min"], row["tz_basis"]) == (None, "unknown")


def test_a_zone_that_a_source_told_is_used_for_the_next_file(estate, put):
    with estate.database.commit() as tx:
        merge_profile(estate, tx, ensure(estate, tx, [ADA], NOW)[ADA], {"time_zone": "Europe/Berlin"})
    assert landed(estate, put)["utc_offset_min"] == 120


def test_what_is_no_zone_is_refused_and_never_used(estate):
    with pytest.raises(ConfigurationError):
        set_zone(estate, "Mars/Olympus")
    with estate.database.commit() as tx:
        merge_profile(estate, tx, ensure(estate, tx, [ADA], NOW)[ADA], {"time_zone": "Mars/Olympus"})
    with estate.database.read() as conn:
        assert time_zone_of(estate, conn, ADA) is None


def test_a_name_that_passed_on_has_no_one_zone(estate):
    ada, bob = people(estate, ADA, Alias("account", "bob"))
    shared = Alias("account", "family")
    with estate.database.commit() as tx:
        for person, period in ((ada, Period(None, SOLD)), (bob, Period(SOLD, None))):
            set_time_zone(estate, tx, person, "Asia/Tokyo")
            attach(estate, tx, shared, person, (period,), NOW)
    with estate.database.read() as conn:
        assert time_zone_of(estate, conn, shared) is None
        assert time_zone_of(estate, conn, ADA) == "Asia/Tokyo"


def test_the_zone_is_looked_up_once_a_file(estate, put, monkeypatch):
    asked: list[Alias] = []

    def counting(estate, conn, name):
        asked.append(name)
        return time_zone_of(estate, conn, name)

    monkeypatch.setattr(landing, "time_zone_of", counting)
    many = b"\n".join(LOCAL.replace(b"61", str(60 + n).encode()) for n in range(40))
    landed(estate, put, many)
    assert asked == [ADA]


def test_the_zone_lies_sealed_beside_the_other_facts(estate):
    set_zone(estate, "Asia/Tokyo")
    with estate.database.read() as conn:
        person = people(estate, ADA)[0]
        assert read_profile(estate, conn, person) == {"time_zone": "Asia/Tokyo"}
    files = [path for path in estate.settings.home.rglob("*") if path.is_file()]
    assert not any(b"Tokyo" in path.read_bytes() for path in files)


def test_facts_of_a_name_that_passed_on_are_not_guessed_to_be_anybodys(estate, put):
    ada, bob = people(estate, ADA, Alias("account", "bob"))
    with estate.database.commit() as tx:
        attach(estate, tx, Alias("account", "family"), ada, (Period(None, SOLD),), NOW)
        attach(estate, tx, Alias("account", "family"), bob, (Period(SOLD, None),), NOW)
        attach(estate, tx, Alias("account", "hers"), ada, ALWAYS, NOW)
    for account in ("family", "hers"):
        body = b'{"record": "profile", "sex": "female", "account": "%s"}\n' % account.encode()
        put(body + str(beat(SOLD)).replace("'", '"').encode(), account, "facts.ndjson")
    land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    with estate.database.read() as conn:
        assert read_profile(estate, conn, bob) == {}
        assert read_profile(estate, conn, ada).get("sex") == "female"
