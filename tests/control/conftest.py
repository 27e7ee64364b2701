from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shelflife.control.database import ControlDatabase
from tests.postgresql_server import postgresql_server, postgresql_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["postgresql_server", "postgresql_url"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that does not exist yet, or is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control' / 'control.db'}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def database(url: str) -> Iterator[ControlDatabase]:
    database = ControlDatabase.create(url)
    yield database
    database.close()
