"""Unpacking of gzip and zip around a source file, as a stream and with a bound on how much may come out."""

from __future__ import annotations

import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol

from shelflife.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.sources.source import ByteSource

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
MAX_RATIO = 200
"""Real exports pack 5 to 40 times; DEFLATE allows 1,032, which only a bomb comes near."""
FREE_BYTES = 16 * 1024 * 1024
"""What may be unpacked before the ratio counts, since tiny files can pack well by chance."""
_PACKED_CHUNK = 65_536
_EXPORT_MEMBER = "/export.xml"


class ByteStream(Protocol):
    """The part of a binary stream that parsers use."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        ...


class Gunzip:
    """A gzip stream (one or more members) that refuses to expand beyond `MAX_RATIO`."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._inflate = zlib.decompressobj(wbits=31)
        self._taken = 0
        self._given = 0
        self._pending = b""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` unpacked bytes.

        Raises:
            SourceError: the stream is truncated, damaged or a bomb.
        """
        while True:
            try:
                unpacked = self._step(size)
            except zlib.error:
                raise _damaged("gzip") from None
            if unpacked is None:
                return b""
            if unpacked:
                self._given += len(unpacked)
                check_ratio(self._taken, self._given)
                return unpacked

    def _step(self, size: int) -> bytes | None:
        if self._inflate.eof:
            rest = self._inflate.unused_data or self._packed.read(_PACKED_CHUNK)
            self._taken += 0 if self._inflate.unused_data else len(rest)
            if not rest.strip(b"\0"):
                return None
            self._inflate, self._pending = zlib.decompressobj(wbits=31), rest
        if not self._pending:
            self._pending = self._packed.read(_PACKED_CHUNK)
            self._taken += len(self._pending)
            if not self._pending:
                raise _damaged("gzip")
        unpacked = self._inflate.decompress(self._pending, size)
        self._pending = self._inflate.unconsumed_tail
        return unpacked


def check_ratio(packed: int, unpacked: int) -> None:
    """Refuse more unpacked bytes than an honest file has.

    Raises:
        SourceError: the ratio is that of a decompression bomb.
    """
    if unpacked > FREE_BYTES and unpacked > packed * MAX_RATIO:
        raise SourceError(
            f"A packed file expands more than {MAX_RATIO} times.",
            remedy="It looks like a decompression bomb. Unpack and inspect it by hand if it is honest.",
        )


@contextmanager
def open_content(source: ByteSource) -> Iterator[ByteStream]:
    """Open the bytes of a source, unpacked when they are a gzip file or an Apple Health export.zip.

    Raises:
        SourceError: the container is damaged, encrypted, a bomb, or a zip file without an export.xml.
    """
    with source.open() as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic.startswith(GZIP_MAGIC):
            yield Gunzip(raw)
        elif magic == ZIP_MAGIC:
            with _open_export(raw) as member:
                yield member
        else:
            yield raw


def other_members(source: ByteSource) -> list[str]:
    """Return the suffixes of what an Apple Health export.zip holds beside export.xml; none for other files."""
    with source.open() as raw:
        if raw.read(4) != ZIP_MAGIC:
            return []
        names = [entry.filename for entry in _entries(raw) if not entry.is_dir()]
    return [name.rpartition(".")[2].lower() for name in names if not f"/{name}".endswith(_EXPORT_MEMBER)]


@contextmanager
def _open_export(raw: BinaryIO) -> Iterator[ByteStream]:
    exports = [entry for entry in _entries(raw) if f"/{entry.filename}".endswith(_EXPORT_MEMBER)]
    if len(exports) != 1:
        raise SourceError(
            "A zip file does not hold exactly one export.xml.",
            remedy="Give the export.zip of Apple Health unchanged, or the single files.",
        )
    check_ratio(exports[0].compress_size, exports[0].file_size)
    try:
        with zipfile.ZipFile(raw) as archive, archive.open(exports[0]) as member:
            yield member
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error):
        raise _damaged("zip") from None


def _entries(raw: BinaryIO) -> list[zipfile.ZipInfo]:
    try:
        return zipfile.ZipFile(raw).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise _damaged("zip") from None


def _damaged(kind: str) -> SourceError:
    return SourceError(
        f"A {kind} file is truncated, encrypted or damaged.", remedy="Ask for the file again, unencrypted."
    )
