"""The lifecycle's jobs on a real instance: they do what the command line does, and leave nobody in Dagster's storage."""

from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime

import dagster as dg
import pytest

from assets.resource import EstateResource
from orchestration import lifecycle
from orchestration.housekeeping import forget_old_runs, kept_days
from orchestration.schedules import schedules
from orchestration.sensors import request_sensor
from shelflife.config import load_settings
from shelflife.estate import Estate
from shelflife.lake.status import status
from shelflife.policy.loading import load_policies
from shelflife.rights.exporting import export_path
from shelflife.rights.request_states import Kind, State
from shelflife.rights.requests import get, record_identity_check, submit
from shelflife.seal.envelope_keys import ExportPrivateKey
from shelflife.subjects.directory import Alias, find
from tests.dagster.conftest import (
    ACCOUNTS,
    GLUCOSE,
    MARKS,
    NAME,
    Warehouse,
    failures,
    write_home,
    write_settings,
)
from tests.dagster.inbox_files import apple_export

pytestmark = MARKS
ADA, BOB = ACCOUNTS[:2]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A warehouse of its own, with two people landed and derived, and a day that is past every retention."""
    folder = tmp_path_factory.mktemp("lifecycle")
    home = write_home(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHELFLIFE_SETTINGS", str(write_settings(folder)))
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv(lifecycle.BACKUPS, str(folder / "backups"))
        Estate.create(load_settings(), datetime.now(UTC)).close()
        with dg.DagsterInstance.get() as instance:
            made = Warehouse(folder, instance)
            today = datetime.now(UTC).date()
            for account in (ADA, BOB):
                for days, more in ((1, range(90, 130)), (366 * 5, ())):
                    day = (today - dt.timedelta(days=days)).isoformat()
                    values = [110, GLUCOSE, 120, *more]
                    made.put(account, f"{NAME}-{days}.xml", apple_export("glucose", values, day))
            assert made.run("land_inbox", today.isoformat()).success
            assert made.run("derive_tables", (today - dt.timedelta(days=1)).isoformat()).success
            yield made


def run(house: Warehouse, job: str, config: dict[str, object] | None = None) -> dg.ExecuteInProcessResult:
    return house.definitions.resolve_job_def(job).execute_in_process(
        instance=house.instance, run_config={"ops": config} if config else None, raise_on_error=False
    )


def output_facts(result: dg.ExecuteInProcessResult, op: str) -> dict[str, object]:
    """The metadata of an op's output, as the run's events hold it."""
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.STEP_OUTPUT and event.step_key == op:
            return {name: value.value for name, value in event.step_output_data.metadata.items()}
    raise AssertionError(f"{op} had no output")


def asked(house: Warehouse, kind: Kind, account: str, **more: object) -> str:
    now = datetime.now(UTC)
    with house.estate() as estate:
        made = submit(estate, kind=kind, alias=Alias("account", account), now=now, **more)
        record_identity_check(estate, made.request_id, method="in_person", passed=True, now=now)
    return made.request_id


def state_of(house: Warehouse, request_id: str) -> State:
    with house.estate() as estate:
        return get(estate, request_id).state


def check_the_alarm_of_the_oldest_row_rings_before_the_purge(house):
    with pytest.raises(dg.Failure, match="past their retention: glucose") as caught:
        lifecycle.check_oldest_rows(estate=EstateResource())
    assert NAME not in str(caught.value.description)
    assert ADA not in str(caught.value.description)


def check_a_nightly_purge_removes_what_expired_and_observes_its_tables(house):
    result = run(house, "nightly_purge")
    assert result.success, failures(result)
    told = output_facts(result, "purge")
    assert (told["partitions purged"], told["rows purged"]) == (1, 6)
    observed = [
        event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()
    ]
    assert [one.asset_key.path for one in observed] == [["raw", "glucose"]]
    assert house.leaks() == []


def check_publishing_backing_up_reconciling_and_watching_clocks(house):
    for job in ("publish_copies", "backup", "reconcile_copies", "request_clocks"):
        result = run(house, job)
        assert result.success, (job, failures(result))
    assert any((house.folder / "backups").iterdir())


def check_an_export_is_delivered_by_its_request_id_alone(house):
    key = ExportPrivateKey.generate().public_key().text().encode()
    request_id = asked(house, Kind.EXPORT, ADA, recipient_key=key, regimes=("eu_gdpr",))
    result = run(house, "dsar_export", {"export": {"config": {"request_id": request_id}}})
    assert result.success, failures(result)
    assert state_of(house, request_id) is State.DELIVERED
    assert export_path(load_settings(), request_id).stat().st_size > 10_000
    assert house.leaks() == []


def check_the_sensor_asks_for_verified_requests_by_opaque_ids(house):
    sensor = request_sensor({Kind.ERASURE: lifecycle.dsar_erase, Kind.EXPORT: lifecycle.dsar_export})
    context = dg.build_sensor_context(instance=house.instance, resources={"estate": EstateResource()})
    assert isinstance(sensor(context), dg.SkipReason)
    request_id = asked(house, Kind.ERASURE, ADA)
    [request] = sensor(context).run_requests
    assert request.job_name == "dsar_erase"
    assert request.run_config == {"ops": {"erase": {"config": {"request_ids": [request_id]}}}}
    assert request_id in request.run_key


def check_an_erasure_leaves_nobody_in_dagsters_storage(house, capfd):
    result = run(house, "dsar_erase")
    assert result.success, failures(result)
    observed = {
        event.asset_observation_data.asset_observation.asset_key.to_user_string()
        for event in result.get_asset_observation_events()
    }
    assert {"raw/glucose", "derived/glucose_daily", "analytics/cohort_weekly"} <= observed
    assert output_facts(result, "erase")["keys destroyed"] == 16
    with house.estate() as estate, estate.database.read() as conn:
        assert find(estate, conn, [Alias("account", ADA)]) == {}
        assert find(estate, conn, [Alias("account", BOB)])
    with house.estate() as estate:
        assert status(estate).unregistered == 0
    for job in ("physical_erasure", "finalize_keys", "verify_residue"):
        result = run(house, job)
        assert result.success, (job, failures(result))
    assert output_facts(result, "look_for_residue")["residues"] == 0
    assert house.leaks() == []
    shown = "".join(capfd.readouterr())
    assert ADA not in shown
    assert NAME not in shown


def check_a_late_sync_of_the_erased_is_refused_and_counted(house):
    today = datetime.now(UTC).date().isoformat()
    house.put(ADA, "late.xml", apple_export("glucose", [99, 101], today))
    assert run_land(house, today).success
    with house.estate() as estate, estate.database.read() as conn:
        assert find(estate, conn, [Alias("account", ADA)]) == {}
    assert house.leaks() == []


def run_land(house: Warehouse, day: str) -> dg.ExecuteInProcessResult:
    return house.run("land_inbox", day)


def check_residue_fails_the_run_and_names_the_rule_only(house):
    stray = house.folder / "estate" / "zones" / "raw" / "heart" / f"{NAME}.parquet"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"left behind")
    result = run(house, "verify_residue")
    assert not result.success
    [text] = failures(result)
    assert "unregistered_file: 1" in text
    assert NAME not in text
    stray.unlink()
    assert house.leaks() == []


def check_an_object_that_no_copy_declares_fails_the_run(house):
    stray = house.folder / "estate" / "copies" / "app_cache" / f"{NAME}.db"
    assert stray.parent.is_dir()
    stray.write_bytes(b"left behind")
    result = run(house, "reconcile_copies")
    assert not result.success
    [text] = failures(result)
    assert "Copies hold what they must not" in text
    assert NAME not in text
    stray.unlink(missing_ok=True)
    assert run(house, "reconcile_copies").success
    assert house.leaks() == []


def check_an_answer_that_is_overdue_fails_the_run(house):
    now = datetime.now(UTC)
    with house.estate() as estate:
        submit(
            estate,
            kind=Kind.ERASURE,
            alias=Alias("account", BOB),
            now=now,
            received_at=now - dt.timedelta(days=100),
            regimes=("eu_gdpr",),
        )
    result = run(house, "request_clocks")
    assert not result.success
    [text] = failures(result)
    assert "obligations towards people are overdue" in text
    assert BOB not in text
    assert house.leaks() == []


def check_a_backup_without_a_folder_is_refused(house, monkeypatch):
    monkeypatch.delenv(lifecycle.BACKUPS)
    result = run(house, "backup")
    assert not result.success
    assert lifecycle.BACKUPS in failures(result)[0]


def check_a_request_that_cannot_run_fails_with_a_remedy_and_without_a_name(house):
    result = run(house, "dsar_export", {"export": {"config": {"request_id": "0" * 32}}})
    assert not result.success
    [text] = failures(result)
    assert "No request has this id" in text
    assert house.leaks() == []


def check_dagsters_own_old_runs_and_ticks_are_deleted_by_policy(house):
    policies = load_policies(load_settings().policies)
    assert kept_days(policies) == 30
    before = house.instance.get_runs_count()
    assert before > 5
    now = datetime.now(UTC)
    assert forget_old_runs(house.instance, policies, now) == 0
    assert forget_old_runs(house.instance, policies, now + dt.timedelta(days=31)) == before
    assert house.instance.get_runs_count() == 0


def test_the_purge_is_scheduled_at_two_in_the_night_utc():
    found = {one.job_name: (one.cron_schedule, one.execution_timezone) for one in schedules()}
    assert found["nightly_purge"] == ("0 2 * * *", "UTC")
    assert {one.default_status for one in schedules()} == {dg.DefaultScheduleStatus.STOPPED}


def test_the_whole_lifecycle_in_its_order(house, capfd, monkeypatch):
    """One test, because each step works on what the one before left."""
    check_the_alarm_of_the_oldest_row_rings_before_the_purge(house)
    check_a_nightly_purge_removes_what_expired_and_observes_its_tables(house)
    check_publishing_backing_up_reconciling_and_watching_clocks(house)
    check_an_export_is_delivered_by_its_request_id_alone(house)
    check_the_sensor_asks_for_verified_requests_by_opaque_ids(house)
    check_an_erasure_leaves_nobody_in_dagsters_storage(house, capfd)
    check_a_late_sync_of_the_erased_is_refused_and_counted(house)
    check_residue_fails_the_run_and_names_the_rule_only(house)
    check_an_object_that_no_copy_declares_fails_the_run(house)
    check_an_answer_that_is_overdue_fails_the_run(house)
    check_a_backup_without_a_folder_is_refused(house, monkeypatch)
    check_a_request_that_cannot_run_fails_with_a_remedy_and_without_a_name(house)
    check_dagsters_own_old_runs_and_ticks_are_deleted_by_policy(house)
