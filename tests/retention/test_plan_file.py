"""Plan files: what was looked at is what is applied, to the byte."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.config import Settings
from shelflife.errors import PlanRefused
from shelflife.retention.apply import plan_purge
from shelflife.retention.holds import people_of
from shelflife.retention.plan_file import plan_bytes, plan_folder, plan_id, read_plan, write_plan
from shelflife.retention.state import (
    AwaitingState,
    CopyItemState,
    CopyState,
    HeldShare,
    RecordState,
)
from tests.conftest import NOW
from tests.policy.test_classes import policy, rule
from tests.retention.conftest import clock, hold_on
from tests.retention.test_plan import HOLD_ID, POLICY, partition, planned

FULL = planned(
    partition("heart", "2024-01-01", 1, held=(HeldShare(HOLD_ID, 1, 2),)),
    partition("heart", "2026-01-01", 2),
    policies=(POLICY, policy("audit", rule("audit/default", "query_audit", "P1Y"))),
    records=(RecordState("query_audit", 9, dt.date(2025, 1, 1), 4),),
    copies=(CopyState("mart", ("heart",)),),
    copy_items=(CopyItemState("mart", "a", "heart", 1, 1, NOW),),
    awaiting=(AwaitingState("heart_daily", 2, 1),),
    uncollected=1,
)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path)


def test_a_plan_with_every_stage_comes_back_as_it_was(settings):
    assert len({stage.stage for stage in FULL.stages}) == 6
    name = write_plan(settings, FULL)
    assert write_plan(settings, FULL) == name
    assert read_plan(settings, name) == (name, FULL)
    assert read_plan(settings, name[:8]) == (name, FULL)
    assert read_plan(settings, str(plan_folder(settings) / f"{name}.json")) == (name, FULL)
    [file] = plan_folder(settings).iterdir()
    assert hashlib.sha256(file.read_bytes()).hexdigest() == name == file.stem


@given(st.data())
def test_no_byte_of_a_plan_can_be_changed(tmp_path_factory, data):
    settings = Settings(home=tmp_path_factory.mktemp("plans"))
    name = write_plan(settings, FULL)
    file = plan_folder(settings) / f"{name}.json"
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    with pytest.raises(PlanRefused, match="changed"):
        read_plan(settings, name)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"unknown": 1},
        {"stages": [{"stage": "burn_everything"}]},
        {"made_at": "soon"},
        {"rows_now": 10.0},
    ],
)
def test_a_plan_of_another_shape_is_refused_under_its_own_name_too(settings, change):
    document = json.loads(plan_bytes(FULL)) | change
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    folder = plan_folder(settings)
    folder.mkdir()
    name = hashlib.sha256(content).hexdigest()
    (folder / f"{name}.json").write_bytes(content)
    with pytest.raises(PlanRefused, match=r"version|canonical"):
        read_plan(settings, name)


def test_what_is_no_plan_is_refused(settings):
    other = planned(partition("heart", "2023-01-01"))
    for plan in (FULL, other):
        write_plan(settings, plan)
    for named in ("", "abc", "f" * 64, "../plans/x.json", plan_id(FULL)[:7]):
        with pytest.raises(PlanRefused):
            read_plan(settings, named)


def test_a_plan_names_nobody(filled):
    one = hold_on(filled, "bob")
    made = plan_purge(filled, clock=clock)
    text = plan_bytes(made).decode()
    assert one.hold_id in text
    for name in ("bob", "cyd", "account", one.matter):
        assert name not in text
    with filled.database.read() as conn:
        for pids in people_of(conn, one.hold_id).items():
            assert not any(pid.hex() in text for pid in pids)
