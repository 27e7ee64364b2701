"""The demonstration makes its own folder, runs the real jobs and tells the counts."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys

import pytest

from orchestration.demo import MARKER, prepare
from shelflife.errors import ConfigurationError
from tests.dagster.conftest import MARKS, ROOT

pytestmark = MARKS
FIRST = dt.date(2026, 11, 1)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("SHELFLIFE_CONSENT", "required")
    # `prepare` sets these; monkeypatch puts them back.
    for name in ("SHELFLIFE_SETTINGS", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")


def test_a_folder_that_no_demonstration_made_is_left_alone(tmp_path):
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(ConfigurationError):
        prepare(tmp_path, FIRST)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_rerun_starts_from_an_empty_folder(tmp_path):
    prepare(tmp_path / "demo", FIRST)
    (tmp_path / "demo" / "inbox" / "left.over").touch()
    prepare(tmp_path / "demo", FIRST)
    assert not any((tmp_path / "demo" / "inbox").iterdir())
    assert (tmp_path / "demo" / MARKER).is_file()


def test_the_demonstration_ends_with_one_line_of_json_and_every_row_accounted_for(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "orchestration.demo",
            "--folder",
            tmp_path / "demo",
            "--people",
            "6",
            "--days",
            "3",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["subjects"] == 6
    assert (
        told["samples_in"]
        == sum(told[name] for name in ("landed", "duplicates", "quarantined", "refused"))
        > 0
    )
    assert told["derived_rows"] > 0
    assert told["sealed_samples"] == 60
    assert not list((tmp_path / "demo" / "inbox").rglob("*.sealed"))
    assert "ERROR" not in done.stderr
    assert not any((tmp_path / "demo" / "inbox").rglob("*.*"))
