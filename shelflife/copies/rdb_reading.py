"""Reads every string of a Redis or Valkey snapshot (RDB): key names, values, members, functions.

The format is that of RDB 1 to 11 (Redis up to 7.2, Valkey up to 8) and 80 (Valkey 9), as `src/rdb.h` of
https://github.com/valkey-io/valkey numbers it. Packed collections (ziplist, listpack, intset) come as the one string
that they are stored as: their members stand in it byte by byte. What is of no known type is an error, never skipped:
after it nothing can be found any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from shelflife.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAGICS = (b"REDIS", b"VALKEY")

_LARGEST = 1 << 30
_VERSION_DIGITS = 9
_NEWEST = {b"REDIS": 11, b"VALKEY": 80}
_CHECKSUM_SINCE, _CHECKSUM_BYTES = 5, 8
_ID_BYTES = 16
_TIME_BYTES = 8

_ONE_STRING = frozenset({0, 9, 10, 11, 12, 13, 16, 17, 20})
_COUNTED = {1: 1, 2: 1, 4: 2, 14: 1}
_SORTED_SET, _SORTED_SET_2, _MODULE_2, _QUICKLIST_2, _HASH_2 = 3, 5, 7, 18, 22
_STREAMS = (15, 19, 21)

_SLOT_IMPORT, _SLOT_INFO, _FUNCTION, _MODULE_AUX, _IDLE, _FREQUENCY, _AUX = 243, 244, 245, 247, 248, 249, 250
_SIZES, _EXPIRES_MS, _EXPIRES, _DATABASE, _END = 251, 252, 253, 254, 255


def strings_of_snapshot(file: BinaryIO) -> Iterator[bytes]:
    """Yield every string of a snapshot, decompressed, and leave `file` behind its end.

    Args:
        file: opened for reading in binary, buffered, at the start of the snapshot.

    Raises:
        SourceError: it is no snapshot, of a version or with a type that is not known, damaged, or cut off. What was
            read until then was yielded.
    """
    return _Reader(file).strings()


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._valkey = False

    def strings(self) -> Iterator[bytes]:
        version = self._header()
        while (kind := self._byte()) != _END:
            if kind >= _SLOT_IMPORT:
                yield from self._instruction(kind)
            else:
                yield self._string()
                yield from self._value(kind)
        if version >= _CHECKSUM_SINCE:
            self._bytes(_CHECKSUM_BYTES)

    def _header(self) -> int:
        head = self._bytes(_VERSION_DIGITS)
        for magic in MAGICS:
            digits = head[len(magic) :]
            if head.startswith(magic) and digits.isdigit() and 1 <= int(digits) <= _NEWEST[magic]:
                self._valkey = magic == b"VALKEY"
                return int(digits)
        raise _unreadable("it is of an unknown kind or version")

    def _instruction(self, kind: int) -> Iterator[bytes]:
        lengths = {_SLOT_INFO: 3, _SIZES: 2, _DATABASE: 1, _IDLE: 1}
        fixed = {_EXPIRES_MS: 8, _EXPIRES: 4, _FREQUENCY: 1}
        if kind in lengths:
            self._lengths(lengths[kind])
        elif kind in fixed:
            self._bytes(fixed[kind])
        elif kind in {_AUX, _FUNCTION}:
            yield from (self._string() for _ in range(2 if kind == _AUX else 1))
        elif kind == _MODULE_AUX:
            yield from self._module()
        elif kind == _SLOT_IMPORT and self._valkey:
            yield self._string()
            self._lengths(2 * self._length())
        else:
            raise _unreadable("it has an instruction that is not known")

    def _value(self, kind: int) -> Iterator[bytes]:
        readers: dict[int, Callable[[], Iterator[bytes]]] = {
            _SORTED_SET: self._sorted_set,
            _SORTED_SET_2: lambda: self._followed(_TIME_BYTES, 1),
            _MODULE_2: self._module,
            _QUICKLIST_2: self._quicklist,
        }
        if kind in _ONE_STRING:
            yield self._string()
        elif kind in _COUNTED:
            yield from (self._string() for _ in range(_COUNTED[kind] * self._length()))
        elif kind in _STREAMS:
            yield from self._stream(_STREAMS.index(kind))
        elif kind == _HASH_2 and self._valkey:
            yield from self._followed(_TIME_BYTES, 2)
        elif kind in readers:
            yield from readers[kind]()
        else:
            raise _unreadable("it has a value of a type that is not known")

    def _followed(self, size: int, strings: int) -> Iterator[bytes]:
        """Members of so many strings, each followed by a fixed number of bytes: a score, an end of life."""
        for _ in range(self._length()):
            yield from (self._string() for _ in range(strings))
            self._bytes(size)

    def _sorted_set(self) -> Iterator[bytes]:
        """Members with scores in decimal; three lengths stand for what has no digits."""
        for _ in range(self._length()):
            yield self._string()
            size = self._byte()
            self._bytes(0 if size >= 253 else size)

    def _quicklist(self) -> Iterator[bytes]:
        for _ in range(self._length()):
            self._length()
            yield self._string()

    def _module(self) -> Iterator[bytes]:
        """A module's value: its id, then marked fields up to an end mark."""
        self._length()
        while mark := self._length():
            if mark in {1, 2}:
                self._length()
            elif mark in {3, 4}:
                self._bytes(4 if mark == 3 else 8)
            elif mark == 5:
                yield self._string()
            else:
                raise _unreadable("a module's value is damaged")

    def _stream(self, generation: int) -> Iterator[bytes]:
        yield from (self._string() for _ in range(2 * self._length()))
        self._lengths(8 if generation else 3)
        for _ in range(self._length()):
            yield self._string()
            self._lengths(3 if generation else 2)
            for _ in range(self._length()):
                self._bytes(_ID_BYTES + _TIME_BYTES)
                self._length()
            for _ in range(self._length()):
                yield self._string()
                self._bytes(2 * _TIME_BYTES if generation == 2 else _TIME_BYTES)
                self._bytes(_ID_BYTES * self._length())

    def _string(self) -> bytes:
        first = self._byte()
        if first >> 6 != 3:
            return self._bytes(self._length(first))
        kind = first & 0x3F
        if kind <= 2:
            return str(int.from_bytes(self._bytes(1 << kind), "little", signed=True)).encode()
        if kind == 3:
            packed, size = self._length(), self._length()
            return decompressed(self._bytes(packed), size)
        raise _unreadable("a string is encoded in an unknown way")

    def _lengths(self, count: int) -> None:
        for _ in range(count):
            self._length()

    def _length(self, first: int | None = None) -> int:
        first = self._byte() if first is None else first
        if first >> 6 == 0:
            return first
        if first >> 6 == 1:
            return (first & 0x3F) << 8 | self._byte()
        if first in {0x80, 0x81}:
            return int.from_bytes(self._bytes(4 if first == 0x80 else 8), "big")
        raise _unreadable("a length is damaged")

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, size: int) -> bytes:
        if size > _LARGEST:
            raise _unreadable("a length is damaged")
        found = self._file.read(size)
        if len(found) < size:
            raise _unreadable("it is cut off")
        return found


def decompressed(packed: bytes, size: int) -> bytes:
    """Return what LZF (Marc Lehmann's liblzf, as Redis stores long strings) packed into `packed`.

    A control byte below 32 is followed by that many bytes and one as they are; any other gives a length (its upper
    three bits, or seven and the next byte) and a distance back into what is already there.

    Raises:
        SourceError: it is damaged, or does not come to `size` bytes.
    """
    if size > _LARGEST:
        raise _unreadable("a length is damaged")
    out = bytearray()
    place = 0
    try:
        while place < len(packed) and len(out) <= size:
            control = packed[place]
            if control < 32:
                out += packed[place + 1 : place + control + 2]
                place += control + 2
                continue
            length, place = (control >> 5) + 2, place + 1
            if length == 9:
                length, place = length + packed[place], place + 1
            distance = ((control & 31) << 8 | packed[place]) + 1
            place += 1
            if distance > len(out):
                raise _unreadable("a compressed string is damaged")
            seen = out[len(out) - distance :]
            out += (seen * (length // distance + 1))[:length]
    except IndexError:
        raise _unreadable("a compressed string is damaged") from None
    if len(out) != size:
        raise _unreadable("a compressed string is damaged")
    return bytes(out)


def _unreadable(why: str) -> SourceError:
    return SourceError(
        f"A snapshot of a Redis server cannot be read: {why}.",
        remedy="Check it with the server's own tool (redis-check-rdb), or remove the file if it is a leftover.",
    )
