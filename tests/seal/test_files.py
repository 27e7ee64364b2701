"""Sealed files: whole or absent, and never anything but sealed rows."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shelflife.errors import ConfigurationError, SealBroken, StorageError
from shelflife.seal.blocks import SEALED_SCHEMA
from shelflife.seal.files import read_sealed, write_sealed, write_sealed_files

from .tables import opened, sealed

TABLE = pa.table({"note": [f"canary-{row}" for row in range(300)], "value": np.arange(300) * 1.5})
BOUNDS = np.arange(0, 301, 3)


def test_rows_come_back_and_the_receipt_is_right(tmp_path: Path) -> None:
    rows, _ = sealed(TABLE, BOUNDS)
    receipt = write_sealed(tmp_path / "a", rows)
    raw = (tmp_path / "a").read_bytes()
    assert (receipt.bytes, receipt.rows) == (len(raw), 100)
    assert receipt.sha256 == hashlib.sha256(raw).digest()
    assert read_sealed(tmp_path / "a").equals(pa.Table.from_batches([rows]))
    assert read_sealed(tmp_path / "a", ["locator"]).schema.names == ["locator"]
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_an_empty_file_is_fine(tmp_path: Path) -> None:
    rows, _ = sealed(TABLE.slice(0, 0), np.array([0]))
    write_sealed(tmp_path / "a", rows)
    assert read_sealed(tmp_path / "a").num_rows == 0


def test_the_file_says_nothing_about_its_content(tmp_path: Path) -> None:
    rows, _ = sealed(TABLE, BOUNDS)
    write_sealed(tmp_path / "a", rows)
    raw = (tmp_path / "a").read_bytes()
    for word in (b"canary", b"note", b"value", b"heart", b"2026-11"):
        assert word not in raw
    metadata = pq.read_metadata(tmp_path / "a")
    assert metadata.metadata is None
    for at in range(3):
        column = metadata.row_group(0).column(at)
        assert not column.is_stats_set
        assert column.compression == "UNCOMPRESSED"
    # A locator is in the file once: in its row.
    assert raw.count(rows.column("locator")[50].as_py()) == 1


def test_any_damage_is_a_broken_seal_or_changes_nothing(tmp_path: Path) -> None:
    rows, key_of = sealed(TABLE, BOUNDS)
    path = tmp_path / "a"
    write_sealed(path, rows)
    raw, chance = path.read_bytes(), random.Random(1)
    broken = 0
    for _ in range(400):
        altered = bytearray(raw)
        where = chance.choice([chance.randrange(len(raw)), len(raw) - 1 - chance.randrange(700)])
        altered[where] ^= 1 << chance.randrange(8)
        path.write_bytes(altered)
        try:
            table, _ = opened(read_sealed(path).combine_chunks().to_batches()[0], key_of, TABLE.schema)
            assert table.num_rows == 300
        except SealBroken:
            broken += 1
    assert broken > 300


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\0" * 50 + b"PAR1", b"text" * 1000]
)
def test_garbage_is_a_broken_seal(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(SealBroken):
        read_sealed(tmp_path / "a")


def test_every_truncation_is_a_broken_seal(tmp_path: Path) -> None:
    rows, _ = sealed(TABLE.slice(0, 9), np.arange(0, 10, 3))
    write_sealed(tmp_path / "a", rows)
    raw = (tmp_path / "a").read_bytes()
    for length in range(0, len(raw), 7):
        (tmp_path / "a").write_bytes(raw[:length])
        with pytest.raises(SealBroken):
            read_sealed(tmp_path / "a")


def test_another_parquet_file_is_a_broken_seal(tmp_path: Path) -> None:
    nullable = pa.schema([pa.field(field.name, field.type) for field in SEALED_SCHEMA])
    for table in (TABLE, nullable.empty_table()):
        pq.write_table(table, tmp_path / "a")
        with pytest.raises(SealBroken):
            read_sealed(tmp_path / "a")


def test_a_missing_file_or_folder_is_a_storage_error(tmp_path: Path) -> None:
    rows, _ = sealed(TABLE, BOUNDS)
    with pytest.raises(StorageError) as caught:
        read_sealed(tmp_path / "person-x")
    assert "person-x" not in caught.value.diagnostics()
    with pytest.raises(StorageError):
        write_sealed(tmp_path / "absent" / "a", rows)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = sealed(TABLE, BOUNDS)
    write_sealed(tmp_path / "a", rows)
    before = (tmp_path / "a").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "no room")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError):
        write_sealed(tmp_path / "a", rows)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == before


def test_many_files_are_on_the_disk_before_they_get_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, _ = sealed(TABLE, BOUNDS)
    paths = [tmp_path / folder / name for folder in ("x", "y") for name in ("a", "b", "c")]
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
    steps: list[str] = []
    flush, replace = os.fsync, type(tmp_path).replace

    def flushed(descriptor: int) -> None:
        flush(descriptor)
        steps.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    def renamed(path: Path, target: Path) -> Path:
        assert str(path) in steps
        steps.append(str(target))
        return replace(path, target)

    monkeypatch.setattr("os.fsync", flushed)
    monkeypatch.setattr(type(tmp_path), "replace", renamed)
    receipts = write_sealed_files((path, rows) for path in paths)
    assert [receipt.sha256 for receipt in receipts] == [
        hashlib.sha256(path.read_bytes()).digest() for path in paths
    ]
    last_name = max(steps.index(str(path)) for path in paths)
    assert sorted(steps[last_name + 1 :]) == [str(tmp_path / "x"), str(tmp_path / "y")]


def test_of_many_files_a_failed_one_leaves_no_half_written_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, _ = sealed(TABLE, BOUNDS)
    flush, calls = os.fsync, iter(range(100))

    def fails_once(descriptor: int) -> None:
        if next(calls) == 3:
            raise OSError(5, "no such luck")
        flush(descriptor)

    monkeypatch.setattr("os.fsync", fails_once)
    with pytest.raises(StorageError):
        write_sealed_files((tmp_path / name, rows) for name in "abcdef")
    assert not list(tmp_path.iterdir())


def test_only_sealed_rows_are_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        write_sealed(tmp_path / "a", TABLE.to_batches()[0])
    with pytest.raises(ConfigurationError):
        read_sealed(tmp_path / "a", ["note"])
