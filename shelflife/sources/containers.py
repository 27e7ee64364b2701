"""Unpacking of gzip and zip around a source file, as a stream and with a bound on how much may come out."""

from __future__ import annotations

import zipfile
import zlib
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from shelflife.errors import SourceError
from shelflife.sources.source import HEAD_BYTES, ByteSource, series_of

if TYPE_CHECKING:
    from collections.abc import Iterator

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
MAX_RATIO = 200
"""Real exports pack 5 to 40 times; DEFLATE allows 1,032, which only a bomb comes near."""
FREE_BYTES = 16 * 1024 * 1024
"""What may be unpacked before the ratio counts, since tiny files can pack well by chance."""
_PACKED_CHUNK = 65_536
_EXPORT_MEMBER = "/export.xml"
_DATABASE_SUFFIXES = frozenset({"db", "sqlite", "sqlite3"})


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
        if size == 0:
            # JSON parsers ask for nothing, to see what kind of stream it is; to zlib, zero means without limit.
            return b""
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
    """Open the bytes of a source, unpacked when they are a gzip file or a zip file with a main member.

    Raises:
        SourceError: the container is damaged, encrypted, a bomb, or a zip file of many parts none of which is the
            main one (`is_archive`).
    """
    with source.open() as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic.startswith(GZIP_MAGIC):
            yield Gunzip(raw)
        elif magic == ZIP_MAGIC:
            with _open_main(raw) as member:
                yield member
        else:
            yield raw


def read_head(stream: ByteStream) -> bytes:
    """Return the first bytes of a stream, as many as adapters recognise a file by (`HEAD_BYTES`), fewer only at its end."""
    head = b""
    while len(head) < HEAD_BYTES and (chunk := stream.read(HEAD_BYTES - len(head))):
        head += chunk
    return head


def is_archive(source: ByteSource) -> bool:
    """Return whether this is a zip file of many files, each of which is to be read by itself.

    Raises:
        SourceError: the zip file is damaged.
    """
    with source.open() as raw:
        if raw.read(4) != ZIP_MAGIC:
            return False
        return _main_member(_entries(raw)) is None


def other_members(source: ByteSource) -> list[str]:
    """Return the suffixes of what a zip file holds beside its main member; none for other files."""
    with source.open() as raw:
        if raw.read(4) != ZIP_MAGIC:
            return []
        entries = _entries(raw)
    main = _main_member(entries)
    return [suffix_of(entry.filename) for entry in entries if main is None or entry.filename != main.filename]


@contextmanager
def open_members(source: ByteSource) -> Iterator[list[ByteSource]]:
    """Open a zip file and give each of its files as a source of its own, in the order of the archive.

    Raises:
        SourceError: it is damaged, or all of it together expands like a bomb. Also later, when a member is read.
    """
    with source.open() as raw:
        entries = _entries(raw)
        packed, unpacked = sum(e.compress_size for e in entries), sum(e.file_size for e in entries)
        check_ratio(packed, unpacked)
        with zipfile.ZipFile(raw) as archive:
            yield [_member_source(archive, entry) for entry in entries]


def suffix_of(name: str) -> str:
    """Return a file name's suffix in lower case, without its dot."""
    return PurePosixPath(name).suffix.lower().removeprefix(".")


def _member_source(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> ByteSource:
    def opener() -> BinaryIO:
        try:
            return cast("BinaryIO", archive.open(entry))
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error):
            raise _damaged("zip") from None

    return ByteSource(opener, entry.file_size, suffix_of(entry.filename), series_of(entry.filename))


def _main_member(entries: list[zipfile.ZipInfo]) -> zipfile.ZipInfo | None:
    """Return the one file that the others only go with: an Apple Health export, a database, or the only one."""
    for chosen in (
        [entry for entry in entries if f"/{entry.filename}".endswith(_EXPORT_MEMBER)],
        [entry for entry in entries if suffix_of(entry.filename) in _DATABASE_SUFFIXES],
        entries,
    ):
        if len(chosen) == 1:
            return chosen[0]
    return None


@contextmanager
def _open_main(raw: BinaryIO) -> Iterator[ByteStream]:
    main = _main_member(_entries(raw))
    if main is None:
        raise SourceError(
            "A zip file holds no file that is the main one.",
            remedy="Give the archive as the vendor made it, or the single files.",
        )
    check_ratio(main.compress_size, main.file_size)
    try:
        with zipfile.ZipFile(raw) as archive, archive.open(main) as member:
            yield cast("ByteStream", member)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error):
        raise _damaged("zip") from None


def _entries(raw: BinaryIO) -> list[zipfile.ZipInfo]:
    try:
        return [entry for entry in zipfile.ZipFile(raw).infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise _damaged("zip") from None


def _damaged(kind: str) -> SourceError:
    return SourceError(
        f"A {kind} file is truncated, encrypted or damaged.", remedy="Ask for the file again, unencrypted."
    )
