"""Restoring a backup from before a merge: the merge is undone, and who was erased since stays erased under either name."""

from __future__ import annotations

import sqlalchemy as sa

from shelflife.control.subject_tables import identity_change
from shelflife.identity.change import State
from shelflife.identity.prepare import merge_terms, prepare
from shelflife.identity.stages import Running, run
from shelflife.recovery.backup import backup
from shelflife.recovery.restore import restore
from shelflife.subjects.directory import Alias
from tests.lake.state import raw_rows
from tests.recovery.conftest import lose, people_in, residue
from tests.rights.conftest import PEOPLE, erase

ADA, BOB = Alias("account", "ada"), Alias("account", "bob")


def merge(estate, clock) -> None:
    with estate.database.read() as conn:
        terms = merge_terms(estate, conn, ADA, BOB)
    change_id, _ = prepare(estate, terms, clock())
    run(estate, change_id, Running(clock=clock, wait=lambda seconds: clock.forward(seconds=seconds)))


def test_a_merge_is_undone_and_nobody_lost(filled, settings, backups, clock, reopen):
    before = raw_rows(filled)
    clock.forward(hours=1)
    merge(filled, clock)
    assert "bob" not in people_in(raw_rows(filled))
    lose(filled)
    restore(settings, backups, clock=clock)
    again = reopen(settings)
    after = raw_rows(again)
    assert people_in(after) == set(PEOPLE)
    assert after.keys() == before.keys()
    assert all(after[key].equals(before[key]) for key in before)
    assert residue(again, clock) == []


def test_an_erased_person_comes_back_under_neither_name(filled, settings, backups, clock, reopen):
    clock.forward(hours=1)
    merge(filled, clock)
    erase(filled, "bob", clock)
    lose(filled)
    restore(settings, backups, clock=clock)
    again = reopen(settings)
    assert people_in(raw_rows(again)) == set(PEOPLE) - {"ada", "bob"}
    assert residue(again, clock) == []


def test_a_prepared_change_does_not_bring_an_erased_name_back(filled, settings, backups, clock, reopen):
    with filled.database.read() as conn:
        terms = merge_terms(filled, conn, ADA, BOB)
    change_id, _ = prepare(filled, terms, clock())
    # Later than the backup that is there already: of two of one moment, either may be the newest.
    clock.forward(hours=1)
    backup(filled, backups, clock=clock)
    clock.forward(hours=1)
    erase(filled, "bob", clock)
    lose(filled)
    restore(settings, backups, clock=clock)
    again = reopen(settings)
    with again.database.read() as conn:
        kept = conn.execute(sa.select(identity_change)).all()
    assert [(row.change_id, row.state, row.sealed, row.pid) for row in kept] == [
        (change_id, State.WITHDRAWN, None, None)
    ]
