"""The journal of an estate: written ahead, void when the commit never came, and never silently shorter."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from shelflife.errors import LedgerBroken, RestoreIncomplete
from shelflife.journal import journal
from shelflife.journal.destruction import (
    AwaitingRewrite,
    ConsentRow,
    Continuation,
    DestroyedPartition,
    Destruction,
    Tombstone,
    decode,
    encode,
)
from tests.canaries import hits
from tests.conftest import NOW
from tests.lake.conftest import ROOT

WHOLE = Destruction(
    kind="erasure",
    record_id="a" * 32,
    at=NOW,
    keys={"identity": [1, 2, 3], "raw": [2**30]},
    subjects=[b"s" * 16],
    alias_macs=[b"m" * 32],
    tombstones=[Tombstone(b"t" * 32, "erasure", NOW)],
    keyrings={"raw": [b"r" * 16]},
    partitions=[DestroyedPartition("p" * 32, "raw", "heart", "heart", "heart/default", "2026-11-01")],
    files=["f" * 32],
    awaiting=[AwaitingRewrite("heart_daily", b"d" * 16, "a" * 32, NOW + dt.timedelta(days=1))],
    holds=["h" * 32],
    streams=["heart"],
    requests=["q" * 32],
    revoked_devices=[b"v" * 32],
    withdrawals=[ConsentRow(b"s" * 16, 3, b"\x00sealed", NOW)],
    continuation=Continuation("a" * 32, {"state": "planned", "regimes": ["eu_gdpr"]}, b"\x00\xff"),
)


def one(name: str) -> Destruction:
    return Destruction("purge", name, NOW, keys={"raw": [5]})


def write(estate, *destructions: Destruction) -> None:
    for destruction in destructions:
        with estate.database.commit() as tx:
            journal.record(estate, tx.conn, destruction)


def fail(estate, destruction: Destruction) -> None:
    with suppress(ZeroDivisionError), estate.database.commit() as tx:
        journal.record(estate, tx.conn, destruction)
        raise ZeroDivisionError


def names(estate, since: int | None = None) -> list[str]:
    with estate.database.read() as conn:
        found = journal.read_all(estate, conn) if since is None else journal.read_since(estate, conn, since)
    return [record.destruction.record_id for record in found]


def path(estate):
    return estate.settings.journal_folder / "destructions.journal"


def test_a_destruction_is_read_back_whole(estate):
    write(estate, WHOLE)
    with estate.database.read() as conn:
        [record] = journal.read_all(estate, conn)
        assert journal.mark(conn) == record.sequence == 1
    assert decode(encode(WHOLE)) == record.destruction
    again = record.destruction
    assert again.subjects == [b"s" * 16]
    assert again.continuation.sealed == b"\x00\xff"
    assert again == Destruction(**{**vars(WHOLE), "awaiting": again.awaiting})


def test_nothing_of_a_record_stands_in_clear(estate):
    write(estate, WHOLE)
    content = path(estate).read_bytes()
    assert not [form for form in (b"s" * 16, b"733" * 3, b"erasure", b"heart", b"m" * 32) if form in content]
    folders = [estate.settings.journal_folder, estate.settings.witness_folder]
    assert not hits(folders, ["a" * 32, "heart_daily", "s" * 16, ("s" * 16).encode().hex()])
    assert path(estate).stat().st_mode & 0o777 == 0o600


def test_only_what_came_later_is_read(estate):
    write(estate, *map(one, "abc"))
    assert names(estate) == ["a", "b", "c"]
    assert names(estate, 2) == ["c"]


def test_a_record_whose_commit_failed_is_void(estate):
    write(estate, one("a"))
    fail(estate, one("never"))
    # Until somebody writes again it is in doubt, and what is in doubt is replayed.
    assert names(estate) == ["a", "never"]
    write(estate, one("b"))
    assert names(estate) == ["a", "b"]


def test_two_records_of_a_transaction_count_or_fail_together(estate):
    for lucky in (False, True):
        with suppress(ZeroDivisionError), estate.database.commit() as tx:
            journal.record(estate, tx.conn, one("a"))
            journal.record(estate, tx.conn, one("b"))
            if not lucky:
                raise ZeroDivisionError
    write(estate, one("c"))
    assert names(estate) == ["a", "b", "c"]


@pytest.mark.parametrize("point", ["journal.append.written", "journal.append.noted", "journal.record.marked"])
def test_a_killed_record_is_void_and_the_next_one_counts(estate, settings, point):
    write(estate, one("a"))
    script = (
        "import sys; from pathlib import Path; from shelflife.estate import Estate; "
        "from tests.lake.conftest import settings_in; from tests.journal.test_journal import one, write, NOW; "
        "write(Estate.open(settings_in(Path(sys.argv[1])), NOW), one('killed'))"
    )
    command = [sys.executable, "-c", script, str(settings.home.parent)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SHELFLIFE_CRASH_AT": point}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert names(estate) == ["a", "killed"]
    write(estate, one("b"))
    assert names(estate) == ["a", "b"]


def test_what_a_torn_write_left_is_passed_over(estate):
    write(estate, one("a"))
    with path(estate).open("ab") as file:
        file.write(b"\x00\x00\x00\x60half a frame")
    assert names(estate) == ["a"]
    write(estate, one("b"))
    assert names(estate) == ["a", "b"]


def test_a_journal_that_was_cut_is_refused(estate):
    write(estate, one("a"))
    before = path(estate).read_bytes()
    write(estate, one("b"))
    path(estate).write_bytes(before)
    with pytest.raises(LedgerBroken, match="cut"):
        names(estate)
    with pytest.raises(LedgerBroken), estate.database.commit() as tx:
        journal.record(estate, tx.conn, one("c"))
    with pytest.raises(LedgerBroken):
        journal.head(estate.settings)


def test_a_journal_cut_together_with_its_note_is_refused_by_the_database(estate):
    write(estate, one("a"))
    note = estate.settings.witness_folder / "journal.note"
    before, noted = path(estate).read_bytes(), note.read_bytes()
    write(estate, one("b"))
    path(estate).write_bytes(before)
    note.write_bytes(noted)
    with pytest.raises(LedgerBroken, match="fewer records"), estate.database.commit() as tx:
        journal.record(estate, tx.conn, one("c"))


@pytest.mark.parametrize("what", ["journal", "note", "both"])
def test_a_missing_journal_is_refused(estate, what):
    write(estate, one("a"))
    if what != "note":
        path(estate).unlink()
    if what != "journal":
        (estate.settings.witness_folder / "journal.note").unlink()
    with pytest.raises(LedgerBroken), estate.database.commit() as tx:
        journal.record(estate, tx.conn, one("b"))


def test_an_altered_record_is_refused(estate):
    write(estate, one("a"), one("b"))
    content = bytearray(path(estate).read_bytes())
    content[-3] ^= 1
    path(estate).write_bytes(content)
    with pytest.raises(LedgerBroken, match="altered"):
        names(estate)
    with pytest.raises(LedgerBroken, match="altered"):
        journal.check(estate.settings)


def test_an_older_database_may_not_write(estate, settings):
    write(estate, one("a"))
    estate.database.close()
    shutil.copytree(settings.home / "control", settings.home / "older")
    write(estate, one("b"))
    write(estate, one("c"))
    estate.database.close()
    shutil.rmtree(settings.home / "control")
    shutil.copytree(settings.home / "older", settings.home / "control")
    with pytest.raises(RestoreIncomplete):
        write(estate, one("d"))
    assert names(estate, 1) == ["b", "c"]


def test_forgotten_records_are_gone_and_the_rest_still_checks_out(estate):
    write(estate, *map(one, "abc"))
    assert journal.forget(estate.settings, 2) == 2
    assert journal.forget(estate.settings, 2) == 0
    write(estate, one("d"))
    assert names(estate) == ["c", "d"]
    assert journal.check(estate.settings).sequence == 4
    for since in (0, 1):
        with pytest.raises(LedgerBroken, match="no longer holds"):
            names(estate, since)
    assert names(estate, 2) == ["c", "d"]


def test_a_start_that_was_cut_off_is_refused(estate):
    write(estate, *map(one, "abc"))
    note = estate.settings.witness_folder / "journal.note"
    noted = note.read_bytes()
    journal.forget(estate.settings, 2)
    note.write_bytes(noted)
    with pytest.raises(LedgerBroken, match="starts later"):
        names(estate)


def test_forgetting_that_was_killed_is_finished_by_the_next(estate, settings):
    write(estate, *map(one, "abc"))
    script = (
        "import sys; from pathlib import Path; from tests.lake.conftest import settings_in; "
        "from shelflife.journal import journal; journal.forget(settings_in(Path(sys.argv[1])), 2)"
    )
    for point in ("journal.forget.noted", "keys.slot.written", "keys.slot.linked", "keys.slot.renamed"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SHELFLIFE_CRASH_AT": point}
        command = [sys.executable, "-c", script, str(settings.home.parent)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert names(estate)[-1] == "c"
    write(estate, one("d"))
    journal.forget(estate.settings, 2)
    assert names(estate) == ["c", "d"]
    assert sorted(item.name for item in path(estate).parent.iterdir()) == [
        "destructions.journal",
        "destructions.lock",
    ]


def test_a_journal_that_was_begun_may_not_be_missing(estate):
    with pytest.raises(LedgerBroken, match="missing"):
        journal.check_holds_since(estate.settings, 0)
    journal.begin(estate.settings)
    journal.begin(estate.settings)
    journal.check_holds_since(estate.settings, 0)
    assert names(estate, 0) == []
    write(estate, one("a"))
    journal.begin(estate.settings)
    assert names(estate, 0) == ["a"]
    path(estate).unlink()
    with pytest.raises(LedgerBroken, match="missing"):
        journal.begin(estate.settings)
