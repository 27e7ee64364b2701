"""What a plan is made from: the estate's partitions, copies and records in counts, without a personal value."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  pydantic reads it at run time
from dataclasses import dataclass


@dataclass(frozen=True)
class HeldShare:
    """What one hold keeps of a partition that expires: how many people and rows."""

    hold_id: str
    people: int
    rows: int


@dataclass(frozen=True)
class PartitionState:
    """One open partition.

    Attributes:
        version: grows with every commit that changes what a raw partition holds.
        files_digest: SHA-256 (hexadecimal) over the ids of its live files.
        rows: samples or derived rows in its live files.
        size: bytes of its live files.
        keys: how many keys go when it expires: its own and those of its files.
        held: what holds keep of it that do not cover it as a whole; counted for partitions that are due.
    """

    partition_id: str
    zone: str
    table_name: str
    stream: str | None
    retention_class: str
    period: str
    version: int
    files_digest: str
    rows: int
    size: int
    files: int
    keys: int
    held: tuple[HeldShare, ...] = ()


@dataclass(frozen=True)
class RecordState:
    """Rows of one kind of record that are as old as a rule allows.

    Attributes:
        kind: what rules call it: `requests`, `query_audit`, `attribute_disclosures`.
        rows: all of them.
        through: the last day whose rows are due; None when there is none.
        due: rows of that day and before.
    """

    kind: str
    rows: int
    through: dt.date | None
    due: int


@dataclass(frozen=True)
class CopyItemState:
    """One object of a copy whose time to live ends."""

    copy_name: str
    item: str
    dataset: str
    rows: int
    size: int
    expires_at: dt.datetime


@dataclass(frozen=True)
class CopyState:
    """A copy that holds something, and the tables that it is published from."""

    copy_name: str
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class AwaitingState:
    """Erased people whose rows are still in files of a derived table.

    Attributes:
        people: how many.
        due: how many of them must be gone by the day after the state was read.
    """

    table_name: str
    people: int
    due: int


@dataclass(frozen=True)
class State:
    """The estate as one snapshot shows it.

    Attributes:
        at: when it was read.
        partitions: every open partition.
        records: kinds of record that a rule names.
        copies: declared copies that hold something.
        copy_items: live objects of copies that have an end.
        awaiting: derived tables that wait for a rewrite.
        uncollected: files whose keys are gone and that still lie in storage.
        uncollected_bytes: their size.
    """

    at: dt.datetime
    partitions: tuple[PartitionState, ...]
    records: tuple[RecordState, ...] = ()
    copies: tuple[CopyState, ...] = ()
    copy_items: tuple[CopyItemState, ...] = ()
    awaiting: tuple[AwaitingState, ...] = ()
    uncollected: int = 0
    uncollected_bytes: int = 0
