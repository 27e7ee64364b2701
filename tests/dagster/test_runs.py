"""Runs on a real instance: what happens when all goes well, when a check fails, and when anything else does."""

import sqlite3
from contextlib import closing

import dagster as dg
import pytest

from shelflife.lake.checks import unjudged
from tests.canaries import hits
from tests.dagster.conftest import ACCOUNTS, CANARIES, GLUCOSE, MARKS, NAME, PULSE, failures, write_home
from tests.dagster.inbox_files import apple_export, broken_export

pytestmark = MARKS


def facts_of(warehouse, asset: str, partition: str) -> dict[str, object]:
    """Metadata of the newest materialization of a partition, as Dagster's storage holds it."""
    records = warehouse.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(asset.split("/")), asset_partitions=[partition]), limit=1
    ).records
    assert records, f"{asset} {partition} was never materialized"
    return {name: entry.value for name, entry in records[0].asset_materialization.metadata.items()}


def test_landing_through_dagster_lands_checks_and_derives(warehouse, capfd):
    warehouse.put(ACCOUNTS[0], f"{NAME}.xml", apple_export("glucose", [110, GLUCOSE, 120], "2026-11-02"))
    landed = warehouse.run("land_inbox", "2026-11-01")
    assert landed.success, failures(landed)
    assert not any(warehouse.inbox.rglob("*.xml"))
    # The run was started for another day than the one that the file turned out to hold.
    assert facts_of(warehouse, "raw/glucose", "2026-11-02")["samples landed"] == 3
    assert facts_of(warehouse, "raw/glucose", "2026-11-01")["samples landed"] == 0
    checks = {
        (check.asset_key.path[-1], check.check_name): check for check in landed.get_asset_check_evaluations()
    }
    assert len(checks) == 12
    assert all(check.passed and check.blocking for check in checks.values())
    assert checks["glucose", "row_rules"].metadata["rows checked"].value == 3
    with warehouse.estate() as estate:
        assert unjudged(estate) == []
    derived = warehouse.run("derive_tables", "2026-11-02")
    assert derived.success, failures(derived)
    assert facts_of(warehouse, "derived/glucose_daily", "2026-11-02")["dagster/partition_row_count"] == 1
    again = warehouse.run("derive_tables", "2026-11-02")
    assert again.success
    assert facts_of(warehouse, "derived/glucose_daily", "2026-11-02")["units derived"] == 0
    assert warehouse.leaks() == []
    assert not any(str(canary) in "".join(capfd.readouterr()) for canary in CANARIES)


def test_a_range_of_partitions_is_one_run(warehouse):
    job = warehouse.definitions.resolve_job_def("derive_cohorts")
    result = job.execute_in_process(
        instance=warehouse.instance,
        tags={
            "dagster/asset_partition_range_start": "2026-10-26",
            "dagster/asset_partition_range_end": "2026-11-09",
        },
    )
    made = [event.partition for event in result.get_asset_materialization_events()]
    assert made == ["2026-10-26", "2026-11-02", "2026-11-09"]


def test_a_failed_check_keeps_the_batch_from_everything_downstream(warehouse):
    warehouse.put(ACCOUNTS[1], "export.xml", apple_export("heart", [PULSE, PULSE + 1], "2026-11-03"))
    raw = [f"raw/{stream}" for stream in ("heart", "sleep", "glucose", "activity", "body", "respiration")]
    result = warehouse.materialize([*raw, "derived/heart_daily"], "2026-11-03")
    assert not result.success
    failed = {
        (check.asset_key.path[-1], check.check_name)
        for check in result.get_asset_check_evaluations()
        if not check.passed
    }
    assert failed == {("heart", "profile")}
    assert result.asset_materializations_for_node("derived__heart_daily") == []
    # Later runs leave the batch out too: the verdict lies with the batch, not with the run.
    later = warehouse.run("derive_tables", "2026-11-03")
    assert later.success
    assert facts_of(warehouse, "derived/heart_daily", "2026-11-03")["dagster/partition_row_count"] == 0
    assert warehouse.leaks() == []


def test_a_file_that_cannot_be_read_is_refused_and_stops_nothing(warehouse):
    refused = warehouse.put(ACCOUNTS[2], f"{NAME}.xml", broken_export())
    warehouse.put(ACCOUNTS[2], "export.xml", apple_export("heart", [61, 62], "2026-11-04"))
    result = warehouse.run("land_inbox", "2026-11-04")
    assert result.success, failures(result)
    assert facts_of(warehouse, "raw/heart", "2026-11-04")["files refused"] == 1
    assert facts_of(warehouse, "raw/heart", "2026-11-04")["samples landed"] == 2
    assert refused.exists()
    refused.unlink()
    assert warehouse.leaks() == []


def test_an_error_of_shelflife_is_told_and_not_retried(warehouse, tmp_path, monkeypatch):
    empty = tmp_path / "shelflife.yaml"
    empty.write_text(f"home: nothing\nmodels: {warehouse.folder}\n")
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(empty))
    result = warehouse.run("land_inbox", "2026-11-05")
    assert not result.success
    (text,) = failures(result)
    assert "What to do:" in text
    assert warehouse.leaks() == []


@pytest.mark.parametrize("redacted", ["1", "0"])
def test_the_text_of_any_other_error_goes_nowhere(warehouse, monkeypatch, redacted):
    def explode(*_args: object, **_more: object) -> None:
        raise ValueError(f"could not convert {NAME}: {GLUCOSE}") from KeyError(ACCOUNTS[3])

    monkeypatch.setenv("DAGSTER_REDACT_USER_CODE_ERRORS", redacted)
    monkeypatch.setattr("assets.raw.land", explode)
    warehouse.put(ACCOUNTS[3], f"{NAME}.xml", apple_export("heart", [61], "2026-11-06")).unlink()
    result = warehouse.run("land_inbox", "2026-11-06")
    (text,) = failures(result)
    assert text.startswith("Unexpected ValueError at tests/dagster/test_runs.py:")
    assert warehouse.leaks() == []


@pytest.mark.parametrize("way", ["log", "metadata", "returned", "name"])
def test_the_search_finds_what_is_leaked_on_purpose(tmp_path, way):
    """Where Dagster keeps a value that an asset is careless with, the search sees it."""

    @dg.asset(name=NAME if way == "name" else "careless", io_manager_key="files")
    def careless(context: dg.AssetExecutionContext):
        if way == "log":
            context.log.info("landed %s", ACCOUNTS[0])
        told = {"who": f"watch of {NAME}"} if way == "metadata" else {}
        return dg.Output(GLUCOSE if way == "returned" else None, metadata=told)

    home = write_home(tmp_path)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        files = dg.FilesystemIOManager(base_dir=str(home))
        assert dg.materialize([careless], instance=instance, resources={"files": files}).success
    assert hits([home], CANARIES)


def test_an_error_without_the_boundary_leaks_unless_it_is_redacted(tmp_path, monkeypatch):
    @dg.op
    def careless() -> None:
        raise ValueError(NAME)

    @dg.job
    def job() -> None:
        careless()

    for redacted, found in (("0", True), ("1", False)):
        monkeypatch.setenv("DAGSTER_REDACT_USER_CODE_ERRORS", redacted)
        home = write_home(tmp_path / redacted)
        with dg.DagsterInstance.local_temp(str(home)) as instance:
            job.execute_in_process(instance=instance, raise_on_error=False)
        assert bool(hits([home], CANARIES)) is found


def test_dagsters_storage_is_where_this_looks(warehouse):
    run = warehouse.run("derive_tables", "2026-11-02")
    databases = [path for path in warehouse.home.rglob("*.db") if path.read_bytes()[:6] == b"SQLite"]
    assert {"runs.db", "schedules.db", "index.db"} <= {path.name for path in databases}
    with closing(sqlite3.connect(warehouse.home / "history" / "runs.db")) as connection:
        known = {row[0] for row in connection.execute("SELECT run_id FROM runs")}
    assert run.run_id in known
