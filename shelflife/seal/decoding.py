"""The plaintexts of blocks to a table: every column is decoded once for all blocks together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from shelflife.seal.arrays import FLOAT, TEXT, Bools, Ints, family, from_numbers, joined, starts_of
from shelflife.seal.context import value_type
from shelflife.seal.layout import SCALES, Kind
from shelflife.seal.shapes import Entry, Parsed, parse_blocks
from shelflife.seal.text_decoding import unpack_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from shelflife.seal.arrays import Floats

_BASE_BYTES = 8
_INTEGER_KINDS = frozenset((Kind.CONSTANT, Kind.OFFSET, Kind.DELTA))


class Cells(NamedTuple):
    """One column of all blocks, ready to decode: entries, how many values each block has, segments, null mask."""

    entries: list[Entry]
    counts: Ints
    segments: list[memoryview]
    valid: Bools | None


def decode_blocks(
    plaintexts: Sequence[bytes], schema: pa.Schema, columns: Sequence[str]
) -> tuple[pa.Table, Ints]:
    """Return the rows of all blocks, end to end, in these columns; and the bounds of the blocks.

    Raises:
        ValueError, IndexError, struct.error, pa.ArrowException: when a block is not one.
    """
    parsed = parse_blocks(plaintexts, schema)
    decoder = _Decoder(parsed, schema)
    positions = [schema.get_field_index(name) for name in columns]
    arrays = [decoder.array(position) for position in positions]
    return pa.Table.from_arrays(
        arrays, schema=pa.schema([schema.field(at) for at in positions])
    ), decoder.bounds


class _Decoder:
    def __init__(self, parsed: Parsed, schema: pa.Schema) -> None:
        self.parsed, self.schema = parsed, schema
        self.bounds = starts_of(parsed.rows)
        self._times: dict[int, tuple[Ints, Cells]] = {}

    def array(self, position: int) -> pa.Array:
        kind = self.schema.field(position).type
        if family(kind) == TEXT:
            return unpack_text(self.cells(position), self.parsed.rows, kind)
        cells = self.cells(position)
        if family(kind) == FLOAT:
            return from_numbers(_floats(cells, kind), cells.valid, kind)
        decoded = from_numbers(self.whole(position)[0], cells.valid, value_type(kind))
        return decoded.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else decoded

    def whole(self, position: int) -> tuple[Ints, Cells]:
        """Return the column's values as 64-bit integers, without nulls; kept, as later ones may be relative to it."""
        if position not in self._times:
            cells = self.cells(position)
            values = unpack(cells.entries, cells.counts, cells.segments)
            relative = np.array([entry.relative for entry in cells.entries], bool)
            if relative.any():
                values = values + self._origin(position, relative, cells.counts)
            self._times[position] = values, cells
        return self._times[position]

    def _origin(self, position: int, relative: Bools, counts: Ints) -> Ints:
        types = self.schema.types
        before = [at for at in range(position) if types[at] == types[position]]
        values, cells = self.whole(before[-1])
        if not np.array_equal(cells.counts[relative], counts[relative]):
            raise ValueError("relative")
        if relative.all():
            return values
        origin = np.zeros(int(counts.sum()), np.int64)
        origin[np.repeat(relative, counts)] = values[np.repeat(relative, cells.counts)]
        return origin

    def cells(self, position: int) -> Cells:
        """Gather a column of all blocks, and split off the bitmaps of those that have nulls."""
        parsed = self.parsed
        by_shape = [shape.entries[position] for shape in parsed.shapes]
        entries = [by_shape[number] for number in parsed.shape_of.tolist()]
        empty = memoryview(b"")
        segments = [
            own[entry.segment] if entry.segment >= 0 else empty
            for entry, own in zip(entries, parsed.segments, strict=True)
        ]
        null = np.array([entry.kind == Kind.NULL for entry in by_shape], bool)[parsed.shape_of]
        mixed = np.array([entry.mixed for entry in by_shape], bool)[parsed.shape_of]
        if not mixed.any() and not (null & (parsed.rows > 0)).any():
            return Cells(entries, parsed.rows, segments, None)
        valid = np.repeat(~null, parsed.rows)
        for at in np.flatnonzero(mixed).tolist():
            rows = int(parsed.rows[at])
            size = (rows + 7) // 8
            if len(segments[at]) < size:
                raise ValueError("bitmap")
            bits = np.frombuffer(segments[at][:size], np.uint8)
            valid[self.bounds[at] : self.bounds[at + 1]] = np.unpackbits(bits, count=rows, bitorder="little")
            segments[at] = segments[at][size:]
        counts = np.diff(starts_of(valid.astype(np.int64))[self.bounds])
        return Cells(entries, counts, segments, valid)


def unpack(
    entries: list[Entry], counts: Ints, segments: list[memoryview], *, units: Sequence[int] = SCALES
) -> Ints:
    """Return the integers of all blocks, end to end. Blocks of another kind leave their places at zero."""
    groups: dict[tuple[int, int], list[int]] = {}
    for at, entry in enumerate(entries):
        groups.setdefault((entry.kind, entry.low), []).append(at)
    values: Ints | None = None
    for form, blocks in groups.items():
        if form[0] not in _INTEGER_KINDS:
            continue
        own = [entries[at] for at in blocks]
        found = _integers(form, own, counts[blocks], [segments[at] for at in blocks], units)
        if len(blocks) == len(counts):
            return found
        if values is None:
            values = np.zeros(int(counts.sum()), np.int64)
        member = np.zeros(len(counts), bool)
        member[blocks] = True
        values[np.repeat(member, counts)] = found
    return np.zeros(int(counts.sum()), np.int64) if values is None else values


def _integers(
    form: tuple[int, int],
    entries: list[Entry],
    counts: Ints,
    segments: list[memoryview],
    units: Sequence[int],
) -> Ints:
    kind, width = form
    if kind == Kind.CONSTANT:
        if any(map(len, segments)):
            raise ValueError("segment")
        constants: Ints = np.array([entry.constant for entry in entries], np.int64)
        repeated: Ints = np.repeat(constants, counts)
        return repeated
    if [len(segment) for segment in segments] != (counts * width + _BASE_BYTES).tolist() or not counts.all():
        raise ValueError("segment")
    base = joined([segment[:_BASE_BYTES] for segment in segments], "<i8").astype(np.int64)
    stored = from_planes([segment[_BASE_BYTES:] for segment in segments], counts, width)
    unit = np.array([units[entry.high] for entry in entries], np.int64)
    factor = unit[0] if (unit == unit[0]).all() else np.repeat(unit, counts)
    narrow = stored.view(f"<{'i' if kind == Kind.DELTA else 'u'}{width}")
    # Unsigned 64-bit distances wrap around, which is what undoes the wrapping of the encoder.
    values: Ints = np.multiply(narrow, factor, dtype=np.int64, casting="unsafe")
    if kind == Kind.OFFSET:
        values += np.repeat(base, counts)
        return values
    return _summed(values, base, starts_of(counts)[:-1])


def _summed(steps: Ints, base: Ints, starts: Ints) -> Ints:
    """Return running sums that start anew, from `base`, at each of `starts`: one pass over all blocks."""
    last = base + np.add.reduceat(steps, starts) - steps[starts]
    steps[starts] = base
    steps[starts[1:]] -= last[:-1]
    np.cumsum(steps, out=steps)
    return steps


def from_planes(segments: list[memoryview], counts: Ints, width: int) -> npt.NDArray[np.uint8]:
    """Return values of `width` bytes, end to end, from the planes of several blocks."""
    if width == 1:
        return joined(segments, "u1")
    table = np.empty((int(counts.sum()), width), np.uint8)
    sizes = counts.tolist()
    for plane in range(width):
        pieces = [one[plane * size : (plane + 1) * size] for one, size in zip(segments, sizes, strict=True)]
        table[:, plane] = joined(pieces, "u1")
    return table.reshape(-1)


def _floats(cells: Cells, kind: pa.DataType) -> Floats:
    width = value_type(kind).bit_width // 8
    machine = np.dtype(f"<f{width}")
    raw = np.array([entry.kind == Kind.RAW for entry in cells.entries], bool)
    if raw.all() and len(raw):
        return _raw(cells.segments, cells.counts, width).view(machine)
    whole = unpack(cells.entries, cells.counts, cells.segments, units=(1,) * len(SCALES))
    power = np.array([entry.high for entry in cells.entries], np.int64)
    numbers = whole.astype(np.float64)
    if power.any():
        numbers /= np.repeat(10.0**power, cells.counts)
    values = numbers.astype(machine, copy=False)
    if raw.any():
        chosen = np.flatnonzero(raw).tolist()
        bits = _raw([cells.segments[at] for at in chosen], cells.counts[chosen], width)
        values[np.repeat(raw, cells.counts)] = bits.view(machine)
    return values


def _raw(segments: list[memoryview], counts: Ints, width: int) -> npt.NDArray[np.uint8]:
    if [len(segment) for segment in segments] != (counts * width).tolist():
        raise ValueError("segment")
    return from_planes(segments, counts, width)
