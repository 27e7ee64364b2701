"""Publication and erasure on an estate of invented people, in every kind of file."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from shelflife.control.tables import copy_item, ledger_leaf, lineage_output, lineage_run
from shelflife.copies import locking
from shelflife.copies import publish as publish_module
from shelflife.copies.publish import publish
from shelflife.copies.reconciling import reconcile
from shelflife.copies.registry import load_declarations, open_adapter
from shelflife.copies.tokens import copy_token
from shelflife.errors import CommitConflict, LeaseExpired
from shelflife.estate import Estate
from shelflife.keys.leases import advance_epoch
from shelflife.lake.awaiting import await_rewrites
from shelflife.lake.derive import derive
from shelflife.ledger.ledger import verify
from shelflife.lineage.journey import where_did
from shelflife.subjects.directory import pseudonym_map
from tests.conftest import NOW
from tests.copies.estates import ROOT, declared, settings_in
from tests.copies.warehouse import (
    DAYS,
    FILE_KINDS,
    PEOPLE,
    clock,
    content_hash,
    erase,
    held,
    inspected,
    landed,
    later,
    live,
    samples,
    subject_id,
    token_of,
)
from tests.lineage.openlineage_checks import check_event

COPIES = [declared(kind, name=name) for name, kind in FILE_KINDS.items()]
ERASED, OTHERS = PEOPLE[2:4], PEOPLE[:2] + PEOPLE[4:]


@pytest.fixture
def estate(warehouse):
    return warehouse(*COPIES)


@pytest.fixture
def cached(warehouse):
    return warehouse(COPIES[0])


def entries(estate: Estate, kind: str) -> list[dict[str, object]]:
    with estate.database.read() as conn:
        bodies = conn.execute(sa.select(ledger_leaf.c.body).order_by(ledger_leaf.c.position)).scalars()
        return [told for body in bodies if (told := json.loads(body))["type"] == kind]


@pytest.mark.slow
def test_published_erased_and_clean_in_every_kind(estate):
    report = publish(estate, clock=clock)
    assert {(one.copy, one.state, one.rows) for one in report.copies} == {
        (name, "published", 2 * len(PEOPLE) * len(DAYS)) for name in FILE_KINDS
    }
    before = {name: content_hash(estate, name, OTHERS) for name in FILE_KINDS}
    assert len({*before.values()}) == len(FILE_KINDS), "tokens differ from copy to copy"
    for name in FILE_KINDS:
        assert inspected(estate, name, ERASED) == {"erased_person"}
        assert set(held(estate, name, ERASED[0])) == {"heart_daily", "activity_daily"}
    found = erase(estate, ERASED)
    assert {name: (one.outcome, one.removed) for name, one in found.items()} == {
        name: ("deleted", 2 * len(ERASED) * len(DAYS)) for name in FILE_KINDS
    }
    for name in FILE_KINDS:
        assert inspected(estate, name, ERASED) == set()
        assert content_hash(estate, name, OTHERS) == before[name]
        assert held(estate, name, ERASED[0]) == {}
    assert {one.outcome for one in erase(estate, ERASED).values()} == {"already_absent"}
    assert reconcile(estate, clock).findings == []
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)


def test_ledger_and_lineage_tell_of_it_without_naming_anybody(cached):
    publish(cached, clock=clock)
    erase(cached, ERASED)
    [told] = entries(cached, "publish")
    assert (told["copy"], told["rows"], told["items"]) == ("cache", 48, 1)
    [gone] = entries(cached, "erase_copy")
    assert (gone["people"], gone["removed"], gone["items"]) == (2, 12, 1)
    text = json.dumps([told, gone])
    for person in PEOPLE:
        assert person not in text
        assert token_of(cached, "cache", person).hex() not in text
        assert subject_id(cached, person).hex() not in text
    with cached.database.read() as conn:
        outputs = conn.execute(sa.select(lineage_output).where(lineage_output.c.dataset == "copies/cache"))
        assert sorted(row.rows for row in outputs) == [36, 48]
        assert not conn.execute(sa.select(lineage_run).where(lineage_run.c.emitted.is_(False))).all()[1:]
        [batch] = {entry["batch"] for entry in entries(cached, "land")}
        assert "copies/cache" in repr(where_did(conn, batch))


def test_events_of_copies_are_openlineage_and_name_nobody(cached):
    publish(cached, clock=clock)
    erase(cached, ERASED)
    publish(cached, clock=later(days=1))
    [file] = cached.settings.lineage_folder.glob("events-2026-11-23.ndjson")
    lines = file.read_text().splitlines()
    [later_file] = cached.settings.lineage_folder.glob("events-2026-11-24.ndjson")
    lines += later_file.read_text().splitlines()
    events = [event for event in map(json.loads, lines) if "cache" in event["job"]["name"]]
    assert {event["job"]["name"] for event in events} == {"publish.cache", "erase.cache"}
    for event in events:
        check_event(event)
    told = json.dumps(events)
    assert "copies/cache" in told
    assert not any(token_of(cached, "cache", person).hex() in told for person in PEOPLE)


def test_what_did_not_change_is_not_published_again(cached):
    publish(cached, clock=clock)
    first = [row.item for row in live(cached, "cache")]
    [again] = publish(cached, clock=later(hours=1)).copies
    assert again.state == "unchanged"
    assert [row.item for row in live(cached, "cache")] == first
    assert len(entries(cached, "publish")) == 1


def test_late_data_an_expired_copy_and_a_lost_file_are_each_published_again(cached):
    publish(cached, clock=clock)
    landed(cached, samples(PEOPLE[0], 9, 0), "late.ndjson")
    [again] = publish(cached, clock=clock).copies
    assert (again.state, again.rows) == ("published", 50)
    [again] = publish(cached, clock=later(days=1)).copies
    assert again.state == "published"
    [row] = live(cached, "cache")
    assert row.expires_at == NOW + dt.timedelta(days=2)
    (cached.settings.home / "copies" / "cache" / row.item).unlink()
    [again] = publish(cached, clock=later(days=1)).copies
    assert again.state == "published"
    assert len(held(cached, "cache", PEOPLE[0])["heart_daily"]) == 4


def test_a_changed_declaration_is_published_again(cached, tmp_path):
    from tests.copies.estates import declare

    publish(cached, clock=clock)
    declare(tmp_path, {**COPIES[0], "datasets": ["heart_daily"]})
    [again] = publish(cached, clock=clock).copies
    assert (again.state, again.rows) == ("published", 24)
    assert set(held(cached, "cache", PEOPLE[0])) == {"heart_daily"}


def test_only_columns_of_the_declared_classes_leave_the_vault(warehouse):
    everything = ["ordinary", "sensitive", "special"]
    estate = warehouse(
        declared("sqlite_cache", name="all", classes=everything, datasets=["glucose_daily", "heart_daily"]),
        declared("sqlite_cache", name="plain", classes=["ordinary"], datasets=["heart_daily"]),
        declared("sqlite_cache", name="care", classes=["ordinary", "special"], datasets=["glucose_daily"]),
    )
    publish(estate, clock=clock)
    columns = {}
    for name, declaration in load_declarations(estate.settings).items():
        exported = open_adapter(estate, declaration).export(token_of(estate, name, PEOPLE[0]))
        columns |= {(name, dataset): rows.schema.names for dataset, rows in exported.items()}
    assert {"mean_bpm"} < set(columns["all", "heart_daily"])
    assert {"mean_mg_dl"} < set(columns["all", "glucose_daily"])
    assert columns["plain", "heart_daily"] == ["subject_token", "local_date", "readings"]
    assert "mean_mg_dl" in columns["care", "glucose_daily"]


def test_figures_of_groups_are_published_without_tokens_and_stay_when_somebody_is_erased(warehouse):
    everything = ["ordinary", "sensitive", "special"]
    estate = warehouse(
        declared("parquet_extract", name="figures", classes=everything, datasets=["cohort_weekly"])
    )
    derive(estate, clock=clock)
    [done] = publish(estate, clock=clock).copies
    assert (done.state, done.rows) == ("published", 1)
    adapter = open_adapter(estate, load_declarations(estate.settings)["figures"])
    [item] = adapter.items.live()
    [dataset] = adapter.read(item, adapter.folder / item.item)
    assert "subject_token" not in dataset.rows.schema.names
    assert dataset.rows.column("people").to_pylist() == [None], "eight people are too few to be told"
    assert adapter.export(token_of(estate, "figures", PEOPLE[0])) == {}
    assert erase(estate, ERASED)["figures"].outcome == "already_absent"
    assert [row.item for row in live(estate, "figures")] == [item.item]


def test_tokens_are_of_one_copy_and_nobody_elses(estate):
    with estate.database.read() as conn:
        who = subject_id(estate, PEOPLE[0])
        tokens = {name: copy_token(estate, conn, name, who) for name in FILE_KINDS}
        assert len(set(tokens.values())) == 3
        assert all(len(token) == 16 for token in tokens.values())
        assert tokens["cache"] == copy_token(estate, conn, "cache", who)
        assert tokens["cache"] != copy_token(estate, conn, "cache", subject_id(estate, PEOPLE[1]))
        for zone in ("identity", "derived"):
            pids = pseudonym_map(estate, conn, "raw", zone)
            assert not {*pids, *pids.values()} & set(tokens.values())


def test_people_whose_rows_await_their_rewrite_are_not_published(cached):
    with cached.database.commit() as tx:
        pids = pseudonym_map(cached, tx.conn, "identity", "derived")
        from shelflife.subjects.directory import Alias, find

        name = Alias("account", PEOPLE[3])
        gone = pids[find(cached, tx.conn, [name])[name].identity_pid]
        await_rewrites(tx, {"heart_daily": {gone: "0" * 32}}, due_at=NOW)
    [done] = publish(cached, clock=clock).copies
    assert (done.rows, done.left_out) == (45, 3)
    assert set(held(cached, "cache", PEOPLE[3])) == {"activity_daily"}
    assert set(held(cached, "cache", PEOPLE[4])) == {"heart_daily", "activity_daily"}


def test_people_whose_identity_key_is_gone_are_not_published(cached):
    from shelflife.subjects.directory import Alias, find

    token = token_of(cached, "cache", PEOPLE[5])
    with cached.database.commit() as tx:
        name = Alias("account", PEOPLE[5])
        pid = find(cached, tx.conn, [name])[name].identity_pid
        cached.keyrings["identity"].destroy(tx, [pid], NOW)
    [done] = publish(cached, clock=clock).copies
    assert (done.rows, done.left_out) == (42, 6)
    adapter = open_adapter(cached, load_declarations(cached.settings)["cache"])
    assert adapter.export(token) == {}


def test_an_erasure_in_between_makes_a_publication_start_again(cached, monkeypatch):
    reads = []
    real = publish_module.read_datasets

    def erased_meanwhile(estate, conn, *given):
        found = real(estate, conn, *given)
        reads.append(1)
        if len(reads) <= times:
            with estate.database.commit() as tx:
                advance_epoch(tx)
        return found

    monkeypatch.setattr(publish_module, "read_datasets", erased_meanwhile)
    times = 1
    [done] = publish(cached, clock=clock).copies
    assert (done.state, len(reads)) == ("published", 2)
    before = [row.item for row in live(cached, "cache")]
    times = 100
    [failed] = publish(cached, clock=later(days=2)).copies
    assert isinstance(failed.error, LeaseExpired)
    assert [row.item for row in live(cached, "cache")] == before
    folder = cached.settings.home / "copies" / "cache"
    assert [path.name for path in folder.iterdir()] == before


def test_one_copy_that_fails_keeps_no_other_from_being_published_or_erased(estate):
    place = estate.settings.home / "copies"
    place.mkdir()
    (place / "mart").write_text("in the way")
    report = publish(estate, clock=clock)
    assert {one.copy: one.state for one in report.copies} == {
        "cache": "published",
        "mart": "failed",
        "extract": "published",
    }
    (place / "mart").unlink()
    publish(estate, clock=clock)
    [item] = live(estate, "mart")
    (place / "mart" / item.item).write_bytes(b"broken")
    assert {name: one.outcome for name, one in erase(estate, ERASED).items()} == {
        "cache": "deleted",
        "mart": "failed",
        "extract": "deleted",
    }


def test_forgetting_a_stream_leaves_what_is_computed_from_others(cached):
    publish(cached, clock=clock)
    assert erase(cached, ERASED, streams=["activity"])["cache"].removed == len(ERASED) * len(DAYS)
    assert set(held(cached, "cache", ERASED[0])) == {"heart_daily"}
    assert erase(cached, ERASED, streams=["sleep"])["cache"].outcome == "already_absent"
    assert set(held(cached, "cache", OTHERS[0])) == {"heart_daily", "activity_daily"}


def test_one_process_at_a_time_changes_a_copy(cached, monkeypatch):
    publish(cached, clock=clock)
    monkeypatch.setattr(locking, "PATIENCE_SECONDS", 0.1)
    with locking.copy_lock(cached, "cache"):
        [failed] = publish(cached, clock=later(days=1)).copies
        assert isinstance(failed.error, CommitConflict)
        found = erase(cached, ERASED)["cache"]
        assert (found.outcome, found.until) == ("deferred_until", NOW + dt.timedelta(hours=1))
        assert reconcile(cached, clock).findings[0].rule == "unreachable"
    assert erase(cached, ERASED)["cache"].outcome == "deleted"


def test_what_is_removed_is_on_the_ledger_with_its_reason(cached, tmp_path):
    from tests.copies.estates import declare

    publish(cached, clock=clock)
    reconcile(cached, later(days=1))
    publish(cached, clock=later(days=1))
    declare(tmp_path, COPIES[0] | {"location": "copies/elsewhere"})
    publish(cached, clock=later(days=1))
    declare(tmp_path)
    reconcile(cached, later(days=1))
    told = [(entry["why"], entry["items"], entry["rows"]) for entry in entries(cached, "remove_copy")]
    assert told == [("expired", 1, 48), ("moved", 1, 48), ("withdrawn", 1, 48)]


def in_child(folder: Path, code: str, point: str) -> int:
    """Run a line in a process of its own that dies at a crash point."""
    imports = (
        "import sys; from pathlib import Path\n"
        "from shelflife.copies.publish import publish; from shelflife.estate import Estate\n"
        "from tests.copies.estates import NOW, settings_in\n"
        "from tests.copies.warehouse import PEOPLE, erase\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SHELFLIFE_CRASH_AT": point}
    command = [sys.executable, "-c", imports + code, str(folder)]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


@pytest.mark.slow
@pytest.mark.parametrize("point", ["copies.items.before_settle", "copies.erase.removed"])
def test_a_killed_erasure_is_on_the_ledger_once(cached, tmp_path, point):
    publish(cached, clock=clock)
    before = content_hash(cached, "cache", OTHERS)
    cached.close()
    assert (
        in_child(tmp_path, "erase(Estate.open(settings_in(Path(sys.argv[1])), NOW), PEOPLE[2:4])", point)
        == -9
    )
    estate = Estate.open(settings_in(tmp_path), NOW)
    outcome = erase(estate, ERASED)["cache"].outcome
    assert outcome == ("already_absent" if point == "copies.erase.removed" else "deleted")
    assert [(one["people"], one["removed"]) for one in entries(estate, "erase_copy")] == [(2, 12)]
    assert inspected(estate, "cache", ERASED) == set()
    assert content_hash(estate, "cache", OTHERS) == before
    assert reconcile(estate, clock).findings == []
    estate.close()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["copies.publish.read", "copies.file.written", "copies.items.settled"])
def test_a_killed_publication_leaves_nothing_unregistered_after_the_next(cached, tmp_path, point):
    publish(cached, clock=clock)
    landed(cached, samples(PEOPLE[0], 9, 0), "late.ndjson")
    cached.close()
    code = "publish(Estate.open(settings_in(Path(sys.argv[1])), NOW), clock=lambda: NOW)"
    assert in_child(tmp_path, code, point) == -signal.SIGKILL
    estate = Estate.open(settings_in(tmp_path), NOW)
    [done] = publish(estate, clock=clock).copies
    assert done.state == ("unchanged" if point == "copies.items.settled" else "published")
    assert len(held(estate, "cache", PEOPLE[0])["heart_daily"]) == 4
    report = reconcile(estate, clock)
    assert report.findings == []
    with estate.database.read() as conn:
        pending = conn.execute(sa.select(copy_item).where(copy_item.c.state == "pending")).all()
        removed = conn.execute(sa.select(copy_item).where(copy_item.c.state == "removed")).all()
        keys = estate.trees["analytics"].lookup(conn, [row.key_number for row in removed])
    assert (pending, set(keys)) == ([], {None})
    assert open_adapter(estate, load_declarations(estate.settings)["cache"]).inventory() == [
        row.item for row in live(estate, "cache")
    ]
    estate.close()
