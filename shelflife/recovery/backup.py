"""Backups: the control database of one moment and the data files that it names, in a folder elsewhere.

Everything personal in a backup is sealed, and the keys that open it are wrapped under root keys that no backup holds.
Never in a backup: the root slots, the journal of destructions and the witness, which must outlive a restore, and the
inbox, which is in clear.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.metadata import REVISION
from shelflife.control.tables import data_file, key_tree, partition
from shelflife.control.tables import estate as estate_table
from shelflife.errors import ConfigurationError
from shelflife.journal import journal
from shelflife.recovery.dump import all_tables, dump_table
from shelflife.recovery.listing import Listed, live_data_files, write_listing
from shelflife.recovery.manifest import Manifest, Part
from shelflife.recovery.target import Target

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path

    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON
    from shelflife.seal.files import WrittenFile

FILES = "files"
"""Name of the part of a backup that lists its data files."""


@dataclass(frozen=True)
class BackupReport:
    """What a backup did, in counts.

    Attributes:
        name: the backup.
        rows: rows of the control database.
        files: data files that the backup names.
        copied: those of them that were not in the target before.
        copied_bytes: how large these are.
        damaged: live files that are missing or differ from what was written; they are not in the backup.
    """

    name: str
    rows: int
    files: int
    copied: int
    copied_bytes: int
    damaged: int


def backup(estate: Estate, target: Path, *, clock: Callable[[], dt.datetime]) -> BackupReport:
    """Write a backup; it counts from the moment that its manifest is there.

    Args:
        estate: the estate.
        target: a folder outside of the estate, with the backups made before; files are copied once.
        clock: gives the time.

    Raises:
        ConfigurationError: the target lies inside the estate.
        StorageError: the target cannot be written.
    """
    _check_place(estate, target)
    place, now = Target(target.resolve()), clock()
    journal.begin(estate.settings)
    with place.alone():
        name = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        place.begin(name)
        with estate.database.read() as conn:
            estate.ledger.catch_up(conn, now)
            begun = _dump(estate, conn, place, name, now)
            wanted = live_data_files(conn)
        reached("backup.dumped")
        listed, report = _copy_files(estate, place, wanted)
        files = write_listing(place.part(name, FILES), listed)
        manifest = replace(
            begun,
            files=_part(files),
            data_files=len(listed),
            data_bytes=sum(file.size for file in listed),
        )
        reached("backup.before_manifest")
        note = estate.ledger.sign(manifest.text())
        place.finish(name, note)
    reached("backup.whole")
    _record(estate, manifest, clock())
    return replace(report, name=name, rows=sum(part.rows for part in manifest.tables.values()))


def _check_place(estate: Estate, target: Path) -> None:
    inside = target.resolve()
    if any(inside.is_relative_to(home.resolve()) for home in (estate.settings.home, estate.settings.inbox)):
        raise ConfigurationError(
            "The backup would lie inside the estate that it is to replace.",
            remedy="Name a folder outside of `home`, best on another disk or machine.",
        )


def _dump(estate: Estate, conn: sa.Connection, place: Target, name: str, now: dt.datetime) -> Manifest:
    """Dump every table and note what the snapshot is of; data files are still missing."""
    tables = {}
    for table in all_tables():
        tables[table.name] = _part(dump_table(conn, table, place.part(name, table.name)))
        reached("backup.table_dumped")
    generations = conn.execute(sa.select(key_tree.c.zone, key_tree.c.generation)).all()
    return Manifest(
        name=name,
        estate_id=conn.execute(sa.select(estate_table.c.estate_id)).scalar_one(),
        taken_at=now,
        revision=REVISION,
        ledger_size=estate.ledger.size(conn),
        journal=journal.mark(conn),
        generations={row.zone: row.generation for row in generations},
        tables=tables,
        files=Part(0, 0, b""),
        data_files=0,
        data_bytes=0,
    )


def _copy_files(estate: Estate, place: Target, wanted: list[Listed]) -> tuple[list[Listed], BackupReport]:
    """Copy the data files that the target lacks; return all of them as they are in it."""
    listed: list[Listed] = []
    copied = copied_bytes = damaged = 0
    for file in wanted:
        there = place.object(file.sha256) if file.sha256 else None
        if there is not None and there.exists() and there.stat().st_size == file.size:
            listed.append(file)
            continue
        try:
            digest = place.add_object(estate.zone_folder(file.zone) / file.path)
        except FileNotFoundError:
            damaged += _should_exist(estate, file)
            continue
        if digest != file.sha256 and not _moved_on(estate, file):
            damaged += 1
            continue
        found = replace(file, sha256=digest, size=place.object(digest).stat().st_size)
        listed.append(found)
        copied, copied_bytes = copied + 1, copied_bytes + found.size
    return listed, BackupReport("", 0, len(listed), copied, copied_bytes, damaged)


def _should_exist(estate: Estate, file: Listed) -> bool:
    """Tell whether a file that is not there is still live; a purge or a derivation may have come in between."""
    return any(now.file_id == file.file_id for now in _current(estate, file))


def _moved_on(estate: Estate, file: Listed) -> bool:
    """Tell whether a file was scrubbed since the snapshot, or is being: no block that still opens is touched by that."""
    return all(now.sha256 != file.sha256 or not now.sha256 for now in _current(estate, file))


def _current(estate: Estate, file: Listed) -> list[Listed]:
    here = (
        sa.select(data_file)
        .join(partition, partition.c.partition_id == data_file.c.partition_id)
        .where(data_file.c.file_id == file.file_id, data_file.c.state == "live", partition.c.state == "open")
    )
    with estate.database.read() as conn:
        rows = conn.execute(here).all()
    return [replace(file, sha256=bytes(row.sha256), size=row.bytes) for row in rows]


def _record(estate: Estate, manifest: Manifest, now: dt.datetime) -> None:
    entry: dict[str, JSON] = {
        "type": "backup",
        "backup": manifest.name,
        "manifest_sha256": hashlib.sha256(manifest.text().encode()).hexdigest(),
        "data_files": manifest.data_files,
    }
    with estate.database.commit() as tx:
        estate.ledger.append(tx, [entry], now)


def _part(file: WrittenFile) -> Part:
    return Part(file.rows, file.bytes, file.sha256)
