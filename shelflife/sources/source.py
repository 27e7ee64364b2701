"""What a source adapter takes and what it gives: bytes in, batches of parsed rows and profile facts out."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol
from xml.parsers.expat import ExpatError

import polars as pl
import pyarrow as pa

from shelflife.errors import SourceError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from shelflife.policy.consent_events import ConsentEvent

HEAD_BYTES = 65_536
"""How much of a file an adapter sees to recognise it."""

ACCOUNT = "account"
"""Alias kind of an account with the platform: the one an inbox folder is named after."""

_MOST_SOURCE_NAMES = 256
_SERIES = frozenset(
    [
        "steps",
        "distance",
        "calories",
        "altitude",
        "floors",
        "very_active_minutes",
        "moderately_active_minutes",
        "lightly_active_minutes",
        "sedentary_minutes",
        "minute_spo2",
    ]
)
_DATED_NAME = re.compile(r"(?:.*/)?([A-Za-z][A-Za-z0-9_ ]{2,40}?) ?- ?\d{4}-\d\d-\d\d[^/]*", re.ASCII)

_PARSER_FAILURES = (
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    EOFError,
    OSError,
    RecursionError,
    zipfile.BadZipFile,
    zlib.error,
    ExpatError,
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)


class ByteSource:
    """Bytes to parse, without a name: a file's path may name a person, so nothing downstream sees it.

    Args:
        opener: gives a fresh binary stream at the first byte; seekable.
        size: number of bytes.
        suffix: the file name's last suffix, a hint for people; adapters look at content only.
        series: which of a vendor's series this is (`series_of`), for formats whose content does not say what it counts.
    """

    def __init__(self, opener: Callable[[], BinaryIO], size: int, suffix: str = "", series: str = "") -> None:
        self._opener = opener
        self.size = size
        self.suffix = suffix
        self.series = series

    @classmethod
    def from_path(cls, path: Path) -> ByteSource:
        """Return the bytes of a file.

        Raises:
            SourceError: there is no readable file there.
        """
        try:
            size = path.stat().st_size
        except OSError:
            raise _unreadable() from None
        return cls(lambda: path.open("rb"), size, path.suffix, series_of(path.name))

    @classmethod
    def from_bytes(cls, content: bytes) -> ByteSource:
        """Return bytes that are in memory already."""
        return cls(lambda: io.BytesIO(content), len(content))

    def open(self) -> BinaryIO:
        """Open a fresh stream at the first byte.

        Raises:
            SourceError: the file cannot be opened.
        """
        try:
            return self._opener()
        except OSError:
            raise _unreadable() from None


def series_of(name: str) -> str:
    """Return which of a vendor's series a file holds, by its name: `steps` for `steps-2026-11-01.json`.

    Only words of a fixed list come out, so that no person's name does; the empty text for every other file.
    """
    match = _DATED_NAME.fullmatch(name)
    word = match[1].lower().replace(" ", "_") if match else ""
    return word if word in _SERIES else ""


@dataclass(repr=False)
class ProfileFacts:
    """Direct identifiers that a source holds about a person; they go here and nowhere else.

    Attributes:
        alias_kind: what kind of name `alias` is; None with a null alias.
        alias: the person as the source names them; None means the file's account.
        given_name: first name.
        family_name: last name.
        birth_date: ISO 8601 date where the source's date is unambiguous, else as received.
        sex: `female`, `male`, `other` or as received.
        source_names: names of devices and applications as the person wrote them (`Ada's Watch`).
        other: further facts by name, such as an e-mail address.
    """

    alias_kind: str | None = None
    alias: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    source_names: set[str] = field(default_factory=set)
    other: dict[str, str] = field(default_factory=dict)

    def note_source(self, name: str) -> None:
        """Remember the name of a device or application, up to a bound that no honest file reaches."""
        if len(self.source_names) < _MOST_SOURCE_NAMES:
            self.source_names.add(name[:200])

    @property
    def empty(self) -> bool:
        """Whether nothing is known."""
        known = (self.given_name, self.family_name, self.birth_date, self.sex)
        return not any(known) and not self.source_names and not self.other


@dataclass(frozen=True)
class ConsentRecord:
    """One decision about consent that a source holds.

    Attributes:
        alias_kind: what kind of name `alias` is; None with a null alias.
        alias: whose decision it is; None means the file's account.
        event: the decision.
    """

    alias_kind: str | None
    alias: str | None = field(repr=False)
    event: ConsentEvent


class Parsing:
    """One parse under way: iterate it for batches; the totals are complete after the end.

    Attributes:
        records: source records seen so far. At the end `records` = rows yielded + sum of `ignored`.
        ignored: records that hold no sample, by type. Keys are words of the format, never content of a record.
        profile: facts about the person whom the file belongs to.
        profiles: facts about people whom the file's rows name, each with its alias.
        consents: decisions about consent; counted in `ignored`, since they hold no sample.
    """

    def __init__(self, rows: Callable[[Parsing], Iterator[pa.RecordBatch]]) -> None:
        self._rows = rows
        self.records = 0
        self.ignored: Counter[str] = Counter()
        self.profile = ProfileFacts()
        self.profiles: list[ProfileFacts] = []
        self.consents: list[ConsentRecord] = []

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield batches of `PARSED_SCHEMA` with at most 65,536 rows.

        Raises:
            SourceError: the file is damaged, hostile or of another format.
        """
        try:
            for batch in self._rows(self):
                if batch.num_rows:
                    yield batch
        except SourceError:
            raise
        except _PARSER_FAILURES:
            # The cause's text may quote the data, so it is cut off here.
            raise SourceError(
                f"The file is damaged after about {self.records} records.",
                remedy="Ask for the file again; nothing of it was landed.",
            ) from None

    def ignore(self, record_type: str, count: int = 1) -> None:
        """Count records that hold no sample."""
        self.records += count
        self.ignored[record_type] += count


@dataclass(frozen=True)
class SourceType:
    """What one record type of a source becomes; the public table in `docs/source-types.md` is made of these.

    Attributes:
        record: the record type or field, in the source's own words.
        signal: the signal that it becomes; None when it is read and holds no sample.
        unit: the units that it comes in, in the source's own words; None for coded signals.
        statistic: what the number says about its interval.
        note: what a reader of the data must know, as one sentence.
    """

    record: str
    signal: str | None
    unit: str | None = None
    statistic: str | None = None
    note: str = ""


class SourceAdapter(Protocol):
    """Reads one vendor format."""

    name: str
    title: str
    """The format as people call it."""

    subject_scope: Literal["file", "row"]
    """Whether a file is about one person, or its rows name people."""

    @property
    def types(self) -> tuple[SourceType, ...]:
        """Every record type that is read, for the documentation."""
        ...

    def recognises(self, head: bytes) -> bool:
        """Return whether a file that starts with these bytes (at most 64 KiB, unpacked) has this format."""
        ...

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse of a whole file; it starts when iterated.

        Args:
            source: the bytes.
            now: what counts as the present.
            zone: IANA time zone of the account, which wall-clock times without a zone of their own are in; None when
                it is not known, so that such times stay wall-clock times (`tz_basis` `unknown`).
        """
        ...


def _unreadable() -> SourceError:
    return SourceError("A file cannot be opened.", remedy="Check that it still exists and can be read.")
