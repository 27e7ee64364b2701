"""The catalog: every partition and every physical file of the estate, and the states a file goes through.

A file is `pending` from before its first byte is written, `live` from the commit that made it true, `replaced`
once a later file stands for it (its keys are destroyed in that commit), and `collected` when it is unlinked.
Only live files are ever read.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from shelflife.control.tables import data_file, partition
from shelflife.errors import CommitConflict, StorageError
from shelflife.keys.tree import KeyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate

CHUNK = 400


@dataclass(frozen=True)
class Partition:
    """One unit that expires: a table, a retention class and a day or month.

    `version` grows with every commit that changes what the partition holds.
    """

    partition_id: str
    zone: str
    table_name: str
    stream: str | None
    retention_class: str
    period: str
    key_number: int | None
    state: str
    version: int


@dataclass(frozen=True, order=True)
class PartitionName:
    """What a partition is called within its zone."""

    table_name: str
    period: str
    retention_class: str
    stream: str | None = None


@dataclass(frozen=True)
class DataFile:
    """One physical file and what is known of it."""

    file_id: str
    zone: str
    table_name: str
    partition_id: str
    batch_id: str | None
    bucket: int
    state: str
    path: str
    key_number: int | None
    rows: int
    samples: int
    size: int
    sha256: bytes


_PARTITION_COLUMNS = [partition.c[name] for name in Partition.__dataclass_fields__]
_FILE_COLUMNS = [data_file.c["bytes" if name == "size" else name] for name in DataFile.__dataclass_fields__]


def ensure_partitions(
    estate: Estate, tx: Transaction, zone: str, names: Sequence[PartitionName], *, keyed: bool
) -> list[Partition]:
    """Return the named partitions, making those that are new (with a random partition key each, where `keyed`).

    A partition that a purge destroyed comes back as it is: `state` says so, and data for it must be refused.
    """
    known = {_name(home): home for home in _existing(tx.conn, zone, names)}
    missing = sorted({name for name in names if name not in known})
    numbers = (
        estate.trees[zone].insert(tx, KeyKind.PARTITION, len(missing)) if keyed else [None] * len(missing)
    )
    made = [
        Partition(
            uuid.uuid4().hex,
            zone,
            name.table_name,
            name.stream,
            name.retention_class,
            name.period,
            number,
            "open",
            0,
        )
        for name, number in zip(missing, numbers, strict=True)
    ]
    if made:
        tx.conn.execute(partition.insert(), [dict(home.__dict__) for home in made])
    known |= {_name(home): home for home in made}
    return [known[name] for name in names]


def partitions(
    conn: sa.Connection,
    *,
    zone: str,
    tables: Sequence[str] | None = None,
    periods: Sequence[str] | None = None,
) -> list[Partition]:
    """Return open partitions of a zone, by table and period, oldest first."""
    query = sa.select(*_PARTITION_COLUMNS).where(partition.c.zone == zone, partition.c.state == "open")
    if tables is not None:
        query = query.where(partition.c.table_name.in_(tables))
    if periods is not None:
        query = query.where(partition.c.period.in_(periods))
    rows = conn.execute(query.order_by(partition.c.table_name, partition.c.period, partition.c.partition_id))
    return [Partition(*row) for row in rows]


def partitions_by_id(conn: sa.Connection, ids: Iterable[str]) -> dict[str, Partition]:
    """Return the named partitions."""
    found: dict[str, Partition] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        query = sa.select(*_PARTITION_COLUMNS).where(partition.c.partition_id.in_(chunk))
        found |= {row.partition_id: Partition(*row) for row in conn.execute(query)}
    return found


def move_partitions(tx: Transaction, seen: Mapping[str, int]) -> None:
    """Count one more change of each partition, provided that none moved since it was seen.

    Args:
        tx: the transaction that changes what the partitions hold.
        seen: the version of each partition that the change was computed from.

    Raises:
        CommitConflict: another process changed or destroyed one of them meanwhile.
    """
    moved = _changed_each(
        tx,
        partition.update()
        .where(
            partition.c.partition_id == sa.bindparam("moved_id"),
            partition.c.version == sa.bindparam("seen_version"),
            partition.c.state == "open",
        )
        .values(version=sa.bindparam("next_version")),
        [
            {"moved_id": partition_id, "seen_version": version, "next_version": version + 1}
            for partition_id, version in sorted(seen.items())
        ],
    )
    if not moved:
        raise CommitConflict(
            "Another process changed a partition that this commit was computed from.",
            remedy="Run it again; it starts from what is there now.",
        )


def check_partitions(tx: Transaction, seen: Mapping[str, int]) -> None:
    """Make sure that partitions which a commit only looked at are as it saw them.

    Raises:
        CommitConflict: another process changed or destroyed one of them meanwhile.
    """
    now = partitions_by_id(tx.conn, seen)
    if any(now[home].version != version for home, version in seen.items()):
        raise CommitConflict(
            "Another process changed a partition that this commit was computed from.",
            remedy="Run it again; it starts from what is there now.",
        )


def register_pending(
    tx: Transaction,
    *,
    home: Partition,
    batch_id: str | None,
    bucket: int,
    key_number: int | None,
    now: datetime,
) -> DataFile:
    """Write down a file before its first byte exists, so that a crash leaves nothing unregistered."""
    [made] = register_all_pending(
        tx, homes=[home], batch_id=batch_id, bucket=bucket, key_number=key_number, now=now
    )
    return made


def register_all_pending(
    tx: Transaction,
    *,
    homes: Sequence[Partition],
    batch_id: str | None,
    bucket: int,
    key_number: int | None,
    now: datetime,
) -> list[DataFile]:
    """Write down one new file in each of the partitions, like `register_pending`."""
    made = [_pending(home, batch_id, bucket, key_number) for home in homes]
    if made:
        tx.conn.execute(data_file.insert(), [{**_row(file), "created_at": now} for file in made])
    return made


def _pending(home: Partition, batch_id: str | None, bucket: int, key_number: int | None) -> DataFile:
    file_id = uuid.uuid4().hex
    return DataFile(
        file_id=file_id,
        zone=home.zone,
        table_name=home.table_name,
        partition_id=home.partition_id,
        batch_id=batch_id,
        bucket=bucket,
        state="pending",
        path=f"{home.table_name}/{file_id[:2]}/{file_id}.parquet",
        key_number=key_number,
        rows=0,
        samples=0,
        size=0,
        sha256=b"",
    )


class Made(NamedTuple):
    """What a pending file holds now that it is written."""

    file_id: str
    rows: int
    samples: int
    size: int
    sha256: bytes


def make_live(tx: Transaction, file_id: str, *, rows: int, samples: int, size: int, sha256: bytes) -> None:
    """Make a pending file true.

    Raises:
        CommitConflict: it is no longer pending: its batch was given up by another process.
    """
    make_all_live(tx, [Made(file_id, rows, samples, size, sha256)])


def make_all_live(tx: Transaction, files: Sequence[Made]) -> None:
    """Make pending files true.

    Raises:
        CommitConflict: one is no longer pending: its batch was given up by another process.
    """
    pending = data_file.update().where(
        data_file.c.file_id == sa.bindparam("made_id"), data_file.c.state == "pending"
    )
    told = pending.values(
        state="live",
        rows=sa.bindparam("new_rows"),
        samples=sa.bindparam("new_samples"),
        bytes=sa.bindparam("new_bytes"),
        sha256=sa.bindparam("new_sha256"),
    )
    names = ("made_id", "new_rows", "new_samples", "new_bytes", "new_sha256")
    if not _changed_each(tx, told, [dict(zip(names, file, strict=True)) for file in files]):
        raise CommitConflict("A pending file was given up by another process.", remedy="Run it again.")


def replace(estate: Estate, tx: Transaction, files: Sequence[DataFile], now: datetime) -> None:
    """Retire live files and destroy their keys, so that every copy of them turns into noise.

    Raises:
        CommitConflict: one of them was replaced already.
    """
    for file in files:
        changed = tx.conn.execute(
            data_file.update()
            .where(data_file.c.file_id == file.file_id, data_file.c.state == "live")
            .values(state="replaced", replaced_at=now)
        )
        if changed.rowcount != 1:
            raise CommitConflict(
                "A file that this commit replaces was replaced already.",
                remedy="Run it again; it starts from what is there now.",
            )
    for zone in sorted({file.zone for file in files}):
        numbers = [f.key_number for f in files if f.zone == zone and f.key_number is not None]
        if numbers:
            estate.trees[zone].destroy(tx, numbers, now)


def destroy_partitions(
    estate: Estate,
    tx: Transaction,
    homes: Sequence[Partition],
    keys: Mapping[str, Sequence[int]],
    now: datetime,
) -> int:
    """Destroy partitions for good, with all keys that go with them in one pass over each zone's tree.

    How long it takes follows the number of keys, never that of rows. Late data for them is refused from now on.

    Args:
        estate: the estate.
        tx: the transaction, in which `homes` were read.
        homes: the partitions; their live files are retired.
        keys: by zone, the numbers of the partitions' own keys, of their files' keys and of whatever goes with them.
        now: the time.

    Returns:
        How many keys were there to destroy.

    Raises:
        CommitConflict: one of the partitions was destroyed already.
    """
    for start in range(0, len(homes), CHUNK):
        ids = [home.partition_id for home in homes[start : start + CHUNK]]
        here = partition.c.partition_id.in_(ids) & (partition.c.state == "open")
        gone = {"state": "destroyed", "version": partition.c.version + 1}
        if tx.conn.execute(partition.update().where(here).values(**gone)).rowcount != len(ids):
            raise CommitConflict(
                "Another process destroyed one of the partitions first.", remedy="Run it again."
            )
        live = data_file.c.partition_id.in_(ids) & (data_file.c.state == "live")
        tx.conn.execute(data_file.update().where(live).values(state="replaced", replaced_at=now))
    return sum(estate.trees[zone].destroy(tx, numbers, now) for zone, numbers in sorted(keys.items()))


def live_files(
    conn: sa.Connection, zone: str, table_name: str, periods: Sequence[str] | None = None
) -> list[DataFile]:
    """Return the live files of a table, oldest period first."""
    query = (
        sa.select(*_FILE_COLUMNS)
        .join(partition, partition.c.partition_id == data_file.c.partition_id)
        .where(
            data_file.c.zone == zone,
            data_file.c.table_name == table_name,
            data_file.c.state == "live",
            partition.c.state == "open",
        )
        .order_by(partition.c.period, data_file.c.bucket, data_file.c.file_id)
    )
    if periods is not None:
        query = query.where(partition.c.period.in_(periods))
    return [DataFile(*row) for row in conn.execute(query)]


def files_of_partition(
    conn: sa.Connection, partition_id: str, *, batch_id: str | None = None
) -> list[DataFile]:
    """Return a partition's live files, with the given batch's own pending ones."""
    return files_by_partition(conn, [partition_id], batch_id=batch_id).get(partition_id, [])


def files_by_partition(
    conn: sa.Connection, ids: Iterable[str], *, batch_id: str | None = None
) -> dict[str, list[DataFile]]:
    """Return like `files_of_partition` the files of each of many partitions, as far as it has any."""
    visible = data_file.c.state == "live"
    if batch_id is not None:
        visible |= (data_file.c.state == "pending") & (data_file.c.batch_id == batch_id)
    found: defaultdict[str, list[DataFile]] = defaultdict(list)
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), CHUNK):
        here = data_file.c.partition_id.in_(wanted[start : start + CHUNK]) & visible
        query = sa.select(*_FILE_COLUMNS).where(here).order_by(data_file.c.file_id)
        for row in conn.execute(query):
            found[row.partition_id].append(DataFile(*row))
    return dict(found)


def files_of_partitions(conn: sa.Connection, ids: Iterable[str]) -> list[DataFile]:
    """Return the live files of many partitions, in the order of their ids."""
    found: list[DataFile] = []
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), CHUNK):
        here = data_file.c.partition_id.in_(wanted[start : start + CHUNK]) & (data_file.c.state == "live")
        found += [DataFile(*row) for row in conn.execute(sa.select(*_FILE_COLUMNS).where(here))]
    return sorted(found, key=lambda file: file.file_id)


def path_of(estate: Estate, file: DataFile) -> Path:
    """Return where a file lies."""
    return estate.zone_folder(file.zone) / file.path


def prepared_path(estate: Estate, file: DataFile) -> Path:
    """Return where a file is going to lie, in a folder that exists.

    Raises:
        StorageError: the folder cannot be made.
    """
    path = path_of(estate, file)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"A storage folder cannot be made: {error.strerror}.",
            remedy="Free space or restore write permission on `home`; nothing of this batch was landed.",
        ) from None
    return path


def files_by_id(conn: sa.Connection, ids: Sequence[str]) -> list[DataFile]:
    """Return the named files, in the order of their ids."""
    found: list[DataFile] = []
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), CHUNK):
        query = sa.select(*_FILE_COLUMNS).where(data_file.c.file_id.in_(wanted[start : start + CHUNK]))
        found += [DataFile(*row) for row in conn.execute(query.order_by(data_file.c.file_id))]
    return found


def _changed_each(tx: Transaction, statement: sa.Update, values: Sequence[Mapping[str, object]]) -> bool:
    """Run an update of one row for each of the values. Returns whether every one of them found its row."""
    return not values or tx.conn.execute(statement, list(values)).rowcount == len(values)


def _row(file: DataFile) -> dict[str, object]:
    """Return a file as a row of the catalog's table."""
    values = dict(file.__dict__)
    values["bytes"] = values.pop("size")
    return values


def _name(home: Partition) -> PartitionName:
    return PartitionName(home.table_name, home.period, home.retention_class, home.stream)


def _existing(conn: sa.Connection, zone: str, names: Sequence[PartitionName]) -> list[Partition]:
    periods = sorted({name.period for name in names})
    tables = sorted({name.table_name for name in names})
    found: list[Partition] = []
    for start in range(0, len(periods), CHUNK):
        query = sa.select(*_PARTITION_COLUMNS).where(
            partition.c.zone == zone,
            partition.c.table_name.in_(tables),
            partition.c.period.in_(periods[start : start + CHUNK]),
        )
        found += [Partition(*row) for row in conn.execute(query)]
    return found
