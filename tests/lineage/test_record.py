"""What runs may record, and what they may not."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from shelflife.control.tables import lineage_input, lineage_output, lineage_run
from shelflife.errors import ConfigurationError
from shelflife.lineage.record import INBOX, add_inputs, add_outputs, finish_run, start_run

if TYPE_CHECKING:
    from shelflife.control.database import ControlDatabase

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
BATCH, PARTITION = "17319aca05444676b41ab1412a8c9489", "801755e21568455a9aae6e922684daf9"


def test_a_run_is_recorded_in_its_transaction(database: ControlDatabase) -> None:
    later = NOW + dt.timedelta(seconds=5)
    with database.commit() as tx:
        run = start_run(tx, "land", "land", NOW, facts={"samples_in": 9, "dry": False})
        add_inputs(tx, run, INBOX, [BATCH, BATCH])
        add_outputs(tx, run, "raw/heart", {PARTITION: 7}, size=512)
        add_outputs(tx, run, "raw/sleep", {PARTITION: 2}, size=64)
        finish_run(tx, run, later, facts={"ledger_position": 4, "request": BATCH})
    with database.read() as conn:
        [row] = conn.execute(lineage_run.select()).all()
        inputs = [tuple(one) for one in conn.execute(lineage_input.select())]
        outputs = [tuple(one) for one in conn.execute(lineage_output.select())]
    assert (row.run_id, row.job, row.kind, row.state, row.emitted) == (run, "land", "land", "complete", False)
    assert (row.started_at, row.ended_at) == (NOW, later)
    assert row.facts == {
        "samples_in": 9,
        "dry": False,
        "ledger_position": 4,
        "request": BATCH,
        "bytes": {"raw/heart": 512, "raw/sleep": 64},
    }
    assert inputs == [(run, "inbox", BATCH)]
    assert sorted(outputs) == [(run, "raw/heart", PARTITION, 7), (run, "raw/sleep", PARTITION, 2)]


def test_a_rolled_back_step_leaves_no_run(database: ControlDatabase) -> None:
    def fail() -> None:
        with database.commit() as tx:
            start_run(tx, "land", "land", NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as conn:
        assert not conn.execute(lineage_run.select()).all()


@pytest.mark.parametrize(
    "facts",
    [
        {"name": "alice"},
        {"mail": "alice@example.com"},
        {"mean": 71.5},
        {"ids": ["a"]},
        {"nothing": None},
        {"A name": 1},
        {"bytes": 1},
        {"id": BATCH.upper()},
    ],
)
def test_facts_are_counts_and_ids(database: ControlDatabase, facts: dict[str, Any]) -> None:
    with database.commit() as tx:
        run = start_run(tx, "land", "land", NOW)
        with pytest.raises(ConfigurationError):
            start_run(tx, "land", "land", NOW, facts=facts)
        with pytest.raises(ConfigurationError):
            finish_run(tx, run, NOW, facts=facts)


@pytest.mark.parametrize(
    ("dataset", "item"),
    [
        ("heart", PARTITION),
        ("raw/Heart", PARTITION),
        ("raw/heart/alice", PARTITION),
        ("elsewhere/heart", PARTITION),
        ("raw/heart", "alice"),
        ("raw/heart", "export_alice.xml"),
        ("raw/heart", "/inbox/alice"),
        ("raw/heart", PARTITION + "\n"),
        ("derived/heart_daily", "2026-11-03/alice"),
    ],
)
def test_names_cannot_hold_a_person(database: ControlDatabase, dataset: str, item: str) -> None:
    with database.commit() as tx:
        run = start_run(tx, "land", "land", NOW)
        with pytest.raises(ConfigurationError):
            add_inputs(tx, run, dataset, [item])
        with pytest.raises(ConfigurationError):
            add_outputs(tx, run, dataset, {item: 1})


@pytest.mark.parametrize("item", [PARTITION, "2026-11-03/5", "2026-11/0", "2026-11-03", "2026-W47/3"])
def test_items_are_ids_or_periods(database: ControlDatabase, item: str) -> None:
    with database.commit() as tx:
        run = start_run(tx, "derive.heart_daily", "derive", NOW)
        add_inputs(tx, run, "derived/heart_daily", [item])
        assert tx.conn.execute(lineage_input.select()).one().item == item


@pytest.mark.parametrize(("job", "kind"), [("Land Alice", "land"), ("land", "by alice"), ("", "land")])
def test_jobs_have_plain_names(database: ControlDatabase, job: str, kind: str) -> None:
    with database.commit() as tx, pytest.raises(ConfigurationError):
        start_run(tx, job, kind, NOW)


def test_a_run_ends_once(database: ControlDatabase) -> None:
    with database.commit() as tx:
        run = start_run(tx, "land", "land", NOW, run_id=uuid.uuid4().hex)
        finish_run(tx, run, NOW, failed=True)
        with pytest.raises(ConfigurationError):
            finish_run(tx, run, NOW)
        with pytest.raises(ConfigurationError):
            start_run(tx, "land", "land", NOW, run_id="alice")
