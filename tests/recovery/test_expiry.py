"""When backups end, and when the journal may forget."""

from __future__ import annotations

import datetime as dt

import pytest

from shelflife.estate import Estate
from shelflife.journal import journal
from shelflife.journal.destruction import Destruction, Tombstone
from shelflife.journal.journal import Record
from shelflife.policy.duration import Duration
from shelflife.recovery import expiry
from shelflife.recovery.backup import backup
from shelflife.recovery.checks import restore_check
from shelflife.recovery.expiry import expire_backups, final_through, forget_final, list_backups
from shelflife.recovery.restore import restore
from shelflife.rights.finality import finalize
from tests.conftest import NOW
from tests.recovery.conftest import lose, purge

DAY = dt.timedelta(days=1)


def objects(backups) -> int:
    return sum(path.is_file() for path in (backups / "objects").rglob("*"))


def test_a_backup_goes_when_the_rule_says_so(filled, backups, clock):
    clock.forward(days=30)
    newer = backup(filled, backups, clock=clock).name
    clock.forward(days=60)
    assert expire_backups(filled, backups, clock()).backups == []
    clock.forward(days=1)
    assert [one.due for one in list_backups(filled, backups, clock())] == [True, False]
    done = expire_backups(filled, backups, clock())
    assert len(done.backups) == 1
    assert [one.manifest.name for one in list_backups(filled, backups, clock())] == [newer]
    assert done.files == 0
    assert restore_check(filled.settings, backups).passed


def test_a_backup_that_no_longer_opens_goes_with_its_files(filled, backups, clock):
    clock.forward(hours=1)
    purge(filled, "heart", "2026-11-02", clock)
    clock.forward(minutes=1)
    backup(filled, backups, clock=clock)
    clock.forward(days=8)
    finalize(filled, clock=clock)
    (backups / "backups" / "20261123T120000Z-halfdone").mkdir()
    assert [one.opens for one in list_backups(filled, backups, clock())] == [False, True]
    before = objects(backups)
    done = expire_backups(filled, backups, clock())
    assert (len(done.backups), done.files) == (1, 1)
    assert objects(backups) == before - 1
    assert len(list((backups / "backups").iterdir())) == 1
    assert restore_check(filled.settings, backups).passed


def test_no_rule_no_expiry(filled, backups, clock, monkeypatch):
    monkeypatch.setattr(expiry, "load_policies", lambda _: [])
    with pytest.raises(Exception, match="how long backups are kept"):
        expire_backups(filled, backups, clock())


def test_the_shortest_rule_counts(filled, monkeypatch):
    class Rule:
        def __init__(self, keep: str) -> None:
            self.applies_to, self.keep = ["backups"], Duration.parse(keep)

    class Policy:
        rules = (Rule("P90D"), Rule("P20D"))

    monkeypatch.setattr(expiry, "load_policies", lambda _: [Policy()])
    assert expiry._keep(filled.settings) == Duration.parse("P20D")


@pytest.mark.slow
def test_the_journal_forgets_what_no_backup_can_undo_and_nothing_else(filled, settings, backups, clock):
    clock.forward(hours=1)
    purge(filled, "heart", "2026-11-01", clock)
    clock.forward(days=3)
    middle = backup(filled, backups, clock=clock).name
    purge(filled, "heart", "2026-11-02", clock)
    assert forget_final(filled) == 0
    clock.forward(days=5)
    finalize(filled, clock=clock)
    assert forget_final(filled) == 1
    assert forget_final(filled) == 0
    lose(filled)
    assert not restore_check(
        settings, backups, name=min(p.name for p in (backups / "backups").iterdir())
    ).passed
    restore(settings, backups, clock=clock, name=middle)
    estate = Estate.open(settings, clock())
    with estate.database.read() as conn:
        assert len(journal.read_all(estate, conn)) == 1
    estate.close()


def record(sequence: int, days: int, **what) -> Record:
    return Record(sequence, Destruction("purge", "x", NOW + days * DAY, **what))


STONE = Tombstone(b"m" * 32, "erasure", NOW)


@pytest.mark.parametrize(
    ("made", "through"),
    [
        ({"raw": [-1, 0, 3], "identity": [-1]}, 0),
        ({"raw": [0, 3], "identity": [-1]}, 1),
        ({"raw": [0, 0, 3], "identity": [-1]}, 0),
        ({"raw": [2, 3], "identity": [-1]}, 1),
        ({"raw": [3], "identity": [-1]}, 3),
        ({"raw": [3, 3], "identity": [-1]}, 1),
        ({"raw": [-1], "identity": [5, 9]}, 4),
        ({"raw": [], "identity": []}, 0),
        ({}, 0),
    ],
)
def test_final_through(made, through):
    """A record without keys goes with the next one that is final; its own date says nothing."""
    records = [
        record(1, 0, keys={"raw": [1]}),
        record(2, 1, tombstones=[STONE]),
        record(3, 3, keys={"raw": [2], "identity": []}),
        record(4, 5, keys={"identity": [9]}),
        record(6, 9, tombstones=[STONE]),
    ]
    times = {zone: [NOW + days * DAY for days in some] for zone, some in made.items()}
    assert final_through(records, times) == through
