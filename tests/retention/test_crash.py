"""Kill the process at every step of a purge and of a release; a rerun ends where an undisturbed run ends."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shelflife.estate import Estate
from shelflife.journal.journal import read_all
from shelflife.lake.derive import derive
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify
from shelflife.retention.apply import plan_purge
from shelflife.retention.plan_file import write_plan
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.retention.conftest import OLD, OLDER, PEOPLE, RECENT, THEN, clock, hold_on, land_rows, rows
from tests.retention.state import digest
from tests.retention.worker import act

pytestmark = pytest.mark.slow

APPLY_POINTS = (
    "hold.file_written",
    "hold.before_commit",
    "hold.in_commit",
    "hold.committed",
    "purge.preserved",
    "purge.in_commit",
    "journal.record.marked",
    "keys.destroy.root_put",
    "purge.committed",
    "purge.collected",
    "purge.finished",
)
RELEASE_POINTS = ("release.in_commit", "release.committed")


def settings(folder: Path):
    return settings_in(folder, purge_brake_percent=100)


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """An estate with due partitions, a hold on one person and a plan."""
    folder = tmp_path_factory.mktemp("start")
    estate = Estate.create(settings(folder), NOW)

    def put(content: bytes, account: str, name: str) -> None:
        (estate.settings.inbox / account).mkdir(parents=True, exist_ok=True)
        (estate.settings.inbox / account / name).write_bytes(content)

    land_rows(estate, put, rows(*PEOPLE, days=(OLDER, OLD)), THEN)
    land_rows(estate, put, rows(*PEOPLE, days=(RECENT,)), NOW)
    derive(estate, clock=clock, names=["heart_daily"])
    hold_on(estate, "ada", first_day=dt.date(2024, 11, 1))
    write_plan(estate.settings, plan_purge(estate, clock=clock))
    estate.close()
    return folder


def copied(start: Path, folder: Path) -> Path:
    shutil.copytree(start, folder / "copy")
    return folder / "copy"


def kill(folder: Path, step: str, point: str) -> None:
    """Run a step in a process that dies at a point."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SHELFLIFE_CRASH_AT": point}
    command = [sys.executable, "-m", "tests.retention.worker", str(folder), step]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def run(folder: Path, step: str) -> str:
    """Run a step an hour later, so that no killed reader's lease is in the way; return what is left."""
    later = NOW + dt.timedelta(hours=1)
    estate = Estate.open(settings(folder), later)
    try:
        act(estate, step, later)
        return looked_at(estate)
    finally:
        estate.close()


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory) -> dict[str, str]:
    """What is left after each step when nothing comes in between."""
    folder = copied(start, tmp_path_factory.mktemp("undisturbed"))
    found = {step: run(folder, step) for step in ("apply", "release")}
    assert found["apply"] != found["release"]
    return found


def looked_at(estate: Estate) -> str:
    assert status(estate).unregistered == 0
    assert not list((estate.settings.home / "locks").glob("*.lock"))
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)
        assert len(read_all(estate, conn)) >= 1
    return digest(estate)


@pytest.mark.parametrize("point", APPLY_POINTS)
def test_a_killed_purge_resumes_to_the_same_end(start, tmp_path, undisturbed, point):
    folder = copied(start, tmp_path)
    kill(folder, "apply", point)
    assert run(folder, "apply") == undisturbed["apply"]


@pytest.mark.parametrize("point", RELEASE_POINTS)
def test_a_killed_release_resumes_to_the_same_end(start, tmp_path, undisturbed, point):
    folder = copied(start, tmp_path)
    run(folder, "apply")
    kill(folder, "release", point)
    assert run(folder, "release") == undisturbed["release"]
