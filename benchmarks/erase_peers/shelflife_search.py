"""Reading erased people out of an estate with every key that is there, by ways that no reader of ours goes."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

import sqlalchemy as sa

from benchmarks.erase_peers.residue import Wanted
from shelflife.control.database import ControlDatabase
from shelflife.control.tables import data_file
from shelflife.errors import KeyDestroyed, KeyTreeUnopenable
from shelflife.keys.keyrings import Keyrings
from shelflife.keys.slots import FileRootSlot
from shelflife.keys.tree import KeyTree
from shelflife.lake.catalog import files_by_id, partitions_by_id, path_of
from shelflife.lake.inputs import derived_files
from shelflife.lake.models import load_models, output_schema
from shelflife.lake.unseal import read_partition
from shelflife.seal.file_keys import CLASSES
from shelflife.seal.parquet import open_encrypted
from shelflife.subjects.directory import Alias, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shelflife.estate import Estate

_FRAGMENT = 48


def known(estate: Estate, conn: sa.Connection, ids: Sequence[str]) -> list[bytes]:
    """Return the raw zone's pseudonyms of those whom the directory still knows."""
    try:
        return [
            person.raw_pid for person in find(estate, conn, [Alias("account", one) for one in ids]).values()
        ]
    except KeyDestroyed:
        return [pid for one in ids for pid in known(estate, conn, [one])] if len(ids) > 1 else []


def raw_readable(estate: Estate, conn: sa.Connection, pids: set[bytes]) -> Iterator[set[bytes]]:
    """Yield, for each raw file that is there, who of some people can be read in it."""
    ids = list(conn.execute(sa.select(data_file.c.file_id).where(data_file.c.zone == "raw")).scalars())
    files = [file for file in files_by_id(conn, ids) if path_of(estate, file).exists()]
    homes = partitions_by_id(conn, [file.partition_id for file in files])
    for file in files:
        try:
            rows = read_partition(
                estate, conn, homes[file.partition_id], [file], people=pids, columns=["value_num"]
            )
        except KeyDestroyed:
            continue
        yield set(rows.column("pid").unique().to_pylist())


def derived_readable(estate: Estate, conn: sa.Connection) -> Iterator[set[bytes]]:
    """Yield, for each derived file that is there and opens, who is in it, filters of readers left aside."""
    models = load_models(estate.settings.models)
    for model in models.values():
        if "pid" not in model.columns:
            continue
        query = sa.select(data_file.c.file_id).where(data_file.c.table_name == model.name)
        files = files_by_id(conn, list(conn.execute(query).scalars()))
        there = [file for file in files if path_of(estate, file).exists()]
        for one in derived_files(estate, conn, model, there):
            rows = open_encrypted([one], allowed=CLASSES, schema=output_schema(model, models))
            yield set(rows.to_table(columns=["pid"]).column("pid").unique().to_pylist())


def old_pages_left(before: Path, control: Path) -> bool:
    """Tell whether a page of the key tree, as it was before, still stands anywhere in the control database's files."""
    old, new = _pages(before), _pages(control / "control.db")
    gone = [blob for name, blob in old.items() if new.get(name) != blob]
    # Three places a page, since SQLite cuts a value where its own pages end.
    fragments = {
        blob[len(blob) * part // 4 :][:_FRAGMENT].decode("latin-1"): "page"
        for blob in gone
        for part in (1, 2, 3)
    }
    wanted = Wanted([])
    wanted.add(fragments)
    return any(wanted.in_bytes(path.read_bytes()) for path in control.iterdir() if path.is_file())


def _pages(file: Path) -> dict[tuple[str, int, int], bytes]:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT zone, level, number, blob FROM key_page").fetchall()
    finally:
        connection.close()
    return {(zone, level, number): bytes(blob) for zone, level, number, blob in rows}


def opened_by_backup(pids: list[bytes], backup: Path, roots: Path, work: Path) -> int:
    """Return how many people's keys an older control database opens with the root keys that there are now.

    Args:
        pids: pseudonyms of the raw zone.
        backup: the older database; it is copied, and not changed.
        roots: the folder of the root slots.
        work: a folder for the copy.
    """
    copy = work / "backup.db"
    shutil.copyfile(backup, copy)
    database = ControlDatabase.open(f"sqlite:///{copy}")
    tree = KeyTree("raw", FileRootSlot(roots / "raw.root"))
    try:
        with database.read() as conn:
            keys = Keyrings("raw", tree).keys(conn, pids, "heart")
            return sum(key is not None for key in keys.values())
    except KeyTreeUnopenable:
        return 0
    finally:
        database.close()
