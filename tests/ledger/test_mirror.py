"""The mirror: what lets a ledger from a backup go on where the lost one ended, and nothing else."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from shelflife.control.database import ControlDatabase
from shelflife.errors import LedgerBroken
from shelflife.ledger.ledger import Ledger
from shelflife.ledger.mirror import LedgerMirror, complete
from tests.ledger.conftest import ORIGIN, SEED
from tests.ledger.test_ledger import check, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shelflife.ledger.witness import FileWitness


@pytest.fixture
def mirror(tmp_path: Path) -> LedgerMirror:
    return LedgerMirror(tmp_path / "mirror" / "ledger.mirror")


@pytest.fixture
def mirrored(witness: FileWitness, mirror: LedgerMirror) -> Ledger:
    return Ledger.from_seed(ORIGIN, SEED, witness, mirror)


class Backups:
    """Copies of the control database's file."""

    def __init__(self, database: ControlDatabase, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.opened: list[ControlDatabase] = []

    def take(self) -> Path:
        self.database.close()
        copy = self.folder / f"copy-{len(list(self.folder.glob('copy-*')))}.db"
        shutil.copyfile(self.folder / "control.db", copy)
        return copy

    def open(self, copy: Path) -> ControlDatabase:
        self.opened.append(ControlDatabase.open(f"sqlite:///{copy}"))
        return self.opened[-1]


@pytest.fixture
def backups(database: ControlDatabase, tmp_path: Path) -> Iterator[Backups]:
    made = Backups(database, tmp_path)
    yield made
    for one in made.opened:
        one.close()


def completed(older: ControlDatabase, ledger: Ledger, mirror: LedgerMirror) -> int:
    with older.commit() as tx:
        return complete(tx.conn, mirror, ledger.verifier_key)


def test_an_older_ledger_is_completed_and_goes_on_without_a_fork(
    database: ControlDatabase, mirrored: Ledger, mirror: LedgerMirror, backups: Backups
) -> None:
    fill(database, mirrored, 2, 3)
    older = backups.open(backups.take())
    fill(database, mirrored, 4, 1)
    with pytest.raises(LedgerBroken):
        fill(older, mirrored, 1)
    assert completed(older, mirrored, mirror) == 5
    assert completed(older, mirrored, mirror) == 0
    assert check(older, mirrored) == check(database, mirrored)
    fill(older, mirrored, 2)
    assert check(older, mirrored).unwitnessed == 0
    assert [page.size for page in mirror.pages()] == [2, 5, 9, 10, 12]


def test_two_appends_of_one_transaction_are_two_pages(
    database: ControlDatabase, mirrored: Ledger, mirror: LedgerMirror, now: Any
) -> None:
    with database.commit() as tx:
        mirrored.append(tx, [{"type": "a"}], now)
        mirrored.append(tx, [{"type": "b"}, {"type": "c"}], now)
    assert [page.size for page in mirror.pages()] == [1, 3]
    newest = mirror.newest()
    assert newest is not None
    assert newest.size == 3


def test_a_mirror_that_missed_commits_catches_up(
    database: ControlDatabase, mirrored: Ledger, ledger: Ledger, mirror: LedgerMirror, now: Any
) -> None:
    fill(database, ledger, 2, 3)
    fill(database, mirrored, 1)
    assert [page.size for page in mirror.pages()] == [2, 5, 6]
    fill(database, ledger, 4)
    with database.read() as conn:
        mirrored.catch_up(conn, now)
    assert [page.size for page in mirror.pages()] == [2, 5, 6, 10]


def test_a_rolled_back_append_is_not_mirrored(
    database: ControlDatabase, mirrored: Ledger, mirror: LedgerMirror, now: Any
) -> None:
    fill(database, mirrored, 1)

    def fail() -> None:
        with database.commit() as tx:
            mirrored.append(tx, [{"type": "never"}], now)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [page.size for page in mirror.pages()] == [1]


@pytest.mark.parametrize("rest", [b'{"start": 6, "le', b"\x00" * 70_000])
def test_a_torn_page_is_passed_over_and_overwritten(
    database: ControlDatabase, mirrored: Ledger, mirror: LedgerMirror, tmp_path: Path, rest: bytes
) -> None:
    fill(database, mirrored, 6)
    with (tmp_path / "mirror" / "ledger.mirror").open("ab") as file:
        file.write(rest)
    assert [page.size for page in mirror.pages()] == [6]
    fill(database, mirrored, 1)
    assert [page.size for page in mirror.pages()] == [6, 7]


def test_a_page_longer_than_the_part_read_first_is_found(
    database: ControlDatabase, mirrored: Ledger, mirror: LedgerMirror, now: Any
) -> None:
    fill(database, mirrored, 1)
    with database.commit() as tx:
        mirrored.append(tx, [{"type": "x" * 60_000} for _ in range(3)], now)
    fill(database, mirrored, 1)
    assert [page.size for page in mirror.pages()] == [1, 4, 5]


@pytest.mark.parametrize("what", ["body", "note", "dropped page"])
def test_an_altered_mirror_completes_nothing(
    database: ControlDatabase, mirrored: Ledger, mirror: LedgerMirror, backups: Backups, what: str
) -> None:
    fill(database, mirrored, 1)
    older = backups.open(backups.take())
    fill(database, mirrored, 2, 2)
    path = backups.folder / "mirror" / "ledger.mirror"
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    if what == "body":
        lines[1]["leaves"][0] = lines[1]["leaves"][0].replace("test", "tart")
    elif what == "note":
        lines[1]["note"] = lines[2]["note"]
    else:
        del lines[1]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(LedgerBroken):
        completed(older, mirrored, mirror)
    assert check(older, mirrored, witness=None).size == 1


def test_a_mirror_of_another_ledger_is_refused(
    database: ControlDatabase, mirrored: Ledger, mirror: LedgerMirror, tmp_path: Path
) -> None:
    fill(database, mirrored, 2)
    other = ControlDatabase.create(f"sqlite:///{tmp_path / 'other.db'}")
    stranger = Ledger.from_seed(ORIGIN, bytes(32))
    with pytest.raises(LedgerBroken):
        completed(other, stranger, mirror)
    with pytest.raises(LedgerBroken, match="differs from its mirror"):
        fill(other, Ledger.from_seed(ORIGIN, SEED, None, mirror), 1)
    other.close()
