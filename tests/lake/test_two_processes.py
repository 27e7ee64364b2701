"""Two processes on one estate: what both touch is refused to one of them and retried, and lands once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from shelflife.estate import Estate
from shelflife.lake.status import status
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.lake.state import raw_rows

pytestmark = pytest.mark.slow


def start(folder, step):
    command = [sys.executable, "-m", "tests.lake.worker", str(folder), step]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process) -> list[int]:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return [int(word) for word in out.split()]


def test_two_landings_of_overlapping_files_land_each_reading_once(tmp_path, samples):
    lines = (samples / "dexcom_clarity/test_file.csv").read_bytes().splitlines(keepends=True)
    first, second = settings_in(tmp_path), settings_in(tmp_path, inbox=tmp_path / "other")
    Estate.create(first, NOW).close()
    for settings, part in ((first, lines[:1600]), (second, lines)):
        folder = settings.inbox / "account-1"
        folder.mkdir(parents=True)
        (folder / "clarity.csv").write_bytes(b"".join(part))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.lake.worker", str(tmp_path), "land"]
    here = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    there = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"SHELFLIFE_TEST_INBOX": str(second.inbox)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    landed = [finish(process) for process in (here, there)]
    estate = Estate.open(first, NOW)
    assert sum(rows.height for rows in raw_rows(estate).values()) == 2148
    assert sum(count[0] for count in landed) == 2148
    assert sum(count[1] for count in landed) > 0
    assert status(estate).unregistered == 0
    estate.close()


def test_two_derivations_make_every_table_once(tmp_path, samples):
    settings = settings_in(tmp_path)
    Estate.create(settings, NOW).close()
    folder = settings.inbox / "account-1"
    folder.mkdir(parents=True)
    (folder / "clarity.csv").write_bytes((samples / "dexcom_clarity/test_file.csv").read_bytes())
    finish(start(tmp_path, "land"))
    processes = [start(tmp_path, "derive"), start(tmp_path, "derive")]
    for process in processes:
        finish(process)
    estate = Estate.open(settings, NOW)
    found = status(estate)
    assert found.stale == {}
    assert found.unregistered == 0
    assert next(t for t in found.tables if t.table_name == "glucose_daily").rows == 9
    estate.close()
