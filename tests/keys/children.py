"""What the tests run in a process of its own: `python -m tests.keys.children <command> <folder> ...`."""

from __future__ import annotations

import datetime as dt
import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shelflife.control.database import ControlDatabase
from shelflife.keys.slots import FileRootSlot
from shelflife.keys.tree import KeyKind, KeyTree
from tests.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Callable


def open_estate(folder: Path) -> tuple[ControlDatabase, KeyTree]:
    """The database and the tree of a folder that the parent process made."""
    database = ControlDatabase.open(f"sqlite:///{folder / 'control' / 'control.db'}")
    return database, KeyTree("raw", FileRootSlot(folder / "roots" / "raw"))


def create_estate(folder: Path) -> tuple[ControlDatabase, KeyTree]:
    ControlDatabase.create(f"sqlite:///{folder / 'control' / 'control.db'}").close()
    database, tree = open_estate(folder)
    with database.commit() as tx:
        tree.create(tx, NOW)
    return database, tree


def destroy(folder: Path, number: str) -> None:
    database, tree = open_estate(folder)
    with database.commit() as tx:
        tree.destroy(tx, [int(number)], NOW)


def finalize(folder: Path) -> None:
    database, tree = open_estate(folder)
    with database.commit() as tx:
        tree.finalize(tx, NOW, dt.timedelta(0))


def work(folder: Path, seed: str, rounds: str) -> None:
    """Insert, destroy, recover and finalize in turn; print what must be there and what must not."""
    database, tree = open_estate(folder)
    choose = random.Random(int(seed))
    live: dict[int, str] = {}
    gone: list[int] = []
    for _ in range(int(rounds)):
        with database.commit() as tx:
            numbers = tree.insert(tx, KeyKind.FILE, choose.randrange(1, 90))
            keys = tree.lookup(tx.conn, numbers)
        live |= {number: (key or b"").hex() for number, key in zip(numbers, keys, strict=True)}
        doomed = choose.sample(sorted(live), len(live) // 3)
        with database.commit() as tx:
            if tree.destroy(tx, doomed, NOW) != len(doomed):
                raise SystemExit("a key was gone already")
        gone += doomed
        for number in doomed:
            del live[number]
        with database.commit() as tx:
            tree.recover(tx, NOW)
            tree.finalize(tx, NOW, dt.timedelta(hours=1))
    print(json.dumps({"live": live, "gone": gone}))  # noqa: T201


if __name__ == "__main__":
    command, where, *arguments = sys.argv[1:]
    commands: dict[str, Callable[..., None]] = {"destroy": destroy, "finalize": finalize, "work": work}
    commands[command](Path(where), *arguments)
