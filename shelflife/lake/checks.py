"""Checks of landed batches: row rules as one aggregate query a stream, and the profile that a judge looks at.

Rows are opened in memory; only counts leave. A batch that fails is kept, never lost, and derivation leaves it
out until it passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlalchemy as sa

from shelflife.control.tables import batch, data_file
from shelflife.lake.catalog import files_by_id, partitions_by_id
from shelflife.lake.models import locked_connection
from shelflife.lake.unseal import read_partition
from shelflife.signals.sample import IDENTITY, SAMPLE_SCHEMA
from shelflife.signals.vocabulary import SIGNALS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from shelflife.estate import Estate

_COLUMNS = [*dict.fromkeys([*IDENTITY, "unit_ucum", "local_date", "tz_basis"])]
# Each rule is a condition that a broken row meets; all of them are counted in one pass.
ROW_RULES: dict[str, str] = {
    "one_value": "(value_num IS NULL) = (value_code IS NULL AND stage IS NULL)",
    "ordered_times": "end_utc < start_utc",
    "known_signal": "known IS NULL",
    "canonical_unit": "value_num IS NOT NULL AND unit_ucum IS DISTINCT FROM unit",
    "possible_value": "value_num < low OR value_num > high",
    "local_day": "local_date IS NULL",
}


@dataclass(frozen=True)
class RuleResult:
    """How many rows of a stream break one rule."""

    stream: str
    rule: str
    violations: int
    rows: int

    @property
    def passed(self) -> bool:
        """Whether no row breaks the rule."""
        return self.violations == 0


@dataclass
class StreamCheck:
    """What was found in one stream of some batches.

    Attributes:
        rules: counts, one rule an entry.
        profile: one row a signal with count, mean, least, most and null share; for a judge in memory, never kept.
    """

    stream: str
    rules: list[RuleResult]
    profile: pa.Table = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(rule.passed for rule in self.rules)


def check_stream(estate: Estate, stream: str, batch_ids: Sequence[str]) -> StreamCheck:
    """Check what the given batches landed in one stream.

    Raises:
        SealBroken: a file was altered.
    """
    rows = _rows(estate, stream, batch_ids)
    with locked_connection({"samples": rows, "vocabulary": _vocabulary()}) as connection:
        joined = "samples LEFT JOIN vocabulary ON signal = known"
        counts = ", ".join(f"count(*) FILTER (WHERE {rule})" for rule in ROW_RULES.values())
        found = connection.execute(f"SELECT count(*), {counts} FROM {joined}").fetchone() or ()
        profile = _profile(connection)
    total, *violations = (int(count) for count in found)
    rules = [
        RuleResult(stream, name, broken, total) for name, broken in zip(ROW_RULES, violations, strict=True)
    ]
    return StreamCheck(stream, rules, profile)


def check_batches(estate: Estate, batch_ids: Sequence[str]) -> list[StreamCheck]:
    """Check every stream of each batch by itself and record which batches passed."""
    found = []
    for batch_id in batch_ids:
        checks = [check_stream(estate, stream, [batch_id]) for stream in STREAMS]
        judge(estate, [batch_id], passed=all(check.passed for check in checks))
        found += checks
    return found


def judge(estate: Estate, batch_ids: Sequence[str], *, passed: bool) -> None:
    """Record the verdict on batches; a failed one stays failed until a later check passes it."""
    with estate.database.commit() as tx:
        tx.conn.execute(
            batch.update()
            .where(batch.c.batch_id.in_(list(batch_ids)))
            .values(verdict="passed" if passed else "failed")
        )


def unjudged(estate: Estate) -> list[str]:
    """Return the landed batches that no check has judged yet, oldest first."""
    query = (
        sa.select(batch.c.batch_id)
        .where(batch.c.state == "committed", batch.c.verdict.is_(None))
        .where(batch.c.batch_id.in_(sa.select(data_file.c.batch_id).where(data_file.c.zone == "raw")))
        .order_by(batch.c.committed_at)
    )
    with estate.database.read() as conn:
        return list(conn.execute(query).scalars())


def _rows(estate: Estate, stream: str, batch_ids: Sequence[str]) -> pa.Table:
    with estate.database.read() as conn:
        query = sa.select(data_file.c.file_id).where(
            data_file.c.batch_id.in_(list(batch_ids)),
            data_file.c.zone == "raw",
            data_file.c.table_name == stream,
            data_file.c.state == "live",
        )
        files = files_by_id(conn, list(conn.execute(query).scalars()))
        homes = partitions_by_id(conn, [file.partition_id for file in files])
        schema = pa.schema([*(SAMPLE_SCHEMA.field(name) for name in _COLUMNS), pa.field("pid", pa.binary())])
        parts = [
            read_partition(
                estate, conn, home, [f for f in files if f.partition_id == partition_id], columns=_COLUMNS
            )
            for partition_id, home in homes.items()
        ]
    return pa.concat_tables([schema.empty_table(), *parts])


def _vocabulary() -> pa.Table:
    signals = list(SIGNALS.values())
    bounds = [signal.possible or (None, None) for signal in signals]
    return pa.table(
        {
            "known": pa.array([signal.name for signal in signals], pa.string()),
            "unit": pa.array([signal.unit for signal in signals], pa.string()),
            "low": pa.array([low for low, _ in bounds], pa.float64()),
            "high": pa.array([high for _, high in bounds], pa.float64()),
        }
    )


def _profile(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    query = """
        SELECT signal, count(*) AS samples, count(DISTINCT pid) AS subjects, avg(value_num) AS mean,
               min(value_num) AS least, max(value_num) AS most,
               count(*) FILTER (WHERE value_num IS NULL) / count(*) AS null_share,
               count(*) FILTER (WHERE tz_basis = 'unknown') / count(*) AS unknown_zone_share
        FROM samples GROUP BY signal ORDER BY signal
    """
    return connection.execute(query).to_arrow_table()
