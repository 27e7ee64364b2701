"""Consent that ended stays ended when a backup from before is restored; what an erased person decided stays gone."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import consent
from shelflife.policy.consent_events import ConsentEvent
from shelflife.recovery.backup import backup
from shelflife.recovery.restore import restore
from shelflife.subjects.consent import Standing, state_at
from shelflife.subjects.consent_ledger import decide, decisions_of
from shelflife.subjects.directory import Alias, find
from tests.recovery.conftest import lose, residue
from tests.rights.conftest import erase

pytestmark = pytest.mark.slow
NOTICE = "5f" * 32


def say(estate, name: str, decision: str, clock, stream="heart") -> None:
    clock.forward(minutes=1)
    notice = NOTICE if decision == "granted" else None
    event = ConsentEvent(decision, stream, "collection", "in_app", clock(), notice)
    assert decide(estate, Alias("account", name), [event], clock()) == 1


def states(estate, name: str, clock) -> dict[tuple[str, str], Standing]:
    alias = Alias("account", name)
    with estate.database.read() as conn:
        pid = find(estate, conn, [alias])[alias].identity_pid
        found = decisions_of(estate, conn, [pid])
    return state_at(found[pid].events, clock() + dt.timedelta(days=1)) if pid in found else {}


def test_a_withdrawal_since_the_backup_counts_after_a_restore(filled, settings, tmp_path, clock, reopen):
    say(filled, "ada", "granted", clock)
    say(filled, "bob", "granted", clock)
    backup(filled, tmp_path / "later", clock=clock)
    say(filled, "ada", "granted", clock, stream="sleep")
    say(filled, "ada", "withdrawn", clock)
    say(filled, "kim", "withdrawn", clock)
    lose(filled)
    restore(settings, tmp_path / "later", clock=clock)
    estate = reopen(settings)
    # A grant that was lost is asked for again; a withdrawal is never forgotten.
    assert states(estate, "ada", clock) == {("heart", "collection"): Standing.WITHDRAWN}
    assert states(estate, "bob", clock) == {("heart", "collection"): Standing.LIVE}
    assert states(estate, "kim", clock) == {("heart", "collection"): Standing.WITHDRAWN}
    say(estate, "ada", "granted", clock)
    assert states(estate, "ada", clock) == {("heart", "collection"): Standing.LIVE}


def test_a_withdrawal_of_somebody_whom_the_backup_does_not_know_is_passed_over(
    filled, settings, backups, clock, reopen
):
    say(filled, "zoe", "withdrawn", clock)
    lose(filled)
    restore(settings, backups, clock=clock)
    with reopen(settings).database.read() as conn:
        assert conn.execute(sa.select(consent.c.pid)).all() == []


def test_decisions_of_somebody_erased_since_the_backup_are_gone(filled, settings, tmp_path, clock, reopen):
    say(filled, "ada", "granted", clock)
    say(filled, "bob", "granted", clock)
    backup(filled, tmp_path / "later", clock=clock)
    say(filled, "ada", "withdrawn", clock)
    erase(filled, "ada", clock)
    lose(filled)
    restore(settings, tmp_path / "later", clock=clock)
    estate = reopen(settings)
    with estate.database.read() as conn:
        assert len(decisions_of(estate, conn)) == 1
        assert len(conn.execute(sa.select(consent.c.pid)).all()) == 1
    assert residue(estate, clock) == []
