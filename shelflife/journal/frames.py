"""The journal as bytes: a header, then frames that each name the one before by its hash. Pure.

    header = magic || base sequence (8) || base position (8) || base chain (32)
    frame  = length of the rest (4) || sequence (8) || chain before (32) || sealed record
    chain after a frame = SHA-256(chain before || frame)

Positions count from the journal's first byte ever, so that dropping old frames moves none. What lies beyond the
vouched head and is not a whole frame is what a crash left; anything else that does not fit was cut or altered.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from shelflife.errors import LedgerBroken

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAIN_BYTES = 32

_MAGIC = b"shelfjn\x01"
_HEADER = struct.Struct(f">8sQQ{CHAIN_BYTES}s")
_LENGTH = struct.Struct(">I")
_FRAME = struct.Struct(f">Q{CHAIN_BYTES}s")

HEADER_BYTES = _HEADER.size


@dataclass(frozen=True)
class Head:
    """Where a journal ends: after how many records, at which byte, and the hash that all of them lead to."""

    sequence: int = 0
    position: int = 0
    chain: bytes = bytes(CHAIN_BYTES)


@dataclass(frozen=True)
class Frame:
    """One sealed record and the head that the journal has with it."""

    sealed: bytes = field(repr=False)
    after: Head


def header(base: Head) -> bytes:
    """Return the first bytes of a journal whose frames start after `base`."""
    return _HEADER.pack(_MAGIC, base.sequence, base.position, base.chain)


def parse_header(content: bytes) -> Head:
    """Return what a journal starts after.

    Raises:
        LedgerBroken: the bytes are no journal's.
    """
    if len(content) < HEADER_BYTES or content[: len(_MAGIC)] != _MAGIC:
        broken("is not a journal of this version")
    _, sequence, position, chain = _HEADER.unpack(content[:HEADER_BYTES])
    return Head(sequence, position, chain)


def frame(before: Head, sealed: bytes) -> tuple[bytes, Head]:
    """Return the frame that follows a head, and the head after it."""
    body = _FRAME.pack(before.sequence + 1, before.chain) + sealed
    content = _LENGTH.pack(len(body)) + body
    return content, _after(before, content)


def parse(content: bytes, start: Head, vouched: Head) -> Iterator[Frame]:
    """Yield the frames in some bytes.

    Args:
        content: the journal's bytes from `start` on.
        start: the head that they follow.
        vouched: the head that was noted outside of the journal; up to it nothing may be missing.

    Raises:
        LedgerBroken: a frame up to the vouched head is missing or was altered.
    """
    if start.sequence == vouched.sequence and start != vouched:
        broken(f"was altered at or before record {start.sequence}")
    head, offset = start, 0
    while (found := _frame_at(content, offset, head)) is not None:
        head, offset = found.after, offset + found.after.position - head.position
        if head.sequence == vouched.sequence and head != vouched:
            broken(f"was altered at or before record {head.sequence}")
        yield found
    if head.sequence < vouched.sequence:
        broken(f"was cut or altered after record {head.sequence}")


def broken(what: str) -> NoReturn:
    """Raise the one error for a journal that cannot be trusted."""
    raise LedgerBroken(
        f"The journal of destructions {what}.",
        remedy="Put back the journal's own copy or disk. Without it a backup would bring erased people back.",
    )


def _frame_at(content: bytes, offset: int, before: Head) -> Frame | None:
    """Return the frame that starts at an offset; none when there is no whole one that follows `before`."""
    if len(content) < offset + _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(content, offset)
    stop = offset + _LENGTH.size + length
    if length < _FRAME.size or stop > len(content):
        return None
    if _FRAME.unpack_from(content, offset + _LENGTH.size) != (before.sequence + 1, before.chain):
        return None
    sealed = content[offset + _LENGTH.size + _FRAME.size : stop]
    return Frame(sealed, _after(before, content[offset:stop]))


def _after(before: Head, content: bytes) -> Head:
    chain = hashlib.sha256(before.chain + content).digest()
    return Head(before.sequence + 1, before.position + len(content), chain)
