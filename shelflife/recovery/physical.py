"""Data files after a restore: what is missing comes from the backup, what nobody knows goes, what is lost is said.

A file that was written after the backup is noise: its keys went with the control database. A derived file that is lost
is marked stale, so that derivation makes it again from what is there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import data_file, derivation
from shelflife.errors import SealBroken, StorageError
from shelflife.lake.catalog import files_by_id, path_of, prepared_path
from shelflife.lake.collect import unlink
from shelflife.lake.derive import stale
from shelflife.lake.models import load_models
from shelflife.lake.status import unregistered
from shelflife.recovery.listing import Listed, live_data_files
from shelflife.recovery.target import Target, copy
from shelflife.seal.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from pathlib import Path

    from shelflife.estate import Estate
    from shelflife.lake.catalog import DataFile

RAW, ANALYTICS = "raw", "analytics"


@dataclass(frozen=True)
class Fetched:
    """What became of the data files, in counts.

    Attributes:
        present: files that lay where they belong, unchanged.
        fetched: files that came from the backup.
        fetched_bytes: how large these are.
        lost: by zone, files that are neither here nor, whole, in the backup.
    """

    present: int = 0
    fetched: int = 0
    fetched_bytes: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)


def fetch(estate: Estate, target: Target, listed: Collection[Listed], now: datetime) -> Fetched:
    """Bring every live file of the catalog back to where it belongs.

    A raw file that is here and differs was scrubbed since: the backup's takes its place, to be scrubbed again; it stays
    when the backup's is damaged, since every block in it is authenticated by itself.

    Raises:
        StorageError: a zone's folder cannot be written.
    """
    in_backup = {file.file_id: file for file in listed}
    with estate.database.read() as conn:
        wanted = live_data_files(conn)
        homes = {file.file_id: file for file in files_by_id(conn, [file.file_id for file in wanted])}
    present = fetched = size = 0
    gone: list[DataFile] = []
    for file in wanted:
        source = in_backup.get(file.file_id, file)
        here = path_of(estate, homes[file.file_id])
        digest = _digest(here)
        if digest == source.sha256:
            present += 1
        elif _copied(target, source, prepared_path(estate, homes[file.file_id])):
            reached("restore.file_fetched")
            digest, fetched, size = source.sha256, fetched + 1, size + source.size
        elif digest is not None and file.zone == RAW:
            present += 1
        else:
            gone.append(homes[file.file_id])
            continue
        if digest != file.sha256:
            _note_digest(estate, file.file_id, digest, here)
    _give_up(estate, gone, now)
    zones = sorted({file.zone for file in gone})
    return Fetched(present, fetched, size, {zone: sum(f.zone == zone for f in gone) for zone in zones})


def remove_unregistered(estate: Estate) -> int:
    """Unlink what lies in the zones and is not in the catalog; return how many files."""
    with estate.database.read() as conn:
        found = unregistered(estate, conn)
    for name in found:
        zone, _, path = name.partition("/")
        unlink(estate.zone_folder(zone) / path)
        reached("restore.unregistered_removed")
    return len(found)


def retire_stale_cohorts(estate: Estate, now: datetime) -> int:
    """Retire the cohorts that no longer follow from their inputs: they counted people who are erased.

    One that cannot be made again, because a part of its inputs expired, is kept by rule.

    Returns:
        How many files were retired.
    """
    models = load_models(estate.settings.models)
    cohorts = [name for name, model in models.items() if model.zone == ANALYTICS]
    with estate.database.read() as conn:
        units = stale(estate, models, conn, names=cohorts)
        ids = []
        for unit in units:
            here = (derivation.c.model == unit.model) & (derivation.c.period == unit.period)
            ids += [
                found
                for found in conn.execute(sa.select(derivation.c.file_id).where(here)).scalars()
                if found
            ]
        files = files_by_id(conn, ids)
    _give_up(estate, files, now)
    return len(files)


def _copied(target: Target, source: Listed, path: Path) -> bool:
    """Copy a file out of the backup; tell whether it is there and whole."""
    if not source.sha256 or not target.object(source.sha256).is_file():
        return False
    try:
        with target.object(source.sha256).open("rb") as file:
            write_atomically(path, lambda sink: copy(file, sink, source.sha256), 0)
    except SealBroken:
        return False
    return True


def _give_up(estate: Estate, files: Collection[DataFile], now: datetime) -> None:
    """Retire files: their keys are destroyed, and what was derived into them is stale."""
    if not files:
        return
    with estate.database.commit() as tx:
        for file in files:
            here = data_file.c.file_id == file.file_id
            tx.conn.execute(data_file.update().where(here).values(state="replaced", replaced_at=now))
            tx.conn.execute(derivation.delete().where(derivation.c.file_id == file.file_id))
        for zone in sorted({file.zone for file in files}):
            numbers = [f.key_number for f in files if f.zone == zone and f.key_number is not None]
            estate.trees[zone].destroy(tx, numbers, now)


def _note_digest(estate: Estate, file_id: str, digest: bytes, path: Path) -> None:
    values = {"sha256": digest, "bytes": path.stat().st_size}
    with estate.database.commit() as tx:
        tx.conn.execute(data_file.update().where(data_file.c.file_id == file_id).values(**values))


def _digest(path: Path) -> bytes | None:
    """Return the SHA-256 of a file; None when it is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"A data file cannot be read: {error.strerror}.",
            remedy="Check the permissions of the zone folders.",
        ) from None
