"""What the catalog says about partitions, in counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import batch, data_file, derivation, partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shelflife.estate import Estate

_CHUNK = 400


@dataclass(frozen=True)
class Landed:
    """What some batches brought to one stream in one period."""

    stream: str
    period: str
    samples: int
    bytes: int


def landed_by(estate: Estate, batch_ids: Sequence[str]) -> list[Landed]:
    """Return what the given batches brought, by stream and period."""
    found = []
    for start in range(0, len(batch_ids), _CHUNK):
        query = (
            sa.select(
                data_file.c.table_name,
                partition.c.period,
                sa.func.sum(data_file.c.samples),
                sa.func.sum(data_file.c.bytes),
            )
            .join(partition, partition.c.partition_id == data_file.c.partition_id)
            .where(data_file.c.zone == "raw", data_file.c.batch_id.in_(batch_ids[start : start + _CHUNK]))
            .where(data_file.c.table_name == partition.c.stream)
            .group_by(data_file.c.table_name, partition.c.period)
        )
        with estate.database.read() as conn:
            found += [
                Landed(name, period, int(rows), int(size)) for name, period, rows, size in conn.execute(query)
            ]
    return found


def samples_held(estate: Estate) -> dict[tuple[str, str], int]:
    """Return the samples that the raw zone holds, by stream and period."""
    query = (
        sa.select(data_file.c.table_name, partition.c.period, sa.func.sum(data_file.c.samples))
        .join(partition, partition.c.partition_id == data_file.c.partition_id)
        .where(data_file.c.zone == "raw", data_file.c.state == "live", partition.c.state == "open")
        .where(data_file.c.table_name == partition.c.stream)
        .group_by(data_file.c.table_name, partition.c.period)
    )
    with estate.database.read() as conn:
        return {(name, period): int(samples) for name, period, samples in conn.execute(query)}


def rows_held(estate: Estate, model: str) -> dict[str, int]:
    """Return the rows that a model's table holds, by period."""
    query = (
        sa.select(derivation.c.period, sa.func.sum(derivation.c.rows))
        .where(derivation.c.model == model)
        .group_by(derivation.c.period)
    )
    with estate.database.read() as conn:
        return {period: int(rows) for period, rows in conn.execute(query)}


def failed_batches(estate: Estate) -> list[str]:
    """Return the landed batches whose checks failed, oldest first."""
    query = sa.select(batch.c.batch_id).where(batch.c.state == "committed", batch.c.verdict == "failed")
    with estate.database.read() as conn:
        return list(conn.execute(query.order_by(batch.c.committed_at)).scalars())
