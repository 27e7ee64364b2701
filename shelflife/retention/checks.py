"""The oldest-row check: whether anything that can still be read is past its window, judged by the rows themselves."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from shelflife.lake.catalog import Partition, files_of_partition, partitions
from shelflife.lake.inputs import derived_files
from shelflife.lake.leasing import held_lease
from shelflife.lake.models import load_models, output_schema
from shelflife.lake.periods import days_of
from shelflife.lake.unseal import HELD, QUARANTINE, read_partition
from shelflife.policy.classes import rules_by_class
from shelflife.retention.coverage import coverage
from shelflife.retention.held_rows import RAW
from shelflife.retention.holds import active_holds
from shelflife.retention.windows import window_of
from shelflife.seal.file_keys import CLASSES
from shelflife.seal.parquet import open_encrypted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.lake.models import Model
    from shelflife.policy.classes import ClassRule
    from shelflife.policy.retention import RetentionPolicy
    from shelflife.retention.holds import Hold

SLACK = dt.timedelta(days=2)
"""How long after the end of a window rows may still be there: a daily purge may fail once."""

_DAY = "local_date"
_ZONES = (RAW, "derived", "analytics")


@dataclass(frozen=True)
class OldestRow:
    """The oldest readable rows of one table and retention class.

    Attributes:
        period: the partition that they lie in.
        due: the last day on which they may be kept, without slack; None where a hold or no rule decides.
        passed: whether they may still be there.
    """

    zone: str
    table_name: str
    retention_class: str
    period: str
    due: dt.date | None
    passed: bool


def oldest_rows(
    estate: Estate, policies: Sequence[RetentionPolicy], now: dt.datetime, slack: dt.timedelta = SLACK
) -> list[OldestRow]:
    """Return the oldest rows of every table and class, and whether each may still be there.

    The oldest open partition is opened and its rows are looked at, so that a row that lies in the partition of another
    day does not hide. A partition of which no key opens a row counts as gone.

    Args:
        estate: the estate.
        policies: every loaded policy.
        now: the time.
        slack: how long after the end of a window a purge may take place.

    Raises:
        ConfigurationError: two policies contradict each other.
        SealBroken: a file was altered.
    """
    rules = rules_by_class(policies)
    models = load_models(estate.settings.models)
    found = []
    with held_lease(estate, "checks", lambda: now), estate.database.read() as conn:
        holds = active_holds(conn)
        for zone in _ZONES:
            for group in _by_class(partitions(conn, zone=zone)):
                oldest = next(_readable(estate, conn, models, group), None)
                if oldest is not None:
                    found.append(_judged(*oldest, rules, holds, now - slack))
    return found


def _by_class(homes: Sequence[Partition]) -> Iterator[list[Partition]]:
    """Yield the partitions of each table and class, oldest first."""

    def place(home: Partition) -> tuple[str, str]:
        return home.table_name, home.retention_class

    for _, group in groupby(sorted(homes, key=place), key=place):
        yield sorted(group, key=lambda home: days_of(home.period))


def _readable(
    estate: Estate, conn: sa.Connection, models: Mapping[str, Model], homes: Sequence[Partition]
) -> Iterator[tuple[Partition, dt.date]]:
    """Yield partitions that have readable rows, with the day of the oldest one."""
    for home in homes:
        days = (
            _raw_days(estate, conn, home)
            if home.zone == RAW
            else _derived_days(estate, conn, models[home.table_name], models, home)
        )
        if days is None:
            continue
        yield home, days


def _raw_days(estate: Estate, conn: sa.Connection, home: Partition) -> dt.date | None:
    rows = read_partition(estate, conn, home, files_of_partition(conn, home.partition_id), columns=[_DAY])
    if not rows.num_rows:
        return None
    if home.table_name.removeprefix(HELD).startswith(QUARANTINE):
        # Quarantined rows lie in the month of their arrival, whatever day they name.
        return days_of(home.period)[0]
    oldest: dt.date | None = pc.min(rows.column(_DAY)).as_py()
    return oldest


def _derived_days(
    estate: Estate, conn: sa.Connection, model: Model, models: Mapping[str, Model], home: Partition
) -> dt.date | None:
    files = derived_files(estate, conn, model, files_of_partition(conn, home.partition_id))
    if not files:
        return None
    rows = open_encrypted(files, allowed=CLASSES, schema=output_schema(model, models))
    oldest: dt.date | None = pc.min(rows.to_table(columns=[model.date_column]).column(0)).as_py()
    return oldest


def _judged(
    home: Partition,
    oldest: dt.date,
    rules: Mapping[str, ClassRule],
    holds: Sequence[Hold],
    at: dt.datetime,
) -> OldestRow:
    def row(due: dt.date | None, *, passed: bool) -> OldestRow:
        return OldestRow(home.zone, home.table_name, home.retention_class, home.period, due, passed)

    if home.table_name.startswith(HELD):
        return row(None, passed=any(hold.retention_class == home.retention_class for hold in holds))
    known = rules.get(home.retention_class)
    if known is None:
        return row(None, passed=False)
    # A row from before its partition's days counts by its own day.
    period = home.period if oldest >= days_of(home.period)[0] else oldest.isoformat()
    window = window_of(period, known.rule.keep)
    held = home.zone == RAW and any(
        hold.everyone and coverage(hold, home.table_name, home.stream, home.period) == "whole"
        for hold in holds
    )
    return row(window.ends, passed=held or not window.is_over(at))
