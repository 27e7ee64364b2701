"""Backups and restores killed at every step, one after the other: the end is that of an undisturbed run."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shelflife.errors import RestoreIncomplete
from shelflife.estate import Estate
from shelflife.lake.status import status
from shelflife.recovery.backup import backup
from shelflife.recovery.checks import check_estate, restore_check
from shelflife.recovery.restore import restore
from tests.lake.conftest import settings_in
from tests.recovery.conftest import check_ledger, digest, lose, purge, residue
from tests.recovery.worker import AT, Worker
from tests.retention.conftest import hold_on
from tests.rights.conftest import Clock, erase

pytestmark = pytest.mark.slow

BACKUP_POINTS = (
    "backup.table_dumped",
    "backup.dumped",
    "backup.object.copied",
    "backup.before_manifest",
    "backup.whole",
)
PLACING_POINTS = ("restore.table_loaded",)
RESTORE_POINTS = (
    "restore.placed",
    "keys.destroy.root_put",
    "restore.opened",
    "restore.ledger_in_commit",
    "restore.ledger_completed",
    "restore.prepared",
    "restore.file_fetched",
    "hold.in_commit",
    "restore.preserved",
    "restore.replay_in_commit",
    "restore.replayed",
    "rewrite.before_commit",
    "scrub.value_overwritten",
    "restore.rewritten",
    "restore.unregistered_removed",
    "restore.collected",
    "restore.record_in_commit",
)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    started = Worker(tmp_path)
    yield started
    started.close()


@pytest.fixture(scope="module")
def lost(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An estate that lost its control database after a backup, an erasure under a hold, and a purge."""
    folder = tmp_path_factory.mktemp("lost")
    shutil.copytree(template / "estate", folder / "estate")
    clock = Clock()
    clock.forward(minutes=1)
    estate = Estate.open(settings_in(folder), clock())
    hold_on(estate, "bob", streams=["heart"])
    backup(estate, folder / "backups", clock=clock)
    erase(estate, "bob", clock)
    purge(estate, "glucose", "2026-11-02", clock)
    lose(estate)
    return folder


@pytest.fixture(scope="module")
def undisturbed(lost: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int]:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(lost, folder, dirs_exist_ok=True)
    restore(settings_in(folder), folder / "backups", clock=lambda: AT)
    return ending(folder)


def ending(folder: Path) -> tuple[str, int]:
    """What a finished restore comes to: what can be read, and how many held rows there are."""
    estate = Estate.open(settings_in(folder), AT)
    assert check_estate(estate).passed
    assert status(estate).unregistered == 0
    check_ledger(estate)
    assert residue(estate, lambda: AT) == []
    found = digest(estate), sum(t.rows for t in status(estate).tables if t.table_name == "held_heart")
    estate.close()
    return found


def test_a_restore_killed_at_every_step_comes_to_the_same_end(lost, undisturbed, tmp_path, worker):
    shutil.copytree(lost, tmp_path, dirs_exist_ok=True)
    settings = settings_in(tmp_path)
    for point in PLACING_POINTS:
        assert worker.run("restore", point) == -signal.SIGKILL, point
    for point in RESTORE_POINTS:
        assert worker.run("restore", point) == -signal.SIGKILL, point
        with pytest.raises(RestoreIncomplete):
            Estate.open(settings, AT)
    assert worker.run("restore", "restore.recorded") == -signal.SIGKILL
    assert ending(tmp_path) == undisturbed


def test_a_backup_killed_at_every_step_is_never_taken_for_whole(template, tmp_path, worker):
    shutil.copytree(template / "estate", tmp_path / "estate")
    target = tmp_path / "backups"
    for point in BACKUP_POINTS[:-1]:
        assert worker.run("backup", point) == -signal.SIGKILL
        assert not list(target.glob("backups/*/manifest.note"))
    assert worker.run("backup", BACKUP_POINTS[-1]) == -signal.SIGKILL
    assert restore_check(settings_in(tmp_path), target).passed
    assert worker.run("backup") == 0
    assert len(list(target.glob("backups/*/manifest.note"))) == 2
    assert restore_check(settings_in(tmp_path), target).passed
