"""Health Connect: the zip file with one SQLite database that Android's "Export data" writes, or the database alone.

Instants are exact; the offset of a record is its own (`tz_basis` `sample`) and may be missing, then the account's zone
counts. Names that applications and people gave (titles, notes, names of applications, ids that applications chose) are
never read. Records that were changed later keep their id; which one counts is not decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from shelflife.sources.containers import open_content, other_members
from shelflife.sources.health_connect_database import HEADER_BYTES, MAGIC, open_database
from shelflife.sources.health_connect_records import observations
from shelflife.sources.health_connect_tables import APPLICATIONS, TYPES
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.source import Parsing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pyarrow as pa

    from shelflife.sources.source import ByteSource

_COMMON: Observation = {"source_platform": "health_connect"}
_MEMBER_KINDS = frozenset({"db", "json", "txt", "xml"})
_INTERIOR_PAGE = 5


class HealthConnect:
    """Reads a Health Connect export, its database in memory (see `health_connect_database.MAX_BYTES`)."""

    name = "health_connect"
    title = "Health Connect export"
    subject_scope: Literal["file", "row"] = "file"
    types = TYPES

    def recognises(self, head: bytes) -> bool:
        """Return whether this is the start of such a database.

        Its table names stand on the first page, unless there are too many for it: then parsing decides.
        """
        if not head.startswith(MAGIC) or len(head) <= HEADER_BYTES:
            return False
        return head[HEADER_BYTES] == _INTERIOR_PAGE or APPLICATIONS.encode() in head

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            for suffix in other_members(source):
                parsing.ignore(f"zip/{suffix if suffix in _MEMBER_KINDS else 'other'}")
            found = Observations(parsing, _COMMON, now=now, zone=zone)
            with open_content(source) as stream, open_database(stream) as database:
                for observation in observations(database, parsing):
                    found.add(observation)
                    yield from found.full()
            yield from found.rest()

        return Parsing(rows)
