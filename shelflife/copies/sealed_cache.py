"""The format of the SQLite cache: one person's rows of one dataset are one sealed value under a keyed tag.

    entry(tag, sealed): tag    = HMAC-SHA256(expand(file key), dataset, token)[:16]
                        sealed = seal_value(file key, pad(zstd(dataset, Arrow record batch)), item, tag)

A dataset that is not about people is one value under an empty token. One more value, "contents", holds the Arrow schema
of each dataset. Without the file's key the file tells neither whom nor what it holds, only how many values.
"""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from shelflife.copies.datasets import ordered
from shelflife.copies.protocol import TOKEN
from shelflife.seal.block_keys import expand
from shelflife.seal.blocks import broken
from shelflife.seal.context import length_prefixed
from shelflife.seal.padding import pad, unpad
from shelflife.seal.values import open_value, seal_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from shelflife.copies.protocol import Dataset

APPLICATION_ID = 0x534C4331
_TAG = b"shelflife/v1/copy-tag"
_TAG_BYTES = 16
_CONTEXT = "sqlite-cache"
_CONTENTS = (b"contents",)
_ROWS = b"rows"
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA secure_delete = ON;
CREATE TABLE entry (tag BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
"""


def database_of(datasets: Sequence[Dataset], *, item: str, key: bytes) -> bytes:
    """Return the bytes of a cache file, made in memory: SQLite writes no journal and no temporary file.

    Args:
        datasets: what it holds; rows about people are ordered by token.
        item: the file's name, which its values are bound to.
        key: the file's key, 32 bytes.
    """
    schemas = {one.name: base64.b64encode(one.rows.schema.serialize()).decode() for one in datasets}
    values = [_sealed(item, key, _CONTENTS, json.dumps(schemas).encode())]
    for dataset in datasets:
        for token, rows in people_of(dataset):
            name = dataset.name.encode()
            content = length_prefixed((name,)) + rows.serialize().to_pybytes()
            values.append(_sealed(item, key, (_ROWS, name, token), content))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        # In the order of random tags, so that places in the file tell nothing either.
        connection.executemany("INSERT INTO entry VALUES (?, ?)", sorted(values))
        connection.execute("COMMIT")
        return connection.serialize()


class SealedCache:
    """An open cache file; values are opened one at a time.

    Raises:
        SealBroken: from every method, when the file was altered or this is not its key.
    """

    def __init__(self, path: Path, *, item: str, key: bytes) -> None:
        self._item, self._key = item, key
        with _broken_files():
            # Immutable: no lock, journal or shared-memory file is ever made beside it.
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            with _broken_files():
                self._schemas = self._read_contents()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def datasets(self) -> Mapping[str, pa.Schema]:
        """The schema of each dataset."""
        return self._schemas

    def get(self, token: bytes, dataset: str) -> pa.Table | None:
        """Return one person's rows of a dataset, or None where there are none."""
        if dataset not in self._schemas:
            return None
        tag = _tag(self._key, (_ROWS, dataset.encode(), token))
        with _broken_files():
            found = self._connection.execute("SELECT sealed FROM entry WHERE tag = ?", (tag,)).fetchone()
        return None if found is None else self._rows(tag, found[0])[1]

    def everything(self) -> dict[str, pa.Table]:
        """Return every dataset, rows about people ordered by token."""
        parts: dict[str, list[pa.Table]] = {
            name: [schema.empty_table()] for name, schema in self._schemas.items()
        }
        skipped = _tag(self._key, _CONTENTS)
        with _broken_files():
            for tag, sealed in self._connection.execute("SELECT tag, sealed FROM entry"):
                if tag != skipped:
                    name, rows = self._rows(tag, sealed)
                    parts[name].append(rows)
        return {name: ordered(pa.concat_tables(tables).combine_chunks()) for name, tables in parts.items()}

    def _rows(self, tag: bytes, sealed: bytes) -> tuple[str, pa.Table]:
        content = _opened(self._item, self._key, tag, sealed)
        start = 4 + int.from_bytes(content[:4], "big")
        name = content[4:start].decode()
        batch = pa.ipc.read_record_batch(pa.py_buffer(content[start:]), self._schemas[name])
        return name, pa.Table.from_batches([batch])

    def _read_contents(self) -> dict[str, pa.Schema]:
        tag = _tag(self._key, _CONTENTS)
        found = self._connection.execute("SELECT sealed FROM entry WHERE tag = ?", (tag,)).fetchone()
        if found is None:
            raise broken()
        told = json.loads(_opened(self._item, self._key, tag, found[0]))
        return {
            name: pa.ipc.read_schema(pa.py_buffer(base64.b64decode(schema))) for name, schema in told.items()
        }


def people_of(dataset: Dataset) -> Iterator[tuple[bytes, pa.RecordBatch]]:
    """Yield each person's rows, copied: a slice would carry bits of its neighbours along."""
    rows = dataset.rows.combine_chunks()
    if not dataset.about_people:
        yield b"", _batch(rows)
        return
    start = 0
    for run in pc.value_counts(rows.column(TOKEN)):
        length = run["counts"].as_py()
        yield run["values"].as_py(), _batch(rows.take(pa.array(range(start, start + length))))
        start += length


def _batch(rows: pa.Table) -> pa.RecordBatch:
    batches = rows.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=rows.schema)


def _sealed(item: str, key: bytes, place: tuple[bytes, ...], content: bytes) -> tuple[bytes, bytes]:
    tag = _tag(key, place)
    return tag, seal_value(key, pad(zstandard.compress(content)), (_CONTEXT, item, tag))


def _opened(item: str, key: bytes, tag: bytes, sealed: bytes) -> bytes:
    return zstandard.decompress(unpad(open_value(key, sealed, (_CONTEXT, item, tag))))


def _tag(key: bytes, place: tuple[bytes, ...]) -> bytes:
    return hmac.digest(expand(key, _TAG), length_prefixed(place), "sha256")[:_TAG_BYTES]


@contextmanager
def _broken_files() -> Iterator[None]:
    """Turn complaints about a file's content into SealBroken."""
    try:
        yield
    except (sqlite3.Error, pa.ArrowException, zstandard.ZstdError, ValueError, KeyError):
        raise broken() from None
