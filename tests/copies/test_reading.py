"""Reading copies: what applications and analysts get, and what they stop getting at once."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest
import sqlalchemy as sa

from shelflife.control.tables import request, request_outcome
from shelflife.copies.erasing import CopyRecipient, export_from_copies, recipients, retry_needed
from shelflife.copies.publish import publish
from shelflife.copies.reading import CacheReader, cache, mart
from shelflife.errors import ConfigurationError, SealBroken
from shelflife.subjects.directory import Alias
from tests.conftest import NOW
from tests.copies.estates import declared, rows_of
from tests.copies.warehouse import (
    DAYS,
    PEOPLE,
    clock,
    erase,
    landed,
    later,
    live,
    samples,
    subject_id,
    token_of,
)

CACHE = declared("sqlite_cache", name="cache")
MART = declared("duckdb_mart", name="mart")


@pytest.fixture
def estate(warehouse):
    made = warehouse(CACHE)
    publish(made, clock=clock)
    return made


@pytest.fixture
def with_mart(warehouse):
    made = warehouse(CACHE, MART)
    publish(made, clock=clock)
    return made


def test_an_application_looks_a_person_up(estate):
    with cache(estate, "cache", clock=clock) as reader:
        token = reader.token(Alias("account", PEOPLE[0]))
        assert token == token_of(estate, "cache", PEOPLE[0])
        rows = reader.get(token, "heart_daily")
        assert rows.column("mean_bpm").to_pylist() == [60 + day / 4 for day in DAYS]
        assert reader.get(token, "activity_daily").num_rows == len(DAYS)
        assert reader.get(token, "glucose_daily") is None
        assert reader.get(bytes(16), "heart_daily") is None
        assert reader.token(Alias("account", "a stranger")) is None


def test_an_open_reader_stops_at_once_when_somebody_is_erased(estate):
    with cache(estate, "cache", clock=clock) as reader:
        gone, other = (token_of(estate, "cache", person) for person in PEOPLE[:2])
        before = rows_of(reader.get(other, "heart_daily"))
        assert reader.get(gone, "heart_daily") is not None
        erase(estate, PEOPLE[:1])
        assert reader.get(gone, "heart_daily") is None
        assert rows_of(reader.get(other, "heart_daily")) == before


def test_an_open_reader_follows_a_new_publication(estate):
    with cache(estate, "cache", clock=clock) as reader:
        token = token_of(estate, "cache", PEOPLE[0])
        assert reader.get(token, "heart_daily").num_rows == len(DAYS)
        landed(estate, samples(PEOPLE[0], 9, 0), "late.ndjson")
        publish(estate, ["cache"], clock=clock)
        assert reader.get(token, "heart_daily").num_rows == len(DAYS) + 1


def test_nothing_is_read_past_the_time_to_live(estate):
    token = token_of(estate, "cache", PEOPLE[0])
    with cache(estate, "cache", clock=later(hours=23)) as reader:
        assert reader.get(token, "heart_daily") is not None
    with cache(estate, "cache", clock=later(days=1)) as reader:
        assert reader.get(token, "heart_daily") is None


def test_an_altered_file_is_refused(estate):
    [row] = live(estate, "cache")
    path = estate.settings.home / "copies" / "cache" / row.item
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    def read_everybody(reader: CacheReader) -> None:
        for person in PEOPLE:
            for dataset in ("heart_daily", "activity_daily"):
                reader.get(token_of(estate, "cache", person), dataset)

    with cache(estate, "cache", clock=clock) as reader, pytest.raises(SealBroken):
        read_everybody(reader)


def test_analysts_query_a_mart_and_nothing_else(with_mart, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with mart(with_mart, "mart", clock=clock) as connection:
        joined = connection.execute(
            "SELECT count(*) FROM heart_daily JOIN activity_daily USING (subject_token, local_date)"
        ).fetchone()
        assert joined == (len(PEOPLE) * len(DAYS),)
        for refused in (
            f"SELECT * FROM '{tmp_path / 'secret.csv'}'",
            f"COPY heart_daily TO '{tmp_path / 'out.csv'}'",
            "DELETE FROM heart_daily",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(refused)
    with pytest.raises(ConfigurationError, match="kind"), mart(with_mart, "cache", clock=clock):
        pass
    late = later(days=1)
    with pytest.raises(ConfigurationError, match="time to live"), mart(with_mart, "mart", clock=late):
        pass


def test_an_export_tells_what_every_copy_holds_and_who_receives_it(with_mart):
    found = export_from_copies(with_mart, subject_id(with_mart, PEOPLE[1]))
    assert {name: set(held) for name, held in found.items()} == {
        "cache": {"heart_daily", "activity_daily"},
        "mart": {"heart_daily", "activity_daily"},
    }
    rows = found["mart"]["heart_daily"]
    assert "subject_token" not in rows.schema.names
    assert rows_of(rows) == rows_of(found["cache"]["heart_daily"])
    assert recipients(with_mart.settings)[0] == CopyRecipient(
        copy="cache",
        name="member app",
        contact="mobile-backend@example.org",
        basis="contract with the member",
        purpose="member_app",
        keeps_for="P1D",
        datasets=("heart_daily", "activity_daily"),
    )
    erase(with_mart, PEOPLE[1:2])
    assert export_from_copies(with_mart, subject_id(with_mart, PEOPLE[1])) == {}


def test_what_failed_or_is_due_again_is_told(estate):
    with estate.database.commit() as tx:
        plain = {name: [] for name in ("streams", "regimes")} | {"facts": {}, "reason": "asked"}
        tx.conn.execute(
            sa.insert(request).values(
                request_id="a" * 32, kind="erasure", state="received", received_at=NOW, **plain
            )
        )
        for target, outcome, until in (
            ("copy/cache", "failed", None),
            ("copy/mart", "deferred_until", NOW + dt.timedelta(hours=1)),
            ("copy/done", "deleted", None),
            ("raw", "failed", None),
        ):
            values = {"request_id": "a" * 32, "target": target, "outcome": outcome, "until": until}
            tx.conn.execute(sa.insert(request_outcome).values(**values, facts={}, recorded_at=NOW))
    assert retry_needed(estate, NOW) == [("a" * 32, "cache")]
    assert retry_needed(estate, NOW + dt.timedelta(hours=1)) == [("a" * 32, "cache"), ("a" * 32, "mart")]
