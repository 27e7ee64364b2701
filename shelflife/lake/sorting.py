"""Sorting parsed rows: whose they are, which partition they belong to, which are duplicates, which are not sound.

Pure: it takes rows and what is known of the people in them, and returns rows with their fate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from shelflife.lake.unseal import QUARANTINE, UNCLASSIFIED
from shelflife.signals.vocabulary import PARTITION_GRAIN, SIGNALS
from shelflife.subjects.directory import Alias

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow as pa

# What makes two rows the same observation: DESIGN's sample identity, without the row's place in its file.
IDENTITY = (
    "signal",
    "value_num",
    "value_code",
    "comparator",
    "stage",
    "statistic",
    "start_utc",
    "end_utc",
    "source_platform",
    "source_app",
    "device_make",
    "device_model",
    "source_record_id",
)
_STREAM_OF = {name: signal.stream for name, signal in SIGNALS.items()}


@dataclass(frozen=True)
class Group:
    """The rows of one raw table and one period."""

    table_name: str
    stream: str
    period: str
    rows: pl.DataFrame = field(repr=False)


def with_people(table: pa.Table, accounts: Sequence[str | None]) -> tuple[pl.DataFrame, list[Alias]]:
    """Say whose each row is.

    Args:
        table: parsed rows with the column `file` (index into `accounts`).
        accounts: the account of each file, for rows that name nobody.

    Returns:
        The rows with `who`, an index into the returned aliases; null where nobody is named.
    """
    frame = pl.DataFrame(pl.from_arrow(table))
    fallback = pl.DataFrame({"file": range(len(accounts)), "account": accounts}, schema={"file": pl.Int32, "account": pl.String})
    frame = frame.join(fallback, on="file", how="left", maintain_order="left").with_columns(
        alias=pl.coalesce("alias", "account"),
        alias_kind=pl.when(pl.col("alias").is_null()).then(pl.lit("account")).otherwise(pl.col("alias_kind")),
    )
    named = frame.select("alias_kind", "alias").unique().drop_nulls().sort("alias_kind", "alias")
    named = named.with_row_index("who").cast({"who": pl.Int32})
    frame = frame.join(named, on=["alias_kind", "alias"], how="left", maintain_order="left")
    names = [Alias(kind, value) for kind, value in named.select("alias_kind", "alias").iter_rows()]
    return frame.drop("alias", "alias_kind", "account"), names


def with_fate(frame: pl.DataFrame, erased: Collection[int], *, arrived: str) -> pl.DataFrame:
    """Give each row its table, period and, where it is not landed, the reason.

    Args:
        frame: rows of `with_people`.
        erased: indexes (`who`) of people whose data is refused by arrival.
        arrived: the month of arrival, the period of quarantined rows.

    Returns:
        The rows with `stream`, `table_name`, `period` and `refusal` (a reason, or null).
    """
    stream = pl.col("signal").replace_strict(_STREAM_OF, default=UNCLASSIFIED, return_dtype=pl.String)
    frame = frame.with_columns(
        stream=stream.fill_null(UNCLASSIFIED),
        refusal=pl.when(pl.col("who").is_null())
        .then(pl.lit("no_subject"))
        .when(pl.col("who").is_in(sorted(erased)))
        .then(pl.lit("erased")),
    )
    monthly = [name for name, grain in PARTITION_GRAIN.items() if grain == "month"]
    period = (
        pl.when(pl.col("stream").is_in(monthly))
        .then(pl.col("local_date").dt.strftime("%Y-%m"))
        .otherwise(pl.col("local_date").dt.strftime("%Y-%m-%d"))
    )
    sound = pl.col("problem").is_null()
    return frame.with_columns(
        table_name=pl.when(sound).then(pl.col("stream")).otherwise(pl.lit(QUARANTINE) + pl.col("stream")),
        period=pl.when(sound).then(period).otherwise(pl.lit(arrived)),
    )


def grouped(frame: pl.DataFrame) -> list[Group]:
    """Split the rows that are kept by table and period; within a group they are in sealing order."""
    kept = frame.filter(pl.col("refusal").is_null()).sort(
        "table_name", "period", "who", "signal", "start_utc", "end_utc", nulls_last=True, maintain_order=True
    )
    return [
        Group(str(table_name), str(rows["stream"][0]), str(period), rows)
        for (table_name, period), rows in kept.group_by("table_name", "period", maintain_order=True)
    ]


def without_duplicates(rows: pl.DataFrame, existing: pl.DataFrame | None) -> pl.DataFrame:
    """Drop rows that repeat an earlier one of the same person, here or in what is landed already.

    Args:
        rows: one group's rows.
        existing: the identity columns and `who` of landed rows of the same people, if there are any.
    """
    same = ["who", *IDENTITY]
    fresh = rows.unique(subset=same, keep="first", maintain_order=True)
    if existing is None or existing.is_empty():
        return fresh
    return fresh.join(existing.select(same), on=same, how="anti", nulls_equal=True, maintain_order="left")


def counts_by_file(frame: pl.DataFrame, files: int) -> list[int]:
    """Return how many rows of a frame came from each file."""
    counted: Mapping[int, int] = dict(frame.group_by("file").len().iter_rows())
    return [counted.get(index, 0) for index in range(files)]
