"""What lands, or is decided on, while rows are being sealed for somebody else is not lost and not left with the wrong one."""

from __future__ import annotations

import polars as pl
import pytest

from shelflife.errors import RequestRefused
from shelflife.identity import stages
from shelflife.identity.change import State, get
from shelflife.identity.selection import Selection
from shelflife.identity.stages import run
from shelflife.subjects.directory import Alias, attach, find
from shelflife.subjects.periods import ALWAYS
from tests.conftest import NOW
from tests.rights.conftest import ask
from tests.subjects.identity_estates import (
    ADA,
    ADELE,
    NEW,
    SOLD,
    counts,
    fill_mixed,
    fill_twice,
    filled_folder,
    findings,
    land_rows,
    opened_copy,
    prepared,
    rows_by_person,
    rows_of,
    running,
)

WATCH = Alias("device", "serial-2")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folders of two estates that nobody changes."""
    return {fill: filled_folder(tmp_path_factory, fill) for fill in (fill_twice, fill_mixed)}


@pytest.fixture
def opened(kept, tmp_path):
    estates = []

    def copy(fill):
        estates.append(opened_copy(kept[fill], tmp_path))
        return estates[-1]

    yield copy
    for estate in estates:
        estate.close()


@pytest.fixture
def meanwhile(monkeypatch):
    """Do something once, right before the commit that moves rows."""

    def act_once(action):
        left = [action]

        def reached(name):
            if name == "identity.before_commit" and left:
                left.pop()()

        monkeypatch.setattr(stages, "reached", reached)

    return act_once


def sound_rows(name, **more):
    """Rows of a day that nothing has landed for: no partition that the change has looked at moves."""
    return [row for row in rows_of(name, days=(20,), **more) if row["value"] != "broken"]


def test_rows_that_land_while_two_are_merged_are_not_lost(opened, meanwhile):
    twice = opened(fill_twice)
    change_id, plan = prepared(twice, "merge", ADA, ADELE)
    before = counts(twice)
    meanwhile(lambda: land_rows(twice, "late", sound_rows("adele")))
    done = run(twice, change_id, running())
    late = len(sound_rows("adele"))
    assert done.state is State.DONE
    assert counts(twice)["ada"] == before["ada"] + before["adele"] - plan.duplicates + late
    assert findings(twice) == []


def test_rows_of_a_sold_watch_that_land_meanwhile_are_the_new_owners(opened, meanwhile):
    mixed = opened(fill_mixed)
    with mixed.database.commit() as tx:
        attach(mixed, tx, WATCH, find(mixed, tx.conn, [ADA])[ADA], ALWAYS, NOW)
    selection = Selection(device_model="Watch 2")
    late = [row | {"subject_kind": "device"} for row in sound_rows("serial-2", device="Watch 2")]
    change_id, _ = prepared(mixed, "transfer", WATCH, NEW, SOLD, selection=selection)
    before = counts(mixed)
    meanwhile(lambda: land_rows(mixed, "late", late))
    run(mixed, change_id, running())
    after = counts(mixed)
    assert after["newcomer"] + after["ada"] == before["ada"] + len(late)
    assert rows_by_person(mixed)["newcomer"].filter(pl.col("period") == "2026-11-20").height == len(late)


@pytest.mark.parametrize("kind", ["merge", "split"])
def test_a_request_that_comes_meanwhile_stops_the_change(opened, meanwhile, kind):
    estate = opened(fill_twice)
    what = (ADA, ADELE) if kind == "merge" else (ADELE, NEW, Selection(streams=("heart",)))
    change_id, _ = prepared(estate, kind, *what)
    before = counts(estate)
    meanwhile(lambda: ask(estate, ADELE.value, lambda: NOW))
    with pytest.raises(RequestRefused):
        run(estate, change_id, running())
    assert get(estate, change_id).state is State.PREPARED
    assert counts(estate) == before


def test_others_may_land_meanwhile(opened, meanwhile):
    twice = opened(fill_twice)
    change_id, _ = prepared(twice, "merge", ADA, ADELE)
    before = counts(twice)
    meanwhile(lambda: land_rows(twice, "late", sound_rows("bob")))
    run(twice, change_id, running())
    assert counts(twice)["bob"] == before["bob"] + len(sound_rows("bob"))
