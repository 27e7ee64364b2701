"""Ways to plant rows of somebody in sealed and derived files, registered as if they were true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from shelflife.keys.tree import KeyKind
from shelflife.lake.catalog import (
    PartitionName,
    ensure_partitions,
    make_live,
    prepared_path,
    register_pending,
)
from shelflife.lake.models import load_models
from shelflife.lake.unseal import block_context, partition_keys_of, schema_of
from shelflife.seal.blocks import seal_blocks
from shelflife.seal.files import write_sealed
from shelflife.seal.parquet import write_encrypted
from tests.conftest import NOW

if TYPE_CHECKING:
    import datetime as dt

    from shelflife.estate import Estate


def plant_block(estate: Estate, pid: bytes, key: bytes, day: dt.date, *, period: str) -> str:
    """Seal one heart rate of somebody into a new live raw file; return the file's id."""
    schema = schema_of("heart")
    row = dict.fromkeys(schema.names) | {
        "signal": "heart_rate",
        "value_num": 61.0,
        "unit_ucum": "/min",
        "local_date": day,
    }
    with estate.database.commit() as tx:
        name = PartitionName("heart", period, "heart/default", "heart")
        [home] = ensure_partitions(estate, tx, "raw", [name], keyed=True)
        [partition_key] = partition_keys_of(estate, tx.conn, [home])
        file = register_pending(tx, home=home, batch_id=None, bucket=0, key_number=None, now=NOW)
        sealed = seal_blocks(
            pa.Table.from_pylist([row], schema=schema),
            np.array([0, 1]),
            [key],
            [pid],
            partition_key=partition_key,
            context=block_context(home, file.file_id),
        )
        written = write_sealed(prepared_path(estate, file), sealed)
        make_live(tx, file.file_id, rows=1, samples=1, size=written.bytes, sha256=written.sha256)
    return file.file_id


def plant_derived(estate: Estate, pid: bytes, day: dt.date, *, table: str = "heart_daily") -> str:
    """Write one derived row of somebody into a new live file; return the file's id."""
    model = load_models(estate.settings.models)[table]
    row = dict.fromkeys(model.schema.names) | {"pid": pid, model.date_column: day}
    with estate.database.commit() as tx:
        name = PartitionName(table, day.isoformat(), model.retention_class)
        [home] = ensure_partitions(estate, tx, "derived", [name], keyed=False)
        [number] = estate.trees["derived"].insert(tx, KeyKind.FILE, 1)
        [key] = estate.trees["derived"].lookup(tx.conn, [number])
        file = register_pending(tx, home=home, batch_id=None, bucket=0, key_number=number, now=NOW)
        written = write_encrypted(
            pa.Table.from_pylist([row], schema=model.schema),
            prepared_path(estate, file),
            file_id=file.file_id,
            file_key=key,
            classes=model.classes,
        )
        make_live(tx, file.file_id, rows=1, samples=1, size=written.bytes, sha256=written.sha256)
    return file.file_id
