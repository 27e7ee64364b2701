"""Derived and analytics files: everything that opens is decoded, listed or not."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from shelflife.control.tables import awaiting_rewrite, data_file
from shelflife.seal.file_keys import FileKeys
from tests.conftest import NOW
from tests.rights.verify.conftest import change, found, live, one, path_of, plants, rules, target_of, write
from tests.rights.verify.planting import plant_derived

TODAY = NOW.date()


def await_rewrite(estate, pid: bytes, due: dt.datetime, table: str = "heart_daily") -> None:
    values = {"table_name": table, "pid": pid, "request_id": "0" * 32, "due_at": due}
    change(estate, awaiting_rewrite.insert().values(**values))


@plants("derived_row_of_target", "derived_row_of_nobody")
def test_a_derived_row_that_came_back(erased, target):
    [pid] = target.pids["derived"]
    plant_derived(erased, pid, TODAY)
    assert rules(found(erased, target)) == {"derived_row_of_target"}
    assert rules(found(erased)) == {"derived_row_of_nobody"}


def test_a_derived_row_in_a_file_that_the_catalog_calls_collected(erased, target):
    """A restored file whose key is there opens, and is decoded, whatever the catalog says."""
    [pid] = target.pids["derived"]
    file_id = plant_derived(erased, pid, TODAY)
    change(erased, data_file.update().where(data_file.c.file_id == file_id).values(state="collected"))
    expected = {
        "derived_row_of_target",
        "replaced_file_opens",
        "collected_file_present",
        "key_of_replaced_file",
    }
    assert rules(found(erased, target)) == expected


def test_a_derived_file_that_the_catalog_does_not_know(erased, target):
    [pid] = target.pids["derived"]
    file_id = plant_derived(erased, pid, TODAY)
    path = path_of(erased, one(erased, sa.select(data_file).where(data_file.c.file_id == file_id)))
    moved = path.rename(path.with_name("moved.parquet"))
    outcome = rules(found(erased, target))
    assert outcome == {"derived_row_of_target", "replaced_file_opens", "unregistered_file", "missing_file"}
    change(erased, data_file.delete().where(data_file.c.file_id == file_id))
    outcome = rules(found(erased, target))
    assert outcome == {"derived_row_of_target", "replaced_file_opens", "unregistered_file", "key_unnamed"}
    moved.unlink()


def test_a_former_file_is_noise(erased, target, before):
    """Its key is gone: putting the file back brings nobody back."""
    former = sa.select(data_file).where(data_file.c.zone == "derived", data_file.c.state == "collected")
    file = one(erased, former)
    write(path_of(erased, file), (before / "zones" / "derived" / file.path).read_bytes())
    assert rules(found(erased, target)) == {"collected_file_present"}


def test_rows_may_wait_to_be_rewritten_until_their_due_date(erased, target):
    [pid] = target.pids["derived"]
    plant_derived(erased, pid, TODAY)
    due = NOW + dt.timedelta(days=3)
    await_rewrite(erased, pid, due)
    outcome = found(erased, dataclasses.replace(target, due=due))
    assert outcome.findings == ()
    assert outcome.counts["derived: people whose rows await a rewrite"] == 1
    assert found(erased).findings == ()
    # Whoever must be gone by now is looked for all the same.
    assert rules(found(erased, target)) == {"derived_row_of_target"}


@plants("rewrite_overdue")
def test_rows_past_their_due_date(erased, target):
    [pid] = target.pids["derived"]
    plant_derived(erased, pid, TODAY)
    await_rewrite(erased, pid, NOW - dt.timedelta(hours=1))
    assert {"rewrite_overdue", "derived_row_of_target"} <= rules(found(erased, target))
    assert rules(found(erased)) == {"rewrite_overdue", "derived_row_of_nobody"}


def test_only_the_tables_of_a_forgotten_stream_count(estate, account):
    known = target_of(estate, account)
    for table in ("heart_daily", "activity_daily"):
        target = dataclasses.replace(
            known,
            aliases=(),
            tokens={},
            keys={},
            pids={"derived": known.pids["derived"]},
            streams=frozenset({"heart"}),
            tables=frozenset({table}),
        )
        outcome = found(estate, target)
        assert rules(outcome) == {"derived_row_of_target"}
        assert {finding.place.partition(" ")[0] for finding in outcome.findings} == {f"derived/{table}"}


@plants("derived_row_of_forgotten_stream")
def test_rows_computed_from_a_forgotten_stream(estate, account):
    known = target_of(estate, account)
    with estate.database.commit() as tx:
        estate.keyrings["raw"].destroy(tx, known.pids["raw"], NOW, ["heart"])
    assert rules(found(estate)) == {"derived_row_of_forgotten_stream", "block_left"}
    for table in ("heart_daily", "hrv_recordings"):
        await_rewrite(estate, known.pids["derived"][0], NOW + dt.timedelta(days=3), table)
    assert rules(found(estate)) == {"block_left"}


@plants("derived_rows_differ")
def test_rows_that_do_not_add_up(estate):
    file = one(estate, live("derived"))
    here = data_file.c.file_id == file.file_id
    change(estate, data_file.update().where(here).values(samples=data_file.c.samples + 1))
    assert rules(found(estate)) == {"derived_rows_differ"}


@plants("derived_file_closed")
def test_a_live_file_whose_key_was_destroyed(estate):
    file = one(estate, live("derived"))
    with estate.database.commit() as tx:
        estate.trees["derived"].destroy(tx, [file.key_number], NOW)
    assert rules(found(estate)) == {"derived_file_closed", "key_lost"}


@pytest.mark.parametrize("place", [300, -300, -40])
def test_a_file_that_was_altered_does_not_end_the_verifier(estate, place):
    path = path_of(estate, one(estate, live("derived", "heart_daily")))
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    assert "altered_file" in rules(found(estate))


def test_a_column_under_another_key_than_its_footer(estate, account, monkeypatch):
    """The footer opens, one column does not: the file counts as closed, and the verifier goes on."""
    other = bytes(32)

    class TwoKeys(FileKeys):
        def wrap_key(self, key_bytes, identifier):
            file_id, _, wrapping = identifier.partition("/")
            own = super() if wrapping == "footer" else FileKeys(file_id, other, ())
            return own.wrap_key(key_bytes, identifier)

    monkeypatch.setattr("shelflife.seal.parquet.FileKeys", TwoKeys)
    [pid] = target_of(estate, account).pids["derived"]
    file_id = plant_derived(estate, pid, TODAY)
    outcome = found(estate)
    assert {(finding.rule, finding.place) for finding in outcome.findings} == {
        ("derived_file_closed", f"derived/heart_daily {file_id}")
    }


@plants("derived_file_plaintext")
def test_a_derived_file_in_clear(erased, target, account):
    path = erased.settings.zone_folder("derived") / "heart_daily" / "aa" / "x.parquet"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pq.write_table(pa.table({"who": [account] * 500, "bpm": [61.0] * 500}), path, compression="zstd")
    path.chmod(0o600)
    assert rules(found(erased)) == {"derived_file_plaintext", "unregistered_file"}
    assert rules(found(erased, target)) == {"derived_file_plaintext", "unregistered_file", "target_in_file"}
