"""Reading times that an adapter pulled one by one: texts and instants, offsets and zones that stand beside them.

An offset that a time carries wins over one that stands beside it, that over the zone that the row names, and that over
the account's zone. What none of them places stays a wall-clock time, read as if it were UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.sample import UTC_MICROSECONDS
from shelflife.sources.times import iso_times, wall_times
from shelflife.sources.zones import is_zone, offsets_at, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Time: TypeAlias = str | int | None
"""A time as text, or as an instant: microseconds since 1970-01-01T00:00Z."""

_MINUTE = 60_000_000
_MAX_OFFSET_MIN = 18 * 60
_LAST_MICROSECOND = 7_258_118_400_000_000
"""The year 2200: a later instant is in another unit."""
_NO_TEXT = pa.scalar(None, pa.string())
_NO_TIME = pa.scalar(None, pa.int64())


@dataclass(frozen=True)
class Stated:
    """What stands beside the times of some rows.

    Attributes:
        offsets: minutes east of UTC, by row.
        zones: IANA zone that the row names.
        basis: where the row says that its offset or zone comes from; `sample` when it does not say.
        account_zone: IANA zone of the account.
        formats: strptime formats of times as text; ISO 8601 when there are none.
    """

    offsets: Sequence[int | None]
    zones: Sequence[str | None]
    basis: Sequence[str | None]
    account_zone: str | None
    formats: Sequence[str]


@dataclass(frozen=True)
class ReadTimes:
    """Times that were read, one per row.

    Attributes:
        utc: timestamp[us, UTC].
        offset_min: minutes east of UTC, int16; null for a wall-clock time.
        zone: IANA zone that placed the time or gave its offset.
        basis: one of `TZ_BASES`.
        problem: `no_time`, `bad_time` or null.
        doubtful: whether it is a wall-clock time that exists twice or not at all in its zone.
    """

    utc: pa.Array
    offset_min: pa.Array
    zone: pa.Array
    basis: pa.Array
    problem: pa.Array
    doubtful: NDArray[np.bool_]


def read_times(given: Sequence[Time], stated: Stated) -> ReadTimes:
    """Read the times of a column."""
    utc, offset, problem, wall = _read(given, stated.formats)
    beside = np.array([np.nan if value is None else value for value in stated.offsets], float)
    beside[np.abs(beside) > _MAX_OFFSET_MIN] = np.nan
    taken = np.isnan(offset) & ~np.isnan(beside)
    offset[taken] = beside[taken]
    shifted = taken & wall
    utc[shifted] -= (beside[shifted] * _MINUTE).astype(np.int64)
    wall &= ~taken
    said = [own or "sample" for own in stated.basis]
    exists = {name: is_zone(name) for name in set(stated.zones)}
    zones: list[str | None] = [name if exists[name] else None for name in stated.zones]
    doubtful = np.zeros(len(given), bool)
    open_rows = np.isnan(offset)
    for row in np.flatnonzero(open_rows).tolist():
        if zones[row] is None and stated.account_zone is not None:
            zones[row], said[row] = stated.account_zone, "account"
    names = np.array([name or "" for name in zones])
    for name in np.unique(names[open_rows & (names != "")]).tolist():
        mine = open_rows & (names == name)
        _place(name, mine & wall, utc, offset, doubtful)
        _fill(name, mine & ~wall, utc, offset)
    known = ~np.isnan(offset)
    return ReadTimes(
        utc=pc.if_else(pc.is_null(problem), pa.array(utc), _NO_TIME).cast(UTC_MICROSECONDS),
        offset_min=pa.array(offset, from_pandas=True).cast(pa.int16()),
        zone=pa.array(zones, pa.string()),
        basis=pc.if_else(pa.array(known), pa.array(said, pa.string()), "unknown"),
        problem=problem,
        doubtful=doubtful & np.asarray(pc.is_null(problem)),
    )


def _read(
    given: Sequence[Time], formats: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64], pa.Array, NDArray[np.bool_]]:
    """Return microseconds, the offsets that texts carry, problems, and which are wall-clock times so far."""
    instant = np.array([isinstance(value, int) for value in given], bool)
    texts = pa.array([value if isinstance(value, str) else None for value in given], pa.string())
    read = wall_times(texts, formats) if formats else iso_times(texts)
    micros = np.array([value if isinstance(value, int) else 0 for value in given], object)
    far = np.array([abs(value) > _LAST_MICROSECOND for value in micros], bool)
    micros[far] = 0
    of_texts = np.asarray(pc.fill_null(read.utc.cast(pa.int64()), 0))
    utc = np.where(instant, micros.astype(np.int64), of_texts)
    offset = np.asarray(pc.fill_null(read.offset_min.cast(pa.float64()), np.nan)).copy()
    problem = pc.if_else(pa.array(far), "bad_time", pc.if_else(pa.array(instant), _NO_TEXT, read.problem))
    return utc, offset, problem, ~instant & np.isnan(offset) & np.asarray(pc.is_null(problem))


def _place(
    name: str,
    rows: NDArray[np.bool_],
    utc: NDArray[np.int64],
    offset: NDArray[np.float64],
    doubtful: NDArray[np.bool_],
) -> None:
    """Move wall-clock times into a zone."""
    if rows.any():
        placed = place(name, pa.array(utc[rows]))
        utc[rows] = np.asarray(pc.fill_null(placed.utc.cast(pa.int64()), 0))
        offset[rows] = np.asarray(placed.offset_min)
        doubtful[rows] = np.asarray(placed.doubtful)


def _fill(name: str, rows: NDArray[np.bool_], utc: NDArray[np.int64], offset: NDArray[np.float64]) -> None:
    """Give instants without an offset that of their zone."""
    shifts = offsets_at(name, pa.array(utc[rows]))
    if rows.any() and shifts is not None:
        offset[rows] = np.asarray(shifts)
