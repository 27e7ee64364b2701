"""Status: what the estate holds, in counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.subject_tables import subject
from shelflife.control.tables import batch, data_file, ledger_leaf, partition, quarantine_count
from shelflife.lake.derive import stale
from shelflife.lake.inbox import list_inbox
from shelflife.lake.models import load_models

if TYPE_CHECKING:
    from shelflife.estate import Estate


@dataclass(frozen=True)
class TableStatus:
    """What one table holds."""

    zone: str
    table_name: str
    partitions: int
    first: str
    last: str
    files: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class Status:
    """The whole estate in counts; safe to print and keep.

    Attributes:
        quarantined: rows in quarantine by reason.
        stale: derived files that do not follow from what is landed, by model.
        consent: whether streams are kept by consent (`required`), or on another lawful basis (`not_relied_on`).
        unregistered: objects in the storage folders that the catalog does not know; each is an error.
    """

    subjects: int
    inbox_files: int
    batches: int
    failed_batches: int
    tables: list[TableStatus]
    quarantined: dict[str, int]
    stale: dict[str, int]
    unregistered: int
    ledger_size: int
    consent: str

    def as_json(self) -> dict[str, object]:
        """Return the status as JSON values."""
        return asdict(self)


def status(estate: Estate) -> Status:
    """Return what the estate holds."""
    models = load_models(estate.settings.models)
    with estate.database.read() as conn:
        outdated: dict[str, int] = {}
        for unit in stale(estate, models, conn):
            outdated[unit.model] = outdated.get(unit.model, 0) + 1
        return Status(
            subjects=_count(conn, subject),
            inbox_files=len(list_inbox(estate.settings.inbox)),
            batches=_count(conn, batch, batch.c.state == "committed"),
            failed_batches=_count(conn, batch, batch.c.verdict == "failed"),
            tables=_tables(conn),
            quarantined=_quarantined(conn),
            stale=outdated,
            unregistered=len(unregistered(estate, conn)),
            ledger_size=_count(conn, ledger_leaf),
            consent=estate.settings.consent,
        )


def unregistered(estate: Estate, conn: sa.Connection) -> list[str]:
    """Return storage objects that the catalog does not know, as zone and path relative to the zone."""
    expected = {
        (row.zone, row.path)
        for row in conn.execute(
            sa.select(data_file.c.zone, data_file.c.path).where(data_file.c.state != "collected")
        )
    }
    found = []
    for zone in ("raw", "derived", "analytics", "identity"):
        folder = estate.zone_folder(zone)
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder).as_posix()
            if path.is_file() and (zone, relative) not in expected:
                found.append(f"{zone}/{relative}")
    return found


def _count(conn: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool] | None = None) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return int(conn.execute(query if where is None else query.where(where)).scalar_one())


def _quarantined(conn: sa.Connection) -> dict[str, int]:
    query = sa.select(quarantine_count.c.reason, sa.func.sum(quarantine_count.c.rows))
    rows = conn.execute(query.group_by(quarantine_count.c.reason).order_by(quarantine_count.c.reason))
    return {reason: int(count) for reason, count in rows}


def _tables(conn: sa.Connection) -> list[TableStatus]:
    query = (
        sa.select(
            data_file.c.zone,
            data_file.c.table_name,
            sa.func.count(sa.distinct(partition.c.partition_id)),
            sa.func.min(partition.c.period),
            sa.func.max(partition.c.period),
            sa.func.count(),
            sa.func.sum(data_file.c.samples),
            sa.func.sum(data_file.c.bytes),
        )
        .join(partition, partition.c.partition_id == data_file.c.partition_id)
        .where(data_file.c.state == "live")
        .group_by(data_file.c.zone, data_file.c.table_name)
        .order_by(data_file.c.zone.desc(), data_file.c.table_name)
    )
    return [
        TableStatus(zone, name, int(homes), first, last, int(files), int(rows), int(size))
        for zone, name, homes, first, last, files, rows, size in conn.execute(query)
    ]
