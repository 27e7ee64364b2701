"""Kill an identity change at every step; run again, it ends where an undisturbed one ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from shelflife.estate import Estate
from shelflife.identity.change import State, get
from shelflife.identity.stages import STEPS, run
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify as verify_ledger
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.subjects.identity_estates import (
    ADA,
    ADELE,
    NEW,
    blocks_on_disk,
    fill_mixed,
    fill_twice,
    filled_folder,
    findings,
    prepared,
    raw_pid,
    rows_by_person,
    running,
)
from tests.subjects.test_split import SECOND

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

# In the order in which a run comes by them. After each kill the next run goes on, up to the next point.
POINTS = {
    "merge": (
        "identity.file_written",
        "identity.before_commit",
        "keys.destroy.root_put",
        "identity.in_commit",
        "identity.moved",
        "identity.settled",
        "identity.cleared",
        "rewrite.file_written",
        "rewrite.in_commit",
        "identity.files_rewritten",
        "derive.in_commit",
        "identity.rewritten",
        "scrub.begun",
        "scrub.value_overwritten",
        "scrub.overwritten",
        "identity.scrubbed",
        "identity.done",
    ),
    "split": (
        "identity.file_written",
        "identity.before_commit",
        "identity.in_commit",
        "identity.moved",
        "identity.settled",
        "identity.cleared",
        "derive.in_commit",
        "identity.rewritten",
        "scrub.begun",
        "scrub.value_overwritten",
        "scrub.overwritten",
        "identity.scrubbed",
        "identity.done",
    ),
}
WHAT = {"merge": (fill_twice, (ADA, ADELE), ADELE), "split": (fill_mixed, (ADA, NEW, SECOND), ADA)}


def killed(folder: Path, change_id: str, crash_at: str | None = None) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | (
        {"SHELFLIFE_CRASH_AT": crash_at} if crash_at else {}
    )
    command = [sys.executable, "-m", "tests.subjects.worker", str(folder), change_id]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False).returncode


@pytest.fixture(scope="module", params=["merge", "split"])
def kept(request, tmp_path_factory):
    """A folder with a prepared change, its kind and id, and the raw pseudonym of whose rows move."""
    fill, what, whose = WHAT[request.param]
    folder = filled_folder(tmp_path_factory, fill)
    estate = Estate.open(settings_in(folder), NOW)
    change_id, _ = prepared(estate, request.param, *what)
    pid = raw_pid(estate, whose)
    estate.close()
    return request.param, folder, change_id, pid


def end_state(folder: Path, change_id: str, pid: bytes) -> tuple[object, ...]:
    estate = Estate.open(settings_in(folder), NOW)
    rows = {name: frame.write_csv() for name, frame in rows_by_person(estate).items()}
    with estate.database.read() as conn:
        verify_ledger(conn, estate.ledger.verifier_key, estate.witness)
    done = get(estate, change_id)
    result = (
        rows,
        done.state,
        {name: done.facts[name] for name in ("rows_moved", "rows_known_already")},
        blocks_on_disk(estate, pid),
        status(estate).unregistered,
        findings(estate),
        sorted(path.name for path in (estate.settings.home / "locks").iterdir()),
    )
    estate.close()
    return result


@pytest.fixture(scope="module")
def undisturbed(kept, tmp_path_factory):
    _, folder, change_id, pid = kept
    target = tmp_path_factory.mktemp("undisturbed") / "copy"
    shutil.copytree(folder, target)
    estate = Estate.open(settings_in(target), NOW)
    run(estate, change_id, running())
    estate.close()
    end = end_state(target, change_id, pid)
    assert end[1] is State.DONE
    assert end[4:6] == (0, [])
    return end


@pytest.mark.timeout(600)
def test_a_change_killed_at_every_point_one_after_the_other_ends_the_same(kept, undisturbed, tmp_path):
    kind, folder, change_id, pid = kept
    assert {f"identity.{step.after}" for step in STEPS} <= set(POINTS[kind])
    target = tmp_path / "copy"
    shutil.copytree(folder, target)
    for point in POINTS[kind]:
        assert killed(target, change_id, crash_at=point) == -signal.SIGKILL, point
    assert killed(target, change_id) == 0
    assert end_state(target, change_id, pid) == undisturbed
