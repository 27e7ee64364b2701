"""Floating-point numbers of many blocks to segments in bulk: as exact decimals where they are, else as bytes.

Source of the decimal idea: Afroozeh, Kuffo, Boncz, *ALP: Adaptive Lossless floating-Point Compression*, SIGMOD 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shelflife.seal.arrays import starts_of
from shelflife.seal.integers import Packed, pack, planes, prefers_steps
from shelflife.seal.layout import DECIMALS, Kind

if TYPE_CHECKING:
    from shelflife.seal.arrays import Bools, Floats, Ints


def pack_floats(values: Floats, counts: Ints) -> Packed:
    """Pack the numbers of consecutive blocks, none of them empty; every bit survives, of NaN and -0.0 too."""
    whole, exponent = _as_decimals(values, counts)
    tags = np.full(len(counts), Kind.RAW | values.dtype.itemsize << 8, np.int64)
    details = np.zeros(len(counts), np.int64)
    segments: list[bytes | None] = [None] * len(counts)
    exact = np.flatnonzero(exponent >= 0)
    if len(exact):
        chosen = whole if len(exact) == len(counts) else whole[np.repeat(exponent >= 0, counts)]
        _place(pack_like(chosen, counts[exact], exponent[exact]), exact, tags, details, segments)
    _raw(values, counts, np.flatnonzero(exponent < 0).tolist(), segments)
    return Packed(tags, details, segments)


def pack_like(values: Ints, counts: Ints, exponent: Ints) -> Packed:
    """Pack integers that stand for decimals with this exponent in each block."""
    packed = pack(values, counts, steps=prefers_steps(values, np.cumsum(counts) - counts))
    return packed._replace(tags=packed.tags | exponent << 12)


def restore(whole: Ints, exponent: Ints | int, kind: np.dtype[np.floating]) -> Floats:
    """Return the numbers that integers with these decimal exponents stand for."""
    return (whole.astype(np.float64) / 10.0**exponent).astype(kind, copy=False)


def _as_decimals(values: Floats, counts: Ints) -> tuple[Ints, Ints]:
    bits = f"u{values.dtype.itemsize}"
    exponent = np.full(len(counts), -1, np.int64)
    starts = starts_of(counts)[:-1]
    result = np.zeros(0, np.int64)
    # NaN and infinity have no integer; the comparison below finds them, so the warning says nothing new.
    with np.errstate(invalid="ignore", over="ignore"):
        for power in DECIMALS:
            whole = np.rint(values.astype(np.float64, copy=False) * 10.0**power).astype(np.int64)
            wrong = restore(whole, power, values.dtype).view(bits) != values.view(bits)
            exact = ~np.logical_or.reduceat(wrong, starts) & (exponent < 0)
            result = whole if exact.all() else _merged(result, whole, exact, counts)
            exponent[exact] = power
            if (exponent >= 0).all():
                break
    return result, exponent


def _merged(result: Ints, whole: Ints, exact: Bools, counts: Ints) -> Ints:
    if not len(result):
        return whole
    return np.where(np.repeat(exact, counts), whole, result) if exact.any() else result


def _place(packed: Packed, where: Ints, tags: Ints, details: Ints, segments: list[bytes | None]) -> None:
    tags[where], details[where] = packed.tags, packed.details
    for at, segment in zip(where.tolist(), packed.segments, strict=True):
        segments[at] = segment


def _raw(values: Floats, counts: Ints, blocks: list[int], segments: list[bytes | None]) -> None:
    if not blocks:
        return
    bytes_of = planes(values, values.dtype.itemsize)
    bounds = starts_of(counts).tolist()
    for at in blocks:
        segments[at] = b"".join([plane[bounds[at] : bounds[at + 1]] for plane in bytes_of])
