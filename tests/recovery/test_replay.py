"""Many destructions as one, and what each thing in it does to an older database."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from shelflife.control.subject_tables import alias, identity_change, subject, tombstone
from shelflife.control.tables import awaiting_rewrite, data_file, key_counter, partition, request
from shelflife.journal.destruction import (
    AwaitingRewrite,
    Continuation,
    DestroyedPartition,
    Destruction,
    Tombstone,
)
from shelflife.keys.tree import KEYS_A_KIND, KeyKind
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.recovery.readmission import readmit
from shelflife.recovery.replay import apply, merge, people_to_scrub, prepare
from shelflife.rights.requests import get, subject_of
from tests.conftest import NOW
from tests.rights.conftest import ask, samples_of

DAY = dt.timedelta(days=1)
MAC = b"m" * 32


def destruction(**what) -> Destruction:
    return Destruction("purge", "x", NOW, **what)


def replayed(estate, *destructions: Destruction):
    merged = merge(destructions)
    with estate.database.commit() as tx:
        prepare(tx, merged, NOW)
    with estate.database.commit() as tx:
        return apply(estate, tx, merged, NOW)


def all_of(estate, table: sa.Table, *where):
    with estate.database.read() as conn:
        return conn.execute(sa.select(table).where(*where)).all()


NUMBERS = st.dictionaries(st.sampled_from(["raw", "identity"]), st.lists(st.integers(0, 40), max_size=6))


@given(st.lists(NUMBERS, max_size=6))
def test_merging_keeps_every_key_once(keys):
    merged = merge(destruction(keys=one) for one in keys).keys
    assert {zone: found for zone, found in merged.items() if found} == {
        zone: found
        for zone in ("raw", "identity")
        if (found := {number for one in keys for number in one.get(zone, ())})
    }


def test_replaying_twice_changes_nothing_more(filled):
    with filled.database.read() as conn:
        home = conn.execute(sa.select(partition).where(partition.c.zone == "raw")).first()
    closed = DestroyedPartition(
        home.partition_id, "raw", home.table_name, home.stream, home.retention_class, home.period
    )
    gone = destruction(
        keys={"raw": [home.key_number]}, partitions=[closed], tombstones=[Tombstone(MAC, "erasure", NOW)]
    )
    assert (replayed(filled, gone).keys, replayed(filled, gone).keys) == (1, 0)
    assert [
        row.state for row in all_of(filled, partition, partition.c.partition_id == home.partition_id)
    ] == ["destroyed"]
    assert len(all_of(filled, tombstone)) == 1


def test_every_alias_goes_with_its_subject(filled):
    [first, *_] = all_of(filled, subject)
    done = replayed(filled, destruction(subjects=[bytes(first.pid)]))
    assert done.subjects == 1
    assert not all_of(filled, alias, alias.c.pid == first.pid)
    assert not all_of(filled, subject, subject.c.pid == first.pid)
    assert all_of(filled, alias)


def test_a_partition_of_the_lost_history_stays_closed_by_name(filled, put, clock):
    with filled.database.read() as conn:
        home = conn.execute(sa.select(partition).where(partition.c.table_name == "heart")).first()
    gone = DestroyedPartition("f" * 32, "raw", "heart", "heart", home.retention_class, "2025-10-01")
    replayed(filled, destruction(partitions=[gone]))
    put(samples_of(("kim",), days=1, month=10).replace(b"2026-", b"2025-"), "x", "old.ndjson")
    report = land(filled, list_inbox(filled.settings.inbox), clock=clock)
    assert report.reasons() == {"expired": 12}


def test_whatever_lies_in_a_closed_partition_loses_its_own_key(filled):
    """The file that stood for a derived table when it expired may have been another one than in the backup."""
    with filled.database.read() as conn:
        file = conn.execute(sa.select(data_file).where(data_file.c.zone == "derived")).first()
        home = conn.execute(sa.select(partition).where(partition.c.partition_id == file.partition_id)).one()
    gone = DestroyedPartition(
        "f" * 32, "derived", home.table_name, home.stream, home.retention_class, home.period
    )
    replayed(filled, destruction(partitions=[gone], files=["e" * 32]))
    with filled.database.read() as conn:
        assert filled.trees["derived"].lookup(conn, [file.key_number]) == [None]
    [after] = all_of(filled, data_file, data_file.c.file_id == file.file_id)
    assert after.state == "replaced"


def test_numbers_are_passed_over_in_their_own_kind(filled):
    def marks():
        return {row.kind: row.next for row in all_of(filled, key_counter, key_counter.c.zone == "derived")}

    before = marks()
    numbers = [KEYS_A_KIND * KeyKind.FILE + 3, KEYS_A_KIND * KeyKind.PARTITION + 700]
    replayed(filled, destruction(keys={"derived": numbers}))
    assert marks() == before | {int(KeyKind.PARTITION): 701}


def test_a_lifted_tombstone_counts_again_only_for_a_later_erasure(filled):
    replayed(filled, destruction(tombstones=[Tombstone(MAC, "erasure", NOW)]))
    with filled.database.commit() as tx:
        tx.conn.execute(tombstone.update().values(registered_again_at=NOW + DAY))
    replayed(filled, destruction(tombstones=[Tombstone(MAC, "erasure", NOW)]))
    assert [row.registered_again_at for row in all_of(filled, tombstone)] == [NOW + DAY]
    replayed(filled, destruction(tombstones=[Tombstone(MAC, "erasure", NOW + 2 * DAY)]))
    assert [(row.registered_again_at, row.erased_at) for row in all_of(filled, tombstone)] == [
        (None, NOW + 2 * DAY)
    ]


def test_somebody_who_lost_a_stream_is_found_by_the_ring(filled):
    with filled.database.read() as conn:
        rings = dict(conn.execute(sa.text("SELECT number, pid FROM keyring WHERE zone = 'raw'")).all())
        number, pid = sorted(rings.items())[3]
        one = destruction(keys={"raw": [number + 2], "identity": []}, streams=["glucose"])
        whole = destruction(subjects=[b"s" * 16], keyrings={"raw": [b"r" * 16]})
        other = destruction(keys={"raw": [number + 8 + 2]})
        assert people_to_scrub(conn, merge([one, whole, other])) == {
            ("glucose",): {bytes(pid)},
            None: {b"r" * 16},
        }


def test_rows_await_their_rewrite_once(filled):
    row = AwaitingRewrite("heart_daily", b"d" * 16, "a" * 32, NOW)
    replayed(filled, destruction(awaiting=[row]), destruction(awaiting=[row]))
    replayed(filled, destruction(awaiting=[row]))
    assert [found.pid for found in all_of(filled, awaiting_rewrite)] == [b"d" * 16]


def test_a_lost_request_is_readmitted_and_a_known_one_is_not(filled):
    row = {
        "kind": "erasure",
        "streams": [],
        "reason": "request",
        "regimes": ["eu_gdpr"],
        "received_at": NOW.isoformat(),
    }
    lost = Continuation("b" * 32, row, b'{"subject_id": "' + b"ab" * 16 + b'"}')
    for expected in (1, 0):
        with filled.database.commit() as tx:
            assert readmit(filled, tx, [lost]) == expected
    found = get(filled, "b" * 32)
    assert (found.state, found.received_at, found.regimes) == ("verified", NOW, ("eu_gdpr",))
    with filled.database.read() as conn:
        assert subject_of(filled, conn, "b" * 32) == b"\xab" * 16


def test_a_request_that_ended_is_shredded(filled, clock):
    request_id = ask(filled, "kim", clock)
    replayed(filled, destruction(requests=[request_id]))
    [row] = all_of(filled, request, request.c.request_id == request_id)
    assert (row.sealed, row.manifest, row.key_number) == (None, None, None)


def test_a_tombstone_of_a_name_that_passed_on_refuses_what_any_record_of_it_refuses(filled):
    day = "2026-11-{:02d}T00:00:00+00:00".format
    first, second = [[None, day(3)]], [[day(5), None]]
    replayed(filled, destruction(tombstones=[Tombstone(MAC, "erasure", NOW, first)]))
    assert [row.periods for row in all_of(filled, tombstone)] == [first]
    replayed(filled, destruction(tombstones=[Tombstone(MAC, "erasure", NOW, second)]))
    assert [row.periods for row in all_of(filled, tombstone)] == [[*first, *second]]
    replayed(filled, destruction(tombstones=[Tombstone(MAC, "erasure", NOW)]))
    assert [row.periods for row in all_of(filled, tombstone)] == [None]


def test_what_identity_changes_hold_of_the_erased_goes_with_them(filled):
    [first, *_] = all_of(filled, subject)
    row = {
        "change_id": "c" * 32,
        "kind": "merge",
        "state": "done",
        "plan_digest": "",
        "facts": {},
        "files": [],
        "pid": first.pid,
        "sealed": b"who",
        "started_at": NOW,
    }
    with filled.database.commit() as tx:
        tx.conn.execute(identity_change.insert().values(**row))
    replayed(filled, destruction(subjects=[bytes(first.pid)]))
    assert [(row.pid, row.sealed) for row in all_of(filled, identity_change)] == [(None, None)]
