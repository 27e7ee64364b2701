"""The DuckDB mart: the conformance suite, and what only it has."""

from __future__ import annotations

import subprocess

import duckdb
import pyarrow as pa
import pytest

from shelflife.copies import duckdb_files
from shelflife.copies.duckdb_connections import attach_statement
from shelflife.copies.duckdb_files import opened, read_file, write_file
from shelflife.copies.duckdb_writer import load_openssl
from shelflife.errors import SealBroken, StorageError
from tests.conftest import NOW
from tests.copies.conformance import ERASED, NAME, FolderConformance, Place
from tests.copies.estates import PEOPLE, canary, datasets, declared, expected, rows_of, token

KEY = bytes(range(32))


@pytest.mark.slow  # every test starts processes
class TestDuckdbMart(FolderConformance):
    kind = "duckdb_mart"
    publish_points = ("copies.file.written",)
    erase_points = ("copies.items.settled",)
    expire_points = ()

    def plant(self, place, person):
        [item] = place.opening.items.live()
        with duckdb.connect(":memory:") as connection:
            load_openssl(connection)
            connection.execute(attach_statement(self.only_file(place), item.key))
            connection.execute("INSERT INTO mart.heart_daily (subject_token) VALUES (?)", [token(person)])


@pytest.fixture
def in_clear(tmp_path):
    """A mart without encryption, where every byte can be read."""
    reason = "The tool that reads it cannot decrypt."
    place = Place(tmp_path, declared("duckdb_mart", name=NAME, encryption="none", encryption_reason=reason))
    yield place
    place.estate.close()


def test_nothing_of_the_erased_is_left_in_a_file_in_clear(in_clear):
    in_clear.publish()
    files = list((in_clear.estate.settings.home / "copies" / NAME).iterdir())
    assert len(files) == 1
    assert canary(ERASED[0]).encode() in files[0].read_bytes()
    assert {finding.rule for finding in in_clear.inspect(ERASED[0])} == {"erased_person"}
    in_clear.adapter.erase([token(person) for person in ERASED], NOW)
    [file] = (in_clear.estate.settings.home / "copies" / NAME).iterdir()
    for person in ERASED:
        assert canary(person).encode() not in file.read_bytes()
        assert token(person) not in file.read_bytes()
    held = {name: rows_of(rows) for name, rows in in_clear.adapter.export(token(1)).items()}
    assert held == expected(1)
    assert in_clear.inspect(*ERASED) == []


def test_the_inspector_finds_rows_that_duckdb_only_marked_as_deleted(in_clear):
    """What DELETE leaves behind: no query shows it, the bytes do."""
    in_clear.publish()
    [file] = (in_clear.estate.settings.home / "copies" / NAME).iterdir()
    with duckdb.connect(str(file)) as connection:
        for table in ("heart_daily", "activity_daily"):
            connection.execute(f"DELETE FROM {table} WHERE subject_token = ?", [token(2)])
        connection.execute("CHECKPOINT")
        [(left,)] = connection.execute(
            "SELECT count(*) FROM heart_daily WHERE subject_token = ?", [token(2)]
        ).fetchall()
    assert left == 0
    assert "erased_person" in {finding.rule for finding in in_clear.inspect(2)}


def test_the_key_is_told_to_the_writer_through_the_pipe_only(tmp_path, monkeypatch):
    started = []
    real = subprocess.Popen

    def spying(command, **options):
        started.append((command, options))
        return real(command, **options)

    monkeypatch.setattr(duckdb_files.subprocess, "Popen", spying)
    monkeypatch.setenv("CACHE_PASSWORD", "secret-of-another-copy")
    write_file(tmp_path / "a.duckdb", {"t": pa.table({"x": [1, 2]})}, key=KEY)
    [(command, options)] = started
    told = repr(command) + repr(options["env"])
    assert KEY.hex() not in told
    assert "secret-of-another-copy" not in told
    assert str(tmp_path) not in told
    assert KEY.hex().encode() not in (tmp_path / "a.duckdb").read_bytes()


def test_a_file_opens_with_its_own_key_only(tmp_path):
    path = tmp_path / "a.duckdb"
    write_file(path, {"t": pa.table({"x": [1, 2]})}, key=KEY)
    assert read_file(path, key=KEY)["t"].column("x").to_pylist() == [1, 2]
    for wrong in (None, bytes(32)):
        with pytest.raises(SealBroken):
            read_file(path, key=wrong)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(SealBroken):
        read_file(path, key=KEY)


def test_a_reader_spills_nothing_and_leaves_nothing_beside_the_file(tmp_path):
    path = tmp_path / "a.duckdb"
    write_file(path, {"t": pa.table({"x": list(range(1000))})}, key=KEY)
    with opened(path, key=KEY) as connection:
        assert connection.execute("SELECT current_setting('temp_directory')").fetchone() == ("",)
        assert connection.execute("SELECT sum(x) FROM mart.t").fetchone() == (499500,)
        with pytest.raises(duckdb.Error):
            connection.execute("INSERT INTO mart.t VALUES (1)")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.duckdb"]


def test_when_the_writing_process_dies_the_former_file_stands(tmp_path, monkeypatch):
    place = Place(tmp_path, declared("duckdb_mart", name=NAME))
    place.publish()
    before = place.known()
    monkeypatch.setenv("SHELFLIFE_CRASH_AT", "copies.duckdb.table_written")
    with pytest.raises(StorageError):
        place.adapter.publish(datasets(shift=1.0), NOW)
    monkeypatch.delenv("SHELFLIFE_CRASH_AT")
    assert place.known() == before
    assert place.adapter.inventory() == before
    assert place.inspect(PEOPLE + 1) == []
    place.estate.close()
