"""Reads every string of an append-only file of Redis or Valkey: the words of each command.

Such a file is a series of commands in the server's protocol, each `*<words>` and `$<length>` lines with the words
between; lines that begin with `#` are notes. It may begin with a snapshot (a preamble, or a base file from Redis 7 on).
A last command that is cut off is normal: the server was writing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from shelflife.copies.rdb_reading import MAGICS, strings_of_snapshot
from shelflife.errors import SourceError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

_LARGEST = 1 << 30
_LONGEST_LINE = 1 << 16


def strings_of_history(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield every string of a snapshot or of an append-only file, whichever it is.

    Raises:
        SourceError: it is neither, damaged, or a snapshot that is cut off. What was read until then was yielded.
    """
    if file.peek(16).startswith(MAGICS):
        yield from strings_of_snapshot(file)
    while line := file.readline(_LONGEST_LINE):
        if line.startswith(b"#"):
            continue
        if not line.endswith(b"\n"):
            yield line
            return
        for _ in range(_number(line, b"*")):
            head = file.readline(_LONGEST_LINE)
            if not head.endswith(b"\n"):
                return
            size = _number(head, b"$")
            word = _word(file, size)
            yield word
            if len(word) < size:
                return


def _word(file: BinaryIO, size: int) -> bytes:
    word = file.read(size)
    file.read(2)
    return word


def _number(line: bytes, sign: bytes) -> int:
    """Read `*3` or `$12`."""
    digits = line[1:].rstrip(b"\r\n")
    if line[:1] != sign or not digits.isdigit() or int(digits) > _LARGEST:
        raise SourceError(
            "An append-only file of a Redis server cannot be read: a line of it is no command.",
            remedy="Check it with the server's own tool (redis-check-aof).",
        )
    return int(digits)
