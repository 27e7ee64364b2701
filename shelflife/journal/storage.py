"""The journal's file, and the note of its head that lies in the witness's folder.

The file is on a place that no backup covers, the note on another one: a journal that was cut is found out as long as
whoever cuts it cannot write the note.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shelflife import durable
from shelflife.control.crashpoints import reached
from shelflife.errors import StorageError
from shelflife.journal.frames import HEADER_BYTES, Frame, Head, broken, frame, header, parse, parse_header
from shelflife.keys.shredding import locked, sweep
from shelflife.keys.shredding import replace as shred_and_replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FORMAT = 1


@dataclass(frozen=True)
class Note:
    """What is known of the journal outside of it.

    Attributes:
        base: what the oldest frame follows.
        head: where it ends at least.
        settled: the newest record that a control database is known to have committed.
    """

    base: Head
    head: Head
    settled: int

    @classmethod
    def empty(cls) -> Note:
        """Return the note of a journal without records."""
        return cls(Head(), Head(), 0)


class JournalFile:
    """Frames in a file, appended by one process at a time.

    Args:
        folder: the journal's folder; made when missing.
        witness: the folder of the note.
    """

    def __init__(self, folder: Path, witness: Path) -> None:
        self._path = folder / "destructions.journal"
        self._lock = folder / "destructions.lock"
        self._note = witness / "journal.note"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep other processes out for the block, and name what the disk refuses without naming a path.

        Raises:
            StorageError: the folder or a file in it cannot be used.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self._lock, exclusive=True):
                yield
        except OSError as error:
            raise StorageError(
                f"The journal of destructions cannot be used ({error.strerror}).",
                remedy="Check that the journal's folder and the witness's exist, are writable and have space.",
            ) from None

    def exists(self) -> bool:
        """Tell whether there is a journal."""
        return self._path.exists()

    def note(self) -> Note:
        """Return the note; that of an empty journal when neither it nor a record exists.

        Raises:
            LedgerBroken: the note is damaged, or missing although the journal holds records.
        """
        try:
            return _parse_note(json.loads(self._note.read_bytes()))
        except FileNotFoundError:
            if self._path.exists() and self._path.stat().st_size > HEADER_BYTES:
                broken("holds records, and the witness's note of its head is missing")
            return Note.empty()
        except (ValueError, KeyError, TypeError):
            broken("cannot be checked: the witness's note of its head was altered")

    def frames(self) -> list[Frame]:
        """Return every frame, the whole chain checked.

        Raises:
            LedgerBroken: the journal was cut or altered.
        """
        note = self.note()
        content, base = self._content(note, None)
        return list(parse(content, base, note.head))

    def tail(self) -> Head:
        """Return the head, frames included that a crash kept from being noted; costs nothing for older ones."""
        note = self.note()
        content, _ = self._content(note, note.head)
        return _end(parse(content, note.head, note.head), note.head)

    def begin(self) -> None:
        """Make the file and its note where there is none."""
        if not self._path.exists():
            note = self.note()
            if note.head != note.base:
                broken("is missing")
            durable.replace(self._path, header(note.base))
        if not self._note.exists():
            self.note()
            self._write_note(Note.empty())

    def append(self, seals: list[Callable[[int], bytes]], *, settled: int) -> Head:
        """Append records and wait until they are on the disk; then note the new head.

        Args:
            seals: for each record, what returns it sealed for its sequence number.
            settled: the newest record that the control database is known to have committed.
        """
        self.begin()
        note, before = self.note(), self.tail()
        head, content = before, b""
        for seal in seals:
            one, head = frame(head, seal(head.sequence + 1))
            content += one
        with self._path.open("r+b") as file:
            # What a crash left behind the head is no record.
            start = parse_header(file.read(HEADER_BYTES))
            file.truncate(HEADER_BYTES + before.position - start.position)
            file.seek(0, os.SEEK_END)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        reached("journal.append.written")
        self._write_note(Note(note.base, head, max(settled, note.settled)))
        reached("journal.append.noted")
        return head

    def forget(self, through: int) -> int:
        """Drop the frames up to a sequence number and overwrite them. Returns how many.

        The note moves first: a journal that starts after its noted base was cut, one that starts before was not
        forgotten yet.
        """
        sweep(self._path)
        frames = self.frames()
        kept = [one for one in frames if one.after.sequence > through]
        if len(kept) == len(frames):
            return 0
        note = self.note()
        base = frames[len(frames) - len(kept) - 1].after
        content, start = self._content(note, None)
        self._write_note(Note(base, _end(iter(frames), note.head), note.settled))
        reached("journal.forget.noted")
        shred_and_replace(self._path, header(base) + content[base.position - start.position :])
        return len(frames) - len(kept)

    def _content(self, note: Note, start: Head | None) -> tuple[bytes, Head]:
        """Return the bytes from a head on (from the file's own start when absent), and the file's base."""
        if not self._path.exists():
            if note.head != note.base:
                broken("is missing")
            return b"", note.base
        with self._path.open("rb") as file:
            base = parse_header(file.read(HEADER_BYTES))
            if base.sequence > note.base.sequence:
                broken("starts later than the witness's note says")
            if start is not None:
                file.seek(HEADER_BYTES + start.position - base.position)
                if file.tell() > self._path.stat().st_size:
                    broken("is shorter than the witness's note says")
            return file.read(), base

    def _write_note(self, note: Note) -> None:
        heads = {
            name: {"sequence": head.sequence, "position": head.position, "chain": head.chain.hex()}
            for name, head in (("base", note.base), ("head", note.head))
        }
        content = {"format": _FORMAT, **heads, "settled": note.settled}
        durable.replace(self._note, json.dumps(content, indent=1).encode())


def _end(frames: Iterator[Frame], start: Head) -> Head:
    head = start
    for one in frames:
        head = one.after
    return head


def _parse_note(document: dict[str, Any]) -> Note:
    if document["format"] != _FORMAT or not isinstance(document["settled"], int):
        raise ValueError
    return Note(_parse_head(document["base"]), _parse_head(document["head"]), document["settled"])


def _parse_head(row: dict[str, Any]) -> Head:
    return Head(int(row["sequence"]), int(row["position"]), bytes.fromhex(row["chain"]))
