"""Rows of one subject that are another's: they move, everything else stays, and the old owner's key opens none of them."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from shelflife.control.subject_tables import identity_change
from shelflife.control.tables import data_file
from shelflife.errors import ConfigurationError, RequestRefused
from shelflife.identity.change import State
from shelflife.identity.selection import Selection, selection_from
from shelflife.identity.stages import run
from shelflife.lake.catalog import files_of_partition, partitions, path_of
from shelflife.lake.collect import collect
from shelflife.lake.unseal import block_context, partition_keys_of, schema_of
from shelflife.lineage.graph import where_did
from shelflife.seal.blocks import open_blocks
from shelflife.seal.files import read_sealed
from shelflife.seal.locators import raw_ids
from shelflife.subjects.directory import Alias, attach, find, periods_of
from shelflife.subjects.periods import ALWAYS, Period
from tests.conftest import NOW
from tests.rights.conftest import Clock, erase
from tests.rights.state import content, readable
from tests.subjects.identity_estates import (
    ADA,
    BOB,
    NEW,
    SOLD,
    change,
    counts,
    fill_mixed,
    findings,
    fixtures_of,
    land_rows,
    prepared,
    rows_by_person,
    rows_of,
    running,
    terms,
)

SECOND = Selection(device_model="Watch 2")
WATCH = Alias("device", "serial-2")


kept, mixed = fixtures_of(fill_mixed)


@pytest.mark.parametrize(
    "selection",
    [
        SECOND,
        Selection(Period(SOLD, None)),
        Selection(Period(None, SOLD), ("glucose",)),
        Selection(streams=("heart",), device_model="Watch 2"),
    ],
)
def test_the_selected_rows_move_and_no_other(mixed, selection):
    before = rows_by_person(mixed)
    chosen = before["ada"].filter(selection.condition())
    if selection.streams:
        chosen = chosen.filter(pl.col("table").str.contains(selection.streams[0]))
    done, plan = change(mixed, "split", ADA, NEW, selection)
    after = rows_by_person(mixed)
    assert plan.rows == chosen.height > 0
    assert after["newcomer"].equals(chosen.sort(chosen.columns, nulls_last=True))
    assert after["ada"].height == before["ada"].height - chosen.height
    assert after["bob"].equals(before["bob"])
    assert done.state is State.DONE
    assert findings(mixed) == []


def test_rows_move_to_somebody_known_and_repeat_nothing_that_they_have(mixed):
    land_rows(mixed, "more", rows_of("bob", hour=7, device="Watch 2", first=6))
    before = counts(mixed)
    done, plan = change(mixed, "split", ADA, BOB, SECOND)
    after = counts(mixed)
    assert plan.duplicates > 0
    assert after["ada"] == before["ada"] - plan.rows
    assert after["bob"] == before["bob"] + plan.rows - plan.duplicates
    assert done.facts["rows_known_already"] == plan.duplicates
    assert findings(mixed) == []


def opened_by(estate, pid: bytes) -> int:
    """How many rows a person's living key opens in any raw file that lies on the disk, catalogued as live or not."""
    found = 0
    with estate.database.read() as conn:
        homes = {home.partition_id: home for home in partitions(conn, zone="raw")}
        for row in conn.execute(sa.select(data_file).where(data_file.c.zone == "raw")):
            path = estate.zone_folder("raw") / row.path
            home = homes[row.partition_id]
            if not path.exists():
                continue
            [key] = partition_keys_of(estate, conn, [home])
            sealed = read_sealed(path)
            places = [
                n for n, one in enumerate(raw_ids(key, sealed.column("locator").to_pylist())) if one == pid
            ]
            if not places:
                continue
            keys = estate.keyrings["raw"].keys(conn, [pid], home.stream or "")
            opened, _ = open_blocks(
                sealed.take(places),
                places,
                [keys[pid]] * len(places),
                partition_key=key,
                context=block_context(home, row.file_id),
                schema=schema_of(home.table_name),
            )
            found += opened.num_rows
    return found


def test_the_old_owners_key_opens_no_moved_row_anywhere(mixed):
    with mixed.database.read() as conn:
        pid = find(mixed, conn, [ADA])[ADA].raw_pid
    before = counts(mixed)["ada"]
    assert opened_by(mixed, pid) == before
    done, plan = change(mixed, "split", ADA, NEW, SECOND)
    assert opened_by(mixed, pid) == before - plan.rows
    assert done.facts["blocks_overwritten"] == plan.files


def test_a_replaced_file_is_not_unlinked_before_it_is_overwritten(mixed, monkeypatch):
    from shelflife.identity import stages

    seen = []
    with mixed.database.read() as conn:
        pid = find(mixed, conn, [ADA])[ADA].raw_pid
        old = {
            path_of(mixed, file)
            for home in partitions(conn, zone="raw")
            for file in files_of_partition(conn, home.partition_id)
        }
    scrub_replaced = stages.scrub_replaced

    def looking(estate, file_ids, people):
        collect(estate, NOW)
        seen.append(
            all((estate.zone_folder("raw") / p.relative_to(estate.zone_folder("raw"))).exists() for p in old)
        )
        assert people == [pid]
        done = scrub_replaced(estate, file_ids, people)
        with estate.database.read() as conn:
            for row in conn.execute(sa.select(data_file).where(data_file.c.file_id.in_(file_ids))):
                body = read_sealed(estate.zone_folder("raw") / row.path).column("locator").to_pylist()
                seen.append(any(not any(one) for one in body))
        return done

    monkeypatch.setattr(stages, "scrub_replaced", looking)
    change(mixed, "split", ADA, NEW, Selection(Period(None, NOW)))
    assert seen
    assert all(seen)


def test_derived_rows_of_both_follow(mixed):
    change(mixed, "split", ADA, NEW, SECOND)
    found = readable(mixed)
    assert found["ada"]["heart_daily"] == 3
    assert found["newcomer"]["heart_daily"] == 4


def test_what_is_moved_back_ends_as_it_began(mixed):
    before = rows_by_person(mixed)
    change(mixed, "split", ADA, NEW, SECOND)
    change(mixed, "split", NEW, ADA, SECOND)
    assert rows_by_person(mixed)["ada"].equals(before["ada"])
    assert "newcomer" not in counts(mixed)


def test_nothing_of_whom_it_was_about_stays(mixed):
    change(mixed, "split", ADA, NEW, SECOND)
    with mixed.database.read() as conn:
        [row] = conn.execute(sa.select(identity_change)).all()
    assert (row.pid, row.sealed, row.files) == (None, None, [])


def test_a_split_by_nothing_or_of_nothing_is_refused(mixed):
    with pytest.raises(ConfigurationError):
        terms(mixed, "split", ADA, NEW, Selection())
    with pytest.raises(ConfigurationError):
        Selection(streams=("moods",))
    with pytest.raises(RequestRefused):
        prepared(mixed, "split", ADA, NEW, Selection(device_model="Watch 9"))


def test_a_receiver_who_was_erased_is_refused(mixed):
    erase(mixed, "bob", Clock(), regimes=())
    with pytest.raises(ConfigurationError):
        terms(mixed, "split", ADA, BOB, SECOND)


def test_a_name_that_somebody_got_since_the_preview_is_refused(mixed):
    change_id, _ = prepared(mixed, "split", ADA, NEW, SECOND)
    land_rows(mixed, "late", rows_of("newcomer", days=(1,)))
    with pytest.raises(RequestRefused):
        run(mixed, change_id, running())


# --- transfers --------------------------------------------------------------------------------------------


@pytest.fixture
def known_watch(mixed):
    """Ada's second watch has a name of its own."""
    with mixed.database.commit() as tx:
        attach(mixed, tx, WATCH, find(mixed, tx.conn, [ADA])[ADA], ALWAYS, NOW)
    return mixed


def test_a_sale_recorded_late_takes_the_rows_since_then_along(known_watch):
    before = rows_by_person(known_watch)["ada"]
    sold = before.filter((pl.col("device_model") == "Watch 2") & (pl.col("start_utc") >= SOLD))
    _, plan = change(known_watch, "transfer", WATCH, BOB, SOLD, selection=SECOND)
    assert plan.rows == sold.height > 0
    assert (plan.names, findings(known_watch)) == (1, [])
    with known_watch.database.read() as conn:
        ada, bob = (find(known_watch, conn, [name])[name] for name in (ADA, BOB))
        assert periods_of(known_watch, conn, ada)[WATCH] == (Period(None, SOLD),)
        assert periods_of(known_watch, conn, bob)[WATCH] == (Period(SOLD, None),)
    assert counts(known_watch)["ada"] == before.height - sold.height


def test_later_rows_of_the_sold_watch_are_the_new_owners(known_watch):
    change(known_watch, "transfer", WATCH, NEW, SOLD, selection=SECOND)
    before = counts(known_watch)
    rows = rows_of(WATCH.value, days=(1, 5), hour=23, device="Watch 2")
    land_rows(known_watch, "late", [row | {"subject_kind": "device"} for row in rows])
    after = counts(known_watch)
    assert after["newcomer"] - before["newcomer"] == after["ada"] - before["ada"] == 25


def test_an_owner_with_other_names_must_say_which_rows_are_the_devices(known_watch):
    with pytest.raises(ConfigurationError):
        terms(known_watch, "transfer", WATCH, BOB, SOLD)
    with pytest.raises(ConfigurationError):
        terms(known_watch, "transfer", WATCH, BOB, SOLD, selection=Selection(Period(SOLD, None)))


def test_a_transfer_without_rows_still_passes_the_name_on(known_watch):
    _, plan = change(known_watch, "transfer", WATCH, BOB, NOW, selection=SECOND)
    assert (plan.rows, plan.names) == (0, 1)
    with known_watch.database.read() as conn:
        assert find(known_watch, conn, [WATCH]) == find(known_watch, conn, [WATCH], NOW)
        assert find(known_watch, conn, [WATCH])[WATCH] == find(known_watch, conn, [BOB])[BOB]


def test_a_name_that_is_another_persons_later_is_not_transferred(known_watch):
    change(known_watch, "transfer", WATCH, BOB, SOLD, selection=SECOND)
    with pytest.raises(ConfigurationError):
        terms(known_watch, "transfer", WATCH, NEW, SOLD - dt.timedelta(days=1), selection=SECOND)
    with pytest.raises(ConfigurationError):
        terms(known_watch, "transfer", Alias("device", "unknown"), NEW, SOLD, selection=SECOND)


def test_others_keep_their_rows_byte_for_byte(mixed):
    others = content(mixed, ["ada"])
    change(mixed, "split", ADA, NEW, SECOND)
    assert content(mixed, ["ada", "newcomer"]) == others


@given(
    st.builds(
        Selection,
        period=st.sampled_from([Period(), Period(SOLD, None), Period(None, SOLD)]),
        streams=st.sampled_from([(), ("heart",), ("glucose", "sleep")]),
        device_model=st.none() | st.text(max_size=8),
        source_app=st.none() | st.text(max_size=8),
    )
)
def test_a_selection_is_read_back_as_it_was_stored(selection):
    assert selection_from(selection.as_json()) == selection


def test_where_a_batch_went_can_still_be_asked(mixed):
    change(mixed, "split", ADA, NEW, SECOND)
    with mixed.database.read() as conn:
        batch_id = (
            conn.execute(sa.select(data_file.c.batch_id).where(data_file.c.state == "live")).scalars().first()
        )
        assert "heart_daily" in str(where_did(conn, batch_id))
