from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shelflife.control.database import ControlDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ControlDatabase]:
    opened = ControlDatabase.create(f"sqlite:///{tmp_path / 'control.db'}")
    yield opened
    opened.close()
