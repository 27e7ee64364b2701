"""Who was erased stays erased, whatever a device clock says; who comes back on purpose starts anew."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from shelflife.errors import ConfigurationError
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.subjects.directory import Alias, aliases_of, find
from shelflife.subjects.profile import read_profile
from shelflife.subjects.tombstones import bury, register_again
from tests.conftest import NOW
from tests.lake.state import raw_rows

ADA = Alias("account", "ada")
BACK = NOW + dt.timedelta(days=10)


def beat(start: str | None, value: object = 61) -> bytes:
    return json.dumps(
        {"subject": "ada", "signal": "heart_rate", "value": value, "unit": "/min", "start": start}
    ).encode()


def land_now(estate, put, body: bytes, now=NOW):
    put(body, "x", f"{hash(body)}.ndjson")
    return land(estate, list_inbox(estate.settings.inbox), clock=lambda: now)


def erase_ada(estate, now=NOW) -> bytes:
    with estate.database.commit() as tx:
        person = find(estate, tx.conn, [ADA])[ADA]
        bury(estate, tx, aliases_of(estate, tx.conn, person), reason="erasure", now=now)
        estate.keyrings["raw"].destroy(tx, [person.raw_pid], now)
        estate.keyrings["identity"].destroy(tx, [person.identity_pid], now)
        for table in ("alias", "subject"):
            tx.conn.exec_driver_sql(f"DELETE FROM {table}")
    return person.subject_id


@pytest.mark.parametrize("start", ["2026-10-24T08:00:00Z", "2026-11-23T11:59:59Z", "2027-12-28T08:00:00Z"])
def test_late_and_future_rows_of_the_erased_are_refused_by_arrival(estate, put, start):
    land_now(estate, put, beat("2026-11-01T08:00:00Z"))
    erase_ada(estate)
    report = land_now(estate, put, beat(start), NOW + dt.timedelta(days=9))
    assert (report.total("samples_in"), report.reasons()) == (1, {"erased": 1})


def test_who_comes_back_is_a_new_subject_and_older_rows_stay_refused(estate, put):
    land_now(estate, put, beat("2026-11-01T08:00:00Z"))
    before = erase_ada(estate)
    with estate.database.commit() as tx:
        register_again(estate, tx, ADA, BACK)
    body = b"\n".join(
        [beat("2026-11-02T08:00:00Z"), beat("2026-12-03T12:00:00Z"), beat("2026-12-04T08:00:00Z"), beat(None)]
    )
    report = land_now(estate, put, body, BACK + dt.timedelta(days=5))
    assert (report.total("landed"), report.reasons()) == (2, {"erased": 2})
    with estate.database.read() as conn:
        assert find(estate, conn, [ADA])[ADA].subject_id != before
    held = [period for (_, period), rows in raw_rows(estate).items() if rows.height]
    assert sorted(held) == ["2026-12-03", "2026-12-04"]


def test_who_is_erased_twice_is_refused_again(estate, put):
    land_now(estate, put, beat("2026-11-01T08:00:00Z"))
    erase_ada(estate)
    with estate.database.commit() as tx:
        register_again(estate, tx, ADA, BACK)
    land_now(estate, put, beat("2026-12-04T08:00:00Z"), BACK)
    erase_ada(estate, BACK)
    assert land_now(estate, put, beat("2026-12-05T08:00:00Z"), BACK).reasons() == {"erased": 1}


def test_only_the_erased_can_register_again(estate, put):
    land_now(estate, put, beat("2026-11-01T08:00:00Z"))
    with estate.database.commit() as tx, pytest.raises(ConfigurationError):
        register_again(estate, tx, ADA, BACK)


def test_facts_of_an_old_file_do_not_come_back_with_who_comes_back(estate, put):
    old = b"\n".join(
        [
            beat("2026-11-02T08:00:00Z"),
            b'{"record": "profile", "account": "ada", "given_name": "Quokkalinde"}',
        ]
    )
    land_now(estate, put, beat("2026-11-01T08:00:00Z"))
    erase_ada(estate)
    with estate.database.commit() as tx:
        register_again(estate, tx, ADA, BACK)
    later = BACK + dt.timedelta(days=5)
    report = land_now(estate, put, old, later)
    assert report.reasons() == {"erased": 1}
    assert (report.total("profiles"), report.ignored()["profile of the erased"]) == (0, 1)
    land_now(estate, put, old + b"\n" + beat("2026-12-04T08:00:00Z"), later)
    with estate.database.read() as conn:
        person = find(estate, conn, [ADA])[ADA]
        assert read_profile(estate, conn, person) == {"given_name": "Quokkalinde"}
