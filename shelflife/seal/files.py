"""Sealed files: the rows of `seal_blocks` as one Parquet file that says nothing about what is in it."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from shelflife import durable
from shelflife.errors import ConfigurationError, StorageError
from shelflife.seal.blocks import SEALED_SCHEMA, broken

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

_ROWS_IN_GROUP = 1 << 16


@dataclass(frozen=True)
class WrittenFile:
    """What was written: size in bytes, SHA-256 of the bytes, rows."""

    bytes: int
    sha256: builtins.bytes
    rows: int


class Content(NamedTuple):
    """A file to write: where, what writes its bytes, and how many rows they are."""

    path: Path
    write: Callable[[io.RawIOBase], None]
    rows: int


def write_sealed(path: Path, batch: pa.RecordBatch) -> WrittenFile:
    """Write sealed rows as a file that appears whole or not at all, and survives a power cut once this returns.

    Raises:
        ConfigurationError: when the rows are not `SEALED_SCHEMA`.
        StorageError: when the folder cannot be written.
    """
    [written] = write_sealed_files([(path, batch)])
    return written


def write_sealed_files(files: Iterable[tuple[Path, pa.RecordBatch]]) -> list[WrittenFile]:
    """Write several files like `write_sealed`, and wait for the disk once for all of them.

    Every file and every folder that one lies in is flushed when this returns. At most about 500 at a time: each stays
    open until then.

    Raises:
        ConfigurationError: when the rows of one are not `SEALED_SCHEMA`.
        StorageError: when a folder cannot be written; files that are in place already stay.
    """
    return write_together(_content(path, batch) for path, batch in files)


def _content(path: Path, batch: pa.RecordBatch) -> Content:
    if batch.schema != SEALED_SCHEMA:
        raise ConfigurationError("These are not sealed rows.", remedy="Write what seal_blocks returned.")
    table = pa.Table.from_batches([batch])

    def write(sink: io.RawIOBase) -> None:
        # Ciphertext neither compresses nor repeats, and statistics would copy locators into the footer.
        pq.write_table(
            table,
            sink,
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            store_schema=False,
            row_group_size=_ROWS_IN_GROUP,
        )

    return Content(path, write, table.num_rows)


def read_sealed(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of a sealed file; only these columns when given ("locator" alone is cheap).

    Raises:
        SealBroken: when the file is not a sealed file.
        StorageError: when it is missing or cannot be read.
    """
    names = SEALED_SCHEMA.names if columns is None else list(columns)
    if not set(names) <= set(SEALED_SCHEMA.names):
        raise ConfigurationError("A sealed file has no such column.", remedy="See SEALED_SCHEMA.")
    with stored(path) as source:
        try:
            file = pq.ParquetFile(source, pre_buffer=False)
            if file.schema_arrow.remove_metadata() != SEALED_SCHEMA:
                raise broken()
            table = file.read(columns=names).select(names)
            table.validate()
        except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError):
            raise broken() from None
    if any(table.column(name).null_count for name in names):
        raise broken()
    return table


def write_atomically(path: Path, write: Callable[[io.RawIOBase], None], rows: int) -> WrittenFile:
    """Write a file under another name in its folder, flush it to the disk, rename it, flush the folder."""
    [written] = write_together([Content(path, write, rows)])
    return written


def write_together(contents: Iterable[Content]) -> list[WrittenFile]:
    """Write files under other names in their folders, flush all of them, rename all, flush every folder once.

    Raises:
        StorageError: when a folder cannot be written; nothing under another name is left behind.
    """
    begun: list[_Begun] = []
    try:
        try:
            for content in contents:
                begun.append(_Begun(content))
                content.write(begun[-1].sink)
            durable.all_flushed(os.fsync, [one.file.fileno() for one in begun])
            for one in begun:
                one.temporary.replace(one.path)
            durable.all_flushed(durable.sync_folder, sorted({one.path.parent for one in begun}))
        except BaseException:
            for one in begun:
                one.temporary.unlink(missing_ok=True)
            raise
        finally:
            for one in begun:
                one.file.close()
    except OSError as error:
        raise StorageError(
            f"A data file cannot be written: {error.strerror}.",
            remedy="Check that the storage folder exists, is writable and has room.",
        ) from None
    return [one.written for one in begun]


class _Begun:
    """A file that is open under another name and not in place yet."""

    def __init__(self, content: Content) -> None:
        self.path, self._rows = content.path, content.rows
        self.temporary = content.path.with_name(f".{content.path.name}.part")
        self.file = self.temporary.open("wb", buffering=0)
        self.sink = _HashingSink(self.file)

    @property
    def written(self) -> WrittenFile:
        return WrittenFile(self.sink.size, self.sink.hash.digest(), self._rows)


@contextmanager
def stored(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file that the catalog says exists.

    Raises:
        StorageError: when it cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError:
        raise StorageError(
            "A data file is missing or cannot be read.",
            remedy="Restore it from a copy, or check the permissions.",
        ) from None
    with file:
        yield file


class _HashingSink(io.RawIOBase):
    """Passes bytes on to a file, and counts and hashes them on the way."""

    def __init__(self, file: io.FileIO) -> None:
        self.file, self.hash, self.size = file, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.hash.update(view)
        self.size += view.nbytes
        done = 0
        while done < view.nbytes:
            done += self.file.write(view[done:]) or 0
        return done
