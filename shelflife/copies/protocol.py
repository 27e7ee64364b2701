"""What every copy can be asked for, whatever it is: publish, erase, export, expire, list; and how it is inspected.

A copy knows people by tokens: pseudonyms that no zone and no other copy shares. Adapters get tokens and Arrow tables;
none of them sees a subject id, an alias, a key tree or the control database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

TOKEN = "subject_token"  # noqa: S105  the name of a column
"""The column (16 bytes) that says whose a row is, in datasets about people."""

EVERY_DATASET = "*"

Outcome = Literal[
    "deleted", "already_absent", "restricted_hold", "exempt", "deferred_until", "unsupported", "failed"
]


@dataclass(frozen=True)
class Capabilities:
    """What a kind of copy can do; what it cannot is said in certificates, never passed over.

    Attributes:
        erases: it can remove one person and nobody else.
        exports: it can give back what it holds about one person.
        lists: it can say what physically lies in its location.
        expires: what lies in it goes away by itself at the end of its time to live.
        encrypted: what lies in it is ciphertext under a key of the estate.
    """

    erases: bool
    exports: bool
    lists: bool
    expires: bool
    encrypted: bool


@dataclass(frozen=True)
class Dataset:
    """What is published: a table of the derived or analytics zone, cut to the classes that the copy may hold.

    Attributes:
        name: the model's name.
        rows: the rows; in datasets about people the column `subject_token` comes first.
        about_people: whether rows belong to single people.
    """

    name: str
    rows: pa.Table = field(repr=False)
    about_people: bool


@dataclass(frozen=True)
class Item:
    """One physical object of a copy: a file, a key prefix, a set of pages.

    Attributes:
        item: its name within the copy's location; names no person.
        dataset: the dataset that it holds; `EVERY_DATASET` for an object that holds all of the copy's.
        rows: how many rows.
        size: bytes.
        sha256: digest of a file's bytes; None for what is no file.
    """

    item: str
    dataset: str
    rows: int
    size: int
    sha256: bytes | None = None


@dataclass(frozen=True)
class Erased:
    """What became of some people in a copy.

    Attributes:
        outcome: the worst of what happened.
        removed: rows, keys or pages that were removed.
        until: when a deferred removal is due.
        items: the objects that now stand for the copy, where the erasure replaced files.
    """

    outcome: Outcome
    removed: int = 0
    until: datetime | None = None
    items: Sequence[Item] | None = None


@dataclass(frozen=True)
class CopyFinding:
    """Something in a copy that must not be there; `where` names an object, never a person."""

    copy: str
    rule: str
    where: str


class CopyAdapter(Protocol):
    """One copy.

    Every method may be killed at any point and called again. None raises for what is already done.

    Raises:
        CopyUnreachable: the place does not answer; nothing is known about what it did.
    """

    name: str

    def capabilities(self) -> Capabilities:
        """Say what this kind of copy can do."""

    def publish(self, datasets: Sequence[Dataset], now: datetime) -> list[Item]:
        """Make the copy hold exactly these datasets, and return what it holds now."""

    def erase(
        self, tokens: Collection[bytes], now: datetime, *, datasets: Collection[str] | None = None
    ) -> Erased:
        """Remove people, from the named datasets or from all, so that nothing of them can be read any more.

        History is part of it: write-ahead logs, snapshots, append-only files, former versions of a file.
        """

    def export(self, token: bytes) -> Mapping[str, pa.Table]:
        """Return what the copy holds about one person, by dataset."""

    def expire(self, now: datetime) -> list[str]:
        """Remove what is past the copy's time to live; return the items that are gone."""

    def inventory(self) -> list[str]:
        """Return every object that physically lies in the copy's location, whoever put it there."""

    def discard(self, objects: Collection[str]) -> list[str]:
        """Remove objects of the inventory, whoever put them there; return those that are gone."""


class CopyInspector(Protocol):
    """Looks at a copy from outside. Shares no code with the adapter, so that a mistake there does not hide itself here."""

    name: str

    def inspect(self, tokens: Collection[bytes], known: Collection[str], now: datetime) -> list[CopyFinding]:
        """Look for what must not be there, by reading and decoding everything that is there.

        Args:
            tokens: people who must not be found.
            known: items that the catalog knows; any other object is a finding.
            now: the time, for what is past its time to live.

        Raises:
            CopyUnreachable: the place does not answer.
        """
