"""What the control database says should be there: read once, in one snapshot, and compared with what is."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from shelflife.control.subject_tables import landing_key
from shelflife.control.tables import (
    awaiting_rewrite,
    batch,
    copy_item,
    data_file,
    hold,
    keyring,
    lease,
    partition,
    request,
)


class PartitionRow(NamedTuple):
    """A partition as the catalog has it."""

    partition_id: str
    zone: str
    table_name: str
    stream: str | None
    retention_class: str
    period: str
    key_number: int | None
    state: str


class FileRow(NamedTuple):
    """A data file as the catalog has it."""

    file_id: str
    zone: str
    table_name: str
    partition_id: str
    batch_id: str | None
    state: str
    path: str
    key_number: int | None
    samples: int
    size: int
    sha256: bytes
    replaced_at: dt.datetime | None


class CopyRow(NamedTuple):
    """An object of a copy as the catalog has it."""

    copy_name: str
    item: str
    dataset: str
    state: str
    key_number: int | None
    expires_at: dt.datetime | None


class LandingKeyRow(NamedTuple):
    """A landing key that is not retired."""

    key_id: str
    key_number: int
    accepted_until: dt.datetime | None


@dataclass(frozen=True)
class Survey:
    """The catalog's side of the comparison.

    Attributes:
        partitions: by id.
        files: every file that was ever registered.
        open_batches: ids of batches whose process may be at work.
        oldest_lease: when the oldest lease that is out was issued.
        rings: by zone, the keyring number of each pseudonym.
        copies: objects of copies, gone ones too.
        request_keys: key numbers of requests, which belong to the identity zone.
        hold_keys: key numbers of active holds, which belong to the identity zone.
        landing_keys: landing keys that are not retired; their keys belong to the identity zone.
        released: ids of holds that were released.
        awaiting: by table and pseudonym of the derived zone, when its rows must be gone.
        overwriting_due: for each erasure that has not overwritten its raw rows yet, when that is due.
        exports: ids of export requests whose package may lie there: delivered and not expired, or being written.
    """

    partitions: dict[str, PartitionRow]
    files: list[FileRow]
    open_batches: frozenset[str]
    oldest_lease: dt.datetime | None
    rings: dict[str, dict[bytes, int]] = field(repr=False)
    copies: list[CopyRow]
    request_keys: frozenset[int]
    hold_keys: frozenset[int]
    landing_keys: tuple[LandingKeyRow, ...]
    released: frozenset[str]
    awaiting: dict[tuple[str, bytes], dt.datetime] = field(repr=False)
    overwriting_due: tuple[dt.datetime, ...]
    exports: frozenset[str]

    def may_await_overwriting(self, now: dt.datetime) -> bool:
        """Tell whether an erasure is under way whose raw rows need not be overwritten yet."""
        return any(due >= now for due in self.overwriting_due)

    @cached_property
    def by_id(self) -> dict[str, FileRow]:
        """Every file by its id."""
        return {file.file_id: file for file in self.files}

    def partition_of(self, file: FileRow) -> PartitionRow:
        """Return the partition that a file belongs to."""
        return self.partitions[file.partition_id]


def take(conn: sa.Connection, now: dt.datetime) -> Survey:
    """Read the catalog's side of everything that is compared."""
    homes = [PartitionRow(*row) for row in conn.execute(_select(partition, PartitionRow))]
    return Survey(
        partitions={home.partition_id: home for home in homes},
        files=read_files(conn),
        open_batches=frozenset(
            conn.execute(sa.select(batch.c.batch_id).where(batch.c.state == "open")).scalars()
        ),
        oldest_lease=conn.execute(
            sa.select(sa.func.min(lease.c.issued_at)).where(lease.c.expires_at > now)
        ).scalar(),
        rings=_rings(conn),
        copies=[CopyRow(*row) for row in conn.execute(_select(copy_item, CopyRow))],
        request_keys=_numbers(conn, sa.select(request.c.key_number)),
        hold_keys=_numbers(conn, sa.select(hold.c.key_number).where(hold.c.state == "active")),
        landing_keys=_landing_keys(conn),
        released=frozenset(
            conn.execute(sa.select(hold.c.hold_id).where(hold.c.state == "released")).scalars()
        ),
        awaiting={
            (row.table_name, bytes(row.pid)): row.due_at for row in conn.execute(sa.select(awaiting_rewrite))
        },
        overwriting_due=_overwriting_due(conn),
        exports=_exports(conn, now),
    )


def _landing_keys(conn: sa.Connection) -> tuple[LandingKeyRow, ...]:
    columns = (landing_key.c.key_id, landing_key.c.key_number, landing_key.c.accepted_until)
    rows = conn.execute(sa.select(*columns).where(landing_key.c.key_number.is_not(None)))
    return tuple(LandingKeyRow(*row) for row in rows)


def _exports(conn: sa.Connection, now: dt.datetime) -> frozenset[str]:
    columns = (request.c.request_id, request.c.state, request.c.facts)
    rows = conn.execute(sa.select(*columns).where(request.c.kind == "export"))
    return frozenset(
        row.request_id
        for row in rows
        if row.state == "verified"
        or (row.state == "delivered" and dt.datetime.fromisoformat(row.facts["expires_at"]) > now)
    )


def read_files(conn: sa.Connection, file_id: str | None = None) -> list[FileRow]:
    """Return every registered file, or the named one."""
    query = _select(data_file, FileRow).order_by(data_file.c.zone, data_file.c.path)
    if file_id is not None:
        query = query.where(data_file.c.file_id == file_id)
    return [FileRow(*row) for row in conn.execute(query)]


def _overwriting_due(conn: sa.Connection) -> tuple[dt.datetime, ...]:
    """Return when the erasures whose keys are destroyed and whose rows are not overwritten must have done so."""
    query = sa.select(request.c.facts).where(request.c.kind == "erasure", request.c.closed_at.is_(None))
    facts = conn.execute(query).scalars()
    due = [known["physical_due"] for known in facts if "physical_due" in known and "physical_at" not in known]
    return tuple(dt.datetime.fromisoformat(text) for text in due)


def _rings(conn: sa.Connection) -> dict[str, dict[bytes, int]]:
    rings: defaultdict[str, dict[bytes, int]] = defaultdict(dict)
    for row in conn.execute(sa.select(keyring.c.zone, keyring.c.pid, keyring.c.number)):
        rings[row.zone][bytes(row.pid)] = row.number
    return dict(rings)


def _select(table: sa.Table, shape: type[PartitionRow | FileRow | CopyRow]) -> sa.Select[tuple[Any, ...]]:
    names = ("bytes" if name == "size" else name for name in shape._fields)
    return sa.select(*(table.c[name] for name in names))


def _numbers(conn: sa.Connection, query: sa.Select[Any]) -> frozenset[int]:
    return frozenset(number for number in conn.execute(query).scalars() if number is not None)
