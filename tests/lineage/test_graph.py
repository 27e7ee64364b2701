"""The walk upstream from a column and downstream from a batch."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest

from shelflife.control.tables import batch, data_file, derivation, partition
from shelflife.errors import ConfigurationError
from shelflife.lineage.columns import columns, record_columns
from shelflife.lineage.graph import feeds, render_tree, where_did
from shelflife.lineage.record import INBOX, add_inputs, add_outputs, finish_run, start_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shelflife.control.database import ControlDatabase, Transaction

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
BATCH, OTHER_BATCH = "b" * 32, "c" * 32
MONDAY, TUESDAY = "1" * 32, "2" * 32
HEART = {"pid": "BLOB", "value_num": "DOUBLE", "signal": "VARCHAR", "local_date": "DATE"}
DAILY = """SELECT pid, local_date, avg(value_num) AS mean_bpm, count(*) AS samples
    FROM heart WHERE signal = 'heart_rate' GROUP BY pid, local_date"""
WEEKLY = "SELECT avg(mean_bpm) AS bpm, sum(samples) AS samples, count(*) AS days FROM heart_daily"


def later(minutes: int) -> dt.datetime:
    return NOW + dt.timedelta(minutes=minutes)


# --- upstream ---------------------------------------------------------------------------------------------


@pytest.fixture
def models(database: ControlDatabase) -> ControlDatabase:
    daily = {"pid": "BLOB", "local_date": "DATE", "mean_bpm": "DOUBLE", "samples": "BIGINT"}
    with database.commit() as tx:
        record_columns(tx, "heart_daily", columns(DAILY, {"heart": HEART}))
        record_columns(tx, "heart_weekly", columns(WEEKLY, {"heart_daily": daily}))
    return database


def test_a_column_is_followed_to_the_landed_streams(models: ControlDatabase) -> None:
    with models.read() as conn:
        tree = feeds(conn, "heart_weekly.bpm")
    assert tree.origins(direct_only=True) == {("heart", "value_num")}
    assert tree.origins() == {("heart", name) for name in ("value_num", "signal", "local_date", "pid")}
    assert render_tree(tree).splitlines() == [
        "heart_weekly.bpm",
        "└── heart_daily.mean_bpm  AGGREGATION",
        "    ├── heart.local_date  GROUP_BY",
        "    ├── heart.pid  GROUP_BY",
        "    ├── heart.signal  FILTER",
        "    └── heart.value_num  AGGREGATION",
    ]


def test_rows_as_such_are_followed_to_the_rows_they_are_made_of(models: ControlDatabase) -> None:
    with models.read() as conn:
        tree = feeds(conn, "HEART_WEEKLY.days")
    assert tree.origins() == {("heart", "*")}


@pytest.mark.parametrize("name", ["heart_daily.nope", "nope.mean_bpm", "mean_bpm", "", "heart.value_num"])
def test_an_unknown_column_is_refused(models: ControlDatabase, name: str) -> None:
    with models.read() as conn, pytest.raises(ConfigurationError):
        feeds(conn, name)


def test_a_model_that_reads_itself_ends(database: ControlDatabase) -> None:
    with database.commit() as tx:
        record_columns(tx, "a", columns("SELECT x FROM a", {"a": {"x": "INT"}}))
    with database.read() as conn:
        assert feeds(conn, "a.x").origins() == {("a", "x")}


def test_a_stream_with_the_name_of_a_model_is_a_stream_in_its_zone(database: ControlDatabase) -> None:
    with database.commit() as tx:
        record_columns(
            tx,
            "heart",
            columns("SELECT y AS x, z AS y FROM raw.heart", {"raw.heart": {"y": "INT", "z": "INT"}}),
        )
    with database.read() as conn:
        assert feeds(conn, "heart.x").origins() == {("raw.heart", "y")}


# --- downstream -------------------------------------------------------------------------------------------


def catalog(tx: Transaction) -> None:
    """Two landing batches, two day partitions, and a derived file for each day."""
    for batch_id in (BATCH, OTHER_BATCH):
        tx.conn.execute(batch.insert().values(batch_id=batch_id, state="committed", host="h", started_at=NOW))
    for partition_id, period, zone, table in (
        (MONDAY, "2026-11-02", "raw", "heart"),
        (TUESDAY, "2026-11-03", "raw", "heart"),
        ("3" * 32, "2026-11-02", "derived", "heart_daily"),
    ):
        tx.conn.execute(
            partition.insert().values(
                partition_id=partition_id,
                zone=zone,
                table_name=table,
                retention_class="heart/default",
                period=period,
                state="open",
                version=1,
            )
        )


def put_file(
    tx: Transaction,
    file_id: str,
    partition_id: str,
    batch_id: str | None,
    state: str = "live",
    zone: str = "raw",
) -> None:
    tx.conn.execute(
        data_file.insert().values(
            file_id=file_id,
            zone=zone,
            table_name="heart" if zone == "raw" else "heart_daily",
            partition_id=partition_id,
            batch_id=batch_id,
            bucket=0,
            state=state,
            path="x",
            rows=1,
            samples=1,
            bytes=1,
            sha256=bytes(32),
            created_at=NOW,
        )
    )


def step(
    tx: Transaction,
    job: str,
    minute: int,
    inputs: Mapping[str, list[str]],
    outputs: Mapping[str, dict[str, int]],
    *,
    failed: bool = False,
) -> None:
    run = start_run(tx, job, job.split(".", maxsplit=1)[0], later(minute))
    for dataset, items in inputs.items():
        add_inputs(tx, run, dataset, items)
    for dataset, rows in outputs.items():
        add_outputs(tx, run, dataset, rows)
    finish_run(tx, run, later(minute + 1), failed=failed)


def derived(tx: Transaction, period: str, file_id: str) -> None:
    tx.conn.execute(
        derivation.insert().values(
            model="heart_daily",
            period=period,
            bucket=0,
            inputs_hash=bytes(32),
            model_hash=bytes(32),
            file_id=file_id,
            rows=3,
            derived_at=NOW,
        )
    )


def test_a_batch_is_followed_to_every_copy(database: ControlDatabase) -> None:
    with database.commit() as tx:
        catalog(tx)
        put_file(tx, "a" * 32, MONDAY, BATCH)
        put_file(tx, "d" * 32, MONDAY, OTHER_BATCH)
        put_file(tx, "e" * 32, "3" * 32, None, "live", "derived")
        derived(tx, "2026-11-02", "e" * 32)
        step(tx, "land", 0, {INBOX: [BATCH]}, {"raw/heart": {MONDAY: 1200}})
        step(
            tx, "derive.heart_daily", 5, {"raw/heart": [MONDAY]}, {"derived/heart_daily": {"2026-11-02/0": 3}}
        )
        step(
            tx,
            "derive.heart_daily",
            5,
            {"raw/heart": [TUESDAY]},
            {"derived/heart_daily": {"2026-11-03/0": 3}},
        )
        step(
            tx, "publish", 9, {"derived/heart_daily": ["2026-11-02/0"]}, {"copies/mart": {"2026-11-02/0": 3}}
        )
    with database.read() as conn:
        journey = where_did(conn, BATCH)
    assert [(place.dataset, place.item) for place in journey.places()] == [
        ("raw/heart", MONDAY),
        ("derived/heart_daily", "2026-11-02/0"),
        ("copies/mart", "2026-11-02/0"),
    ]
    assert render_tree(journey) == "\n".join(
        [
            f"batch {BATCH}",
            "└── raw/heart 2026-11-02  1,200 rows  aaaaaaaa live",
            "    └── derived/heart_daily 2026-11-02/0  3 rows  eeeeeeee live",
            "        └── copies/mart 2026-11-02/0  3 rows  no file",
        ]
    )


def test_a_step_that_ended_before_the_batch_landed_did_not_see_it(database: ControlDatabase) -> None:
    with database.commit() as tx:
        catalog(tx)
        put_file(tx, "a" * 32, MONDAY, BATCH)
        step(
            tx, "derive.heart_daily", 0, {"raw/heart": [MONDAY]}, {"derived/heart_daily": {"2026-11-02/0": 3}}
        )
        step(tx, "land", 5, {INBOX: [BATCH]}, {"raw/heart": {MONDAY: 10}})
    with database.read() as conn:
        assert [place.dataset for place in where_did(conn, BATCH).places()] == ["raw/heart"]
    with database.commit() as tx:
        step(
            tx, "derive.heart_daily", 8, {"raw/heart": [MONDAY]}, {"derived/heart_daily": {"2026-11-02/1": 3}}
        )
    with database.read() as conn:
        items = [place.item for place in where_did(conn, BATCH).places()]
    assert items == [MONDAY, "2026-11-02/1"]


def test_an_item_reached_again_by_an_earlier_step_is_followed_from_then(database: ControlDatabase) -> None:
    month = "2026-11/0"
    with database.commit() as tx:
        step(tx, "land", 0, {INBOX: [BATCH]}, {"raw/heart": {MONDAY: 10}})
        step(tx, "derive.slow", 50, {"raw/heart": [MONDAY]}, {"derived/x": {month: 1}})
        step(tx, "derive.fast", 2, {"raw/heart": [MONDAY]}, {"derived/y": {month: 1}})
        step(tx, "derive.x", 4, {"derived/y": [month]}, {"derived/x": {month: 1}})
        step(tx, "derive.z", 6, {"derived/x": [month]}, {"derived/z": {month: 1}})
    with database.read() as conn:
        assert "derived/z" in {place.dataset for place in where_did(conn, BATCH).places()}


def test_a_failed_step_made_nothing(database: ControlDatabase) -> None:
    with database.commit() as tx:
        step(tx, "land", 0, {INBOX: [BATCH]}, {"raw/heart": {MONDAY: 10}}, failed=True)
    with database.read() as conn:
        journey = where_did(conn, BATCH)
    assert journey.branches == ()
    assert render_tree(journey) == f"batch {BATCH}  went nowhere"


def test_files_that_no_run_names_are_found_in_the_catalog(database: ControlDatabase) -> None:
    with database.commit() as tx:
        catalog(tx)
        put_file(tx, "a" * 32, TUESDAY, BATCH, "collected")
    with database.read() as conn:
        [place] = where_did(conn, BATCH).branches
    assert (place.dataset, place.period, place.files) == (
        "raw/heart",
        "2026-11-03",
        (("a" * 32, "collected"),),
    )


def test_what_is_reached_twice_is_shown_once(database: ControlDatabase) -> None:
    with database.commit() as tx:
        catalog(tx)
        step(tx, "land", 0, {INBOX: [BATCH]}, {"raw/heart": {MONDAY: 1, TUESDAY: 2}})
        step(
            tx,
            "derive.heart_daily",
            5,
            {"raw/heart": [MONDAY, TUESDAY]},
            {"derived/heart_daily": {"2026-11/0": 3}},
        )
        step(
            tx,
            "derive.again",
            9,
            {"derived/heart_daily": ["2026-11/0"]},
            {"derived/heart_daily": {"2026-11/0": 3}},
        )
    with database.read() as conn:
        journey = where_did(conn, BATCH)
    assert len(list(journey.places())) == 3
    assert render_tree(journey).count("(see above)") == 1


def test_a_long_chain_of_many_items_is_followed(database: ControlDatabase) -> None:
    items = [uuid.UUID(int=number).hex for number in range(900)]
    with database.commit() as tx:
        step(tx, "land", 0, {INBOX: [BATCH]}, {"raw/heart": dict.fromkeys(items, 1)})
        for level in range(20):
            source = {"raw/heart": items} if level == 0 else {f"derived/m{level - 1}": ["2026-11/0"]}
            step(tx, f"derive.m{level}", level + 2, source, {f"derived/m{level}": {"2026-11/0": 1}})
    with database.read() as conn:
        assert len(list(where_did(conn, BATCH).places())) == 920
