"""Real processes, really killed, at every point of a destruction."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shelflife.control.crashpoints import VARIABLE
from shelflife.keys.slots import FileRootSlot
from shelflife.keys.tree import KeyKind
from tests.keys.children import create_estate, open_estate

if TYPE_CHECKING:
    from shelflife.control.database import ControlDatabase
    from shelflife.keys.tree import KeyTree

BEFORE_COMMIT = (
    "keys.slot.written",
    "keys.slot.linked",
    "keys.slot.renamed",
    "keys.destroy.root_put",
    "control.commit.before",
)
AFTER_COMMIT = ("control.commit.after", "keys.destroy.committed", "keys.destroy.root_retired")
ROOT = Path(__file__).parents[2]


def _killed(folder: Path, point: str, *command: str) -> None:
    """Run a child that must die at a point."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.keys.children", command[0], str(folder), *command[1:]],
        env=os.environ | {VARIABLE: point},
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert result.returncode == -signal.SIGKILL


def _filled(folder: Path) -> tuple[range, list[bytes | None]]:
    database, tree = create_estate(folder)
    with database.commit() as tx:
        numbers = tree.insert(tx, KeyKind.FILE, 300)
        keys = tree.lookup(tx.conn, numbers)
    database.close()
    return numbers, keys


def _recovered(folder: Path, now: dt.datetime) -> tuple[ControlDatabase, KeyTree]:
    database, tree = open_estate(folder)
    with database.commit() as tx:
        tree.recover(tx, now)
    with database.read() as conn:
        assert tree.is_reconciled(conn)
    return database, tree


def _goes_on(
    database: ControlDatabase, tree: KeyTree, numbers: range, keys: list[bytes | None], now: dt.datetime
) -> None:
    """The step can be repeated, and ends where it would have ended."""
    with database.commit() as tx:
        tree.destroy(tx, [numbers[7]], now)
        made = tree.insert(tx, KeyKind.FILE, 1)
    with database.commit() as tx:
        tree.finalize(tx, now + dt.timedelta(days=8), dt.timedelta(days=7))
    with database.read() as conn:
        assert tree.lookup(conn, numbers) == [*keys[:7], None, *keys[8:]]
        assert None not in tree.lookup(conn, made)
        assert tree.is_final(tree.generation(conn))
    database.close()


@pytest.mark.parametrize("point", BEFORE_COMMIT)
def test_killed_before_the_commit_nothing_happened(tmp_path: Path, point: str, now: dt.datetime) -> None:
    numbers, keys = _filled(tmp_path)
    _killed(tmp_path, point, "destroy", str(numbers[7]))
    database, tree = _recovered(tmp_path, now)
    with database.read() as conn:
        assert tree.lookup(conn, numbers) == keys
    _goes_on(database, tree, numbers, keys, now)


@pytest.mark.parametrize("point", AFTER_COMMIT)
def test_killed_after_the_commit_the_key_is_gone(tmp_path: Path, point: str, now: dt.datetime) -> None:
    numbers, keys = _filled(tmp_path)
    _killed(tmp_path, point, "destroy", str(numbers[7]))
    database, tree = _recovered(tmp_path, now)
    with database.read() as conn:
        assert tree.lookup(conn, numbers) == [*keys[:7], None, *keys[8:]]
    _goes_on(database, tree, numbers, keys, now)


def test_the_two_outcomes_look_different_before_recovery(tmp_path: Path) -> None:
    """The crash points really leave the states that recovery is for."""
    for point, committed in (("keys.destroy.root_put", False), ("control.commit.after", True)):
        numbers, _ = _filled(tmp_path / point)
        _killed(tmp_path / point, point, "destroy", str(numbers[7]))
        database, tree = open_estate(tmp_path / point)
        with database.read() as conn:
            assert not tree.is_reconciled(conn)
            assert (tree.generation(conn) == 2) is committed
        assert [root.retired_at for root in FileRootSlot(tmp_path / point / "roots" / "raw").read()] == [
            None,
            None,
        ]
        database.close()


@pytest.mark.parametrize(
    "point", ["keys.slot.written", "keys.slot.linked", "keys.slot.renamed", "keys.finalize.root_destroyed"]
)
def test_killed_while_a_root_is_destroyed_no_copy_of_it_stays(
    tmp_path: Path, point: str, now: dt.datetime
) -> None:
    numbers, keys = _filled(tmp_path)
    database, tree = open_estate(tmp_path)
    slot = FileRootSlot(tmp_path / "roots" / "raw")
    old = slot.read()[0].key.hex().encode()
    with database.commit() as tx:
        tree.destroy(tx, [numbers[7]], now)
    database.close()
    _killed(tmp_path, point, "finalize")
    database, tree = _recovered(tmp_path, now)
    with database.commit() as tx:
        tree.finalize(tx, now, dt.timedelta(0))
    assert len(slot.read()) == 1
    assert sorted(path.name for path in (tmp_path / "roots").iterdir()) == ["raw", "raw.lock"]
    assert old not in (tmp_path / "roots" / "raw").read_bytes()
    _goes_on(database, tree, numbers, keys, now)
