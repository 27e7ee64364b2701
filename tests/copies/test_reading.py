"""Reading copies: what applications and analysts get, and what they stop getting at once."""

from __future__ import annotations

import duckdb
import pytest

from shelflife.copies.erasing import export_from_copies
from shelflife.copies.publish import publish
from shelflife.copies.reading import CacheReader, cache, mart
from shelflife.errors import ConfigurationError, SealBroken
from shelflife.rights.export.contents import Recipient
from shelflife.rights.exporting import copy_recipients
from shelflife.subjects.directory import Alias
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
    assert copy_recipients(with_mart.settings)[0] == Recipient(
        "member app",
        "copy",
        contact="mobile-backend@example.org",
        data=("heart_daily", "activity_daily"),
        purpose="member_app",
        basis="contract with the member",
    )
    erase(with_mart, PEOPLE[1:2])
    assert export_from_copies(with_mart, subject_id(with_mart, PEOPLE[1])) == {}
