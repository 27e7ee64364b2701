"""A control database with a ledger and its witness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shelflife.control.database import ControlDatabase
from shelflife.ledger.ledger import Ledger
from shelflife.ledger.witness import FileWitness

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from pathlib import Path

ORIGIN = "shelflife.test/estate"
SEED = bytes(range(32))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ControlDatabase]:
    opened = ControlDatabase.create(f"sqlite:///{tmp_path / 'control.db'}")
    yield opened
    opened.close()


@pytest.fixture
def witness(tmp_path: Path, now: dt.datetime) -> FileWitness:
    return FileWitness.create(tmp_path / "witness", Ledger.from_seed(ORIGIN, SEED).verifier_key, now)


@pytest.fixture
def ledger(witness: FileWitness) -> Ledger:
    return Ledger.from_seed(ORIGIN, SEED, witness)
