"""Applying a plan: exactly what it says, or nothing when anything has moved, and nobody else's rows are touched."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from shelflife.control.database import ControlDatabase
from shelflife.control.tables import (
    attribute_disclosure,
    data_file,
    lineage_input,
    lineage_run,
    partition,
    purge_plan,
    query_audit,
    request,
    request_event,
)
from shelflife.errors import KeyDestroyed, KeyTreeUnopenable, PlanOutdated, PlanRefused
from shelflife.journal.journal import read_all
from shelflife.keys.leases import current_epoch, issue
from shelflife.keys.tree import KeyKind
from shelflife.lake.catalog import files_of_partition, move_partitions, partitions
from shelflife.lake.derive import derive
from shelflife.lake.status import status
from shelflife.lake.unseal import read_partition
from shelflife.ledger.ledger import verify
from shelflife.policy.loading import load_policies
from shelflife.retention import apply as applying
from shelflife.retention.adoption import adopt
from shelflife.retention.apply import apply_plan, plan_purge
from shelflife.retention.holds import amend
from shelflife.retention.plan_file import write_plan
from shelflife.retention.release import release
from shelflife.retention.stages import ExpirePartitions
from tests.conftest import NOW
from tests.retention.conftest import (
    OLD,
    OLDER,
    PEOPLE,
    RECENT,
    TERMS,
    THEN,
    clock,
    hold_on,
    land_rows,
    pid,
    rows,
)
from tests.retention.state import held, key_pages, readable

if TYPE_CHECKING:
    from shelflife.estate import Estate

WEEK = dt.timedelta(days=7)


def written(estate: Estate, **how) -> tuple[str, object]:
    made = plan_purge(estate, clock=clock, **how)
    return write_plan(estate.settings, made), made


def derive_heart(estate: Estate) -> None:
    derive(estate, clock=clock, names=["heart_daily"])


def applied(estate: Estate, **how):
    name, _ = written(estate, **how)
    return apply_plan(estate, name, clock=clock)


def test_exactly_what_the_plan_says_goes_and_nothing_else_changes(filled):
    derive(filled, clock=clock)
    before = readable(filled)
    name, made = written(filled)
    done = apply_plan(filled, name, clock=clock)
    gone = {f"{line.zone}/{line.table_name}/{line.period}" for line in made.remove}
    raw = {key: value for key, value in before.items() if key.startswith("raw/")}
    after = readable(filled)
    assert {f"raw/heart/{OLD}", f"raw/heart/{OLDER}", "raw/quarantine_heart/2024-11"} <= gone
    assert {key: value for key, value in after.items() if key.startswith("raw/")} == {
        key: value for key, value in raw.items() if key not in gone
    }
    assert (done.partitions, done.rows, done.keys) == (len(made.remove), made.rows_removed, made.cost.keys)
    assert (done.files_unlinked, done.files_waiting) == (made.cost.files, 0)
    found = status(filled)
    assert (found.unregistered, found.stale) == (0, {})
    assert plan_purge(filled, clock=clock).does_nothing
    with filled.database.read() as conn:
        verify(conn, filled.ledger.verifier_key, filled.witness)


def test_applying_again_changes_nothing(filled):
    name, _ = written(filled)
    first = apply_plan(filled, name, clock=clock)
    with filled.database.read() as conn:
        size = filled.ledger.size(conn)
    again = apply_plan(filled, name, clock=clock)
    assert again == replace(first, already=True)
    with filled.database.read() as conn:
        assert filled.ledger.size(conn) == size


def test_what_was_destroyed_opens_nothing_and_takes_no_late_rows(filled, put):
    with filled.database.read() as conn:
        homes = {home.partition_id: home for home in partitions(conn, zone="raw", periods=[OLD, OLDER])}
        files = {key: files_of_partition(conn, key) for key in homes}
    copies = {
        file.file_id: (filled.zone_folder("raw") / file.path).read_bytes()
        for some in files.values()
        for file in some
    }
    applied(filled)
    for some in files.values():
        for file in some:
            path = filled.zone_folder("raw") / file.path
            assert not path.exists()
            # Somebody puts the copied file back.
            path.write_bytes(copies[file.file_id])
    with filled.database.read() as conn:
        for key, home in homes.items():
            with pytest.raises(KeyDestroyed):
                read_partition(filled, conn, home, files[key])
    report = land_rows(filled, put, rows("dan", days=(OLD,)), NOW)
    assert report.reasons()["expired"] == 3
    assert report.total("landed") == 1


def test_a_copied_older_database_opens_it_until_finality_and_never_after(filled, tmp_path):
    with filled.database.read() as conn:
        [home] = partitions(conn, zone="raw", periods=[OLD])
        number = home.key_number
    filled.database.close()
    shutil.copytree(filled.settings.home / "control", tmp_path / "backup")
    filled.database = ControlDatabase.open(filled.settings.database_url)
    applied(filled)
    backup = ControlDatabase.open(f"sqlite:///{tmp_path / 'backup' / 'control.db'}")
    with backup.read() as conn:
        assert filled.trees["raw"].lookup(conn, [number])[0] is not None
    with filled.database.commit() as tx:
        assert filled.trees["raw"].finalize(tx, NOW + WEEK, WEEK) > 0
    with backup.read() as conn, pytest.raises(KeyTreeUnopenable):
        filled.trees["raw"].lookup(conn, [number])
    backup.close()


def test_expiry_costs_the_same_whatever_the_number_of_rows(estate, put):
    """The pages of the key trees that are written anew are those above the keys, never more for more rows."""
    land_rows(estate, put, rows("ada", days=(OLDER,), hours=1), THEN)
    land_rows(estate, put, rows(*(f"p{n}" for n in range(40)), days=(OLD,), hours=15), THEN)
    touched = []
    for day in (OLDER, OLD):
        made = plan_purge(estate, clock=clock)
        lines = tuple(line for line in made.remove if (line.table_name, line.period) == ("heart", day))
        assert [line.rows for line in lines] == [1 if day == OLDER else 600]
        part = replace(made, stages=(ExpirePartitions(lines),))
        before = key_pages(estate)
        apply_plan(estate, write_plan(estate.settings, part), clock=clock)
        after = key_pages(estate)
        touched.append({place for place in after if after[place] != before[place]})
    assert touched[0] == touched[1]
    # One page a level, in the raw zone alone.
    assert sorted((zone, level) for zone, level, _ in touched[0]) == [("raw", n) for n in range(4)]


def test_all_partitions_of_a_plan_go_in_one_pass_over_each_zones_tree(filled, monkeypatch):
    derive_heart(filled)
    calls = []
    for zone, tree in filled.trees.items():
        destroy = tree.destroy

        def counted(tx, numbers, now, *, zone=zone, destroy=destroy):
            calls.append((zone, len(list(numbers))))
            return destroy(tx, numbers, now)

        monkeypatch.setattr(tree, "destroy", counted)
    done = applied(filled)
    assert sorted(zone for zone, _ in calls) == ["derived", "raw"]
    assert sum(count for _, count in calls) == done.keys


@pytest.mark.parametrize("what", ["landing", "hold", "amended", "released", "shorter", "longer", "derived"])
def test_a_plan_is_refused_when_what_it_was_made_from_has_moved(filled, put, tmp_path, what):
    estate = filled
    one = hold_on(estate, "ada", streams=["glucose"])
    policies = tmp_path / "policies"
    shutil.copytree(estate.settings.policies, policies)
    estate.settings = estate.settings.model_copy(update={"policies": policies})
    if what == "derived":
        derive_heart(estate)
    name, _ = written(estate)
    text = (policies / "default.yaml").read_text()
    if what == "landing":
        land_rows(estate, put, rows("ada", days=(OLD,), value=80), NOW)
    elif what == "hold":
        hold_on(estate, "bob")
    elif what == "amended":
        amend(estate, one.hold_id, TERMS, more_people=[pid(estate, "bob")], now=NOW)
    elif what == "released":
        release(estate, one.hold_id, clock=clock)
    elif what == "shorter":
        (policies / "default.yaml").write_text(text.replace("keep: P2Y", "keep: P23M"))
    elif what == "longer":
        (policies / "default.yaml").write_text(text.replace("keep: P2Y", "keep: P9Y"))
    else:
        with estate.database.commit() as tx:
            tx.conn.execute(
                data_file.update()
                .where(data_file.c.zone == "derived")
                .values(state="replaced", replaced_at=NOW)
            )
    before = readable(estate)
    with pytest.raises(PlanOutdated):
        apply_plan(estate, name, clock=clock)
    assert readable(estate) == before
    with estate.database.read() as conn:
        assert not conn.execute(sa.select(partition).where(partition.c.state == "destroyed")).all()
        assert not conn.execute(sa.select(purge_plan)).all()


def test_rows_that_land_in_an_unconcerned_partition_are_no_reason_to_refuse(filled, put):
    name, _ = written(filled)
    land_rows(filled, put, rows("dan", days=("2026-11-21",)), NOW)
    assert apply_plan(filled, name, clock=clock).partitions > 0


@pytest.mark.parametrize("what", ["landing", "hold", "destroyed", "version", "files"])
def test_what_moves_between_the_checks_and_the_commit_refuses_too(filled, put, monkeypatch, what):
    """The last check is inside the commit that destroys."""
    name, made = written(filled)
    line = next(line for line in made.remove if line.table_name == "heart")
    expire = applying.expire

    def moved_first(*rest):
        if what == "landing":
            land_rows(filled, put, rows("ada", days=(OLD,), value=80), NOW)
        elif what == "hold":
            hold_on(filled, "bob")
        elif what == "version":
            with filled.database.commit() as tx:
                move_partitions(tx, {line.partition_id: line.version})
        elif what == "files":
            with filled.database.commit() as tx:
                mine = data_file.c.partition_id == line.partition_id
                tx.conn.execute(data_file.update().where(mine).values(state="replaced", replaced_at=NOW))
        else:
            other = replace(plan_purge(filled, clock=clock), brake_percent=99)
            monkeypatch.setattr(applying, "expire", expire)
            apply_plan(filled, write_plan(filled.settings, other), clock=clock)
        return expire(*rest)

    monkeypatch.setattr(applying, "expire", moved_first)
    with pytest.raises(PlanOutdated):
        apply_plan(filled, name, clock=clock)


def test_a_plan_that_was_made_up_is_checked_line_by_line(filled):
    """A file with its right name is no authority: what is not due does not go."""
    made = plan_purge(filled, clock=clock)
    kept = next(line for line in made.keep if (line.table_name, line.period) == ("heart", RECENT))
    [expiry] = [stage for stage in made.stages if isinstance(stage, ExpirePartitions)]
    forged = replace(made, stages=(replace(expiry, lines=(*expiry.lines, kept)),))
    with pytest.raises(PlanOutdated, match="partition changed"):
        apply_plan(filled, write_plan(filled.settings, forged), clock=clock)
    later = plan_purge(filled, clock=lambda: NOW + dt.timedelta(days=3000))
    with pytest.raises(PlanRefused, match="time to come"):
        apply_plan(filled, write_plan(filled.settings, later), clock=clock)


def test_the_brake_holds_when_the_plan_is_applied_too(filled):
    name, made = written(filled)
    braked = filled.settings.model_copy(update={"purge_brake_percent": 1})
    filled.settings = braked
    with pytest.raises(PlanRefused, match="brake is at 1 %"):
        apply_plan(filled, name, clock=clock)
    with pytest.raises(PlanRefused, match="brake is at 1 %"):
        plan_purge(filled, clock=clock)
    assert applied(filled, above_brake=made.rows_removed).rows == made.rows_removed


def test_without_approval_nothing_goes(filled):
    name, made = written(filled)
    before, shown = readable(filled), []
    with pytest.raises(PlanRefused, match="not approved"):
        apply_plan(filled, name, clock=clock, approve=lambda plan: shown.append(plan) or False)
    assert shown == [made]
    assert readable(filled) == before


def test_policies_that_lengthen_must_be_adopted_first(filled, tmp_path):
    policies = tmp_path / "policies"
    shutil.copytree(filled.settings.policies, policies)
    filled.settings = filled.settings.model_copy(update={"policies": policies})
    adopt(filled, load_policies(policies), NOW, "privacy-office")
    text = (policies / "default.yaml").read_text()
    (policies / "default.yaml").write_text(text.replace("keep: P3Y", "keep: P30Y"))
    name, _ = written(filled)
    with pytest.raises(PlanRefused, match="longer than those that were adopted"):
        apply_plan(filled, name, clock=clock)
    (policies / "default.yaml").write_text(text.replace("keep: P3Y", "keep: P1Y"))
    assert applied(filled).partitions > 0


def test_held_rows_are_preserved_before_their_partition_goes(filled):
    one = hold_on(filled, "ada", streams=["heart", "sleep"])
    rest = hold_on(filled, first_day=dt.date(2024, 10, 31), last_day=dt.date(2024, 10, 31), streams=["heart"])
    name, made = written(filled)
    kept = {line.period: line.reason for line in made.keep if line.table_name == "heart"}
    assert kept[OLDER] == f"kept: hold {rest.hold_id}"
    done = apply_plan(filled, name, clock=clock)
    # Her heart rows of one day, her quarantined rows and her night of October; of the others, quarantined rows of October.
    assert done.rows_preserved == 3 + 2 + 1 + 3
    assert held(filled, one.hold_id)["ada", "heart"].height == 3
    assert held(filled, one.hold_id)["ada", "sleep"].height == 1
    assert {name for name, _ in held(filled, rest.hold_id)} == set(PEOPLE)
    assert plan_purge(filled, clock=clock).does_nothing


def test_what_a_released_hold_kept_in_its_place_goes_with_the_next_plan(filled):
    everyone = hold_on(filled)
    assert plan_purge(filled, clock=clock).does_nothing
    release(filled, everyone.hold_id, clock=clock)
    assert {f"{line.table_name}/{line.period}" for line in plan_purge(filled, clock=clock).remove} == {
        f"heart/{OLD}",
        f"heart/{OLDER}",
        "sleep/2024-10",
        "quarantine_heart/2024-11",
    }


def test_files_that_a_reader_may_have_open_wait_for_the_lease_to_end(filled):
    name, made = written(filled)
    with filled.database.commit() as tx:
        held_lease = issue(tx, "reader", NOW, 900)
    done = apply_plan(filled, name, clock=clock)
    assert (done.files_unlinked, done.files_waiting) == (0, made.cost.files)
    with filled.database.read() as conn:
        # The reader finds out at its next check; its keys are no use for anything new.
        assert current_epoch(conn) > held_lease.epoch
    later = NOW + dt.timedelta(hours=1)
    plan = plan_purge(filled, clock=lambda: later)
    assert [stage.stage for stage in plan.stages] == ["collect_files"]
    assert (
        apply_plan(filled, write_plan(filled.settings, plan), clock=lambda: later).files_unlinked
        == made.cost.files
    )


def test_a_purge_is_written_to_journal_ledger_and_lineage(filled):
    derive_heart(filled)
    name, made = written(filled)
    applied_ = apply_plan(filled, name, clock=clock)
    with filled.database.read() as conn:
        [entry] = [one.destruction for one in read_all(filled, conn) if one.destruction.kind == "purge"]
        runs = conn.execute(sa.select(lineage_run).where(lineage_run.c.kind == "purge")).all()
        read = conn.execute(
            sa.select(lineage_input.c.dataset).where(lineage_input.c.run_id == runs[0].run_id)
        )
        datasets = set(read.scalars())
    assert entry.record_id == name
    assert {one.partition_id for one in entry.partitions} == {line.partition_id for line in made.remove}
    assert sum(len(numbers) for numbers in entry.keys.values()) == applied_.keys
    assert set(entry.keys) == {"raw", "derived"}
    assert len(entry.files) == applied_.files_unlinked
    assert (len(runs), runs[0].facts["rows"], runs[0].facts["plan"]) == (1, made.rows_removed, name)
    assert datasets == {f"{line.zone}/{line.table_name}" for line in made.remove}


def test_old_records_go_by_the_rules_that_name_them(filled):
    old, young = NOW - dt.timedelta(days=3000), NOW - dt.timedelta(days=3)
    with filled.database.commit() as tx:
        numbers = filled.trees["identity"].insert(tx, KeyKind.FILE, 3)
        for number, (closed, when) in enumerate([(old, "old"), (young, "young"), (None, "open")]):
            tx.conn.execute(
                request.insert().values(
                    request_id=when,
                    kind="export",
                    streams=[],
                    reason="request",
                    regimes=[],
                    state="closed",
                    received_at=old,
                    closed_at=closed,
                    key_number=numbers[number],
                    facts={},
                )
            )
            values = {"request_id": when, "position": 0, "event": "received", "at": old, "facts": {}}
            tx.conn.execute(request_event.insert().values(**values))
        for when, at in (("old", old), ("young", young)):
            asked = {"principal": "p", "role": "r", "purpose": "x", "fingerprint": "", "sealed_sql": b""}
            tx.conn.execute(
                query_audit.insert().values(
                    query_id=when, asked_at=at, tables=[], decision="allowed", **asked
                )
            )
            told = {"purpose": "x", "attributes": [], "subjects": 1}
            tx.conn.execute(attribute_disclosure.insert().values(disclosure_id=when, asked_at=at, **told))
    name, made = written(filled)
    assert {(line.kind, line.rows) for line in made.records} == {
        ("requests", 1),
        ("query_audit", 1),
        ("attribute_disclosures", 1),
    }
    done = apply_plan(filled, name, clock=clock)
    assert done.records == 3
    with filled.database.read() as conn:
        assert set(conn.execute(sa.select(request.c.request_id)).scalars()) == {"young", "open"}
        assert set(conn.execute(sa.select(request_event.c.request_id)).scalars()) == {"young", "open"}
        assert set(conn.execute(sa.select(query_audit.c.query_id)).scalars()) == {"young"}
        assert set(conn.execute(sa.select(attribute_disclosure.c.disclosure_id)).scalars()) == {"young"}
        keys = filled.trees["identity"].lookup(conn, list(numbers))
        assert [key is None for key in keys] == [True, False, False]
        [entry] = [one.destruction for one in read_all(filled, conn) if one.destruction.kind == "purge"]
    assert list(entry.requests) == ["old"]
