from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shelflife.keys.slots import FileRootSlot
from shelflife.keys.tree import KeyTree
from tests.control.conftest import database, postgresql_server, postgresql_url, url

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from shelflife.control.database import ControlDatabase

__all__ = ["database", "postgresql_server", "postgresql_url", "url"]


@pytest.fixture
def slot(tmp_path: Path) -> FileRootSlot:
    return FileRootSlot(tmp_path / "roots" / "raw")


@pytest.fixture
def tree(database: ControlDatabase, slot: FileRootSlot, now: dt.datetime) -> KeyTree:
    """An empty tree in a real database, SQLite and PostgreSQL in turn."""
    tree = KeyTree("raw", slot)
    with database.commit() as tx:
        tree.create(tx, now)
    return tree
