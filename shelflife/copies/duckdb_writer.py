"""The process that writes one DuckDB file: `python -m shelflife.copies.duckdb_writer`, everything else on its stdin.

First the length of a JSON header (4 bytes, big-endian) and the header: path, key (hexadecimal), names of tables. Then
one Arrow IPC stream a table. Neither key nor rows are ever in an argument, a variable of the environment or a file.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import IO

import duckdb
import pyarrow as pa

from shelflife.control.crashpoints import reached
from shelflife.copies.duckdb_connections import CATALOG, LENGTH_BYTES, attach_statement, prepare
from shelflife.errors import ConfigurationError


def load_openssl(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the extension that brings OpenSSL: DuckDB's built-in cryptography only reads.

    Raises:
        ConfigurationError: the wheel is missing, or is of another version.
    """
    name = f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"
    try:
        path = str(resources.files("duckdb_extension_httpfs") / name).replace("'", "''")
        connection.execute(f"LOAD '{path}'")
    except (ModuleNotFoundError, duckdb.Error):
        raise ConfigurationError(
            "Encrypted DuckDB files need the httpfs extension of DuckDB's version.",
            remedy=f"Run: pip install duckdb-extension-httpfs=={duckdb.__version__}",
        ) from None


def receive(pipe: IO[bytes]) -> None:
    """Read header and tables from the pipe, write the file, check-point it."""
    length = int.from_bytes(pipe.read(LENGTH_BYTES), "big")
    header = json.loads(pipe.read(length))
    key = None if header["key"] is None else bytes.fromhex(header["key"])
    source = pa.PythonFile(pipe, mode="r")
    with closing(duckdb.connect(":memory:")) as connection:
        prepare(connection)
        if key is not None:
            load_openssl(connection)
        connection.execute(attach_statement(Path(header["path"]), key))
        for name in header["tables"]:
            with pa.ipc.open_stream(source) as stream:
                connection.register("received", stream.read_all())
            connection.execute(f'CREATE TABLE {CATALOG}."{name}" AS SELECT * FROM received')
            connection.unregister("received")
            reached("copies.duckdb.table_written")
        connection.execute(f"CHECKPOINT {CATALOG}")
        connection.execute(f"DETACH {CATALOG}")


if __name__ == "__main__":
    os.umask(0o077)
    receive(sys.stdin.buffer)
