"""The package as a ZIP that is written straight into its envelope, member by member, each hashed on the way.

Nothing is ever held whole or written in clear anywhere: what goes into a member leaves as ciphertext.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from shelflife.rights.export.formats import MEDIA_TYPES
from shelflife.rights.export.manifest import Member

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

_OWNER_ONLY = 0o100600 << 16
_FIRST_YEAR = 1980


class Archive:
    """Writes members into a ZIP.

    Args:
        sink: where the ZIP goes; need not be seekable.
        made_at: the time that every member bears.
    """

    def __init__(self, sink: BinaryIO, made_at: dt.datetime) -> None:
        self._zip = zipfile.ZipFile(sink, "w", allowZip64=True)
        self._time = (max(made_at.year, _FIRST_YEAR), *made_at.timetuple()[1:6])
        self.members: list[Member] = []

    @contextmanager
    def member(self, name: str) -> Iterator[MemberSink]:
        """Open a member; set `rows` on what is yielded where it is a table."""
        suffix = name.rpartition(".")[2]
        info = zipfile.ZipInfo(name, date_time=self._time)
        # Parquet is compressed inside.
        info.compress_type = zipfile.ZIP_STORED if suffix == "parquet" else zipfile.ZIP_DEFLATED
        info.external_attr = _OWNER_ONLY
        with self._zip.open(info, "w", force_zip64=True) as handle:
            sink = MemberSink(cast("BinaryIO", handle))
            yield sink
        media_type = MEDIA_TYPES.get(suffix, "application/octet-stream")
        self.members.append(Member(name, media_type, sink.size, sink.hash.hexdigest(), sink.rows))

    def add(self, name: str, content: bytes | str) -> None:
        """Write a member whose content is in memory."""
        with self.member(name) as sink:
            sink.write(content.encode() if isinstance(content, str) else content)

    def close(self) -> None:
        """Write the directory at the end of the ZIP."""
        self._zip.close()


class MemberSink(io.RawIOBase):
    """Passes bytes on into a member, and counts and hashes them.

    Attributes:
        size: bytes so far.
        rows: rows of a table; None for what is none.
    """

    def __init__(self, handle: BinaryIO) -> None:
        super().__init__()
        self._handle, self.hash, self.size = handle, hashlib.sha256(), 0
        self.rows: int | None = None

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:
        """Pass bytes on."""
        view = memoryview(data).cast("B")
        self.hash.update(view)
        self.size += view.nbytes
        self._handle.write(view)
        return view.nbytes
