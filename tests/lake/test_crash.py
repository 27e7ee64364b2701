"""Kill the process at every commit step of landing and deriving; a rerun ends where an undisturbed run ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shelflife.estate import Estate
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.lake.state import digest

pytestmark = pytest.mark.slow

LAND_POINTS = (
    "land.file_written",
    "land.before_commit",
    "land.in_commit",
    "land.committed",
    "land.inbox_removed",
)
DERIVE_POINTS = ("derive.file_written", "derive.before_commit", "derive.in_commit", "derive.committed")


def prepare(folder: Path, source: Path) -> Estate:
    estate = Estate.create(settings_in(folder), NOW)
    inbox = estate.settings.inbox / "account-1"
    inbox.mkdir(parents=True)
    shutil.copyfile(source, inbox / "clarity.csv")
    return estate


def run(folder: Path, step: str, crash_at: str | None = None) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | (
        {"SHELFLIFE_CRASH_AT": crash_at} if crash_at else {}
    )
    command = [sys.executable, "-m", "tests.lake.worker", str(folder), step]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, samples) -> str:
    estate = prepare(tmp_path_factory.mktemp("undisturbed"), samples / "dexcom_clarity/test_file.csv")
    land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    derive(estate, clock=lambda: NOW)
    return digest(estate)


@pytest.mark.parametrize("point", [*LAND_POINTS, *DERIVE_POINTS])
def test_a_killed_step_resumes_to_the_same_end(tmp_path, samples, undisturbed, point):
    estate = prepare(tmp_path, samples / "dexcom_clarity/test_file.csv")
    estate.close()
    step = point.split(".")[0]
    if step == "derive":
        assert run(tmp_path, "land") == 0
    assert run(tmp_path, step, crash_at=point) == -signal.SIGKILL
    assert run(tmp_path, "land") == 0
    assert run(tmp_path, "derive") == 0
    estate = Estate.open(settings_in(tmp_path), NOW)
    assert digest(estate) == undisturbed
    assert not list_inbox(estate.settings.inbox)
    assert status(estate).unregistered == 0
    assert not list((estate.settings.home / "locks").iterdir())
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)
    estate.close()
