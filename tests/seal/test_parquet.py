"""Encrypted Parquet: per-file keys, per-class access, and what an attacker with the files cannot do."""

from __future__ import annotations

import dataclasses
import hashlib
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
import pytest

from shelflife.errors import AccessDenied, ConfigurationError, SealBroken, StorageError
from shelflife.seal.file_keys import CLASSES, FileKeys
from shelflife.seal.parquet import EncryptedFile, open_encrypted, write_encrypted

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMN_CLASSES = {"pid": "ordinary", "steps": "sensitive", "glucose": "special", "note": "special"}
ROWS = 1_000


def table_of(number: int, rows: int = ROWS) -> pa.Table:
    rng = np.random.default_rng(number)
    return pa.table(
        {
            "pid": np.arange(rows) + number * rows,
            "steps": rng.integers(0, 20_000, rows),
            "glucose": rng.normal(5.5, 1, rows),
            "note": [f"canary-{number}-{row % 7}" for row in range(rows)],
        }
    )


SCHEMA = table_of(0, 1).schema


def file_of(folder: Path, number: int, table: pa.Table | None = None) -> EncryptedFile:
    key = random.Random(number).randbytes(32)
    path, file_id = folder / f"{number}.parquet", f"{number:032x}"
    write_encrypted(
        table_of(number) if table is None else table,
        path,
        file_id=file_id,
        file_key=key,
        classes=COLUMN_CLASSES,
    )
    return EncryptedFile(path, file_id, key, COLUMN_CLASSES)


def answer(sql: str, rows: pa.Table | ds.Dataset) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        return connection.execute(sql).fetchall()


def test_rows_come_back_and_the_receipt_is_right(tmp_path: Path) -> None:
    table, path = table_of(1), tmp_path / "a"
    receipt = write_encrypted(table, path, file_id="f", file_key=bytes(32), classes=COLUMN_CLASSES)
    raw = path.read_bytes()
    assert (receipt.bytes, receipt.rows, receipt.sha256) == (len(raw), ROWS, hashlib.sha256(raw).digest())
    dataset = open_encrypted(
        [EncryptedFile(path, "f", bytes(32), COLUMN_CLASSES)], allowed=CLASSES, schema=SCHEMA
    )
    assert dataset.to_table().equals(table)
    assert pa.Table.from_batches(dataset.to_batches()).equals(table)
    assert dataset.count_rows() == ROWS


def test_no_plaintext_and_no_column_name_is_in_the_file(tmp_path: Path) -> None:
    raw = file_of(tmp_path, 1).path.read_bytes()
    assert raw[:4] == raw[-4:] == b"PARE"
    for word in (b"canary", b"glucose", b"steps", b"pid"):
        assert word not in raw


def test_an_empty_table_is_fine(tmp_path: Path) -> None:
    file = file_of(tmp_path, 1, table_of(1).slice(0, 0))
    assert open_encrypted([file], allowed=CLASSES, schema=SCHEMA).to_table().equals(SCHEMA.empty_table())
    assert open_encrypted([], allowed=CLASSES, schema=SCHEMA).to_table().equals(SCHEMA.empty_table())


def test_a_reader_without_a_class_reads_the_rest(tmp_path: Path) -> None:
    files = [file_of(tmp_path, number) for number in range(3)]
    dataset = open_encrypted(files, allowed=["ordinary", "sensitive"], schema=SCHEMA)
    assert dataset.schema.names == ["pid", "steps"]
    assert dataset.to_table(filter=ds.field("steps") >= 0).num_rows == 3 * ROWS
    assert answer("SELECT count(*), min(pid) FROM rows WHERE steps >= 0", dataset) == [(3 * ROWS, 0)]


def test_asking_for_a_closed_column_names_column_and_class(tmp_path: Path) -> None:
    dataset = open_encrypted([file_of(tmp_path, 1)], allowed=["ordinary"], schema=SCHEMA)
    asks: list[Callable[[], Any]] = [
        lambda: dataset.to_table(columns=["pid", "glucose"]),
        lambda: dataset.to_table(columns={"x": ds.field("glucose") * 2}),
        lambda: dataset.to_table(filter=ds.field("glucose") > 1),
        lambda: list(dataset.to_batches(columns=["glucose"])),
        lambda: dataset.scanner(columns=["glucose"]),
        lambda: dataset.require(["glucose"]),
    ]
    for ask in asks:
        with pytest.raises(AccessDenied, match=r"glucose.*special"):
            ask()


def test_the_key_itself_is_withheld_not_only_the_name(tmp_path: Path) -> None:
    dataset = open_encrypted([file_of(tmp_path, 1)], allowed=["ordinary"], schema=SCHEMA)
    around = ds.FileSystemDataset(
        list(dataset.get_fragments()), SCHEMA, ds.ParquetFileFormat(), pa_fs.LocalFileSystem()
    )
    assert around.to_table(columns=["pid"]).num_rows == ROWS
    with pytest.raises(AccessDenied, match="special"):
        around.to_table(columns=["glucose"])


def test_duckdb_pushes_filters_and_projections_into_many_files_with_their_own_keys(tmp_path: Path) -> None:
    files = [file_of(tmp_path, number) for number in range(40)]
    derived = open_encrypted(files, allowed=CLASSES, schema=SCHEMA)
    plain = pa.concat_tables([table_of(number) for number in range(40)])
    query = (
        "SELECT count(*), sum(steps), max(note) FROM rows WHERE pid BETWEEN 5500 AND 21000 AND glucose > 5"
    )
    assert answer(query, derived) == answer(query, plain)
    plan = answer("EXPLAIN SELECT sum(steps) FROM rows WHERE pid < 100", derived)[0][1]
    assert "Filters" in plan
    assert "steps" in plan
    assert "glucose" not in plan


def test_columns_of_many_pages_and_row_groups(tmp_path: Path) -> None:
    plain = table_of(1, 300_000)
    file = file_of(tmp_path, 1, plain)
    dataset = open_encrypted([file], allowed=CLASSES, schema=SCHEMA)
    query = "SELECT count(*), sum(glucose) FROM rows WHERE steps > 10000 AND pid % 3 = 0"
    ((count, total),) = answer(query, dataset)
    ((expected, whole),) = answer(query, plain)
    assert count == expected
    assert total == pytest.approx(whole)


def test_swapped_files_and_wrong_keys_break_the_seal(tmp_path: Path) -> None:
    one, other = file_of(tmp_path, 1), file_of(tmp_path, 2)
    changes: list[dict[str, Any]] = [
        {"path": other.path},
        {"file_key": other.file_key},
        {"file_key": bytes(32)},
        {"file_key": b""},
        {"file_id": other.file_id},
        {"path": other.path, "file_key": other.file_key},
        {"path": other.path, "file_id": other.file_id},
    ]
    for change in changes:
        with pytest.raises(SealBroken):
            open_encrypted([dataclasses.replace(one, **change)], allowed=CLASSES, schema=SCHEMA)


def test_a_plaintext_file_put_in_place_breaks_the_seal(tmp_path: Path) -> None:
    file = file_of(tmp_path, 1)
    before = open_encrypted([file], allowed=CLASSES, schema=SCHEMA)
    pq.write_table(table_of(1), file.path)
    with pytest.raises(SealBroken):
        open_encrypted([file], allowed=CLASSES, schema=SCHEMA)
    with pytest.raises(SealBroken):
        before.to_table()
    disguised = bytearray(file.path.read_bytes())
    disguised[:4] = b"PARE"
    file.path.write_bytes(disguised)
    with pytest.raises(SealBroken):
        open_encrypted([file], allowed=CLASSES, schema=SCHEMA)


def test_another_encrypted_file_put_in_place_of_an_open_one_breaks_the_seal(tmp_path: Path) -> None:
    one, other = file_of(tmp_path, 1), file_of(tmp_path, 2)
    dataset = open_encrypted([one], allowed=CLASSES, schema=SCHEMA)
    shutil.copy(other.path, one.path)
    with pytest.raises(SealBroken):
        dataset.to_table()


def test_pages_of_one_file_do_not_fit_into_another(tmp_path: Path) -> None:
    key = bytes(range(32))
    tables = [table_of(number) for number in (1, 1)]
    for name, table in zip("ab", tables, strict=True):
        write_encrypted(table, tmp_path / name, file_id="same", file_key=key, classes=COLUMN_CLASSES)
    one, other = ((tmp_path / name).read_bytes() for name in "ab")
    assert len(one) == len(other)
    # Even under the same id and key, the first data page of one file does not open inside the other.
    (tmp_path / "a").write_bytes(one[:4] + other[4:2000] + one[2000:])
    with pytest.raises(SealBroken):
        open_encrypted(
            [EncryptedFile(tmp_path / "a", "same", key, COLUMN_CLASSES)], allowed=CLASSES, schema=SCHEMA
        ).to_table()


def test_any_flipped_bit_and_any_truncation_breaks_the_seal(tmp_path: Path) -> None:
    file, chance = file_of(tmp_path, 1, table_of(1, 60)), random.Random(2)
    raw = file.path.read_bytes()
    harmless = []
    for _ in range(250):
        altered, where = bytearray(raw), chance.randrange(len(raw))
        altered[where] ^= 1 << chance.randrange(8)
        file.path.write_bytes(altered)
        try:
            assert open_encrypted([file], allowed=CLASSES, schema=SCHEMA).to_table().equals(table_of(1, 60))
            harmless.append(where)
        except SealBroken:
            pass
    # The footer's own key material is the one part that is not authenticated as a whole: Arrow ignores some of it.
    start = raw.rindex(b'{"keyMaterialType"')
    assert all(start < where < len(raw) for where in harmless)
    assert len(harmless) < 25
    for length in range(0, len(raw), 37):
        file.path.write_bytes(raw[:length])
        with pytest.raises(SealBroken):
            open_encrypted([file], allowed=CLASSES, schema=SCHEMA).to_table()


def test_class_keys_belong_to_one_file_and_come_from_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped: list[tuple[bytes, str]] = []
    original = FileKeys.wrap_key

    def watched(self: FileKeys, key_bytes: bytes, master_key_identifier: str) -> str:
        wrapped.append((key_bytes, master_key_identifier))
        return original(self, key_bytes, master_key_identifier)

    monkeypatch.setattr(FileKeys, "wrap_key", watched)
    for number in (1, 2):
        file_of(tmp_path, number)
    expected = {f"{number:032x}/{wrapping}" for number in (1, 2) for wrapping in ("footer", *CLASSES)}
    assert sorted(name for _, name in wrapped) == sorted(expected)
    assert len({key for key, _ in wrapped}) == len(expected)


def test_no_key_is_unwrapped_once_a_dataset_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_encrypted([file_of(tmp_path, 1, table_of(1, 200_000))], allowed=CLASSES, schema=SCHEMA)

    def refused(*_: object) -> bytes:
        pytest.fail("a scan called back into Python")

    monkeypatch.setattr(FileKeys, "unwrap_key", refused)
    assert answer("SELECT count(*), count(note) FROM rows WHERE glucose < 99", dataset) == [
        (200_000, 200_000)
    ]


_ABANDONED_SCAN = """
import sys, duckdb
from pathlib import Path
from tests.seal.test_parquet import CLASSES, SCHEMA, file_of, open_encrypted, table_of
files = [file_of(Path(sys.argv[1]), number, table_of(number, 50_000)) for number in range(16)]
rows = open_encrypted(files, allowed=CLASSES, schema=SCHEMA)
connection = duckdb.connect()
connection.register("rows", rows)
for _ in range(5):
    connection.execute("SELECT steps FROM rows LIMIT 1").fetchall()
"""


@pytest.mark.slow
def test_a_process_that_abandons_a_scan_still_ends(tmp_path: Path) -> None:
    for _ in range(5):
        command = [sys.executable, "-c", _ABANDONED_SCAN, str(tmp_path)]
        subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parents[2])


def test_the_file_knows_its_classes_and_the_catalog_can_only_add_to_them(tmp_path: Path) -> None:
    file = file_of(tmp_path, 1)
    for classes in ({}, dict.fromkeys(COLUMN_CLASSES, "ordinary")):
        lenient = dataclasses.replace(file, classes=classes)
        dataset = open_encrypted([lenient], allowed=["ordinary"], schema=SCHEMA)
        assert dataset.to_table().column_names == ["pid"]
        with pytest.raises(AccessDenied, match=r"glucose.*special"):
            dataset.require(["glucose"])
    strict = dataclasses.replace(file, classes={"steps": "special"})
    assert open_encrypted([strict], allowed=["ordinary", "sensitive"], schema=SCHEMA).schema.names == ["pid"]


def test_a_wrapped_key_opens_for_its_file_and_class_only() -> None:
    keys = FileKeys("f", bytes(32), ["ordinary", "special"])
    wrapped = keys.wrap_key(b"k" * 32, "f/ordinary")
    assert keys.unwrap_key(wrapped, "f/ordinary") == b"k" * 32
    for other in ("f/special", "g/ordinary", "f/other", "ordinary"):
        with pytest.raises(SealBroken):
            keys.unwrap_key(wrapped, other)
    for text in ("", "%%%", wrapped[:-4], "A" * len(wrapped)):
        with pytest.raises(SealBroken):
            keys.unwrap_key(text, "f/ordinary")
    keys.forget()
    with pytest.raises(SealBroken):
        keys.unwrap_key(wrapped, "f/ordinary")
    with pytest.raises(AccessDenied):
        FileKeys("f", bytes(32), ["special"]).unwrap_key(wrapped, "f/ordinary")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    def write(table: pa.Table, classes: dict[str, str], key: bytes = bytes(32)) -> None:
        write_encrypted(table, tmp_path / "a", file_id="f", file_key=key, classes=classes)

    without = {name: one for name, one in COLUMN_CLASSES.items() if name != "note"}
    for classes in (without, COLUMN_CLASSES | {"note": "secret"}):
        with pytest.raises(ConfigurationError, match="note"):
            write(table_of(1), classes)
    with pytest.raises(ConfigurationError):
        write(pa.table({"x": [[1]]}), {"x": "ordinary"})
    with pytest.raises(ConfigurationError):
        write(table_of(1), COLUMN_CLASSES, b"short")
    with pytest.raises(ConfigurationError):
        open_encrypted([], allowed=["footer"], schema=SCHEMA)
    with pytest.raises(StorageError):
        open_encrypted([EncryptedFile(tmp_path / "b", "f", bytes(32), {})], allowed=CLASSES, schema=SCHEMA)
    assert list(tmp_path.iterdir()) == []


def test_a_file_shows_no_key_when_it_is_printed() -> None:
    assert "secret" not in repr(EncryptedFile(Path("p"), "f", b"secret" * 5, {}))
