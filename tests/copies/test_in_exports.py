"""What copies hold of a person is part of that person's export."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from shelflife.copies import locking
from shelflife.copies.locking import copy_lock
from shelflife.copies.publish import publish
from shelflife.errors import CommitConflict, CopyUnreachable
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.awaiting import await_rewrites
from shelflife.subjects.directory import Alias, find
from tests.copies.estates import declared
from tests.copies.servers.redis_server import redis_server
from tests.copies.warehouse import DAYS, NOW, PEOPLE, clock, erase, landed, samples
from tests.rights.export.conftest import export_of, unpacked

CACHE = declared("sqlite_cache", name="cache")
EXTRACT = declared("parquet_extract", name="extract", datasets=["heart_daily"])


def person_of(estate, number: int):
    name = Alias("account", PEOPLE[number])
    with estate.database.read() as conn:
        return find(estate, conn, [name])[name]


def held(folder: Path, copy: str, table: str = "heart_daily") -> pl.DataFrame:
    return pl.read_parquet(folder / f"data/copies/{copy}/{table}.parquet")


@pytest.fixture
def estate(warehouse):
    made = warehouse(CACHE, EXTRACT)
    publish(made, clock=clock)
    return made


def test_a_package_holds_what_each_copy_holds(estate, tmp_path):
    folder = unpacked(estate, person_of(estate, 1), tmp_path / "opened")
    found = {
        path.relative_to(folder / "data/copies").as_posix() for path in folder.glob("data/copies/*/*.csv")
    }
    assert found == {"cache/activity_daily.csv", "cache/heart_daily.csv", "extract/heart_daily.csv"}
    derived = pl.read_parquet(folder / "data/derived/heart_daily.parquet")
    for copy in ("cache", "extract"):
        rows = held(folder, copy)
        assert rows.equals(derived.select(rows.columns))
        assert len(rows) == len(DAYS)
    assert (folder / "data/copies/cache/heart_daily.ndjson").read_text("utf-8").count("\n") == len(DAYS)
    described = json.loads((folder / "dictionary.json").read_bytes())["tables"]["cache/heart_daily"]
    assert [column["name"] for column in described["columns"]] == held(folder, "cache").columns
    assert all(column["meaning"] for column in described["columns"])
    assert all((folder / name).exists() for name in described["files"])
    page = (folder / "index.html").read_text("utf-8")
    assert "as the copy extract holds it" in page
    assert 'href="data/copies/cache/heart_daily.csv"' in page


def test_a_copy_that_is_older_than_the_vault_is_shown_as_it_is(estate, tmp_path):
    landed(estate, samples(PEOPLE[1], 5, 1), "later.ndjson")
    folder = unpacked(estate, person_of(estate, 1), tmp_path / "opened")
    assert len(pl.read_parquet(folder / "data/derived/heart_daily.parquet")) == len(DAYS) + 1
    assert len(held(folder, "cache")) == len(DAYS)


def test_what_was_erased_from_copies_is_in_no_package(estate, tmp_path):
    erase(estate, PEOPLE[1:2])
    person = person_of(estate, 1)
    assert not (unpacked(estate, person, tmp_path / "opened") / "data/copies").exists()


def test_what_waits_for_its_rewrite_is_left_out_of_copies_too(estate, tmp_path):
    person = person_of(estate, 2)
    with estate.database.commit() as tx:
        pid = pseudonym(estate.pepper(tx.conn, "derived"), person.subject_id)
        await_rewrites(tx, {"heart_daily": {pid: "0" * 32}}, due_at=NOW)
    folder = unpacked(estate, person, tmp_path / "opened")
    assert {path.parent.name + "/" + path.stem for path in folder.glob("data/copies/*/*.csv")} == {
        "cache/activity_daily"
    }


@pytest.mark.server
def test_an_export_waits_for_a_copy_that_does_not_answer(warehouse, tmp_path):
    with redis_server("redis", "--appendonly", "yes") as server:
        estate = warehouse(CACHE, declared("redis_cache", name="sessions", location=server.url))
        assert not publish(estate, clock=clock).failed
        person = person_of(estate, 1)
        server.stop()
        with pytest.raises(CopyUnreachable, match="sessions"):
            export_of(estate, person)
        server.start()
        folder = unpacked(estate, person, tmp_path / "opened")
        assert held(folder, "sessions").equals(held(folder, "cache"))


def test_a_copy_is_not_read_while_it_is_published(estate, monkeypatch):
    monkeypatch.setattr(locking, "PATIENCE_SECONDS", 0.1)
    with copy_lock(estate, "cache"), pytest.raises(CommitConflict, match="copy"):
        export_of(estate, person_of(estate, 1))
