"""The drill: whoever was erased and whatever expired since the backup stays gone; everything else comes back."""

from __future__ import annotations

import shutil

import polars as pl
import pytest
import sqlalchemy as sa

from shelflife.control.tables import batch, hold, partition
from shelflife.copies.publish import publish
from shelflife.copies.registry import declaration_of, open_adapter
from shelflife.estate import Estate
from shelflife.journal import journal
from shelflife.journal.destruction import Destruction
from shelflife.keys.tree import KeyKind
from shelflife.lake.batches import open_batch
from shelflife.lake.catalog import files_by_id, partitions, path_of, prepared_path, register_pending
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.status import status
from shelflife.recovery.backup import backup
from shelflife.recovery.checks import check_estate, restore_check
from shelflife.recovery.restore import restore
from shelflife.retention.held_rows import read_held
from shelflife.retention.release import release
from shelflife.rights.erasure import run_erasures
from shelflife.rights.request_states import State
from shelflife.rights.requests import get
from tests.lake.state import derived_rows, raw_rows
from tests.recovery.conftest import check_ledger, lose, people_in, purge, residue
from tests.retention.conftest import hold_on
from tests.rights.conftest import PEOPLE, ask, erase, options, samples_of

pytestmark = pytest.mark.slow


def without(rows, *names: str, only: str | None = None):
    """The same tables without some people, in one table or all; a table that is empty then is left out."""
    kept = {
        key: table.filter(~pl.col("pid").is_in(names))
        if "pid" in table.columns and (only is None or only in key)
        else table
        for key, table in rows.items()
    }
    return {key: table for key, table in kept.items() if table.height}


def same(left, right) -> bool:
    return left.keys() == right.keys() and all(left[key].equals(right[key]) for key in left)


def about_people(rows):
    return {name: table for name, table in rows.items() if "pid" in table.columns}


def held(estate: Estate, hold_id: str, clock):
    tables = read_held(estate, hold_id, clock=clock).tables
    return {name: sorted(table.column("value_num").to_pylist()) for name, table in tables.items()}


def test_nobody_and_nothing_comes_back(filled, settings, backups, clock, reopen, put):
    raw, derived = raw_rows(filled), derived_rows(filled)
    assert people_in(raw) == people_in(derived) == set(PEOPLE)
    clock.forward(hours=1)
    erase(filled, "ada", clock)
    erase(filled, "bob", clock, streams=["glucose"])
    gone = purge(filled, "heart", "2026-11-02", clock)
    size = check_ledger(filled)
    lose(filled)
    clock.forward(hours=1)
    done = restore(settings, backups, clock=clock)
    assert done.destructions == 3
    assert done.files.lost == {}
    assert done.forgotten["erase"] == 2
    # Nothing of them lies in the files that came from the backup: two tables of ada, one of bob, three days each.
    assert done.rewritten.rows_removed == 9
    assert done.scrubbed.blocks >= 8
    assert done.cohorts_retired

    estate = reopen(settings)
    expected = without(without(raw, "ada"), "bob", only="glucose")
    del expected["heart", "2026-11-02"]
    assert same(raw_rows(estate), expected)
    # Glucose figures go with the stream; the heart's day that expired is frozen as it was, but for the erased.
    expected = without(without(derived, "ada"), "bob", only="glucose_daily")
    assert same(about_people(derived_rows(estate)), about_people(expected))
    with estate.database.read() as conn:
        here = sa.select(partition.c.state).where(partition.c.partition_id == gone)
        assert conn.execute(here).scalar() == "destroyed"
    assert residue(estate, clock) == []
    put(samples_of(("ada", "kim"), month=10), "x", "late.ndjson")
    put(samples_of(("kim",)).replace(b"T08:", b"T10:"), "x", "day.ndjson")
    report = land(estate, list_inbox(settings.inbox), clock=clock)
    assert report.reasons() == {"erased": 72, "expired": 12}
    assert check_ledger(estate) > size
    assert check_estate(estate).passed
    assert status(estate).unregistered == 0


def test_what_was_written_since_the_backup_is_noise_and_goes(filled, settings, backups, clock, reopen, put):
    raw = raw_rows(filled)
    put(samples_of(("zoe",), month=9), "x", "second.ndjson")
    land(filled, list_inbox(settings.inbox), clock=clock)
    derive(filled, clock=clock)
    lose(filled)
    done = restore(settings, backups, clock=clock)
    assert done.unregistered > 6
    assert done.destructions == 0
    assert done.forgotten["land"] == 1
    estate = reopen(settings)
    assert same(raw_rows(estate), raw)
    assert status(estate).unregistered == 0
    put(samples_of(("zoe",), month=9), "x", "second.ndjson")
    assert land(estate, list_inbox(settings.inbox), clock=clock).total("landed") == 72


def kept_of(settings):
    """What must outlive the control database; everything else may be lost with it."""
    return {settings.root_slot_folder, settings.witness_folder, settings.journal_folder}


def test_lost_files_come_from_the_backup(filled, settings, backups, clock, reopen):
    raw, derived = raw_rows(filled), derived_rows(filled)
    lose(filled)
    for folder in set(settings.home.iterdir()) - kept_of(settings):
        shutil.rmtree(folder)
    done = restore(settings, backups, clock=clock)
    assert (done.files.present, done.files.fetched, done.files.lost) == (0, 14, {})
    estate = reopen(settings)
    assert same(raw_rows(estate), raw)
    assert same(derived_rows(estate), derived)


def test_what_is_lost_in_the_backup_too_is_derived_again_or_said(filled, settings, backups, clock, reopen):
    derived = derived_rows(filled)
    files = sorted((settings.home / "zones").rglob("*.parquet"))
    lose(filled)
    for path in files:
        if path.parts[-4] in {"derived", "analytics"}:
            damage(backups, path)
    lost = next(path for path in files if "heart" in path.parts)
    damage(backups, lost)
    reasons = restore_check(settings, backups).reasons
    assert reasons == ["9 of 14 data files of the backup are missing or damaged."]
    done = restore(settings, backups, clock=clock)
    assert done.files.lost == {"analytics": 2, "derived": 6, "raw": 1}
    estate = reopen(settings)
    assert len(raw_rows(estate)) == 5
    assert derived_rows(estate) == {}
    derive(estate, clock=clock)
    assert derived_rows(estate)["glucose_daily"].equals(derived["glucose_daily"])
    assert derived_rows(estate)["heart_daily"].height == derived["heart_daily"].height * 2 // 3
    assert status(estate).stale == {}


def damage(backups, path) -> None:
    """Lose a data file, and its copy in the backup."""
    content = path.read_bytes()
    path.unlink()
    for copy in (backups / "objects").rglob("*"):
        if copy.is_file() and copy.read_bytes() == content:
            copy.write_bytes(content[:-1])


def test_what_was_being_landed_is_given_up(filled, settings, backups, clock, reopen):
    clock.forward(minutes=1)
    with open_batch(filled, clock()) as begun:
        with filled.database.commit() as tx:
            home = partitions(tx.conn, zone="derived")[0]
            number = filled.trees["derived"].insert(tx, KeyKind.FILE, 1)[0]
            file = register_pending(
                tx, home=home, batch_id=begun.batch_id, bucket=0, key_number=number, now=clock()
            )
        prepared_path(filled, file).write_bytes(b"half a file")
        backup(filled, backups, clock=clock)
    lose(filled)
    assert restore(settings, backups, clock=clock).replayed.batches == 1
    estate = reopen(settings)
    with estate.database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).where(batch.c.state == "open")).scalar() == 0
        [after] = files_by_id(conn, [file.file_id])
        assert estate.trees["derived"].lookup(conn, [number]) == [None]
    assert after.state == "collected"
    assert not path_of(estate, file).exists()


def test_a_destruction_whose_commit_is_in_doubt_is_replayed(filled, settings, backups, clock, reopen):
    def dies_after_recording(*_args):
        raise ZeroDivisionError

    filled.trees["raw"].destroy = dies_after_recording
    with pytest.raises(ZeroDivisionError):
        purge(filled, "heart", "2026-11-02", clock)
    lose(filled)
    assert restore(settings, backups, clock=clock).replayed.partitions == 1
    assert ("heart", "2026-11-02") not in raw_rows(reopen(settings))


def test_key_numbers_of_the_lost_history_are_never_given_again(filled, settings, backups, clock, reopen):
    with filled.database.commit() as tx:
        numbers = filled.trees["raw"].insert(tx, KeyKind.PARTITION, 3)
        gone = Destruction("purge", "8" * 64, clock(), keys={"raw": list(numbers)})
        journal.record(filled, tx.conn, gone)
        filled.trees["raw"].destroy(tx, numbers, clock())
    lose(filled)
    restore(settings, backups, clock=clock)
    estate = reopen(settings)
    with estate.database.commit() as tx:
        fresh = estate.trees["raw"].insert(tx, KeyKind.PARTITION, 1)
    assert fresh.start == numbers.stop
    assert check_estate(estate).passed


def test_what_a_hold_keeps_of_the_erased_and_expired_is_kept_again(filled, settings, backups, clock, reopen):
    person, everyone = hold_on(filled, "ada", streams=["heart"]), hold_on(filled, streams=["glucose"])
    clock.forward(hours=1)
    backup(filled, backups, clock=clock)
    erase(filled, "ada", clock)
    kept = held(filled, person.hold_id, clock)
    assert {name: len(values) for name, values in kept.items()} == {"heart": 36}
    purge(filled, "glucose", "2026-11-02", clock)
    lose(filled)
    done = restore(settings, backups, clock=clock)
    assert done.rows_held == 36 + 36 + 11 * 12
    estate = reopen(settings)
    assert people_in(derived_rows(estate)) == set(PEOPLE) - {"ada"}
    assert held(estate, person.hold_id, clock) == kept
    assert len(held(estate, everyone.hold_id, clock)["glucose"]) == 36 + 11 * 12
    assert residue(estate, clock) == []
    assert check_estate(estate).passed


def test_a_hold_that_was_released_since_keeps_nothing(filled, settings, backups, clock, reopen):
    one = hold_on(filled, "ada", streams=["heart"])
    clock.forward(hours=1)
    backup(filled, backups, clock=clock)
    erase(filled, "ada", clock)
    release(filled, one.hold_id, clock=clock)
    lose(filled)
    assert restore(settings, backups, clock=clock).rows_held == 0
    estate = reopen(settings)
    with estate.database.read() as conn:
        assert conn.execute(sa.select(hold.c.state)).scalars().all() == ["released"]
    assert check_estate(estate).passed


def test_an_erasure_that_was_under_way_goes_on(filled, settings, backups, clock, reopen):
    request_id = ask(filled, "ada", clock)
    clock.forward(minutes=1)
    backup(filled, backups, clock=clock)
    run_erasures(filled, [request_id], options(clock))
    lose(filled)
    restore(settings, backups, clock=clock)
    estate = reopen(settings)
    assert get(estate, request_id).state is State.VERIFIED
    run_erasures(estate, [request_id], options(clock))
    assert get(estate, request_id).state is State.CERTIFIED
    assert check_estate(estate).passed


def test_an_erasure_that_the_backup_never_heard_of_comes_back_and_runs_to_its_end(
    filled, settings, backups, clock, reopen
):
    clock.forward(minutes=1)
    request_id = erase(filled, "ada", clock)
    lose(filled)
    assert restore(settings, backups, clock=clock).requests == 1
    estate = reopen(settings)
    assert get(estate, request_id).state is State.VERIFIED
    run_erasures(estate, [request_id], options(clock))
    assert get(estate, request_id).state is State.CERTIFIED
    assert residue(estate, clock) == []


def test_one_backup_after_another_is_restored_and_goes_on(filled, settings, backups, clock):
    [oldest] = (path.name for path in (backups / "backups").iterdir())
    clock.forward(minutes=1)
    erase(filled, "ada", clock)
    lose(filled)
    restore(settings, backups, clock=clock)
    estate = Estate.open(settings, clock())
    clock.forward(minutes=1)
    backup(estate, backups, clock=clock)
    purge(estate, "heart", "2026-11-02", clock)
    lose(estate)
    for name in (None, oldest):
        restore(settings, backups, clock=clock, name=name)
        estate = Estate.open(settings, clock())
        rows = raw_rows(estate)
        assert people_in(rows) == people_in(derived_rows(estate)) == set(PEOPLE) - {"ada"}
        assert ("heart", "2026-11-02") not in rows
        assert len(rows) == 5
        assert check_estate(estate).passed
        check_ledger(estate)
        lose(estate)


def test_copies_are_emptied_and_can_be_published_again(filled, settings, backups, clock, reopen):
    """What the catalog of the backup names, and what was published since and nobody knows any more."""
    before = open_adapter(filled, declaration_of(settings, "app_cache")).inventory()
    clock.forward(hours=1)
    publish(filled, clock=clock)
    assert before
    lose(filled)
    done = restore(settings, backups, clock=clock)
    assert (done.copies_emptied, done.copies_left) == (["app_cache"], [])
    estate = reopen(settings)
    cache = open_adapter(estate, declaration_of(settings, "app_cache"))
    assert not cache.inventory()
    folder = settings.home / declaration_of(settings, "app_cache").location
    assert not [path for path in folder.rglob("*") if path.is_file()]
    publish(estate, clock=clock)
    assert cache.inventory()
