"""What counts once although several rows say it: the same observation from two sources, and aggregates beside samples.

Rows of one person and one local date are looked at together. Nothing is dropped: rows get a quality flag, and whoever derives leaves flagged rows out. What else is landed decides, so
the flags are set when the rows of some people are read and are never stored.

**The same observation.** Rows of one person and signal with the same start and end (to the second), the same statistic and
values within the signal's tolerance, from different sources: the source that goes before the others in the declared
precedence counts, the others get `DUP_CROSS_SOURCE`. Rows that differ by more are two measurements, and both count.

**The same interval.** A mean, minimum or maximum gets `COUNTED_ELSEWHERE` when instants of its person and signal lie within
its interval: any instant of the same source, or instants of others that span at least half of it. What one source reports
within what it reports is judged by `signals.nesting`: a day's total beside its minutes, a night's RMSSD beside its windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from shelflife.signals.nesting import summaries, sums
from shelflife.signals.precedence import rank
from shelflife.signals.sample import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

COLUMNS: tuple[str, ...] = (
    "signal",
    "value_num",
    "value_code",
    "start_utc",
    "end_utc",
    "local_date",
    "statistic",
    "window_s",
    "source_platform",
    "source_app",
    "device_make",
    "device_model",
    "modality",
    "quality_flags",
)
"""Columns of a sample that decide, beside `pid`."""

TOLERANCE: Mapping[str, float] = {
    # 0.1 mmol/L, the last digit of meters and sensors in that unit, is 1.8 mg/dL: half of it each way, and rounding.
    "glucose_interstitial": 1.0,
    "glucose_capillary": 1.0,
    "heart_rate": 0.5,
    "resting_heart_rate": 0.5,
    "spo2": 0.5,
    "respiratory_rate": 0.25,
    "body_temperature": 0.06,
    "body_weight": 0.06,
    "vo2max": 0.06,
}
"""How far values of the same observation differ by rounding alone, in the signal's canonical unit; 0 for others."""

# What is derived of a day must not depend on which other days are derived with it.
_DAY = ["pid", "signal", "local_date"]
_SPAN = 0.5
_SECOND = 1_000_000
_SUMMARIES = ("mean", "min", "max")
_ALIKE = (*_SUMMARIES, "rmssd", "sdnn")
_UNUSABLE = QualityFlag.FUTURE | QualityFlag.OUT_OF_RANGE | QualityFlag.LOW_CONFIDENCE | QualityFlag.TIME_ONLY


def with_overlaps(rows: pa.Table, precedence: Sequence[str]) -> pa.Table:
    """Return rows with the flags of what counts elsewhere set in `quality_flags`.

    Args:
        rows: all rows of some people and periods: `pid` and `COLUMNS`, and any others.
        precedence: the declared order of sources, see `shelflife.signals.precedence`.

    Returns:
        The same rows in the same order.
    """
    if not rows.num_rows:
        return rows
    frame = _prepared(rows, precedence)
    flags = np.zeros(len(frame), np.int32)
    usable = frame.filter(pl.col("flags") & int(_UNUSABLE) == 0)
    _mark(flags, _same_observations(usable), QualityFlag.DUP_CROSS_SOURCE)
    _mark(flags, _summaries_beside_instants(usable), QualityFlag.COUNTED_ELSEWHERE)
    _mark(flags, _within_each_other(usable), QualityFlag.COUNTED_ELSEWHERE)
    place = rows.schema.get_field_index("quality_flags")
    marked = pa.array(frame["flags"].to_numpy() | flags, pa.int32())
    return rows.set_column(place, rows.schema.field(place), marked)


def _mark(flags: NDArray[np.int32], rows: Sequence[int] | NDArray[np.int64], flag: QualityFlag) -> None:
    if len(rows):
        flags[np.asarray(rows, np.int64)] |= int(flag)


def _prepared(rows: pa.Table, precedence: Sequence[str]) -> pl.DataFrame:
    """Return what decides, one row a sample: numbers instead of texts wherever many rows share few of them."""
    frame = pl.DataFrame(pl.from_arrow(rows.select(["pid", *COLUMNS])))
    source = ["source_platform", "source_app", "device_make", "device_model", "modality"]
    sources = frame.select(source).unique(maintain_order=True).with_row_index("source")
    ranks = [
        (one["modality"] == "self_reported", rank(one["source_platform"], one["source_app"], precedence))
        for one in sources.iter_rows(named=True)
    ]
    order = {pair: place for place, pair in enumerate(sorted(set(ranks)))}
    sources = sources.with_columns(pl.Series("rank", [order[pair] for pair in ranks], pl.Int32))
    start, end = pl.col("start_utc").cast(pl.Int64), pl.col("end_utc").cast(pl.Int64)
    window = pl.col("window_s").cast(pl.Int64).fill_null(0) * _SECOND
    return (
        frame.with_row_index("row")
        .join(sources, on=source, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            start=start,
            # A summary may say how long it is instead of where it ends.
            end=pl.when(end > start).then(end).otherwise(start + window),
            told_end=end,
            statistic=pl.col("statistic").fill_null("instant"),
            flags=pl.col("quality_flags").fill_null(0),
        )
        .select(
            "row", "pid", "signal", "local_date", "value_num", "value_code", "statistic", "source", "rank", "start", "end",
            "told_end", "flags",
        )
    )  # fmt: skip


def _same_observations(frame: pl.DataFrame) -> list[int]:
    """Return the rows that another source says, too, and that go after it."""
    several = frame.filter(pl.col("source").n_unique().over(_DAY) > 1)
    moment = several.with_columns(second=pl.col("start") // _SECOND, last=pl.col("told_end") // _SECOND)
    key = [*_DAY, "statistic", "second", "last"]
    shared = moment.filter(pl.col("source").n_unique().over(key) > 1)
    if shared.is_empty():
        return []
    shared = shared.with_columns(group=pl.struct(key).rank("dense")).sort("group", "rank", "source", "row")
    tolerance = shared["signal"].replace_strict(dict(TOLERANCE), default=0.0, return_dtype=pl.Float64)
    groups: dict[int, list[tuple[int, float | None, str | None]]] = {}
    losing: list[int] = []
    for group, row, value, code, source, margin in zip(
        *(shared[name].to_list() for name in ("group", "row", "value_num", "value_code", "source")),
        tolerance.to_list(),
        strict=True,
    ):
        counted = groups.setdefault(group, [])
        if any(other != source and _agree(value, code, seen, word, margin) for other, seen, word in counted):
            losing.append(row)
        else:
            counted.append((source, value, code))
    return losing


def _agree(
    value: float | None, code: str | None, seen: float | None, word: str | None, margin: float
) -> bool:
    if value is None or seen is None:
        return code is not None and code == word
    return abs(value - seen) <= margin + 1e-9


def _summaries_beside_instants(frame: pl.DataFrame) -> list[int]:
    """Return the means, minima and maxima whose interval instants of the same person and signal cover."""
    told = frame.filter(pl.col("statistic").is_in(_SUMMARIES) & (pl.col("end") > pl.col("start")))
    if told.is_empty():
        return []
    instants = frame.filter(pl.col("statistic") == "instant").join(
        told.select(_DAY).unique(), on=_DAY, how="semi"
    )
    times = _by_group(instants, _DAY, ["start"])
    own = _by_group(instants, [*_DAY, "source"], ["start"])
    found = []
    for row, source, start, end, *day in told.select("row", "source", "start", "end", *_DAY).iter_rows():
        if len(_within(own.get((*day, source)), start, end)):
            found.append(row)
            continue
        inside = _within(times.get(tuple(day)), start, end)
        if len(inside) > 1 and inside[-1] - inside[0] >= _SPAN * (end - start):
            found.append(row)
    return found


def _by_group(frame: pl.DataFrame, key: list[str], values: list[str]) -> dict[Any, NDArray[np.int64]]:
    ordered = frame.sort(values)
    return {
        name: part[values[0]].to_numpy()
        for name, part in ordered.partition_by(key, as_dict=True, include_key=False).items()
    }


def _within(times: NDArray[np.int64] | None, start: int, end: int) -> NDArray[np.int64]:
    if times is None:
        return np.empty(0, np.int64)
    return times[np.searchsorted(times, start) : np.searchsorted(times, end)]


def _within_each_other(frame: pl.DataFrame) -> list[int]:
    """Return, of sums and of summaries of one source that lie within each other, those that do not count."""
    found: list[int] = []
    for statistics, judge in ((("sum",), sums), (_ALIKE, summaries)):
        key = [*_DAY, "source", "statistic"]
        intervals = frame.filter(
            pl.col("statistic").is_in(statistics)
            & (pl.col("end") > pl.col("start"))
            & pl.col("value_num").is_not_null()
        ).sort(*key, "start", pl.col("end").neg(), "row")
        reached = pl.col("end").cum_max().shift(1).over(key)
        touched = intervals.filter((pl.col("start") < reached).any().over(key))
        for part in touched.partition_by(key, maintain_order=True):
            rows = part["row"].to_list()
            found += [rows[place] for place in judge(part.select("start", "end", "value_num").rows())]
    return found
