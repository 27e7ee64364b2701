"""Sorting parsed rows: whose they are, which partition they belong to, which are duplicates, which are not sound.

Pure: it takes rows and what is known of the people in them, and returns rows with their fate.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from shelflife.lake.periods import days_of, period_of
from shelflife.lake.turns import certainly_in, possibly_in
from shelflife.lake.unseal import QUARANTINE, UNCLASSIFIED
from shelflife.signals.sample import IDENTITY
from shelflife.signals.vocabulary import PARTITION_GRAIN, SIGNALS
from shelflife.subjects.directory import Alias
from shelflife.subjects.periods import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from shelflife.subjects.periods import Periods

# A row that could not be read is the same as another only if it was received as the same text.
BROKEN_COLUMNS = ("problem", "value_raw", "unit_raw")
BROKEN_IDENTITY = tuple(f"broken_{name}" for name in BROKEN_COLUMNS)
_STREAM_OF = {name: signal.stream for name, signal in SIGNALS.items()}


@dataclass(frozen=True)
class Group:
    """A run of rows that belong into one file: one raw table, one period, people in runs of their own.

    Attributes:
        start: the first row.
        stop: the row after the last.
        bounds: where each person's rows start, relative to `start`, and the number of rows at the end.
        who: the person of each run.
    """

    table_name: str
    period: str
    start: int
    stop: int
    bounds: NDArray[np.int64] = field(repr=False)
    who: list[int] = field(repr=False)


def with_people(table: pa.Table, accounts: Sequence[str | None]) -> tuple[pl.DataFrame, list[Alias]]:
    """Say whose each row is.

    Args:
        table: parsed rows with the column `file` (index into `accounts`).
        accounts: the account of each file, for rows that name nobody.

    Returns:
        The rows with `who`, an index into the returned aliases; null where nobody is named.
    """
    frame = pl.DataFrame(pl.from_arrow(table))
    fallback = pl.DataFrame(
        {"file": range(len(accounts)), "account": accounts}, schema={"file": pl.Int32, "account": pl.String}
    )
    # A kind without a name means that the row names nobody; only a row without both belongs to the file's account.
    silent = pl.col("alias").is_null() & pl.col("alias_kind").is_null()
    frame = frame.join(fallback, on="file", how="left", maintain_order="left").with_columns(
        alias=pl.when(silent).then("account").otherwise("alias"),
        alias_kind=pl.when(silent).then(pl.lit("account")).otherwise("alias_kind"),
    )
    spelt = frame.select("alias_kind", "alias").unique().drop_nulls().sort("alias_kind", "alias")
    # Several spellings can be one alias; one without any text names nobody.
    index: dict[Alias, int] = {}
    aliases = [Alias(kind, value) for kind, value in spelt.iter_rows()]
    who = [index.setdefault(alias, len(index)) if alias.value else None for alias in aliases]
    spelt = spelt.with_columns(pl.Series("who", who, pl.Int32))
    frame = frame.join(spelt, on=["alias_kind", "alias"], how="left", maintain_order="left")
    return frame.drop("alias", "alias_kind", "account"), list(index)


def with_fate(
    frame: pl.DataFrame,
    erased: Mapping[int, Periods],
    *,
    arrived: str,
) -> pl.DataFrame:
    """Give each row its table, period and, where it is not landed, the reason.

    Args:
        frame: rows of `with_people`.
        erased: aliases (`who`) with the periods in which they were an erased person's: always, where the data is refused
            by arrival. A row that does not say when it was observed cannot be told from one of theirs.
        arrived: the month of arrival, the period of quarantined rows.

    Returns:
        The rows with `stream`, `table_name`, `period` and `refusal` (a reason, or null).
    """
    stream = pl.col("signal").replace_strict(_STREAM_OF, default=UNCLASSIFIED, return_dtype=pl.String)
    frame = frame.with_columns(
        stream=stream.fill_null(UNCLASSIFIED),
        refusal=pl.when(pl.col("who").is_null())
        .then(pl.lit("no_subject"))
        .when(_of_erased(erased))
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


def _of_erased(erased: Mapping[int, Periods]) -> pl.Expr:
    """Tell which rows are, or may be, those of erased people."""
    always = sorted(who for who, periods in erased.items() if periods == ALWAYS)
    found = pl.col("who").is_in(always)
    for who, periods in erased.items():
        if periods != ALWAYS:
            found |= (pl.col("who") == who) & possibly_in(periods)
    return found


def with_owners(frame: pl.DataFrame, owners: Sequence[Sequence[tuple[int, Periods]]]) -> pl.DataFrame:
    """Turn aliases into the people whose they were when each row was observed.

    Args:
        frame: rows of `with_fate`.
        owners: by alias (`who`), the people who have or had it and when.

    Returns:
        The rows with `who`, now a person; rows that fall into nobody's period are refused as `no_owner`, and so are
        those that do not say when they were observed, where the alias passed from one person to another.
    """
    constant = [turns[0][0] if len(turns) == 1 and turns[0][1] == ALWAYS else None for turns in owners]
    alias = pl.col("who")
    person = alias.replace_strict(
        pl.Series(range(len(owners)), dtype=pl.Int32),
        pl.Series(constant, dtype=pl.Int32),
        default=None,
        return_dtype=pl.Int32,
    )
    for who, turns in enumerate(owners):
        if constant[who] is None:
            for owner, periods in turns:
                theirs = (alias == who) & certainly_in(periods)
                person = pl.when(theirs).then(pl.lit(owner, pl.Int32)).otherwise(person)
    frame = frame.with_columns(who=person)
    nobody = pl.col("who").is_null() & pl.col("refusal").is_null()
    return frame.with_columns(
        refusal=pl.when(nobody).then(pl.lit("no_owner")).otherwise("refusal"),
    )


def with_refusals(frame: pl.DataFrame, where: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Refuse every row that agrees with a row of `where` in all of its columns, unless it is refused already."""
    if where.is_empty():
        return frame
    marked = where.unique().with_columns(_late=pl.lit(reason))
    frame = frame.join(marked, on=where.columns, how="left", maintain_order="left")
    return frame.with_columns(refusal=pl.coalesce("refusal", "_late")).drop("_late")


def people_around(kept: pl.DataFrame) -> dict[tuple[str, str], set[int]]:
    """Return who has rows in or right beside each table and period."""
    found: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for table_name, period, who in kept.select("table_name", "period", "who").unique().iter_rows():
        first, end = days_of(period)
        grain = "day" if end - first == dt.timedelta(days=1) else "month"
        for day in (first - dt.timedelta(days=1), first, end):
            found[table_name, period_of(day, grain)].add(who)
    return dict(found)


def without_duplicates(rows: pl.DataFrame, existing: pl.DataFrame | None) -> pl.DataFrame:
    """Drop rows that repeat an earlier one of the same person, here or in what is landed already.

    Args:
        rows: rows to keep, in the order in which a first sight counts.
        existing: `who`, the identity and the broken columns of landed rows of the same people, if there are any.
    """
    same = ["who", *IDENTITY, *BROKEN_IDENTITY]
    rows = _with_broken_identity(rows)
    fresh = rows.unique(subset=same, keep="first", maintain_order=True)
    if existing is None or existing.is_empty():
        return fresh
    return fresh.join(
        _with_broken_identity(existing).select(same),
        on=same,
        how="anti",
        nulls_equal=True,
        maintain_order="left",
    )


def _with_broken_identity(rows: pl.DataFrame) -> pl.DataFrame:
    """Add what a broken row is known by; null in sound rows, whose text as received does not count."""
    broken = pl.col("problem").is_not_null()
    return rows.with_columns(
        pl.when(broken).then(pl.col(name)).alias(column)
        for name, column in zip(BROKEN_COLUMNS, BROKEN_IDENTITY, strict=True)
    )


def in_sealing_order(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Group]]:
    """Sort rows by table, period, person, signal and time, and say which run of them goes into which file."""
    order = ("table_name", "period", "who", "signal", "start_utc", "end_utc")
    rows = rows.sort(*order, nulls_last=True, maintain_order=True)
    files = _run_starts(rows.select(pl.struct("table_name", "period").rle_id()).to_series().to_numpy())
    who = rows["who"].to_numpy()
    groups = []
    for start, stop in pairwise(files):
        bounds = _run_starts(who[start:stop])
        owners = [int(who[start + place]) for place in bounds[:-1]]
        table_name, period = rows["table_name"][int(start)], rows["period"][int(start)]
        groups.append(Group(table_name, period, int(start), int(stop), bounds, owners))
    return rows, groups


def counts_by_file(frame: pl.DataFrame, files: int) -> list[int]:
    """Return how many rows of a frame came from each file."""
    counted: Mapping[int, int] = dict(frame.group_by("file").len().iter_rows())
    return [counted.get(index, 0) for index in range(files)]


def _run_starts(values: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return where each run of equal neighbours starts, and the length of it all."""
    if not len(values):
        return np.zeros(1, dtype=np.int64)
    return np.flatnonzero(np.r_[True, values[1:] != values[:-1], True]).astype(np.int64)
