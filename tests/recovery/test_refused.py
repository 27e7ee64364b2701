"""What must never be restored, and an estate that must never be served."""

from __future__ import annotations

import re
import shutil
import threading

import pytest

from shelflife.errors import (
    ConfigurationError,
    KeyTreeUnopenable,
    LedgerBroken,
    RestoreIncomplete,
    SealBroken,
    ShelflifeError,
    StorageError,
)
from shelflife.estate import Estate
from shelflife.recovery import restore as module
from shelflife.recovery.backup import backup
from shelflife.recovery.checks import check_estate, restore_check
from shelflife.recovery.replay import Replayed
from shelflife.recovery.restore import restore
from shelflife.rights.finality import finalize
from shelflife.rights.request_states import State
from shelflife.rights.requests import set_state
from shelflife.subjects.directory import Alias
from shelflife.subjects.tombstones import bury, register_again
from tests.lake.conftest import settings_in
from tests.recovery.conftest import lose, purge
from tests.rights.conftest import ask, erase

pytestmark = pytest.mark.slow


def refused(settings, backups, clock, error: type[ShelflifeError], words: str) -> None:
    """Neither the check nor the restore takes it, and nothing is put in place."""
    check = restore_check(settings, backups)
    assert not check.passed
    assert re.search(words, " ".join(check.reasons))
    with pytest.raises(error, match=words) as caught:
        restore(settings, backups, clock=clock)
    assert caught.value.remedy
    assert not (settings.home / "control").exists()


def test_a_backup_past_finality(filled, settings, backups, clock):
    clock.forward(hours=1)
    purge(filled, "heart", "2026-11-02", clock)
    clock.forward(days=6)
    finalize(filled, clock=clock)
    assert restore_check(settings, backups).passed
    clock.forward(days=2)
    finalize(filled, clock=clock)
    lose(filled)
    refused(settings, backups, clock, KeyTreeUnopenable, "finality window")


def test_without_root_slots(filled, settings, backups, clock):
    lose(filled)
    shutil.rmtree(settings.root_slot_folder)
    refused(settings, backups, clock, KeyTreeUnopenable, "root slots are empty")


def test_a_journal_that_was_cut(filled, settings, backups, clock):
    journal = settings.journal_folder / "destructions.journal"
    before = journal.read_bytes()
    purge(filled, "heart", "2026-11-02", clock)
    lose(filled)
    journal.write_bytes(before)
    refused(settings, backups, clock, LedgerBroken, "journal of destructions was cut")


def test_a_journal_that_was_edited(filled, settings, backups, clock):
    purge(filled, "heart", "2026-11-02", clock)
    lose(filled)
    journal = settings.journal_folder / "destructions.journal"
    content = bytearray(journal.read_bytes())
    content[-20] ^= 1
    journal.write_bytes(content)
    refused(settings, backups, clock, LedgerBroken, "journal of destructions was altered")


@pytest.mark.parametrize("kept", [[], ["ledger.mirror"]])
def test_a_journal_that_is_missing(filled, settings, backups, clock, kept):
    lose(filled)
    for path in settings.journal_folder.iterdir():
        if path.name not in kept:
            path.unlink()
    refused(settings, backups, clock, LedgerBroken, "journal of destructions is missing")


def test_a_journal_and_its_note_that_are_missing(filled, settings, backups, clock):
    """Nothing but the backup says that there was one."""
    lose(filled)
    (settings.journal_folder / "destructions.journal").unlink()
    (settings.witness_folder / "journal.note").unlink()
    refused(settings, backups, clock, LedgerBroken, "journal of destructions is missing")


def test_a_mirror_that_was_cut(filled, settings, backups, clock):
    mirror = settings.mirror_file
    before = mirror.read_bytes()
    purge(filled, "heart", "2026-11-02", clock)
    lose(filled)
    mirror.write_bytes(before)
    refused(settings, backups, clock, LedgerBroken, "mirror ends before")


@pytest.mark.parametrize("part", ["key_page.arrow", "ledger_leaf.arrow", "files.arrow"])
def test_a_damaged_backup(filled, settings, backups, clock, part):
    lose(filled)
    [path] = (backups / "backups").glob(f"*/{part}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(settings, backups, clock, SealBroken, "damaged")


def test_a_manifest_that_was_edited_or_moved(filled, settings, backups, clock):
    lose(filled)
    [path] = (backups / "backups").glob("*/manifest.note")
    content = path.read_text()
    path.write_text(content.replace('"journal":0', '"journal":9'))
    refused(settings, backups, clock, SealBroken, "not signed")
    path.write_text(content)
    path.parent.rename(path.parent.with_name("20261123T130000Z-00000000"))
    refused(settings, backups, clock, SealBroken, "belongs to another backup")


def test_a_backup_of_another_estate(filled, settings, backups, clock, tmp_path):
    other = Estate.create(settings_in(tmp_path / "other"), clock())
    backup(other, tmp_path / "theirs", clock=clock)
    other.close()
    lose(filled)
    refused(settings, tmp_path / "theirs", clock, SealBroken, "not signed")


def test_a_half_written_backup_is_none(filled, settings, backups, clock):
    lose(filled)
    for path in (backups / "backups").glob("*/manifest.note"):
        path.unlink()
    with pytest.raises(ConfigurationError, match="no such backup"):
        restore(settings, backups, clock=clock)
    with pytest.raises(ConfigurationError, match="no such backup"):
        restore_check(settings, backups)


def test_a_living_database_is_never_written_over(filled, settings, backups, clock):
    with pytest.raises(ConfigurationError, match="in place"):
        restore(settings, backups, clock=clock)
    filled.close()
    Estate.open(settings, clock()).close()


def test_something_else_in_its_place_is_left_alone(filled, settings, backups, clock):
    lose(filled)
    path = settings.home / "control" / "control.db"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StorageError, match="cannot be read"):
        restore(settings, backups, clock=clock)
    assert path.read_bytes() == b"no database" * 1000


def test_no_new_estate_over_a_lost_one(filled, settings, backups, clock):
    lose(filled)
    with pytest.raises(ConfigurationError, match="control database is gone"):
        Estate.create(settings, clock())
    restore(settings, backups, clock=clock)
    Estate.open(settings, clock()).close()


def test_a_backup_of_a_history_that_was_left(filled, settings, backups, clock):
    [first] = (path.name for path in (backups / "backups").iterdir())
    clock.forward(minutes=1)
    purge(filled, "heart", "2026-11-02", clock)
    second = backup(filled, backups, clock=clock).name
    lose(filled)
    restore(settings, backups, clock=clock, name=first)
    lose(Estate.open(settings, clock()))
    assert restore_check(settings, backups, name=first).passed
    refused(settings, backups, clock, KeyTreeUnopenable, "history that was left")
    assert second == max(path.name for path in (backups / "backups").iterdir())


def test_another_backup_does_not_go_on_where_one_stopped(filled, settings, backups, clock, monkeypatch):
    clock.forward(minutes=1)
    [first] = (path.name for path in (backups / "backups").iterdir())
    second = backup(filled, backups, clock=clock).name
    lose(filled)
    monkeypatch.setattr(module, "empty_copies", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        restore(settings, backups, clock=clock, name=second)
    monkeypatch.undo()
    with pytest.raises(RestoreIncomplete, match="Another backup"):
        restore(settings, backups, clock=clock, name=first)
    restore(settings, backups, clock=clock, name=second)


def test_nothing_is_served_while_something_is_not_replayed(filled, settings, backups, clock, monkeypatch):
    erase(filled, "ada", clock)
    lose(filled)
    monkeypatch.setattr(module, "apply", lambda *_: Replayed(0, 0, 0, 0))
    with pytest.raises(RestoreIncomplete, match="8 destroyed keys of the zone raw"):
        restore(settings, backups, clock=clock)
    with pytest.raises(RestoreIncomplete):
        Estate.open(settings, clock())
    with pytest.raises(RestoreIncomplete):
        Estate.create(settings, clock())
    looking = Estate.open(settings, clock(), while_restoring=True)
    reasons = check_estate(looking).reasons
    looking.close()
    assert reasons[0] == "A restore is not finished."
    assert "1 subjects" in reasons
    assert "1 missing tombstones" in reasons
    monkeypatch.undo()
    restore(settings, backups, clock=clock)
    opened = Estate.open(settings, clock())
    assert check_estate(opened).passed
    opened.close()


def test_an_alias_under_a_tombstone_fails_the_check(filled, clock):
    """As a restored directory without its replay has them; not while an erasure is between fence and destruction."""
    name = Alias("account", "kim")
    with filled.database.commit() as tx:
        bury(filled, tx, [name], reason="erasure", now=clock())
    assert check_estate(filled).reasons == ["1 aliases of the erased are known"]
    request_id = ask(filled, "lou", clock)
    with filled.database.commit() as tx:
        set_state(tx, request_id, State.FENCED)
    assert check_estate(filled).passed
    with filled.database.commit() as tx:
        set_state(tx, request_id, State.VERIFIED)
        register_again(filled, tx, name, clock())
    assert check_estate(filled).passed


def test_two_restores_at_once_are_one_after_the_other(filled, settings, backups, clock):
    lose(filled)
    ends = []

    def run() -> None:
        try:
            ends.append(restore(settings, backups, clock=clock))
        except ConfigurationError as error:
            ends.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(end).__name__ for end in ends) == ["ConfigurationError", "RestoreReport"]
