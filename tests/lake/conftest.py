"""A real estate in a temporary folder, and ways to look at all of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shelflife.config import Settings, load_settings
from shelflife.estate import Estate
from tests.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def settings_in(folder: Path, **more: object) -> Settings:
    """Settings of an estate under a folder, with the project's own models and policies."""
    values = {"inbox": folder / "inbox"} | more
    return load_settings(
        home=folder / "estate", models=ROOT / "sql", policies=ROOT / "retention_policies", **values
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def estate(settings: Settings) -> Iterator[Estate]:
    made = Estate.create(settings, NOW)
    yield made
    made.close()


@pytest.fixture
def put(settings: Settings):
    """Copy a file, or write bytes, into the inbox of an account."""

    def place(source: Path | bytes, account: str, name: str | None = None) -> Path:
        folder = settings.inbox / account
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / (name or (source.name if isinstance(source, Path) else "file.bin"))
        if isinstance(source, Path):
            shutil.copyfile(source, target)
        else:
            target.write_bytes(source)
        return target

    return place
