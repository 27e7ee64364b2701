"""What a peer of the erasure benchmark is, and the rows that all of them start from."""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Rows:
    """The rows to load: one Parquet file a day, sorted by person and time, columns of the canonical exchange format.

    Attributes:
        folder: where the day files are.
    """

    folder: Path

    def days(self) -> list[Path]:
        """Return the day files, oldest first; each is named after its day."""
        return sorted(self.folder.glob("*.parquet"))

    def count(self) -> int:
        """Return how many rows there are."""
        return sum(pq.read_metadata(path).num_rows for path in self.days())

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """Yield each day's name and rows, with the day as a further column to partition by."""
        for path in self.days():
            rows = pq.read_table(path)
            day = pa.repeat(pa.scalar(path.stem), rows.num_rows).cast(pa.date32())
            yield path.stem, rows.append_column("day", day)


@dataclass
class Found:
    """Erased people who can still be found on the disk.

    Attributes:
        rows: those of whom a row can be read.
        ids: those whose id stands somewhere, in a row or beside it.
        where: how often, by kind of file.
    """

    rows: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    where: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, people: set[str], *, rows: bool) -> None:
        """Note people found in a file of some kind."""
        self.ids |= people
        if rows:
            self.rows |= people
        if people:
            self.where[kind] = self.where.get(kind, 0) + len(people)


class Peer(Protocol):
    """One tool. Every step runs in a process of its own, on the same folder as the step before.

    Attributes:
        procedure: the documented procedure that `erase` and `finish` carry out, in a few words.
        purging: the same of `expire` and `finish`.
    """

    procedure: str
    purging: str

    def __init__(self, folder: Path) -> None:
        """Take the folder that everything of this peer lies in."""

    def load(self, rows: Rows) -> None:
        """Store the rows."""

    def erase(self, ids: Sequence[str]) -> None:
        """Return once an ordinary reader of the present state no longer gets these people's rows."""

    def expire(self, day: str) -> None:
        """Return once an ordinary reader of the present state no longer gets the rows of a day (ISO date)."""

    def finish(self) -> None:
        """Carry out what the tool documents for getting rid of the bytes."""

    def count(self, ids: Sequence[str]) -> tuple[int, int]:
        """Return how many rows an ordinary reader gets: of these people, and of everyone."""


class Recovers(Protocol):
    """A peer whose files need the peer's own keys to be read."""

    def recover(self, ids: Sequence[str], found: Found) -> None:
        """Read whatever can be read with all that lies in the folder, keys included, and add who is in it."""


_PEERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "shelflife": ("shelflife_estate:ShelflifeRaw", ()),
    "shelflife_derived": ("shelflife_estate:ShelflifeDerived", ()),
    "ducklake": ("ducklake:DuckLake", ("duckdb_extension_ducklake",)),
    "delta": ("delta:Delta", ("deltalake",)),
    "delta_merge": ("delta:DeltaMerge", ("deltalake",)),
    "iceberg": ("iceberg:Iceberg", ("pyiceberg",)),
    "duckdb": ("duckdb_file:DuckDbCheckpoint", ()),
    "duckdb_copy": ("duckdb_file:DuckDbCopy", ()),
    "polars": ("day_files:PolarsFiles", ()),
    "pyarrow": ("day_files:PyarrowFiles", ()),
}
NAMES = tuple(_PEERS)


def missing(name: str) -> list[str]:
    """Return the packages that a peer needs and that are not installed."""
    return [one for one in _PEERS[name][1] if importlib.util.find_spec(one) is None]


def peer_class(name: str) -> Any:
    """Return the class of a peer, whose packages must be there."""
    module, _, attribute = _PEERS[name][0].partition(":")
    return getattr(importlib.import_module(f"benchmarks.erase_peers.{module}"), attribute)


def put_in_place(new: Path, path: Path) -> None:
    """Let a new file take the place of an old one, durably."""
    descriptor = os.open(new, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
