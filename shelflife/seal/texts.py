"""Strings and bytes of many blocks to segments in bulk. A block carries only values of its own rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.seal.arrays import binary, starts_of, text_parts
from shelflife.seal.integers import Packed, planes
from shelflife.seal.layout import Kind

if TYPE_CHECKING:
    from shelflife.seal.arrays import Ints

# A column with more distinct values than this share of its rows is not worth a dictionary.
_MOSTLY_DISTINCT = 0.5
_COUNT_BYTES = 4


class Runs(NamedTuple):
    """Text as runs of equal neighbours: where each run ends, and the code of its value."""

    ends: Ints
    codes: Ints
    values: pa.Array


def runs(array: pa.Array) -> Runs:
    """Return the runs of text without nulls; `values` is binary."""
    if pa.types.is_dictionary(array.type):
        encoded = pc.run_end_encode(array.indices)
        return Runs(_ends(encoded), encoded.values.to_numpy().astype(np.int64), binary(array.dictionary))
    encoded = pc.run_end_encode(array)
    dictionary = encoded.values.dictionary_encode()
    return Runs(_ends(encoded), dictionary.indices.to_numpy().astype(np.int64), binary(dictionary.dictionary))


def pack_text(array: pa.Array, counts: Ints) -> tuple[Packed, list[bytes]]:
    """Pack the text of consecutive blocks, none of them empty.

    Returns:
        The packed column, whose details are positions in the list of values that is returned with it.
    """
    found = runs(array)
    bounds = starts_of(counts)
    first = np.searchsorted(found.ends, bounds[:-1], side="right")
    last = np.searchsorted(found.ends, bounds[1:] - 1, side="right")
    constant = first == last
    tags = np.where(constant, Kind.TEXT_CONSTANT, 0)
    used, details = np.unique(found.codes[first], return_inverse=True)
    details = np.where(constant, details, 0)
    segments: list[bytes | None] = [None] * len(counts)
    varying = np.flatnonzero(~constant)
    if len(varying):
        kinds, pieces = _varying(found, bounds[:-1][varying], counts[varying])
        tags[varying] = kinds
        for at, piece in zip(varying.tolist(), pieces, strict=True):
            segments[at] = piece
    return Packed(tags, details, segments), found.values.take(pa.array(used)).to_pylist()


def _varying(found: Runs, starts: Ints, counts: Ints) -> tuple[Ints, list[bytes]]:
    rows = np.repeat(starts - starts_of(counts)[:-1], counts) + np.arange(counts.sum())
    codes = found.codes[np.searchsorted(found.ends, rows, side="right")]
    size = max(1, len(found.values))
    block = np.repeat(np.arange(len(counts)), counts)
    own, local = np.unique(block * size + codes, return_inverse=True)
    own_counts = np.bincount(own // size, minlength=len(counts))
    if len(own) > _MOSTLY_DISTINCT * len(rows):
        return _plain(found.values.take(pa.array(codes)), counts)
    local -= np.repeat(starts_of(own_counts)[:-1], counts)
    return _dictionary(found.values.take(pa.array(own % size)), own_counts, local, counts)


def _plain(values: pa.Array, counts: Ints) -> tuple[Ints, list[bytes]]:
    width, pieces = _lengths_and_data(values, counts)
    return Kind.TEXT_PLAIN | width << 8, pieces


def _dictionary(values: pa.Array, sizes: Ints, local: Ints, counts: Ints) -> tuple[Ints, list[bytes]]:
    length_width, blobs = _lengths_and_data(values, sizes)
    width = 1 if sizes.max() <= 1 << 8 else 2 if sizes.max() <= 1 << 16 else 4
    codes = planes(local, width)
    bounds = starts_of(counts).tolist()
    pieces = [
        b"".join((size.to_bytes(_COUNT_BYTES, "little"), blob, *[plane[start:end] for plane in codes]))
        for size, blob, start, end in zip(sizes.tolist(), blobs, bounds, bounds[1:], strict=False)
    ]
    return Kind.TEXT_DICTIONARY | (width << 4 | length_width) << 8, pieces


def _lengths_and_data(values: pa.Array, counts: Ints) -> tuple[Ints, list[bytes]]:
    offsets, data = text_parts(values)
    lengths = np.diff(offsets)
    bounds = starts_of(counts)
    longest = np.maximum.reduceat(lengths, bounds[:-1])
    width = np.select([longest < 1 << 8, longest < 1 << 16], [1, 2], 4).astype(np.int64)
    by_width = {int(one): planes(lengths, int(one)) for one in np.unique(width)}
    edges, cuts = bounds.tolist(), offsets[bounds].tolist()
    pieces = [
        b"".join((*[plane[start:end] for plane in by_width[wide]], data[low:high]))
        for wide, start, end, low, high in zip(width.tolist(), edges, edges[1:], cuts, cuts[1:], strict=False)
    ]
    return width, pieces


def _ends(encoded: pa.RunEndEncodedArray) -> Ints:
    return np.asarray(encoded.run_ends.to_numpy()).astype(np.int64)
