"""What a file holds beneath its packing: gzip, zlib, zstd, bzip2, xz, zip, Parquet in clear and SQLite cells.

A search of the bytes alone is blind to all of these. Memory is bounded: content is looked at in overlapping pieces,
and a bomb ends at a limit.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import zipfile
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SQLITE = b"SQLite format 3\x00"
PARQUET = b"PAR1"
PIECE = 4 << 20
OVERLAP = 4_096
"""How far two pieces overlap: longer than any needle."""

MOST_UNPACKED = 4 << 30
"""Most bytes that one file is unpacked to."""

_MOST_NESTED = 64 << 20
_DEEPEST = 3
_MAGICS = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04", PARQUET)
_UNPACKING_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    zipfile.BadZipFile,
    pa.ArrowException,
)


class Readable(Protocol):
    """Anything that bytes can be read from, piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class Cell(NamedTuple):
    """A value of a database and the table and column that it stands in."""

    table: str
    column: str
    value: object


class Unpacking:
    """The unpacking of one file or blob.

    Attributes:
        cut: whether something packed went on past the limit and was not looked at to its end.
    """

    def __init__(self, most: int = MOST_UNPACKED) -> None:
        self.cut = False
        self._left = most

    def of_file(self, path: Path) -> Iterator[bytes]:
        """Yield a file's bytes, and whatever is packed in it, in overlapping pieces."""
        with path.open("rb") as file:
            yield from _overlapping(_blocks(file))
            yield from self._below(file, _DEEPEST)

    def of_bytes(self, content: bytes) -> Iterator[bytes]:
        """Yield a blob and whatever is packed in it."""
        yield content
        if is_packed(content):
            yield from self._below(io.BytesIO(content), _DEEPEST)

    def _below(self, file: BinaryIO, depth: int) -> Iterator[bytes]:
        """Yield what lies one layer of packing below, and what lies below that."""
        try:
            for layer in _layers(file):
                nested = bytearray()
                yield from _overlapping(self._limited(layer, nested))
                if depth > 1 and is_packed(bytes(nested[:16])):
                    yield from self._below(io.BytesIO(nested), depth - 1)
        except _UNPACKING_ERRORS:
            # What is no sound archive was searched as far as it could be read.
            return

    def _limited(self, layer: Readable, nested: bytearray) -> Iterator[bytes]:
        """Yield a layer's bytes up to the limit; keep those of a small packed one in `nested`."""
        for number, block in enumerate(_blocks(layer)):
            if self._left <= 0:
                self.cut = True
                return
            self._left -= len(block)
            if number == 0 or is_packed(bytes(nested[:16])):
                nested += block[: max(0, _MOST_NESTED - len(nested))]
            yield block


def pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes as they are, in overlapping pieces."""
    with path.open("rb") as file:
        yield from _overlapping(_blocks(file))


def is_packed(head: bytes) -> bool:
    """Tell from its first bytes whether something can be unpacked."""
    return head.startswith(_MAGICS) or _is_zlib(head)


def is_sqlite(path: Path) -> bool:
    """Tell whether a file is a SQLite database."""
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def opened_read_only(path: Path) -> sqlite3.Connection:
    """Open a SQLite file so that nothing is changed, and nothing left beside it where nobody else has it open."""
    in_use = any(path.with_name(path.name + ending).exists() for ending in ("-wal", "-journal"))
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{'' if in_use else '&immutable=1'}", uri=True)


def cells(path: Path) -> Iterator[Cell]:
    """Yield every value of every table of a SQLite file, opened so that nothing can be changed.

    Raises:
        sqlite3.Error: the file cannot be read as a database.
    """
    with closing(opened_read_only(path)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            quoted = table.replace('"', '""')
            rows = connection.execute(f'SELECT * FROM "{quoted}"')
            names = [column[0] for column in rows.description]
            for row in rows:
                yield from (Cell(table, name, value) for name, value in zip(names, row, strict=True))


def _layers(file: BinaryIO) -> Iterator[Readable]:
    """Open what is packed in a file: one stream, or one for each member of an archive."""
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        yield gzip.GzipFile(fileobj=file)
    elif head.startswith(b"\x28\xb5\x2f\xfd"):
        yield zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    elif head.startswith(b"BZh"):
        yield bz2.BZ2File(file)
    elif head.startswith(b"\xfd7zXZ\x00"):
        yield lzma.LZMAFile(file)  # noqa: SIM115  whoever opened the file beneath closes it
    elif head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                with archive.open(member) as inner:
                    yield inner
    elif head.startswith(PARQUET):
        yield from _text_columns(file)
    elif _is_zlib(head):
        yield _Inflated(file)


def _text_columns(file: BinaryIO) -> Iterator[Readable]:
    """Decode the texts and blobs of a Parquet file in clear, one stream a column of a batch."""
    for batch in pq.ParquetFile(file).iter_batches(batch_size=1 << 16):
        for column in batch.columns:
            kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
            if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
                values = (value.encode() if isinstance(value, str) else value for value in column.to_pylist())
                yield io.BytesIO(b"\0".join(value for value in values if value is not None))


class _Inflated(io.RawIOBase):
    """A zlib stream as a file to read from; memory stays bounded however much it unpacks to."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._unpacker = file, zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._file.read(PIECE)
            plain = self._unpacker.decompress(packed, len(buffer))
            if plain:
                buffer[: len(plain)] = plain
                return len(plain)
            if not packed:
                break
        return 0


def _is_zlib(head: bytes) -> bool:
    return head[:1] == b"\x78" and len(head) > 2 and int.from_bytes(head[:2], "big") % 31 == 0


def _blocks(stream: Readable) -> Iterator[bytes]:
    while block := stream.read(PIECE):
        yield block


def _overlapping(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Put the end of each block before the next one, so that nothing is cut in two."""
    tail = b""
    for block in blocks:
        yield tail + block
        tail = (tail + block)[-OVERLAP:]
