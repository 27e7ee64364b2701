"""Integers of many blocks to segments in bulk: constants, distances from the least value, or steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shelflife.seal.layout import SCALES, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from shelflife.seal.arrays import Ints


class Packed(NamedTuple):
    """One column of several blocks: tag and parameter (tag | parameter << 8), what the shape adds, segments."""

    tags: Ints
    details: Ints
    segments: list[bytes | None]


def pack(values: Ints, counts: Ints, *, steps: bool, scales: Sequence[int] = (0,)) -> Packed:
    """Pack the integers of consecutive blocks, none of them empty.

    Args:
        values: the values of all blocks, end to end.
        counts: how many of them each block has; at least one.
        steps: store the step from value to value instead of the distance from the block's least value.
        scales: indexes into `SCALES` of the units to try, coarsest last.
    """
    starts = np.cumsum(counts) - counts
    least, most = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    if np.array_equal(least, most):
        return Packed(np.full(len(counts), Kind.CONSTANT), least, [None] * len(counts))
    base = values[starts] if steps else least
    stored = _steps(values, starts) if steps else values - np.repeat(least, counts)
    scale = _scales(stored, starts, scales)
    stored = _divided(stored, scale, counts)
    width = _signed_width(stored, starts) if steps else _unsigned_width(stored, starts)
    width = np.where(least == most, 0, width)
    tags = np.where(width == 0, Kind.CONSTANT, Kind.DELTA if steps else Kind.OFFSET)
    parameter = np.where(width == 0, 0, scale << 4 | width)
    details = np.where(width == 0, base, 0)
    return Packed(tags | parameter << 8, details, _segments(base, stored, width, counts))


def prefers_steps(values: Ints, starts: Ints) -> bool:
    """Return whether the steps between neighbours are clearly smaller than the spread around the mean."""
    if len(values) < 2:
        return False
    spread = np.abs(values - values.mean()).mean()
    steps = np.abs(_steps(values, starts).astype(np.float64)).mean()
    return bool(2 * steps < spread)


def planes(stored: npt.NDArray[np.generic], width: int) -> list[memoryview]:
    """Return the first bytes of all values, their second bytes, and so on (`width` of them)."""
    narrow = stored if stored.dtype.itemsize == width else stored.astype(f"<i{width}")
    table = narrow.view(np.uint8).reshape(-1, width)
    return [np.ascontiguousarray(table[:, plane]).data for plane in range(width)]


def _steps(values: Ints, starts: Ints) -> Ints:
    stored = np.empty_like(values)
    np.subtract(values[1:], values[:-1], out=stored[1:])
    stored[starts] = 0
    return stored


def _scales(stored: Ints, starts: Ints, scales: Sequence[int]) -> Ints:
    chosen = np.zeros(len(starts), np.int64)
    for scale in sorted(scales, reverse=True):
        if scale == 0 or chosen.all():
            break
        rest = np.bitwise_or.reduceat(stored % SCALES[scale], starts)
        chosen[(rest == 0) & (chosen == 0)] = scale
    return chosen


def _divided(stored: Ints, scale: Ints, counts: Ints) -> Ints:
    if not scale.any():
        return stored
    units = np.asarray(SCALES, np.int64)[scale]
    return stored // (units[0] if (units == units[0]).all() else np.repeat(units, counts))


def _unsigned_width(stored: Ints, starts: Ints) -> Ints:
    most = np.maximum.reduceat(stored.view(np.uint64), starts)
    return np.select([most < 1 << 8, most < 1 << 16, most < 1 << 32], [1, 2, 4], 8).astype(np.int64)


def _signed_width(stored: Ints, starts: Ints) -> Ints:
    most = np.maximum.reduceat(stored, starts)
    reach = np.maximum(most, ~np.minimum.reduceat(stored, starts))
    return np.select([reach < 1 << 7, reach < 1 << 15, reach < 1 << 31], [1, 2, 4], 8).astype(np.int64)


def _segments(base: Ints, stored: Ints, width: Ints, counts: Ints) -> list[bytes | None]:
    by_width = {int(one): planes(stored, int(one)) for one in np.unique(width) if one}
    bases = base.astype("<i8").tobytes()
    ends = np.cumsum(counts).tolist()
    segments: list[bytes | None] = []
    start = 0
    for at, (end, wide) in enumerate(zip(ends, width.tolist(), strict=True)):
        head = bases[8 * at : 8 * at + 8]
        segments.append(b"".join((head, *[plane[start:end] for plane in by_width[wide]])) if wide else None)
        start = end
    return segments
