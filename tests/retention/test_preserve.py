"""Held rows: exactly those that a hold covers, once, and whatever becomes of the people and partitions they came from."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile

import polars as pl
import pytest
import sqlalchemy as sa

from shelflife.control.tables import batch, partition
from shelflife.errors import ConfigurationError, KeyDestroyed, SealBroken
from shelflife.journal.journal import read_all
from shelflife.keys import leases
from shelflife.lake.checks import unjudged
from shelflife.lake.derive import derive
from shelflife.lake.scrub import scrub
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify
from shelflife.retention import preserve as preserving
from shelflife.retention.held_rows import read_held
from shelflife.retention.holds import active_holds, people_of
from shelflife.retention.preserve import Preserved, preserve
from shelflife.retention.production import PEOPLE, produce
from shelflife.retention.release import Released, release
from shelflife.retention.resealing import fresh_rows
from shelflife.seal.envelope import read_envelope
from shelflife.seal.envelope_keys import ExportPrivateKey
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.tombstones import bury
from tests.conftest import NOW
from tests.retention.conftest import OLD, OLDER, RECENT, clock, hold_on, land_rows, pid, rows
from tests.retention.state import held, landed, readable


def erase(estate, name: str) -> None:
    """Destroy a person's keys and blocks as an erasure does, after the held rows were preserved."""
    alias = Alias("account", name)
    with estate.database.commit() as tx:
        person = find(estate, tx.conn, [alias])[alias]
        bury(estate, tx, [alias], reason="erasure", now=NOW)
        estate.keyrings["raw"].destroy(tx, [person.raw_pid], NOW)
        estate.keyrings["identity"].destroy(tx, [person.identity_pid], NOW)
        leases.advance_epoch(tx)
    scrub(estate, [person.raw_pid])


def of_person(estate, name: str) -> dict[tuple[str, str], pl.DataFrame]:
    """What can be read of a person in the raw zone, by table and period."""
    found = {}
    for place, everything in landed(estate).items():
        mine = everything.filter(pl.col("pid") == name).drop("pid")
        if not mine.is_empty():
            found[place] = mine
    return found


def test_exactly_the_covered_rows_are_held_and_preserving_again_adds_nothing(filled):
    before, ada, unchecked = readable(filled), of_person(filled, "ada"), unjudged(filled)
    one = hold_on(filled, "ada", streams=["heart"], first_day=dt.date(2024, 11, 1))
    done = preserve(filled, None, None, clock=clock, reason="test")
    assert done == Preserved(rows=3 + 3 + 1 + 1, people=1, partitions=4, covered=8)
    kept = held(filled, one.hold_id)
    assert set(kept) == {("ada", "heart"), ("ada", "quarantine_heart")}
    expected = pl.concat([ada["heart", OLD], ada["heart", RECENT]])
    assert kept["ada", "heart"].equals(expected.sort(expected.columns, nulls_last=True))
    days = kept["ada", "quarantine_heart"]["local_date"].to_list()
    assert days == [dt.date(2024, 11, 1), dt.date(2026, 11, 20)]
    assert preserve(filled, None, None, clock=clock, reason="test") == Preserved(covered=8)
    assert readable(filled) == before
    with filled.database.read() as conn:
        verify(conn, filled.ledger.verifier_key, filled.witness)
    assert status(filled).unregistered == 0
    assert unjudged(filled) == unchecked


def test_rows_without_a_readable_day_are_held_too(estate, put):
    bad = {"subject": "ada", "signal": "heart_rate", "value": 60, "unit": "/min", "start": "whenever"}
    land_rows(estate, put, json.dumps(bad).encode(), NOW)
    one = hold_on(estate, "ada", first_day=dt.date(2020, 1, 1), last_day=dt.date(2020, 1, 2))
    assert preserve(estate, None, None, clock=clock, reason="test").rows == 1
    assert held(estate, one.hold_id)["ada", "quarantine_heart"]["local_date"].to_list() == [None]


def test_each_hold_keeps_its_own(filled):
    first = hold_on(filled, "ada", "bob", streams=["sleep"])
    second = hold_on(filled, "bob", streams=["sleep"], last_day=dt.date(2024, 10, 31))
    assert preserve(filled, None, None, clock=clock, reason="test").rows == 7
    assert {name for name, _ in held(filled, first.hold_id)} == {"ada", "bob"}
    assert held(filled, second.hold_id)["bob", "sleep"].height == 1
    release(filled, first.hold_id, clock=clock)
    assert held(filled, second.hold_id)["bob", "sleep"].height == 1


def test_what_is_asked_for_decides_what_is_preserved(filled):
    one = hold_on(filled, "ada", "bob")
    assert preserve(filled, [pid(filled, "ada")], ["sleep"], clock=clock, reason="test").rows == 3
    assert set(held(filled, one.hold_id)) == {("ada", "sleep")}
    with filled.database.read() as conn:
        ids = list(
            conn.execute(sa.select(partition.c.partition_id).where(partition.c.period == OLDER)).scalars()
        )
    assert preserve(filled, None, None, clock=clock, reason="test", partition_ids=ids).rows == 6
    assert preserve(filled, [pid(filled, "cyd")], None, clock=clock, reason="test") == Preserved()


def test_late_rows_are_added_to_what_is_held(filled, put):
    one = hold_on(filled, "ada", streams=["sleep"])
    assert preserve(filled, None, None, clock=clock, reason="test").rows == 3
    land_rows(filled, put, rows("ada", days=("2024-11-02",)), NOW)
    assert preserve(filled, None, None, clock=clock, reason="test").rows == 1
    assert held(filled, one.hold_id)["ada", "sleep"].height == 4


def test_held_rows_survive_an_erasure_and_nothing_else_of_the_person_does(filled):
    ada = of_person(filled, "ada")
    everyone = hold_on(
        filled, streams=["heart"], first_day=dt.date(2024, 11, 1), last_day=dt.date(2024, 11, 1)
    )
    preserve(filled, [pid(filled, "ada")], None, clock=clock, reason="erasure")
    erase(filled, "ada")
    assert of_person(filled, "ada") == {}
    kept = held(filled, everyone.hold_id)
    assert kept["ada", "heart"].equals(ada["heart", OLD])
    assert {name for name, _ in kept} == {"ada"}
    # Preserving for others later passes over who is gone.
    assert preserve(filled, None, None, clock=clock, reason="test").people == 2


def test_no_ordinary_reader_finds_held_rows(filled):
    hold_on(filled, "ada")
    derive(filled, clock=clock, names=["heart_daily"])
    before = readable(filled)
    preserve(filled, None, None, clock=clock, reason="test")
    assert derive(filled, clock=clock, names=["heart_daily"]).units == []
    assert readable(filled) == before


def test_a_release_leaves_nothing_of_what_was_held(filled):
    before = readable(filled)
    one = hold_on(filled, "ada", streams=["heart", "sleep"])
    preserve(filled, None, None, clock=clock, reason="test")
    with filled.database.read() as conn:
        hold_pids = list(people_of(conn, one.hold_id).values())
    done = release(filled, one.hold_id, clock=clock)
    # Of eight partitions, of the eight slots of her keyring, and the hold's own key.
    assert (done.people, done.partitions, done.rows, done.keys_destroyed) == (1, 8, 15, 17)
    with filled.database.read() as conn:
        [gone] = [one.destruction for one in read_all(filled, conn) if one.destruction.kind == "release"]
    assert {zone: len(numbers) for zone, numbers in gone.keys.items()} == {"raw": 16, "identity": 1}
    assert (list(gone.holds), len(gone.partitions), list(gone.keyrings["raw"])) == (
        [one.hold_id],
        8,
        hold_pids,
    )
    assert release(filled, one.hold_id, clock=clock) == Released(one.hold_id)
    with filled.database.read() as conn:
        assert active_holds(conn) == []
        assert people_of(conn, one.hold_id) == {}
        assert filled.keyrings["raw"].numbers(conn, hold_pids) == {}
        homes = conn.execute(sa.select(partition).where(partition.c.table_name.like("held_%"))).all()
        assert {home.state for home in homes} == {"destroyed"}
        numbers = [home.key_number for home in homes]
        assert filled.trees["raw"].lookup(conn, numbers) == [None] * 8
        assert filled.trees["identity"].lookup(conn, [one.key_number]) == [None]
        verify(conn, filled.ledger.verifier_key, filled.witness)
    assert not list((filled.zone_folder("raw")).glob("held_*/**/*.parquet"))
    assert status(filled).unregistered == 0
    assert readable(filled) == before
    with pytest.raises(ConfigurationError, match="released"):
        read_held(filled, one.hold_id, clock=clock)
    with pytest.raises(ConfigurationError, match="No hold"):
        release(filled, "0" * 32, clock=clock)


def test_rows_that_land_while_they_are_preserved_are_held_as_well(filled, put, monkeypatch):
    one = hold_on(filled, "ada", streams=["sleep"])
    late = []

    def read_then_land(*rest):
        found = fresh_rows(*rest)
        if not late:
            late.append(land_rows(filled, put, rows("ada", days=("2024-10-30",)), NOW))
        return found

    monkeypatch.setattr(preserving, "fresh_rows", read_then_land)
    assert preserve(filled, None, None, clock=clock, reason="test").rows == 4
    assert held(filled, one.hold_id)["ada", "sleep"].height == 4
    with filled.database.read() as conn:
        abandoned = sa.select(sa.func.count()).select_from(batch).where(batch.c.state == "abandoned")
        assert conn.execute(abandoned).scalar() == 1


def test_a_release_while_rows_are_preserved_ends_with_nothing_held(filled, monkeypatch):
    one = hold_on(filled, "ada", streams=["sleep"])
    seen = []

    def read_then_release(*rest):
        found = fresh_rows(*rest)
        if not seen:
            seen.append(release(filled, one.hold_id, clock=clock))
        return found

    monkeypatch.setattr(preserving, "fresh_rows", read_then_release)
    assert preserve(filled, None, None, clock=clock, reason="test") == Preserved()
    with filled.database.read() as conn:
        live = sa.select(partition).where(partition.c.table_name == "held_sleep", partition.c.state == "open")
        assert [row.version for row in conn.execute(live)] in ([], [0])
    assert not list((filled.zone_folder("raw")).glob("held_*/**/*.parquet"))


def test_what_is_produced_opens_with_counsels_key_only(filled):
    one = hold_on(filled, "ada", streams=["sleep"])
    preserve(filled, None, None, clock=clock, reason="test")
    counsel, other = ExportPrivateKey.generate(), ExportPrivateKey.generate()
    sink = io.BytesIO()
    life = dt.timedelta(days=30)
    done = produce(filled, one.hold_id, sink, counsel.public_key(), lifetime=life, clock=clock)
    assert (done.people, done.rows, done.size) == (1, 3, len(sink.getvalue()))
    assert b"ada" not in sink.getvalue()
    sink.seek(0)
    plain = b"".join(read_envelope(sink, counsel, now=NOW))
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        [person] = json.loads(archive.read(PEOPLE))
        table = pl.read_parquet(io.BytesIO(archive.read("sleep.parquet")))
    assert person["aliases"] == [{"kind": "account", "value": "ada"}]
    assert table["pid"].unique().to_list() == [bytes.fromhex(person["pid"])]
    sink.seek(0)
    with pytest.raises(SealBroken):
        b"".join(read_envelope(sink, other, now=NOW))


def test_reading_held_rows_is_recorded(filled):
    one = hold_on(filled, "ada", streams=["sleep"])
    preserve(filled, None, None, clock=clock, reason="test")
    with filled.database.read() as conn:
        before = filled.ledger.size(conn)
    read_held(filled, one.hold_id, clock=clock)
    with filled.database.read() as conn:
        assert filled.ledger.size(conn) == before + 1


def test_a_released_holds_people_do_not_open(filled):
    from shelflife.retention.held_people import open_people

    one = hold_on(filled, "ada")
    release(filled, one.hold_id, clock=clock)
    with filled.database.read() as conn, pytest.raises(KeyDestroyed):
        open_people(filled, conn, one.hold_id, one.key_number)
