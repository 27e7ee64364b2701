"""Archives: zip files of many files, such as a Takeout or a Samsung Health download, read part by part.

Each part that an adapter recognises is read by it; the others (pictures, playlists, settings) are counted by suffix. One
part that is damaged refuses the archive, so that nothing of it is half landed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from shelflife.errors import SourceError
from shelflife.sources.containers import ZIP_MAGIC, open_members
from shelflife.sources.source import Parsing, SourceType

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from shelflife.sources.source import ByteSource, SourceAdapter

_KNOWN_SUFFIXES = frozenset(
    {"csv", "json", "xml", "gpx", "tcx", "fit", "html", "jpg", "png", "pdf", "txt", "zip"}
)


class Archive:
    """Reads the parts of a zip file.

    Args:
        find: returns the adapter of a part; None when there is none, or the part is an archive itself.
    """

    name = "archive"
    title = "Zip archive of files of the other formats"
    subject_scope: Literal["file", "row"] = "file"
    types: tuple[SourceType, ...] = ()

    def __init__(self, find: Callable[[ByteSource], SourceAdapter | None]) -> None:
        self._find = find

    def recognises(self, head: bytes) -> bool:
        """Return whether this is a zip file."""
        return head.startswith(ZIP_MAGIC)

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse of every part, one after the other."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            known = 0
            with open_members(source) as members:
                for member in members:
                    adapter = self._find(member)
                    if adapter is None:
                        suffix = member.suffix if member.suffix in _KNOWN_SUFFIXES else "other"
                        parsing.ignore(f"archive/{suffix}")
                        continue
                    known += 1
                    part = adapter.parse(member, now=now, zone=zone)
                    yield from part
                    _add(parsing, part)
            if not known:
                raise SourceError(
                    "No source adapter recognises any part of a zip file.",
                    remedy="Give the archive as the vendor made it, such as the export.zip with its export.xml.",
                )

        return Parsing(rows)


def _add(whole: Parsing, part: Parsing) -> None:
    whole.records += part.records
    whole.ignored.update(part.ignored)
    whole.profiles += part.profiles
    whole.consents += part.consents
    if not part.profile.empty:
        whole.profiles.append(part.profile)
