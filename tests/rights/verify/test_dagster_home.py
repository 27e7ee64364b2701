"""Dagster's storage: a real instance that was told too much, and single canaries in files made by hand."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from tests.rights.verify.conftest import ROOT, found, plants, rules, write


@pytest.fixture
def home(tmp_path) -> Path:
    folder = tmp_path / "dagster"
    folder.mkdir()
    shutil.copy(ROOT / "dagster.yaml", folder)
    return folder


def database(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE event_logs (id INTEGER, event TEXT)")
        connection.execute("INSERT INTO event_logs VALUES (1, ?)", (value,))
        connection.commit()
    return path


def test_a_home_without_residue(erased, target, home):
    database(home / "history" / "runs.db", '{"rows": 12, "partition": "2026-11-01"}')
    outcome = found(erased, target, dagster_home=home)
    assert outcome.findings == ()
    assert outcome.unseen == ()
    assert outcome.counts["dagster: cells"] == 2
    assert outcome.counts["dagster: files"] == 2


@plants("target_in_dagster_cell", "target_in_dagster_file")
@pytest.mark.parametrize("packed", [False, True])
def test_a_cell_that_names_somebody(erased, target, account, home, packed):
    text = f'{{"tags": {{"account": "{account}"}}}}'
    database(home / "history" / "runs.db", zlib.compress(text.encode()) if packed else text)
    outcome = found(erased, target, dagster_home=home)
    assert rules(outcome) == {"target_in_dagster_cell"} | (set() if packed else {"target_in_dagster_file"})
    assert "history/runs.db: event_logs.event" in {finding.place for finding in outcome.findings}
    assert account not in str(outcome.as_json())


def test_a_cell_that_was_deleted(erased, target, account, home):
    path = database(home / "history" / "runs.db", account)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM event_logs")
        connection.commit()
    assert rules(found(erased, target, dagster_home=home)) == {"target_in_dagster_file"}


@plants("target_in_dagster_name")
def test_a_folder_named_after_somebody(erased, target, account, home):
    write(home / "storage" / account / "x", b"nothing")
    outcome = found(erased, target, dagster_home=home)
    assert rules(outcome) == {"target_in_dagster_name"}
    assert account not in str(outcome.as_json())


@plants("dagster_pickle")
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_stored_value(erased, home, protocol):
    write(home / "storage" / "asset", pickle.dumps({"rows": [1, 2]}, protocol))
    assert rules(found(erased, dagster_home=home)) == {"dagster_pickle"}


@plants("dagster_output")
def test_captured_output(erased, home):
    write(home / "storage" / "run" / "compute_logs" / "step.out", b"landed 12 rows\n")
    write(home / "storage" / "run" / "compute_logs" / "step.err", b"")
    [finding] = found(erased, dagster_home=home).findings
    assert finding.rule == "dagster_output"


@plants("dagster_address", "dagster_inbox_path")
def test_shapes_that_must_never_be_there(erased, home):
    inbox = erased.settings.inbox
    database(home / "history" / "runs.db", zlib.compress(b'{"message": "cannot read ada.byron@example.org"}'))
    database(home / "schedules" / "schedules.db", f"skipped {inbox}/acct-1/export.xml")
    outcome = found(erased, dagster_home=home)
    assert {(finding.rule, finding.place) for finding in outcome.findings} == {
        ("dagster_address", "history/runs.db: event_logs.event"),
        ("dagster_inbox_path", "schedules/schedules.db: event_logs.event"),
    }


@pytest.mark.parametrize(
    "text", ["@dg.asset", "a@b", "user@host", "git@", "key@1.2.3", f"inbox {'{'}inbox{'}'} is empty"]
)
def test_shapes_that_only_look_like_it(erased, home, text):
    database(home / "history" / "runs.db", text.replace("{inbox}", str(erased.settings.inbox)))
    assert found(erased, dagster_home=home).findings == ()


def test_a_storage_elsewhere_is_not_claimed_to_be_clean(erased, home):
    (home / "dagster.yaml").write_text("storage:\n  postgres: {}\n")
    outcome = found(erased, dagster_home=home)
    assert outcome.findings == ()
    assert [one.store for one in outcome.unseen] == ["dagster"]


@pytest.mark.dagster
@pytest.mark.slow
def test_a_real_instance_that_was_told_an_account(erased, target, account, home):
    """User code hands an account to every place that keeps what it is told, with Dagster's own defaults."""
    import dagster as dg

    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")

    @dg.op(config_schema={"who": str})
    def tell(context):
        context.add_output_metadata({"account": account})
        return [account]

    @dg.job(tags={"who": account})
    def telling():
        tell()

    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = telling.execute_in_process(
            instance=instance, run_config={"ops": {"tell": {"config": {"who": account}}}}
        )
        assert run.success
        instance.add_dynamic_partitions("people", [account])
    outcome = found(erased, target, dagster_home=home)
    places = {finding.place for finding in outcome.findings if finding.rule == "target_in_dagster_cell"}
    assert {"history/runs.db: runs.run_body", "history/runs.db: run_tags.value"} <= places
    assert any(place.endswith("event_logs.event") for place in places)
    assert any("dynamic_partitions" in place for place in places)
    assert account not in str(outcome.as_json())
    clean = found(erased, dagster_home=home)
    assert not any(finding.about_targets for finding in clean.findings)
