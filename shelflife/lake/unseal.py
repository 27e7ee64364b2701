"""Reading the raw zone: find the rows of some subjects in sealed files and open them.

Rows are found by locator, so a file is never scanned with keys that are not needed, and rows whose key was
destroyed are simply not there. Nothing read here is cached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from shelflife.errors import KeyDestroyed
from shelflife.lake.catalog import path_of
from shelflife.seal.blocks import open_blocks
from shelflife.seal.context import BlockContext
from shelflife.seal.files import read_sealed
from shelflife.seal.locators import raw_ids
from shelflife.signals.sample import SAMPLE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.lake.catalog import DataFile, Partition

QUARANTINE = "quarantine_"
HELD = "held_"
"""Before the name of the table whose rows a hold keeps; no ordinary reader asks for such a table."""

UNCLASSIFIED = "unclassified"
QUARANTINE_SCHEMA = SAMPLE_SCHEMA.append(pa.field("problem", pa.string()))


def schema_of(table_name: str) -> pa.Schema:
    """Return the columns that a raw table's blocks hold."""
    kept_from = table_name.removeprefix(HELD)
    return QUARANTINE_SCHEMA if kept_from.startswith(QUARANTINE) else SAMPLE_SCHEMA


def block_context(home: Partition, file_id: str) -> BlockContext:
    """Return what a sealed row is bound to besides its position."""
    return BlockContext(
        zone=home.zone,
        table=home.table_name,
        retention_class=home.retention_class,
        period=home.period,
        stream=home.stream or "",
        file_id=file_id,
    )


def partition_keys_of(estate: Estate, conn: sa.Connection, homes: Sequence[Partition]) -> list[bytes]:
    """Return the keys of raw partitions, in their order.

    Raises:
        KeyDestroyed: one of the partitions expired and its key is gone.
    """
    numbers = [home.key_number for home in homes if home.key_number is not None]
    keys = [key for key in estate.trees["raw"].lookup(conn, numbers) if key is not None]
    if len(keys) != len(homes):
        raise KeyDestroyed(
            "A partition's key was destroyed.", remedy="The partition expired; do not read it."
        )
    return keys


def read_partition(
    estate: Estate,
    conn: sa.Connection,
    home: Partition,
    files: Sequence[DataFile],
    *,
    people: Collection[bytes] | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Open the blocks of a raw partition.

    Args:
        estate: the estate.
        conn: a read snapshot that the files were listed in.
        home: the partition.
        files: its files to read.
        people: raw-zone pseudonyms to read; everyone when absent.
        columns: columns to decode; all when absent.

    Returns:
        The asked columns plus `pid` (16 bytes, raw-zone pseudonym), one row a sample.

    Raises:
        SealBroken: a file or a row was altered.
        KeyDestroyed: the partition's key is gone.
    """
    [key] = partition_keys_of(estate, conn, [home])
    parts = [_read_file(estate, conn, home, file, key, people, columns) for file in files]
    return pa.concat_tables([_empty(home, columns), *parts])


def _read_file(
    estate: Estate,
    conn: sa.Connection,
    home: Partition,
    file: DataFile,
    key: bytes,
    people: Collection[bytes] | None,
    columns: Sequence[str] | None,
) -> pa.Table:
    path = path_of(estate, file)
    if people is not None:
        present = raw_ids(key, read_sealed(path, columns=["locator"]).column("locator").to_pylist())
        if not set(present) & set(people):
            return _empty(home, columns)
    sealed = read_sealed(path)
    owners = raw_ids(key, sealed.column("locator").to_pylist())
    wanted = [place for place, owner in enumerate(owners) if people is None or owner in people]
    keys = estate.keyrings[home.zone].keys(
        conn, sorted({owners[place] for place in wanted}), home.stream or ""
    )
    wanted = [place for place in wanted if keys.get(owners[place]) is not None]
    if not wanted:
        return _empty(home, columns)
    table, bounds = open_blocks(
        sealed.take(pa.array(wanted)),
        wanted,
        [keys[owners[place]] for place in wanted],  # type: ignore[misc]
        partition_key=key,
        context=block_context(home, file.file_id),
        schema=schema_of(home.table_name),
        columns=columns,
    )
    return _with_pid(table, bounds, [owners[place] for place in wanted])


def _with_pid(table: pa.Table, bounds: np.ndarray, owners: list[bytes]) -> pa.Table:
    repeats = np.repeat(np.arange(len(owners), dtype=np.int32), np.diff(bounds))
    pids = pa.array(owners, type=pa.binary()).take(pa.array(repeats))
    return table.append_column("pid", pids)


def _empty(home: Partition, columns: Sequence[str] | None) -> pa.Table:
    schema = schema_of(home.table_name)
    fields = [schema.field(name) for name in (columns if columns is not None else schema.names)]
    return pa.schema([*fields, pa.field("pid", pa.binary())]).empty_table()
