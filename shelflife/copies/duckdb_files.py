"""DuckDB files: written by a fresh process that is handed rows and key through a pipe, read in this one.

A process that has held erased rows can carry some of them into a file that it writes later (measured: 2 of 117
rebuilds in the process that had deleted them, 0 of 64 in a fresh one), so every file is written by a process that
never saw anything but its content. DuckDB's own encryption (AES-256-GCM, OpenSSL through the httpfs extension) covers
file and write-ahead log; nothing is ever spilled.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import duckdb
import pyarrow as pa

from shelflife import durable
from shelflife.control.crashpoints import VARIABLE
from shelflife.copies.duckdb_connections import CATALOG, LENGTH_BYTES, attach_statement, prepare
from shelflife.errors import StorageError
from shelflife.seal.blocks import broken
from shelflife.seal.files import WrittenFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHUNK = 1 << 20


def write_file(path: Path, tables: Mapping[str, pa.Table], *, key: bytes | None) -> WrittenFile:
    """Write tables as a DuckDB file that appears whole or not at all.

    Args:
        path: where to.
        tables: the tables by name.
        key: 32 bytes; None for a file in clear.

    Raises:
        StorageError: the writing process failed.
    """
    part = path.with_name(f".{path.name}.part")
    header = {"path": str(part), "key": None if key is None else key.hex(), "tables": list(tables)}
    writer = subprocess.Popen(
        [sys.executable, "-P", "-m", "shelflife.copies.duckdb_writer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # DuckDB's complaints can quote values.
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    # A writer that gave up has closed its end of the pipe; its exit code says so.
    with suppress(BrokenPipeError), writer:
        assert writer.stdin is not None  # noqa: S101  asked for above
        _send(writer.stdin, header, tables)
    if writer.returncode != 0:
        raise StorageError(
            "A DuckDB file could not be written by its process.",
            remedy="Check disk space, memory and that duckdb-extension-httpfs has DuckDB's version.",
        )
    return _put_in_place(part, path, sum(table.num_rows for table in tables.values()))


def read_file(path: Path, *, key: bytes | None) -> dict[str, pa.Table]:
    """Return every table of a file.

    Raises:
        SealBroken: the file does not open with this key.
    """
    with opened(path, key=key) as connection:
        try:
            names = connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = ? ORDER BY table_oid", [CATALOG]
            ).fetchall()
            return {
                name: connection.execute(f'SELECT * FROM {CATALOG}."{name}"').to_arrow_table()
                for (name,) in names
            }
        except duckdb.Error:
            raise broken() from None


@contextmanager
def opened(path: Path, *, key: bytes | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a file for reading, as the catalog `mart` of a throw-away connection that spills nothing.

    Raises:
        SealBroken: the file does not open with this key.
    """
    with closing(duckdb.connect(":memory:")) as connection:
        try:
            prepare(connection)
            connection.execute(attach_statement(path, key, "READ_ONLY"))
        except duckdb.Error:
            raise broken() from None
        yield connection


def _environment() -> dict[str, str]:
    """Return the writer's environment: where this package is, and nothing secret."""
    root = str(Path(__file__).parents[2])
    kept = {name: os.environ[name] for name in ("PATH", "LANG", VARIABLE) if name in os.environ}
    return {**kept, "PYTHONPATH": root}


def _send(pipe: IO[bytes], header: Mapping[str, object], tables: Mapping[str, pa.Table]) -> None:
    told = json.dumps(header).encode()
    pipe.write(len(told).to_bytes(LENGTH_BYTES, "big") + told)
    sink = pa.PythonFile(pipe, mode="w")
    for table in tables.values():
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    pipe.flush()


def _put_in_place(part: Path, path: Path, rows: int) -> WrittenFile:
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
            os.fsync(file.fileno())
        part.replace(path)
        durable.sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"A DuckDB file cannot be put in place: {error.strerror}.",
            remedy="Check that the copy's folder is writable and has room.",
        ) from None
    return WrittenFile(size, digest.digest(), rows)
