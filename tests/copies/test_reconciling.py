"""Reconciliation: what lies there against what is registered and declared; expiry; copies that moved or were withdrawn."""

from __future__ import annotations

import datetime as dt

import pytest

from shelflife.copies.erasing import erase_from_copies
from shelflife.copies.publish import publish
from shelflife.copies.reconciling import expire_copies, reconcile
from shelflife.copies.registry import load_declarations, open_adapter
from shelflife.copies.remembered import remembered, standing
from tests.conftest import NOW
from tests.copies.estates import declare, declared
from tests.copies.warehouse import PEOPLE, clock, held, later, live, subject_id

CACHE = declared("sqlite_cache", name="cache")
MART = declared("parquet_extract", name="extract")


@pytest.fixture
def estate(warehouse):
    made = warehouse(CACHE, MART)
    publish(made, clock=clock)
    return made


def rules(report) -> set[tuple[str, str, str]]:
    return {(one.copy, one.rule, one.where) for one in report.findings}


def folder(estate, name="cache"):
    return estate.settings.home / "copies" / name


def test_a_sound_estate_has_no_finding(estate):
    report = reconcile(estate, clock)
    assert (report.findings, report.expired, report.withdrawn, report.removed) == ([], {}, [], [])


def test_an_undeclared_object_is_reported_and_removed_only_when_asked_for(estate):
    stray = folder(estate) / "mine.sqlite"
    stray.write_bytes(b"somebody's own cache")
    assert rules(reconcile(estate, clock)) == {("cache", "unregistered_object", "mine.sqlite")}
    assert stray.exists()
    report = reconcile(estate, clock, remove=True)
    assert report.findings == []
    assert [one.where for one in report.removed] == ["mine.sqlite"]
    assert not stray.exists()
    assert len(held(estate, "cache", PEOPLE[0])) == 2


def test_files_in_folders_that_nobody_declared_are_reported(estate):
    place = folder(estate, "somebodys_own")
    place.mkdir()
    (place / "data.parquet").write_bytes(b"x")
    assert rules(reconcile(estate, clock, remove=True)) == {
        ("copies", "undeclared_location", "copies/somebodys_own/data.parquet")
    }
    assert (place / "data.parquet").exists()


def test_a_link_out_of_the_folder_is_a_finding_and_its_target_stays(estate, tmp_path):
    target = tmp_path / "precious.txt"
    target.write_bytes(b"not ours")
    (folder(estate) / "link").symlink_to(target)
    assert rules(reconcile(estate, clock)) == {("cache", "unregistered_object", "link")}
    reconcile(estate, clock, remove=True)
    assert not (folder(estate) / "link").is_symlink()
    assert target.read_bytes() == b"not ours"


def test_a_lost_file_is_reported(estate):
    [row] = live(estate, "cache")
    (folder(estate) / row.item).unlink()
    assert rules(reconcile(estate, clock)) == {("cache", "missing_object", row.item)}


def test_what_is_past_its_time_to_live_is_removed(estate):
    assert expire_copies(estate, later(hours=23)) == {}
    assert expire_copies(estate, later(days=1)) == {"cache": 1, "extract": 2}
    assert list(folder(estate).iterdir()) == []
    assert live(estate, "cache") == []
    assert expire_copies(estate, later(days=1)) == {}


def test_reconciling_expires_too(estate):
    assert reconcile(estate, later(days=1)).expired == {"cache": 1, "extract": 2}


def test_a_withdrawn_copy_is_erased_from_and_then_removed(estate, tmp_path):
    declare(tmp_path, MART)
    assert set(standing(estate.settings)) == {"cache", "extract"}
    who = [subject_id(estate, PEOPLE[0])]
    found = erase_from_copies(estate, who, streams=None, now=NOW)
    assert {name: one.outcome for name, one in found.items()} == {"cache": "deleted", "extract": "deleted"}
    report = reconcile(estate, clock)
    assert (report.withdrawn, report.findings) == (["cache"], [])
    assert list(folder(estate).iterdir()) == []
    assert live(estate, "cache") == []
    assert set(remembered(estate.settings)) == {"extract"}
    assert set(standing(estate.settings)) == {"extract"}
    assert reconcile(estate, clock).withdrawn == []


def test_a_withdrawn_copy_of_which_nothing_is_known_is_a_finding(estate, tmp_path):
    declare(tmp_path, MART)
    (estate.settings.home / "copies" / ".declared" / "cache.json").write_text("not JSON")
    found = rules(reconcile(estate, clock))
    assert ("cache", "withdrawn_and_unknown", "cache") in found


def test_a_copy_that_moves_leaves_nothing_where_it_was(estate, tmp_path):
    """People are erased from the former place until the copy is published in the new one."""
    declare(tmp_path, CACHE | {"location": "copies/elsewhere"}, MART)
    found = erase_from_copies(estate, [subject_id(estate, PEOPLE[0])], streams=None, now=NOW)
    assert found["cache"].outcome == "deleted"
    publish(estate, ["cache"], clock=clock)
    assert list(folder(estate).iterdir()) == []
    [row] = live(estate, "cache")
    assert [path.name for path in folder(estate, "elsewhere").iterdir()] == [row.item]
    assert reconcile(estate, clock).findings == []


def test_a_copy_that_changes_its_kind_leaves_nothing_of_the_former_one(estate, tmp_path):
    declare(tmp_path, CACHE | {"kind": "parquet_extract"}, MART)
    publish(estate, ["cache"], clock=clock)
    assert {path.suffix for path in folder(estate).iterdir()} == {".parquet"}
    assert reconcile(estate, clock).findings == []


def test_a_place_that_does_not_answer_is_a_finding_and_a_deferred_erasure(estate, tmp_path):
    pytest.importorskip("redis")
    remote = declared("redis_cache", name="remote", location="redis://127.0.0.1:1/0")
    declare(tmp_path, CACHE, MART, remote)
    assert ("remote", "unreachable", "remote") in rules(reconcile(estate, clock))
    found = erase_from_copies(estate, [subject_id(estate, PEOPLE[0])], streams=None, now=NOW)
    assert (found["remote"].outcome, found["remote"].until) == ("deferred_until", NOW + dt.timedelta(hours=1))
    assert found["cache"].outcome == "deleted"


def test_half_written_files_of_dead_processes_are_swept(estate):
    adapter = open_adapter(estate, load_declarations(estate.settings)["cache"])
    pending = adapter.items.register("*", NOW, suffix=".sqlite")
    for name in (pending.item, f".{pending.item}.part", f"{pending.item}-wal"):
        (folder(estate) / name).write_bytes(b"half")
    assert reconcile(estate, clock).findings == []
    assert [path.name for path in folder(estate).iterdir()] == [row.item for row in live(estate, "cache")]
