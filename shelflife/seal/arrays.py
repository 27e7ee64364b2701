"""Arrow columns as flat numpy arrays without nulls, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shelflife.errors import ConfigurationError
from shelflife.seal.context import value_type

if TYPE_CHECKING:
    from collections.abc import Sequence

Ints: TypeAlias = "npt.NDArray[np.int64]"
Bools: TypeAlias = "npt.NDArray[np.bool_]"
Bytes: TypeAlias = "npt.NDArray[np.uint8]"
Floats: TypeAlias = "npt.NDArray[np.floating[Any]]"
Numbers: TypeAlias = "npt.NDArray[Any]"

TEXT = "text"
INTEGER = "integer"
FLOAT = "float"


def family(kind: pa.DataType) -> str:
    """Return how a column of this Arrow type is stored: TEXT, INTEGER or FLOAT.

    Raises:
        ConfigurationError: for a type that a sealed block cannot hold.
    """
    kind, types = value_type(kind), pa.types
    text = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    if any(check(kind) for check in (*text, types.is_fixed_size_binary)) and not types.is_decimal(kind):
        return TEXT
    if types.is_float32(kind) or types.is_float64(kind):
        return FLOAT
    if any(check(kind) for check in (types.is_integer, types.is_boolean, types.is_timestamp, types.is_date)):
        return INTEGER
    raise ConfigurationError(
        "A column has a type that a sealed block cannot hold.",
        remedy="Use integers, 32 or 64 bit floats, booleans, strings, binary, timestamps, dates, or "
        "dictionaries of those.",
    )


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """Return the column as a single array of its values, dictionaries resolved unless they hold text.

    Raises:
        ConfigurationError: when the column's text is larger than an Arrow array can address (2 GiB).
    """
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        raise ConfigurationError("A column holds more than 2 GiB of text.", remedy="Seal fewer rows at once.")
    if pa.types.is_dictionary(array.type):
        text = family(array.type) == TEXT
        return array if text and array.dictionary.null_count == 0 else array.dictionary_decode()
    return array


def dense(array: pa.Array) -> pa.Array:
    """Return the values that are not null, in order."""
    return array.drop_null() if array.null_count else array


def numbers(array: pa.Array) -> Numbers:
    """Return the values of an array without nulls in their own machine type, without copying where possible."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    kind = _machine_type(array.type)
    if not len(array):
        return np.empty(0, kind)
    return np.frombuffer(array.buffers()[1], kind)[array.offset : array.offset + len(array)]


def integers(array: pa.Array) -> Ints:
    """Return the values of an array without nulls as 64-bit integers; unsigned ones wrap around."""
    return numbers(array).astype(np.int64, copy=False)


def binary(array: pa.Array) -> pa.Array:
    """Return an array of text of any type as variable-length binary, sharing its buffers."""
    return array if pa.types.is_binary(array.type) else array.cast(pa.binary())


def validity(array: pa.Array) -> Bools:
    """Return which rows have a value."""
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False))


def from_numbers(values: Numbers, valid: Bools | None, kind: pa.DataType) -> pa.Array:
    """Return an Arrow array of `kind` from values without nulls and, when there are any, a mask of the nulls."""
    machine = values.astype(_machine_type(kind), copy=False)
    if valid is not None:
        spread = np.zeros(len(valid), machine.dtype)
        spread[valid] = machine
        machine = spread
    bitmap = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    if pa.types.is_boolean(kind):
        data = np.packbits(machine != 0, bitorder="little")
    else:
        data = np.ascontiguousarray(machine)
    return pa.Array.from_buffers(kind, len(machine), [bitmap, pa.py_buffer(data)])


def from_text(lengths: Ints, data: bytes) -> pa.Array:
    """Return a binary array from the lengths of its values and their bytes end to end.

    Raises:
        ValueError: when the lengths do not add up to the bytes, or to more than an array can address.
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    if total != len(data) or total > np.iinfo(np.int32).max or (len(lengths) and int(lengths.min()) < 0):
        raise ValueError("text")
    offsets = np.zeros(len(lengths) + 1, np.int32)
    offsets[1:] = ends
    return pa.Array.from_buffers(pa.binary(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def text_parts(array: pa.Array) -> tuple[Ints, memoryview]:
    """Return the offsets of a binary array without nulls, starting at 0, and the bytes they point into."""
    if not len(array):
        return np.zeros(1, np.int64), memoryview(b"")
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    view = memoryview(b"" if data is None else data)
    return ends - ends[0], view[int(ends[0]) : int(ends[-1])]


def starts_of(counts: Ints) -> Ints:
    """Return where each of several runs of these lengths starts, when they lie end to end; then where they end."""
    bounds = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=bounds[1:])
    return bounds


def joined(pieces: Sequence[bytes | memoryview], kind: str) -> Numbers:
    """Return pieces of bytes, end to end, as an array of this machine type."""
    return np.frombuffer(b"".join(pieces), kind)


def _machine_type(kind: pa.DataType) -> np.dtype[np.generic]:
    if pa.types.is_boolean(kind):
        return np.dtype("u1")
    if pa.types.is_floating(kind):
        return np.dtype(f"<f{kind.bit_width // 8}")
    letter = "u" if pa.types.is_unsigned_integer(kind) else "i"
    return np.dtype(f"<{letter}{kind.bit_width // 8}")
