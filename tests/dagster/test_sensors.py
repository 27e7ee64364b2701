"""The sensors: what they ask for, and that a real daemon acts on it without a planted value in Dagster's storage."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from assets.resource import EstateResource
from orchestration.sensors import inbox_sensor, run_requests
from shelflife.config import load_settings
from shelflife.lake.models import load_models
from shelflife.lake.staleness import Unit
from tests.dagster.conftest import ACCOUNTS, GLUCOSE, MARKS, NAME, ROOT, clean_environment
from tests.dagster.inbox_files import apple_export

pytestmark = MARKS

TODAY = dt.date(2026, 11, 23)


def unit(model: str, period: str, inputs: bytes = b"i") -> Unit:
    return Unit(model, period, 0, 1, ("f",), inputs)


@pytest.fixture
def models(warehouse):
    return load_models(load_settings().models)


def test_stale_units_become_few_runs_over_ranges(models):
    units = [
        unit("heart_daily", "2026-11-01"),
        unit("heart_daily", "2026-11-05"),
        unit("glucose_daily", "2026-11-03"),
        unit("heart_daily", "2026-08-01"),
        unit("sleep_nightly", "2026-11"),
    ]
    asked = {
        (request.job_name, *request.tags.values()): {key.path[-1] for key in request.asset_selection}
        for request in run_requests(units, models, TODAY)
    }
    assert asked == {
        ("derive_monthly_tables", "2026-11-01", "2026-11-01"): {"sleep_nightly"},
        ("derive_tables", "2026-08-01", "2026-08-01"): {"heart_daily"},
        ("derive_tables", "2026-11-01", "2026-11-05"): {"heart_daily", "glucose_daily"},
    }


def test_the_same_stale_units_have_the_same_run_key_and_others_another(models):
    def keys(inputs: bytes) -> list[str]:
        return [r.run_key for r in run_requests([unit("heart_daily", "2026-11-01", inputs)], models, TODAY)]

    assert keys(b"1") == keys(b"1") != keys(b"2")


def test_an_empty_inbox_is_skipped(warehouse):
    assert not list(warehouse.inbox.rglob("*.*"))
    answer = inbox_sensor(
        dg.build_sensor_context(instance=warehouse.instance, resources={"estate": EstateResource()})
    )
    assert isinstance(answer, dg.SkipReason)


@pytest.mark.parametrize(("error", "raised"), [(ValueError(NAME), True), (None, False)])
def test_a_sensor_that_fails_says_nothing_of_the_value(warehouse, monkeypatch, caplog, error, raised):
    def explode(_folder: Path) -> None:
        if error is not None:
            raise error
        load_settings(Path("/nonexistent"))

    monkeypatch.setattr("orchestration.sensors.list_inbox", explode)
    context = dg.build_sensor_context(instance=warehouse.instance, resources={"estate": EstateResource()})
    if raised:
        with pytest.raises(dg.Failure) as failure:
            inbox_sensor(context)
        assert "ValueError" in str(failure.value)
        assert failure.value.__context__ is None
        assert NAME not in str(failure.value) + caplog.text
    else:
        assert "What to do" in inbox_sensor(context).skip_message


def test_a_daemon_lands_and_derives_what_is_put_into_the_inbox(warehouse):
    """Both sensors under the real daemon, runs in processes of their own, as in production."""
    warehouse.put(ACCOUNTS[3], f"{NAME}.xml", apple_export("glucose", [100, GLUCOSE], "2026-11-10"))
    workspace = ["-w", str(ROOT / "workspace.yaml")]
    options = {
        "cwd": ROOT,
        "env": clean_environment(),
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
    }
    program = Path(sys.executable).parent / "dagster"
    subprocess.run([program, "sensor", "start", *workspace, "--start-all"], check=True, **options)
    with subprocess.Popen([program.with_name("dagster-daemon"), "run", *workspace], **options) as daemon:
        try:
            wait_for_rows(warehouse, "2026-11-10")
        finally:
            daemon.terminate()
            said, _ = daemon.communicate(timeout=60)
    assert NAME.encode() not in said
    assert ACCOUNTS[3].encode() not in said
    runs = warehouse.instance.get_runs(
        dg.RunsFilter(tags={"dagster/sensor_name": ["inbox_sensor", "stale_sensor"]})
    )
    assert {run.job_name for run in runs} >= {"land_inbox", "derive_tables"}
    assert warehouse.leaks() == []


def wait_for_rows(warehouse, partition: str) -> None:
    deadline = time.monotonic() + 200
    wanted = dg.AssetRecordsFilter(dg.AssetKey(["derived", "glucose_daily"]), asset_partitions=[partition])
    while time.monotonic() < deadline:
        if warehouse.instance.fetch_materializations(wanted, limit=1).records:
            return
        time.sleep(0.5)
    runs = [(run.job_name, run.status) for run in warehouse.instance.get_runs(limit=5)]
    raise AssertionError(f"the daemon did not derive in time: {runs}")
