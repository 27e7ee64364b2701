"""The raw zone: blocks of somebody who must be gone, blocks that do not open, rows that do not add up."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from shelflife.control.tables import data_file, request
from tests.conftest import NOW
from tests.rights.verify.conftest import (
    change,
    found,
    live,
    one,
    path_of,
    plants,
    put_back,
    rules,
    target_of,
    write,
)
from tests.rights.verify.planting import plant_block

TODAY = NOW.date()


def scrubbed(erased, before):
    """Return a raw file that the erased person's blocks were overwritten in."""
    with erased.database.read() as conn:
        for file in conn.execute(live("raw", "heart")):
            former = (before / "zones" / "raw" / file.path).read_bytes()
            if former != path_of(erased, file).read_bytes():
                return file
    raise AssertionError("nothing was overwritten")


@plants("block_of_target")
def test_a_block_that_was_put_back(erased, target, before):
    put_back(erased, before, scrubbed(erased, before))
    assert rules(found(erased, target)) == {"block_of_target"}


@plants("block_left")
def test_a_block_that_was_put_back_is_found_without_knowing_whose_it_is(erased, before):
    put_back(erased, before, scrubbed(erased, before))
    assert rules(found(erased)) == {"block_left"}


def test_a_block_in_a_file_that_the_catalog_does_not_know(erased, target, before):
    file = scrubbed(erased, before)
    former = (before / "zones" / "raw" / file.path).read_bytes()
    write(erased.settings.zone_folder("raw") / "heart" / "aa" / "copy.parquet", former)
    assert rules(found(erased, target)) == {"block_of_target", "unregistered_file"}
    assert rules(found(erased)) == {"unregistered_file"}


def test_a_block_may_wait_to_be_overwritten_until_its_deadline(erased, target, before):
    put_back(erased, before, scrubbed(erased, before))
    due = NOW + dt.timedelta(days=3)
    waiting = dataclasses.replace(target, due=due)
    outcome = found(erased, waiting)
    assert outcome.findings == ()
    assert outcome.counts["raw: rows that await overwriting"] > 0
    assert "block_of_target" in rules(found(erased, waiting, now=due + dt.timedelta(hours=1)))
    values = {"kind": "erasure", "streams": [], "reason": "request", "regimes": [], "state": "certified"}
    facts = {"physical_due": due.isoformat()}
    change(erased, request.insert().values(request_id="0" * 32, received_at=NOW, facts=facts, **values))
    assert found(erased).findings == ()
    assert "block_left" in rules(found(erased, now=due + dt.timedelta(hours=1)))
    change(erased, request.update().values(facts=facts | {"physical_at": NOW.isoformat()}))
    assert rules(found(erased)) == {"block_left"}


@plants("block_of_target_opens")
def test_a_block_that_opens_with_a_living_key(estate, account):
    target = dataclasses.replace(target_of(estate, account), keys={})
    assert "block_of_target_opens" in rules(found(estate, target))


def test_a_block_that_was_sealed_under_an_empty_slot(erased, target):
    [pid] = target.pids["raw"]
    plant_block(erased, pid, bytes(32), TODAY, period=TODAY.isoformat())
    assert "block_of_target_opens" in rules(found(erased, target))
    assert rules(found(erased)) == {"block_broken"}


def test_only_the_forgotten_streams_count(estate, account):
    known = target_of(estate, account)
    for stream in ("heart", "glucose"):
        target = dataclasses.replace(
            known,
            aliases=(),
            tokens={},
            keys={},
            pids={"raw": known.pids["raw"]},
            streams=frozenset({stream}),
        )
        outcome = found(estate, target)
        assert rules(outcome) == {"block_of_target_opens"}
        assert {
            finding.place.partition(" ")[0].rpartition("_")[2].rpartition("/")[2]
            for finding in outcome.findings
        } == {stream}


@plants("block_broken")
def test_a_block_that_was_altered(estate):
    file = one(estate, live("raw", "heart"))
    path = path_of(estate, file)
    rows = pq.read_table(path)
    bodies = rows.column("body").to_pylist()
    bodies[0] = bodies[0][:-1] + bytes([bodies[0][-1] ^ 1])
    table = rows.set_column(2, rows.schema.field("body"), pa.array(bodies, pa.binary()))
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)
    assert rules(found(estate)) == {"block_broken", "altered_file"}


@plants("raw_rows_differ")
def test_samples_that_do_not_add_up(estate):
    file = one(estate, live("raw", "heart"))
    here = data_file.c.file_id == file.file_id
    change(estate, data_file.update().where(here).values(samples=data_file.c.samples + 1))
    assert rules(found(estate)) == {"raw_rows_differ"}


@plants("raw_file_unsealed")
def test_a_raw_file_that_is_in_clear(estate):
    path = path_of(estate, one(estate, live("raw", "heart")))
    pq.write_table(pa.table({"subject": ["somebody"], "value": [61.0]}), path)
    assert rules(found(estate)) == {"raw_file_unsealed", "altered_file"}


@plants("row_outside_period")
def test_a_row_of_another_day_than_its_partition(estate, account):
    [pid] = target_of(estate, account).pids["raw"]
    with estate.database.read() as conn:
        key = estate.keyrings["raw"].keys(conn, [pid], "heart")[pid]
    plant_block(estate, pid, key, TODAY - dt.timedelta(days=1), period=TODAY.isoformat())
    assert rules(found(estate)) == {"row_outside_period"}


def test_the_oldest_row_is_reported(estate, account):
    [pid] = target_of(estate, account).pids["raw"]
    old = TODAY - dt.timedelta(days=500)
    with estate.database.read() as conn:
        key = estate.keyrings["raw"].keys(conn, [pid], "heart")[pid]
    plant_block(estate, pid, key, old, period=old.isoformat())
    outcome = found(estate)
    assert outcome.findings == ()
    assert outcome.oldest["raw/heart"] == old
    assert one(estate, sa.select(data_file).where(data_file.c.zone == "raw")) is not None
