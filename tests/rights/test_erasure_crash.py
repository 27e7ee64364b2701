"""Kill an erasure at every step; run again, it ends where an undisturbed one ends. Nothing lands past it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shelflife.estate import Estate
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify as verify_ledger
from shelflife.rights.erasure import STEPS, run_erasures
from shelflife.rights.outcomes import outcomes
from shelflife.rights.request_states import State
from shelflife.rights.requests import get
from shelflife.rights.verify import verify
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.rights.conftest import Clock, ask, fill, options, samples_of
from tests.rights.state import content, readable

pytestmark = pytest.mark.slow

# In the order in which a run comes by them. After each kill the next run goes on, up to the next point.
POINTS = (
    "control.commit.before",
    "erase.planned",
    "erase.fenced",
    "erase.preserved",
    "journal.record.marked",
    "erase.journalled",
    "keys.destroy.root_put",
    "erase.in_commit",
    "control.commit.after",
    "erase.effective",
    "erase.copies_recorded",
    "erase.copies_erased",
    "rewrite.file_written",
    "rewrite.in_commit",
    "keys.destroy.committed",
    "rewrite.committed",
    "erase.files_rewritten",
    "erase.rewritten",
    "scrub.begun",
    "scrub.value_overwritten",
    "scrub.overwritten",
    "erase.scrubbed",
    "erase.collected",
    "erase.checked",
    "erase.certified_in_commit",
    "erase.certified",
)
ALONE = ("erase.in_commit", "erase.keys_destroyed", "rewrite.committed", "scrub.value_overwritten")


def run(folder: Path, step: str, *request_ids: str, crash_at: str | None = None) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | (
        {"SHELFLIFE_CRASH_AT": crash_at} if crash_at else {}
    )
    command = [sys.executable, "-m", "tests.rights.worker", str(folder), step, *request_ids]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> tuple[Path, list[str], str]:
    """A filled estate with two verified requests, kept as it is, and the content of everybody else."""
    folder = tmp_path_factory.mktemp("prepared")
    clock = Clock()
    estate = Estate.create(settings_in(folder), NOW)

    def put(body, account, name):
        target = estate.settings.inbox / account / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)

    fill(estate, put, clock)
    ids = [ask(estate, "ada", clock), ask(estate, "bob", clock, streams=["glucose"])]
    others = content(estate, ["ada", "bob"])
    estate.close()
    return folder, ids, others


@pytest.fixture
def copied(prepared, tmp_path) -> tuple[Path, list[str], str]:
    folder, ids, others = prepared
    target = tmp_path / "copied"
    shutil.copytree(folder, target)
    return target, ids, others


def end_state(folder: Path, ids: list[str]) -> tuple[object, ...]:
    estate = Estate.open(settings_in(folder), NOW)
    found = readable(estate)
    with estate.database.read() as conn:
        # What a killed run removed and what was never there look the same to the run that goes on.
        gone = {"already_absent": "deleted"}
        places = [
            {one.place: gone.get(one.outcome, one.outcome) for one in outcomes(conn, request_id)}
            for request_id in ids
        ]
        verify_ledger(conn, estate.ledger.verifier_key, estate.witness)
    verification = verify(estate, now=NOW)
    result = (
        "ada" in found,
        sorted(found["bob"]),
        [get(estate, request_id).state for request_id in ids],
        places,
        content(estate, ["ada", "bob"]),
        status(estate).unregistered,
        [finding.rule for finding in verification.findings],
    )
    estate.close()
    return result


@pytest.fixture(scope="module")
def undisturbed(prepared, tmp_path_factory) -> tuple[object, ...]:
    folder, ids, others = prepared
    target = tmp_path_factory.mktemp("undisturbed") / "estate"
    shutil.copytree(folder, target)
    assert run(target, "erase", *ids) == 0
    end = end_state(target, ids)
    assert end[0] is False
    assert end[1] == ["heart_daily", "raw/heart"]
    assert end[2] == [State.CERTIFIED] * 2
    assert end[4:] == (others, 0, [])
    return end


@pytest.mark.timeout(600)
def test_an_erasure_killed_at_every_point_one_after_the_other_ends_the_same(copied, undisturbed):
    folder, ids, _ = copied
    assert {f"erase.{step.after}" for step in STEPS} <= {*POINTS, *ALONE}
    for point in POINTS:
        assert run(folder, "erase", *ids, crash_at=point) == -signal.SIGKILL, point
    assert run(folder, "erase", *ids) == 0
    assert end_state(folder, ids) == undisturbed


@pytest.mark.parametrize("point", ALONE)
def test_a_killed_erasure_resumes_to_the_same_end(copied, undisturbed, point):
    folder, ids, _ = copied
    assert run(folder, "erase", *ids, crash_at=point) == -signal.SIGKILL
    assert run(folder, "erase", *ids) == 0
    assert end_state(folder, ids) == undisturbed


@pytest.mark.parametrize("point", ["finalize.roots_destroyed", "keys.finalize.root_destroyed"])
def test_a_killed_finalization_resumes_to_the_same_end(copied, point):
    folder, ids, _ = copied
    assert run(folder, "erase", *ids) == 0
    assert run(folder, "finalize", crash_at=point) == -signal.SIGKILL
    assert run(folder, "finalize") == 0
    estate = Estate.open(settings_in(folder), NOW)
    assert [get(estate, one).state for one in ids] == [State.FINAL] * 2
    estate.close()


@pytest.mark.parametrize("point", ["physical.rewritten", "scrub.overwritten", "rewrite.in_commit"])
def test_a_killed_deferred_rewrite_resumes_to_the_same_end(copied, undisturbed, point):
    folder, ids, _ = copied
    assert run(folder, "erase-batched", *ids) == 0
    assert run(folder, "finish", crash_at=point) == -signal.SIGKILL
    assert run(folder, "finish") == 0
    assert end_state(folder, ids) == undisturbed


def test_landing_somebody_while_they_are_erased_never_brings_a_row_back(copied):
    """Another process lands the person's late data in a loop, while this one erases them."""
    folder, ids, others = copied
    clock = Clock()
    estate = Estate.open(settings_in(folder), NOW)
    stop = threading.Event()
    landings = []

    def land_all_the_time() -> None:
        number = 0
        while not stop.is_set() or number < 2:
            number += 1
            target = estate.settings.inbox / "x" / f"late-{number}.ndjson"
            target.parent.mkdir(parents=True, exist_ok=True)
            body = samples_of(["ada", "kim"], days=2, month=9).replace(b"T08", f"T{number % 24:02d}".encode())
            target.write_bytes(body)
            landings.append(run(folder, "land"))

    other = threading.Thread(target=land_all_the_time)
    other.start()
    try:
        run_erasures(estate, ids, options(clock))
    finally:
        stop.set()
        other.join()
    assert set(landings) == {0}
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert report.total("landed") == 0
    found = readable(estate)
    assert "ada" not in found
    assert found["kim"]["raw/heart"] > 36
    assert content(estate, ["ada", "bob", "kim"]) != others
    estate.close()
