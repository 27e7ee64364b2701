"""The messages of a FIT file (Flexible and Interoperable Data Transfer, Garmin's FIT SDK), read as a stream.

`fitdecode` takes the bytes apart by its copy of the profile of the SDK. Here its messages become plain mappings, and
what it raises becomes one `SourceError` that names the damage and quotes nothing of the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fitdecode

from shelflife.errors import SourceError
from shelflife.sources.containers import open_content
from shelflife.sources.fit_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.sources.containers import ByteStream
    from shelflife.sources.source import ByteSource

_EPOCH_SECOND = 631_065_600
"""1989-12-31T00:00Z, which FIT counts from, as seconds since 1970 (FIT SDK, type `date_time`)."""
_FIRST_ABSOLUTE = 0x1000_0000
"""A smaller `date_time` counts from when the device was switched on, and 0 is an unset clock: neither is a time."""
_MOST_FILES = 10_000
_MOST_SESSIONS = 10_000
_LONGEST_OFFSET_MIN = 18 * 60
_READ_BYTES = 65_536
_DECODER_FAILURES = (
    struct.error,
    AssertionError,
    AttributeError,
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One data message.

    Attributes:
        file: position of its FIT file in a chain of them, from 0.
        name: its name in the profile; `unknown` for one that the profile does not have.
        values: decoded values by field name, in the field's unit; enumerations as the profile's words.
        raws: the numbers as stored.
    """

    file: int
    name: str
    values: dict[str, Any]
    raws: dict[str, Any]

    def number(self, name: str) -> int | None:
        """Return the stored whole number of a field; None when there is none."""
        raw = self.raws.get(name)
        return raw if type(raw) is int else None

    def numbers(self, name: str) -> list[int]:
        """Return the stored whole numbers of an array field, without the places that hold none."""
        raw = self.raws.get(name)
        return [one for one in (raw if isinstance(raw, tuple) else (raw,)) if type(one) is int]

    def word(self, name: str) -> str | None:
        """Return the profile's word for an enumeration, else the number as text; never text from the file."""
        return None if self.number(name) is None else str(self.values[name])

    def time(self, name: str = "timestamp") -> int | None:
        """Return a `date_time` field in seconds of the FIT epoch; None when it is unset or counts from power-on."""
        raw = self.number(name)
        return raw if raw is not None and raw >= _FIRST_ABSOLUTE else None


@dataclass
class FileFacts:
    """What must be known about one FIT file before its first message is used.

    Attributes:
        offset_min: minutes east of UTC that the device's clock showed; None when the file does not say.
        people: indices of the user profiles that its messages name.
        sessions: first and last second of each session.
    """

    offset_min: int | None = None
    people: set[int] = field(default_factory=set)
    sessions: list[tuple[int, int]] = field(default_factory=list)


def microseconds(seconds: int | None) -> int | None:
    """Return a time of the FIT epoch as microseconds since 1970."""
    return None if seconds is None else (seconds + _EPOCH_SECOND) * 1_000_000


def survey(source: ByteSource) -> list[FileFacts]:
    """Read everything once, checksums included, and return the facts of each FIT file in the chain.

    The time zone stands in the last message of an activity, so that nothing can be placed in one pass; and a file that
    is damaged near its end is refused before anything of it is used.

    Raises:
        SourceError: a file is cut off, has a corrupt header or a wrong checksum, or cannot be decoded.
    """
    found: list[FileFacts] = []
    for message in read_messages(source, verify=True):
        while len(found) <= message.file:
            found.append(FileFacts())
        _note(message, found[message.file])
    return found


def read_messages(source: ByteSource, *, verify: bool) -> Iterator[Message]:
    """Yield the data messages of every FIT file of a chain.

    Args:
        source: the bytes.
        verify: whether to check the checksums.

    Raises:
        SourceError: see `survey`.
    """
    check = fitdecode.CrcCheck.RAISE if verify else fitdecode.CrcCheck.DISABLED
    try:
        with (
            open_content(source) as stream,
            # Without a processor times stay numbers; developer fields without a description are common and harmless.
            Reader(
                _Chunks(stream),
                processor=None,
                check_crc=check,
                error_handling=fitdecode.ErrorHandling.IGNORE,
            ) as reader,
        ):
            for frame in reader:
                if frame.frame_type == fitdecode.FIT_FRAME_DATA:
                    yield _message(frame, reader.fit_file_index)
                elif reader.fit_files_count > _MOST_FILES:
                    raise _damaged(f"is a chain of more than {_MOST_FILES} files")
    except fitdecode.FitEOFError:
        raise _damaged("ends in the middle of a message, or before its checksum") from None
    except fitdecode.FitCRCError:
        raise _damaged("has a checksum that does not fit its content") from None
    except fitdecode.FitHeaderError:
        raise _damaged("has a corrupt or truncated header") from None
    except (fitdecode.FitError, *_DECODER_FAILURES):
        raise _damaged("holds a message that cannot be decoded") from None


class _Chunks:
    """A stream that hands out the decoder's few bytes at a time from larger reads."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._held, self._at = b"", 0

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        while len(self._held) - self._at < size and (chunk := self._stream.read(_READ_BYTES)):
            self._held, self._at = self._held[self._at :] + chunk, 0
        given = self._held[self._at : self._at + size]
        self._at += len(given)
        return given


def _message(frame: Any, file: int) -> Message:
    values: dict[str, Any] = {}
    raws: dict[str, Any] = {}
    for one in frame.fields:
        # A developer names fields as he likes, a profile's name included.
        if one.field is None or (one.field_def is not None and one.field_def.is_dev):
            continue
        name = (one.parent_field or one.field).name
        if raws.get(name) is None:
            values[name], raws[name] = one.value, one.raw_value
    return Message(file, frame.name if frame.mesg_type else "unknown", values, raws)


def _note(message: Message, facts: FileFacts) -> None:
    if message.name in {"activity", "monitoring_info"} and facts.offset_min is None:
        facts.offset_min = _offset(message.time(), message.time("local_timestamp"))
    elif message.name == "user_profile":
        facts.people.add((message.number("message_index") or 0) & 0xFFF)
    elif message.name in {"weight_scale", "blood_pressure"}:
        index = message.number("user_profile_index")
        if index is not None:
            facts.people.add(index & 0xFFF)
    elif message.name == "session" and len(facts.sessions) < _MOST_SESSIONS:
        start, end = message.time("start_time"), message.time()
        if start is not None and end is not None and start <= end:
            facts.sessions.append((start, end))


def _offset(utc: int | None, local: int | None) -> int | None:
    """Return minutes east of UTC: offsets are quarters of an hour, and the two times may differ by a second."""
    if utc is None or local is None:
        return None
    quarters, rest = divmod(local - utc + 2, 900)
    return quarters * 15 if rest <= 4 and abs(quarters * 15) <= _LONGEST_OFFSET_MIN else None


def _damaged(how: str) -> SourceError:
    return SourceError(
        f"A FIT file {how}.",
        remedy="Copy it from the device or ask for it again; nothing of it was landed.",
    )
