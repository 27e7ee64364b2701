"""What the process that writes a DuckDB file and those that read it share; imports little, since each file starts a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

CATALOG = "mart"
"""The name under which a file is attached."""

LENGTH_BYTES = 4
"""Bytes of the length that stands before the writer's header."""

_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET threads = 1",
    "SET temp_directory = ''",
    "SET max_temp_directory_size = '0B'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make a connection that writes nothing but the file that it is told to."""
    for statement in _SETTINGS:
        connection.execute(statement)


def attach_statement(path: Path, key: bytes | None, *options: str) -> str:
    """Return the statement that attaches a file as the catalog `mart`."""
    # A raw 256-bit key: DuckDB stretches nothing. The text is run at once and logged nowhere.
    sealed = () if key is None else (f"ENCRYPTION_KEY '{key.hex()}'", "ENCRYPTION_CIPHER 'GCM'")
    quoted = str(path).replace("'", "''")
    told = ", ".join((*options, *sealed))
    return f"ATTACH '{quoted}' AS {CATALOG}" + (f" ({told})" if told else "")
