"""Erasing somebody whom an identity change is about: one that was only prepared is forgotten, one that was begun comes first."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import identity_change
from shelflife.errors import RequestRefused
from shelflife.identity import stages
from shelflife.identity.change import State, get
from shelflife.identity.selection import Selection
from shelflife.identity.stages import run
from shelflife.rights.erasure import due, run_erasures
from shelflife.rights.verify import Target
from shelflife.seal.values import open_value
from shelflife.subjects.directory import find, profile_key
from shelflife.subjects.joined import context
from tests.rights.conftest import Clock, ask, erase, options
from tests.rights.state import readable
from tests.subjects.identity_estates import (
    ADA,
    ADELE,
    NEW,
    counts,
    fill_twice,
    findings,
    fixtures_of,
    prepared,
    running,
)

kept, twice = fixtures_of(fill_twice)


def subject_ids_in_changes(estate, keeper) -> str:
    """Everything that the record of changes holds, opened with a keeper's key."""
    with estate.database.read() as conn:
        key = profile_key(estate, conn, find(estate, conn, [keeper])[keeper].identity_pid)
        rows = conn.execute(sa.select(identity_change).where(identity_change.c.sealed.is_not(None))).all()
        return json.dumps(
            [open_value(key, bytes(row.sealed), context(row.change_id)).decode() for row in rows]
        )


@pytest.mark.parametrize(
    ("kind", "what", "keeper"),
    [("merge", (ADA, ADELE), ADA), ("split", (ADA, ADELE, Selection(streams=("heart",))), ADA)],
)
def test_a_prepared_change_about_an_erased_person_is_forgotten(twice, kind, what, keeper):
    with twice.database.read() as conn:
        gone = find(twice, conn, [ADELE])[ADELE]
    change_id, _ = prepared(twice, kind, *what)
    assert gone.subject_id.hex() in subject_ids_in_changes(twice, keeper)
    erase(twice, "adele", Clock())
    assert gone.subject_id.hex() not in subject_ids_in_changes(twice, keeper)
    assert get(twice, change_id).state is State.WITHDRAWN


def test_a_change_that_the_erased_person_kept_is_withdrawn_too(twice):
    change_id, _ = prepared(twice, "split", ADELE, NEW, Selection(streams=("heart",)))
    erase(twice, "adele", Clock())
    assert get(twice, change_id).state is State.WITHDRAWN


def test_changes_of_others_stay_prepared(twice):
    change_id, _ = prepared(twice, "merge", ADA, ADELE)
    erase(twice, "bob", Clock())
    assert get(twice, change_id).state is State.PREPARED
    run(twice, change_id, running())
    assert "adele" not in counts(twice)


@pytest.fixture
def stopped(twice, monkeypatch):
    """A merge that stopped right after its commit, and the pseudonyms of the subject that it ended."""
    with twice.database.read() as conn:
        gone = find(twice, conn, [ADELE])[ADELE]
    change_id, _ = prepared(twice, "merge", ADA, ADELE)

    def die(name):
        if name == "identity.moved":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "reached", die)
        with pytest.raises(KeyboardInterrupt):
            run(twice, change_id, running())
    return change_id, gone


def test_a_merge_that_was_begun_ends_before_the_merged_person_is_erased(twice, stopped):
    change_id, gone = stopped
    clock = Clock()
    clock.forward(seconds=3600)
    asked = ask(twice, "ada", clock)
    with pytest.raises(RequestRefused):
        run_erasures(twice, [asked], options(clock))
    assert due(twice) == [asked]
    run(twice, change_id, stages.Running(clock=clock, wait=lambda seconds: clock.forward(seconds=seconds)))
    run_erasures(twice, due(twice), options(clock))
    target = Target(pids={"identity": (gone.identity_pid,), "raw": (gone.raw_pid,)})
    assert set(counts(twice)) == {"bob"}
    assert {"ada", "adele"}.isdisjoint(readable(twice))
    assert findings(twice, targets=[target]) == []
