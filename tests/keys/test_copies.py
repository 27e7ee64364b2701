"""Copies of the key database: what opens within the finality window, and what opens after it."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING

import pytest

from shelflife.control.database import ControlDatabase
from shelflife.errors import KeyTreeUnopenable
from shelflife.keys.slots import FileRootSlot
from shelflife.keys.tree import KeyKind, KeyTree
from tests.keys.children import create_estate

if TYPE_CHECKING:
    from pathlib import Path

WEEK = dt.timedelta(days=7)


class _Estate:
    """A database with three keys, the first of which is destroyed after a backup was taken."""

    def __init__(self, folder: Path, now: dt.datetime) -> None:
        self.folder, self.now = folder, now
        self.database, self.tree = create_estate(folder)
        with self.database.commit() as tx:
            self.numbers = self.tree.insert(tx, KeyKind.FILE, 3)
            self.keys = self.tree.lookup(tx.conn, self.numbers)
        self.database.close()
        shutil.copytree(folder / "control", folder / "backup")
        self.database = ControlDatabase.open(f"sqlite:///{folder / 'control' / 'control.db'}")
        with self.database.commit() as tx:
            self.tree.destroy(tx, self.numbers[:1], now)

    def backup(self) -> ControlDatabase:
        return ControlDatabase.open(f"sqlite:///{self.folder / 'backup' / 'control.db'}")

    def finalize(self) -> None:
        with self.database.commit() as tx:
            self.tree.finalize(tx, self.now + WEEK, WEEK)

    def close(self) -> None:
        self.database.close()


@pytest.fixture
def estate(tmp_path: Path, now: dt.datetime) -> _Estate:
    return _Estate(tmp_path, now)


def test_before_finality_a_backup_opens(estate: _Estate) -> None:
    copy = estate.backup()
    with copy.read() as conn:
        assert estate.tree.lookup(conn, estate.numbers) == estate.keys
    copy.close()
    estate.close()


def test_after_finality_a_backup_opens_nothing(estate: _Estate) -> None:
    estate.finalize()
    copy = estate.backup()
    with copy.read() as conn, pytest.raises(KeyTreeUnopenable) as caught:
        estate.tree.lookup(conn, estate.numbers)
    assert "backup" in caught.value.remedy
    copy.close()
    with estate.database.read() as conn:
        assert estate.tree.lookup(conn, estate.numbers) == [None, *estate.keys[1:]]
    estate.close()


def test_a_copy_under_the_new_root_key_does_not_open_either(estate: _Estate, tmp_path: Path) -> None:
    """Somebody edits the copied slot so that today's root key stands at the backup's generation."""
    estate.finalize()
    today = FileRootSlot(tmp_path / "roots" / "raw").read()[-1]
    forged = FileRootSlot(tmp_path / "forged" / "raw")
    forged.put(1, today.key, estate.now)
    copy = estate.backup()
    with copy.read() as conn, pytest.raises(KeyTreeUnopenable):
        KeyTree("raw", forged).lookup(conn, estate.numbers)
    copy.close()
    estate.close()


def test_an_older_copy_is_not_taken_for_a_crash(estate: _Estate, tmp_path: Path) -> None:
    """Opening an old copy by mistake must not destroy the root key of the living database."""
    copy = estate.backup()
    roots = FileRootSlot(tmp_path / "roots" / "raw").read()
    with pytest.raises(KeyTreeUnopenable, match="older copy"), copy.commit() as tx:
        estate.tree.recover(tx, estate.now)
    assert FileRootSlot(tmp_path / "roots" / "raw").read() == roots
    copy.close()
    with estate.database.read() as conn:
        assert estate.tree.lookup(conn, estate.numbers)[1:] == estate.keys[1:]
    estate.close()


def test_a_restored_backup_goes_on_and_the_lost_database_ends(estate: _Estate) -> None:
    copy = estate.backup()
    with copy.commit() as tx:
        estate.tree.recover(tx, estate.now, restored=True)
    with copy.commit() as tx:
        assert estate.tree.destroy(tx, estate.numbers[:1], estate.now) == 1
    with copy.commit() as tx:
        estate.tree.recover(tx, estate.now)
        assert estate.tree.finalize(tx, estate.now + WEEK, WEEK) == 3
    with copy.read() as conn:
        assert estate.tree.lookup(conn, estate.numbers) == [None, *estate.keys[1:]]
        assert estate.tree.is_final(estate.tree.generation(conn))
    with estate.database.read() as conn, pytest.raises(KeyTreeUnopenable):
        estate.tree.lookup(conn, estate.numbers)
    copy.close()
    estate.close()


def test_after_finality_a_backup_cannot_be_restored(estate: _Estate) -> None:
    estate.finalize()
    copy = estate.backup()
    with pytest.raises(KeyTreeUnopenable), copy.commit() as tx:
        estate.tree.recover(tx, estate.now, restored=True)
    copy.close()
    estate.close()
