"""The outbox: events that conform, at least once each, and nothing else that leaves."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from shelflife.control.tables import estate, lineage_run
from shelflife.errors import StorageError
from shelflife.lineage.columns import columns, record_columns
from shelflife.lineage.openlineage import emit_pending
from shelflife.lineage.record import INBOX, add_inputs, add_outputs, finish_run, start_run
from tests.lineage.openlineage_checks import check_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shelflife.control.database import ControlDatabase

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
BATCH, PARTITION = "b" * 32, "1" * 32
HEART = {"pid": "BLOB", "value_num": "DOUBLE", "signal": "VARCHAR"}
DAILY = "SELECT pid, avg(value_num) AS mean_bpm, count(*) AS n FROM heart WHERE signal = 'heart_rate' GROUP BY pid"


def two_steps(database: ControlDatabase, *, failed: bool = False) -> list[str]:
    """Land a batch and derive a day of it."""
    with database.commit() as tx:
        land = start_run(
            tx, "land", "land", NOW, facts={"samples_in": 1200, "complete": True, "request": BATCH}
        )
        add_inputs(tx, land, INBOX, [BATCH])
        add_outputs(tx, land, "raw/heart", {PARTITION: 1000, "2" * 32: 200}, size=4096)
        finish_run(tx, land, NOW, facts={"ledger_position": 7})
        derive = start_run(tx, "derive.heart_daily", "derive", NOW)
        add_inputs(tx, derive, "raw/heart", [PARTITION, "2" * 32])
        add_outputs(tx, derive, "derived/heart_daily", {"2026-11-02/0": 3})
        finish_run(tx, derive, NOW + dt.timedelta(seconds=1), failed=failed)
        record_columns(tx, "heart_daily", columns(DAILY, {"heart": HEART}))
    return [land, derive]


def events(folder: Path) -> list[dict[str, Any]]:
    lines = [line for file in sorted(folder.glob("*.ndjson")) for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_every_event_and_facet_conforms(database: ControlDatabase, tmp_path: Path) -> None:
    runs = two_steps(database)
    schemas = {"raw/heart": HEART}
    assert emit_pending(database, tmp_path / "lineage", NOW, schemas=schemas) == 2
    written = events(tmp_path / "lineage")
    facets = set().union(*(check_event(event) for event in written))
    assert facets == {"schema", "columnLineage", "outputStatistics", "shelflife_step"}
    assert [(event["eventType"], event["run"]["runId"]) for event in written] == [
        (kind, str(uuid.UUID(run))) for run in runs for kind in ("START", "COMPLETE")
    ]


def test_what_the_events_say(database: ControlDatabase, tmp_path: Path) -> None:
    with database.commit() as tx:
        tx.conn.execute(estate.insert().values(id=1, estate_id="e" * 32, created_at=NOW))
    two_steps(database)
    emit_pending(database, tmp_path, NOW, schemas={"raw/heart": HEART})
    _, landed, _, derived = events(tmp_path)
    assert landed["job"] == {"namespace": f"shelflife://{'e' * 32}", "name": "land", "facets": {}}
    step = landed["run"]["facets"]["shelflife_step"]
    assert (step["counts"], step["flags"], step["ids"]) == (
        {"samples_in": 1200},
        {"complete": True},
        {"request": BATCH},
    )
    assert (step["kind"], step["ledgerPosition"], step["inputItems"]) == ("land", 7, {"inbox": 1})
    [output] = landed["outputs"]
    statistics = output["outputFacets"]["outputStatistics"]
    assert (output["name"], statistics["rowCount"], statistics["size"]) == ("raw/heart", 1200, 4096)
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == list(HEART)
    [output] = derived["outputs"]
    lineage = output["facets"]["columnLineage"]["fields"]
    assert set(lineage) == {"pid", "mean_bpm", "n"}
    sources = {
        (one["name"], one["field"]): [(how["type"], how["subtype"]) for how in one["transformations"]]
        for one in lineage["mean_bpm"]["inputFields"]
    }
    assert sources == {
        ("raw/heart", "value_num"): [("DIRECT", "AGGREGATION")],
        ("raw/heart", "pid"): [("INDIRECT", "GROUP_BY")],
        ("raw/heart", "signal"): [("INDIRECT", "FILTER")],
    }
    assert [one["field"] for one in lineage["n"]["inputFields"]] == ["pid", "signal"]
    assert "size" not in output["outputFacets"]["outputStatistics"]


def test_no_item_is_named_in_an_event(database: ControlDatabase, tmp_path: Path) -> None:
    two_steps(database)
    emit_pending(database, tmp_path, NOW)
    text = "".join(file.read_text() for file in tmp_path.glob("*.ndjson"))
    assert PARTITION not in text
    assert "2026-11-02/0" not in text


def test_a_failed_run_ends_with_fail_and_has_no_output(database: ControlDatabase, tmp_path: Path) -> None:
    two_steps(database, failed=True)
    emit_pending(database, tmp_path, NOW)
    last = events(tmp_path)[-1]
    check_event(last)
    assert (last["eventType"], last["outputs"]) == ("FAIL", [])


def test_a_run_under_way_waits(database: ControlDatabase, tmp_path: Path) -> None:
    with database.commit() as tx:
        run = start_run(tx, "land", "land", NOW)
    assert emit_pending(database, tmp_path, NOW) == 0
    with database.commit() as tx:
        finish_run(tx, run, NOW)
    assert emit_pending(database, tmp_path, NOW) == 1
    assert emit_pending(database, tmp_path, NOW) == 0
    assert len(events(tmp_path)) == 2


def test_one_private_file_a_day(database: ControlDatabase, tmp_path: Path) -> None:
    two_steps(database)
    emit_pending(database, tmp_path / "new", NOW.astimezone(dt.timezone(dt.timedelta(hours=14))))
    [file] = (tmp_path / "new").glob("*.ndjson")
    assert file.name == "events-2026-11-23.ndjson"
    assert file.stat().st_mode & 0o777 == 0o600


def test_many_runs_are_emitted_in_portions(
    database: ControlDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shelflife.lineage.openlineage._RUNS_PER_COMMIT", 3)
    with database.commit() as tx:
        for _ in range(8):
            finish_run(tx, start_run(tx, "land", "land", NOW), NOW)
    assert emit_pending(database, tmp_path, NOW) == 8
    assert len({event["run"]["runId"] for event in events(tmp_path)}) == 8


def test_a_folder_that_cannot_be_written_leaves_the_runs_pending(
    database: ControlDatabase, tmp_path: Path
) -> None:
    two_steps(database)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        emit_pending(database, tmp_path / "file" / "lineage", NOW)
    assert str(tmp_path) not in caught.value.diagnostics()
    (tmp_path / "folder" / "events-2026-11-23.ndjson").mkdir(parents=True)
    with pytest.raises(StorageError):
        emit_pending(database, tmp_path / "folder", NOW)
    assert emit_pending(database, tmp_path / "good", NOW) == 2


@pytest.mark.parametrize(("point", "again"), [("lineage.emit.event", 2), ("lineage.emit.written", 2)])
def test_a_crash_repeats_events_with_the_same_run_id(
    database: ControlDatabase, tmp_path: Path, point: str, again: int
) -> None:
    runs = two_steps(database)
    program = (
        "import sys, datetime as dt; from pathlib import Path\n"
        "from shelflife.control.database import ControlDatabase\n"
        "from shelflife.lineage.openlineage import emit_pending\n"
        "folder = Path(sys.argv[1])\n"
        "database = ControlDatabase.open(f\"sqlite:///{folder / 'control.db'}\")\n"
        "emit_pending(database, folder / 'lineage', dt.datetime(2026, 11, 23, tzinfo=dt.UTC))\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "SHELFLIFE_CRASH_AT": point},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert emit_pending(database, tmp_path / "lineage", NOW) == again
    written = events(tmp_path / "lineage")
    assert len(written) > 4
    assert {uuid.UUID(event["run"]["runId"]).hex for event in written} == set(runs)


def test_a_line_that_a_crash_tore_is_cut_off(database: ControlDatabase, tmp_path: Path) -> None:
    file = tmp_path / "events-2026-11-23.ndjson"
    whole = '{"whole": true}\n'
    for torn in ("", '{"torn": "', "x" * 200_000):
        file.write_text(whole + torn)
        two_steps(database)
        emit_pending(database, tmp_path, NOW)
        assert events(tmp_path)[0] == {"whole": True}
        assert len(events(tmp_path)) == 5
    file.write_text("torn only")
    two_steps(database)
    emit_pending(database, tmp_path, NOW)
    assert len(events(tmp_path)) == 4


def test_neither_environment_nor_configuration_can_send_events_elsewhere(
    database: ControlDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        pytest.fail("the emitter opened a connection")

    (tmp_path / "openlineage.yml").write_text("transport: {type: http, url: 'http://127.0.0.1:9'}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    two_steps(database)
    assert emit_pending(database, tmp_path / "lineage", NOW) == 2
    assert len(events(tmp_path / "lineage")) == 4
    text = json.dumps(events(tmp_path / "lineage"))
    assert socket.gethostname() not in text
    assert str(tmp_path) not in text
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


def test_the_client_library_is_not_imported_until_needed(tmp_path: Path) -> None:
    program = (
        "import sys, datetime as dt; from pathlib import Path\n"
        "from shelflife.control.database import ControlDatabase\n"
        "import shelflife.lineage.openlineage as outbox, shelflife.lineage.graph, shelflife.lineage.record\n"
        "folder = Path(sys.argv[1])\n"
        "database = ControlDatabase.create(f\"sqlite:///{folder / 'empty.db'}\")\n"
        "assert outbox.emit_pending(database, folder, dt.datetime.now(dt.UTC)) == 0\n"
        "assert not [name for name in sys.modules if name.startswith('openlineage')]\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


def test_the_checks_can_fail(database: ControlDatabase, tmp_path: Path) -> None:
    two_steps(database)
    emit_pending(database, tmp_path, NOW)
    damages: list[Callable[[dict[str, Any]], object]] = [
        lambda event: event["run"].update(runId="no uuid"),
        lambda event: event.update(eventType="DONE"),
        lambda event: event["run"]["facets"]["shelflife_step"].update(counts={"x": 0.5}),
        lambda event: event["run"]["facets"]["shelflife_step"].update(name="alice"),
        lambda event: event["outputs"][0]["outputFacets"]["outputStatistics"].update(rowCount="3"),
        lambda event: event["outputs"][0]["facets"]["columnLineage"]["fields"]["n"].pop("inputFields"),
        lambda event: event["outputs"][0]["facets"]["schema"].pop("_producer"),
    ]
    for damage in damages:
        event = events(tmp_path)[-1]
        check_event(event)
        damage(event)
        with pytest.raises(jsonschema.ValidationError):
            check_event(event)


def test_a_run_is_marked_only_after_its_events_are_written(database: ControlDatabase, tmp_path: Path) -> None:
    two_steps(database)
    emit_pending(database, tmp_path, NOW)
    with database.read() as conn:
        assert set(conn.execute(lineage_run.select().with_only_columns(lineage_run.c.emitted)).scalars()) == {
            True
        }
