"""Who can still be found in a folder: every file is decoded as far as its format allows, then searched.

A search of bytes alone is blind to compression, so what is compressed is taken apart first: Parquet to its values,
Avro blocks, gzip and zstd streams. Ids are looked for as text, as hexadecimal without dashes and as 16 raw bytes.
DuckDB's own file is searched as it is, which finds what its string compression leaves whole; how much that is shows
in the same search before the erasure.
"""

from __future__ import annotations

import gzip
import uuid
import zlib
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from benchmarks.erase_peers.peer import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

CHUNK = 16 << 20
_LONGEST = 64
_PARQUET, _AVRO, _GZIP, _ZSTD = b"PAR1", b"Obj\x01", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ROWS_A_BATCH = 500_000


class Wanted:
    """The erased people's ids in each form that they are looked for in."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.of: dict[str, str] = {}
        for one in ids:
            person = uuid.UUID(one)
            for form in (str(person), str(person).upper(), person.hex, person.bytes.decode("latin-1")):
                self.of[form] = one

    def add(self, forms: Mapping[str, str]) -> None:
        """Look for more: forms (one character a byte) and whose they are."""
        self.of |= forms

    def in_bytes(self, data: bytes) -> set[str]:
        """Return who is in some bytes."""
        people: set[str] = set()
        for start in range(0, len(data) if self.of else 0, CHUNK):
            # One character a byte; the overlap finds what lies across the edge of a chunk.
            piece = data[start : start + CHUNK + _LONGEST].decode("latin-1")
            hits = pl.Series([piece]).str.extract_many(list(self.of), overlapping=True)
            people |= {self.of[form] for form in hits.explode(empty_as_null=False).to_list()}
        return people

    def in_texts(self, texts: list[Any]) -> set[str]:
        """Return who is in some values: whole values are looked up, others are searched."""
        values = [value.encode() if isinstance(value, str) else bytes(value) for value in texts]
        whole = {self.of[form] for value in values if (form := value.decode("latin-1")) in self.of}
        # Nothing of the length of a text id holds an id unless it is one.
        rest = [value for value in values if len(value) > 16 and len(value) != 36]
        return whole | self.in_bytes(b"\n".join(rest))


def search(folder: Path, ids: Sequence[str], peer: Any = None) -> Found:
    """Return which of the people can still be found under a folder.

    Args:
        folder: everything that a tool keeps.
        ids: the people.
        peer: a peer that can read its own files with the keys that are there (`recover`), and tells further names that
            it knows the people by (`pseudonyms`), if it has any.
    """
    wanted, found = Wanted(ids), Found()
    if hasattr(peer, "pseudonyms"):
        for name, one in peer.pseudonyms(ids).items():
            wanted.add({name.decode("latin-1"): one, name.hex(): one})
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.add("name of a file", wanted.in_bytes(str(path.relative_to(folder)).encode()), rows=False)
        _search_file(path, wanted, found)
    if hasattr(peer, "recover"):
        peer.recover(ids, found)
    return found


def _search_file(path: Path, wanted: Wanted, found: Found) -> None:
    with path.open("rb") as file:
        magic = file.read(4)
    kind = path.suffix.removeprefix(".") or "file"
    if magic == _PARQUET:
        _search_parquet(path, wanted, found)
        return
    data = path.read_bytes()
    if magic == _AVRO:
        for block in avro_blocks(data):
            found.add(f"{kind} (avro)", wanted.in_bytes(block), rows=False)
    elif magic[:2] == _GZIP:
        found.add(f"{kind} (gzip)", wanted.in_bytes(gzip.decompress(data)), rows=False)
    elif magic == _ZSTD:
        stream = zstandard.ZstdDecompressor().stream_reader(data)
        found.add(f"{kind} (zstd)", wanted.in_bytes(stream.read()), rows=False)
    # A DuckDB file holds ids beside the rows that they are of.
    found.add(kind, wanted.in_bytes(data), rows=kind == "duckdb")


def _search_parquet(path: Path, wanted: Wanted, found: Found) -> None:
    """Search the values of every column, and the footer, which holds bounds and notes in clear."""
    with path.open("rb") as file:
        file.seek(-8, 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, 2)
        found.add("parquet footer", wanted.in_bytes(file.read(length)), rows=False)
    with pq.ParquetFile(path) as parquet:
        names = [field.name for field in parquet.schema_arrow if _holds_text(field.type)]
        for batch in parquet.iter_batches(_ROWS_A_BATCH, columns=names):
            for name, column in zip(names, batch.columns, strict=True):
                people = {one for texts in _texts(column) for one in wanted.in_texts(texts)}
                found.add("parquet", people, rows=name == "subject")


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _holds_text(kind.value_type)
    if pa.types.is_nested(kind):
        return any(_holds_text(kind.field(number).type) for number in range(kind.num_fields))
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in (*checks, pa.types.is_fixed_size_binary))


def _texts(column: pa.Array) -> Iterator[list[Any]]:
    """Yield the distinct texts of a column, however deep they are nested."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _texts(column.dictionary)
    elif pa.types.is_struct(kind):
        for part in column.flatten():
            yield from _texts(part)
    elif pa.types.is_map(kind):
        yield from _texts(column.keys)
        yield from _texts(column.items)
    elif pa.types.is_nested(kind):
        yield from _texts(column.flatten())
    elif _holds_text(kind):
        yield column.unique().drop_null().to_pylist()


def avro_blocks(data: bytes) -> Iterator[bytes]:
    """Yield the blocks of an Avro object container file, decompressed, and its header.

    Source: Apache Avro specification, object container files.

    Raises:
        ValueError: the file uses a codec that is not read here.
    """
    position, meta = 4, {}
    while (count := (read := _long(data, position))[0]) != 0:
        position = read[1]
        if count < 0:
            position, count = _long(data, position)[1], -count
        for _ in range(count):
            key, position = _bytes(data, position)
            meta[key.decode()], position = _bytes(data, position)
    position = read[1] + 16
    yield data[:position]
    codec = meta.get("avro.codec", b"null").decode()
    while position < len(data):
        _, position = _long(data, position)
        block, position = _bytes(data, position)
        yield _decompressed(codec, block)
        position += 16


def _decompressed(codec: str, block: bytes) -> bytes:
    if codec == "deflate":
        return zlib.decompress(block, -15)
    if codec == "zstandard":
        return zstandard.ZstdDecompressor().decompressobj().decompress(block)
    if codec == "null":
        return block
    raise ValueError(f"Avro codec {codec} is not read here.")


def _long(data: bytes, position: int) -> tuple[int, int]:
    """Return a variable-length zigzag number and where it ends."""
    shift = value = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position


def _bytes(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = _long(data, position)
    return data[position : position + length], position + length


def report(found: Found, ids: Sequence[str]) -> dict[str, Any]:
    """Return shares of the people found, and where."""
    return {
        "residue": len(found.rows | found.ids) / len(ids),
        "rows": len(found.rows) / len(ids),
        "ids": len(found.ids) / len(ids),
        "where": dict(sorted(found.where.items())),
    }
