"""The oldest-row check looks at the rows themselves and fails when anything is past its window."""

from __future__ import annotations

import datetime as dt
import shutil

import numpy as np
import pyarrow.compute as pc

from shelflife.keys import leases
from shelflife.lake.catalog import (
    files_of_partition,
    make_live,
    partitions,
    prepared_path,
    register_pending,
)
from shelflife.lake.derive import derive
from shelflife.lake.unseal import block_context, partition_keys_of, read_partition
from shelflife.policy.loading import load_policies
from shelflife.retention.apply import apply_plan, plan_purge
from shelflife.retention.checks import SLACK, oldest_rows
from shelflife.retention.plan_file import write_plan
from shelflife.seal.blocks import seal_blocks
from shelflife.seal.files import write_sealed
from shelflife.subjects.directory import Alias, find
from tests.conftest import NOW
from tests.lake.conftest import ROOT
from tests.retention.conftest import OLD, OLDER, PEOPLE, RECENT, clock, hold_on

POLICIES = load_policies(ROOT / "retention_policies")


def checked(estate, now=NOW, slack=SLACK, policies=POLICIES):
    return {(one.table_name, one.retention_class): one for one in oldest_rows(estate, policies, now, slack)}


def purge(estate) -> None:
    apply_plan(estate, write_plan(estate.settings, plan_purge(estate, clock=clock)), clock=clock)


def test_what_is_past_its_window_fails_and_passes_once_it_is_purged(filled):
    derive(filled, clock=clock, names=["heart_daily"])
    before = checked(filled)
    late = {table for (table, _), one in before.items() if not one.passed}
    assert late == {"heart", "sleep", "quarantine_heart", "heart_daily"}
    heart = before["heart", "heart/default"]
    assert (heart.period, heart.due) == (OLDER, dt.date(2026, 10, 31))
    purge(filled)
    after = checked(filled)
    assert all(one.passed for one in after.values())
    assert after["heart", "heart/default"].period == RECENT
    assert after["sleep", "sleep/default"].period == "2024-11"


def test_slack_is_the_time_that_a_purge_may_be_late(filled):
    due = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)
    for days, passed in ((0, False), (1, True)):
        found = checked(filled, now=due, slack=dt.timedelta(days=days))
        assert found["heart", "heart/default"].passed is passed


def test_a_row_in_the_partition_of_a_later_day_does_not_hide(filled):
    put_old_rows_into(filled, RECENT)
    purge(filled)
    found = checked(filled)["heart", "heart/default"]
    assert (found.period, found.due, found.passed) == (RECENT, dt.date(2026, 11, 1), False)


def put_old_rows_into(estate, period: str) -> None:
    """Seal the rows of an old day into the partition of another one, as a defect of the loader would."""
    with estate.database.commit() as tx:
        [source] = partitions(tx.conn, zone="raw", tables=["heart"], periods=[OLD])
        [home] = partitions(tx.conn, zone="raw", tables=["heart"], periods=[period])
        file = register_pending(tx, home=home, batch_id=None, bucket=0, key_number=None, now=NOW)
        files = files_of_partition(tx.conn, source.partition_id)
        rows = read_partition(estate, tx.conn, source, files)
        person = rows.column("pid")[0].as_py()
        mine = rows.filter(pc.equal(rows.column("pid"), person)).drop_columns(["pid"])
        sealed = seal_blocks(
            mine,
            np.array([0, mine.num_rows]),
            list(estate.keyrings["raw"].keys(tx.conn, [person], "heart").values()),
            [person],
            partition_key=partition_keys_of(estate, tx.conn, [home])[0],
            context=block_context(home, file.file_id),
        )
        written = write_sealed(prepared_path(estate, file), sealed)
        told = {"size": written.bytes, "sha256": written.sha256}
        make_live(tx, file.file_id, rows=1, samples=mine.num_rows, **told)


def test_rows_that_no_key_opens_count_as_gone(filled):
    with filled.database.commit() as tx:
        for name in PEOPLE:
            alias = Alias("account", name)
            person = find(filled, tx.conn, [alias])[alias]
            filled.keyrings["raw"].destroy(tx, [person.raw_pid], NOW)
        leases.advance_epoch(tx)
    assert checked(filled) == {}


def test_what_a_hold_keeps_may_stay(filled):
    hold_on(filled)
    found = checked(filled)
    assert all(one.passed for one in found.values())


def test_held_rows_pass_while_their_hold_is_active(filled):
    one = hold_on(filled, "ada", streams=["heart"])
    purge(filled)
    found = checked(filled)
    held = [row for (table, _), row in found.items() if table.startswith("held_")]
    assert held
    assert all(row.passed and row.retention_class == one.retention_class for row in held)


def test_a_class_without_a_rule_fails(filled, tmp_path):
    policies = tmp_path / "policies"
    shutil.copytree(ROOT / "retention_policies", policies)
    text = (policies / "default.yaml").read_text()
    (policies / "default.yaml").write_text(text.replace("heart/default", "heart/other"))
    found = checked(filled, policies=load_policies(policies))
    assert (found["heart", "heart/default"].due, found["heart", "heart/default"].passed) == (None, False)
