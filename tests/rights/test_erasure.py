"""Erasure: what was somebody's is gone everywhere, and nobody else's changed by a byte."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import alias, subject, tombstone
from shelflife.control.tables import awaiting_rewrite, keyring, request
from shelflife.errors import ReadersRemain, RequestRefused, ResidueFound
from shelflife.keys import leases
from shelflife.lake.awaiting import awaiting
from shelflife.lake.catalog import live_files
from shelflife.lake.inbox import list_inbox
from shelflife.lake.inputs import derived_files
from shelflife.lake.landing import land
from shelflife.lake.models import load_models, output_schema
from shelflife.rights.erasure import Options, explain, run_erasures
from shelflife.rights.finality import finalize, finish_deferred
from shelflife.rights.outcomes import outcomes
from shelflife.rights.request_states import Kind, State
from shelflife.rights.requests import get, submit
from shelflife.seal.file_keys import CLASSES
from shelflife.seal.parquet import open_encrypted
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.landing_keys import landing_keys, private_key, rotate
from tests.canaries import hits
from tests.rights.conftest import PEOPLE, ask, erase, options, samples_of
from tests.rights.state import content, readable

EVERYTHING = {"raw/heart": 36, "raw/glucose": 36, "heart_daily": 3, "glucose_daily": 3}


def count(estate, table, where=None) -> int:
    with estate.database.read() as conn:
        query = sa.select(sa.func.count()).select_from(table)
        return conn.execute(query if where is None else query.where(where)).scalar_one()


def places(estate, request_id) -> dict[str, str]:
    with estate.database.read() as conn:
        return {one.place: one.outcome for one in outcomes(conn, request_id)}


def physical_rows(estate, table, pid) -> int:
    """Rows of a pseudonym in the live files of a table, left out of reads or not."""
    models = load_models(estate.settings.models)
    with estate.database.read() as conn:
        files = derived_files(estate, conn, models[table], live_files(conn, "derived", table))
        rows = open_encrypted(files, allowed=CLASSES, schema=output_schema(models[table], models)).to_table()
    return rows.column("pid").to_pylist().count(pid)


def test_a_person_is_gone_and_nobody_else_changed(filled, clock):
    before, people = content(filled, ["ada"]), count(filled, subject)
    assert readable(filled)["ada"] == EVERYTHING
    request_id = erase(filled, "ada", clock)
    assert "ada" not in readable(filled)
    assert readable(filled)["bob"] == EVERYTHING
    assert content(filled) == before
    assert (count(filled, subject), count(filled, alias)) == (people - 1, people - 1)
    assert (count(filled, keyring), count(filled, tombstone)) == (2 * (people - 1), 1)
    assert count(filled, awaiting_rewrite) == 0
    assert get(filled, request_id).state is State.CERTIFIED
    found = places(filled, request_id)
    copies = {place for place in found if place.startswith("copy/")}
    assert copies
    assert found == {
        "identity": "deleted",
        "raw": "deleted",
        "derived": "deleted",
        "analytics": "deleted",
        "inbox": "already_absent",
        "exports": "already_absent",
        **dict.fromkeys(copies, "deleted"),
    }


def test_a_stream_is_forgotten_and_the_rest_stays(filled, clock):
    before = content(filled, ["ada"])
    request_id = erase(filled, "ada", clock, streams=["glucose"], reason="consent_withdrawal")
    assert readable(filled)["ada"] == {
        name: rows for name, rows in EVERYTHING.items() if "glucose" not in name
    }
    assert content(filled, ["ada"]) == before
    assert count(filled, tombstone) == 0
    assert "identity" not in places(filled, request_id)
    with filled.database.read() as conn:
        assert find(filled, conn, [Alias("account", "ada")])


def test_a_forgotten_stream_is_refused_when_it_comes_again(filled, put, clock):
    erase(filled, "ada", clock, streams=["glucose"])
    put(samples_of(["ada"], days=2, month=10), "x", "late.ndjson")
    report = land(filled, list_inbox(filled.settings.inbox), clock=clock)
    assert (report.total("landed"), report.reasons()) == (24, {"erased": 24})


def test_many_people_are_erased_together(filled, clock):
    gone = list(PEOPLE[:5])
    before = content(filled, gone)
    ids = [ask(filled, name, clock) for name in gone]
    report = run_erasures(filled, ids, options(clock))
    assert [one.state for one in report.requests] == [State.CERTIFIED] * 5
    assert set(readable(filled)) == set(PEOPLE[5:])
    assert content(filled) == before


def test_a_second_request_of_the_same_person_finds_nothing(filled, clock):
    ids = [ask(filled, "ada", clock), ask(filled, "ada", clock)]
    run_erasures(filled, ids[:1], options(clock))
    run_erasures(filled, ids[1:], options(clock))
    assert get(filled, ids[1]).state is State.CERTIFIED
    assert set(places(filled, ids[1]).values()) == {"already_absent"}


def test_running_a_certified_request_again_changes_nothing(filled, clock):
    request_id = erase(filled, "ada", clock)
    known = get(filled, request_id)
    run_erasures(filled, [request_id], options(clock))
    assert get(filled, request_id) == known


def test_small_cohorts_are_withheld_once_people_leave(filled, clock):
    from tests.lake.state import derived_rows

    assert derived_rows(filled)["cohort_weekly"]["mean_bpm"].null_count() == 0
    for name in PEOPLE[:2]:
        erase(filled, name, clock)
    # Ten people are left; cells below eleven are not published.
    cohorts = derived_rows(filled).get("cohort_weekly")
    assert cohorts is None or cohorts["mean_bpm"].null_count() == cohorts.height


def test_nothing_that_names_a_person_is_left_in_the_control_database(filled, clock, tmp_path):
    with filled.database.read() as conn:
        person = find(filled, conn, [Alias("account", "ada")])[Alias("account", "ada")]
    secrets = [person.subject_id, person.identity_pid, person.raw_pid]
    request_id = ask(filled, "ada", clock)
    run_erasures(filled, [request_id], options(clock))
    files = [path for path in (filled.settings.home / "control").iterdir() if path.is_file()]
    for secret in secrets[:1]:
        assert not any(
            secret in path.read_bytes() or secret.hex().encode() in path.read_bytes() for path in files
        )
    with filled.database.read() as conn:
        row = conn.execute(sa.select(request).where(request.c.request_id == request_id)).one()
    assert (row.sealed, row.manifest, row.key_number) == (None, None, None)
    assert hits([tmp_path], ["ada-is-nowhere"]) == []


def test_unverified_foreign_and_closed_requests_are_refused(filled, clock):
    made = submit(filled, kind=Kind.ERASURE, alias=Alias("account", "ada"), now=clock(), regimes=("eu_gdpr",))
    with pytest.raises(RequestRefused, match="identity"):
        run_erasures(filled, [made.request_id], options(clock))
    export = ask(filled, "ada", clock, kind=Kind.EXPORT)
    with pytest.raises(RequestRefused, match="not an erasure"):
        run_erasures(filled, [export], options(clock))
    assert readable(filled)["ada"] == EVERYTHING


def test_the_plan_names_the_steps_that_are_then_taken(filled, clock):
    request_id = ask(filled, "ada", clock)
    says = explain(filled, request_id)
    taken = []
    told = Options(clock=clock, progress=lambda step, _: taken.append(step))
    run_erasures(filled, [request_id], told)
    assert says == ["scope: the whole person", *taken]
    assert len(taken) == 10


def test_an_erasure_is_effective_only_when_readers_let_go(filled, clock):
    with filled.database.commit() as tx:
        held = leases.issue(tx, "query", clock(), 600)
    request_id = ask(filled, "ada", clock)
    run_erasures(filled, [request_id], options(clock))
    facts = get(filled, request_id).facts
    assert facts["effective_at"] >= held.expires_at.isoformat() > facts["destroyed_at"]


def test_a_reader_that_never_lets_go_stops_the_erasure_until_it_is_run_again(filled, clock):
    with filled.database.commit() as tx:
        leases.issue(tx, "query", clock(), 10_000)
    request_id = ask(filled, "ada", clock)
    with pytest.raises(ReadersRemain):
        run_erasures(filled, [request_id], Options(clock=clock, wait=lambda _: None))
    assert get(filled, request_id).state is State.KEYS_DESTROYED
    assert "ada" not in readable(filled)
    clock.forward(seconds=10_001)
    run_erasures(filled, [request_id], options(clock))
    assert get(filled, request_id).state is State.CERTIFIED


def test_a_batched_rewrite_is_left_out_of_reads_at_once_and_done_later(filled, clock):
    request_id = ask(filled, "ada", clock)
    run_erasures(filled, [request_id], options(clock, batched=True))
    assert get(filled, request_id).state is State.CERTIFIED
    assert places(filled, request_id)["derived"] == "deferred_until"
    with filled.database.read() as conn:
        [pid] = awaiting(conn, "heart_daily")
    assert "ada" not in readable(filled)
    assert physical_rows(filled, "heart_daily", pid) == 3
    clock.forward(days=1)
    assert finish_deferred(filled, options(clock)) == [request_id]
    assert physical_rows(filled, "heart_daily", pid) == 0
    assert places(filled, request_id)["derived"] == "deleted"
    with filled.database.read() as conn:
        assert not awaiting(conn, "heart_daily")
    assert finish_deferred(filled, options(clock)) == []


def test_queries_leave_out_who_awaits_a_rewrite(filled, clock):
    from shelflife.access.query import query

    def people(role, purpose, sql="SELECT count(DISTINCT pid) AS n FROM heart_daily"):
        found = query(filled, sql, principal="test", role=role, purpose=purpose, now=clock())
        return found.table.column("n")[0].as_py()

    assert people("data_engineer", "operations") == 12
    run_erasures(filled, [ask(filled, "ada", clock)], options(clock, batched=True))
    assert people("data_engineer", "operations") == 11
    assert people("clinician", "care", "SELECT count(mean_bpm) AS n FROM heart_daily") == 33


def test_a_verifier_that_finds_something_stops_the_certificate(filled, clock, monkeypatch):
    request_id = ask(filled, "ada", clock)
    stray = filled.zone_folder("derived") / "heart_daily" / "stray.parquet"
    stray.write_bytes(b"left behind")
    with pytest.raises(ResidueFound, match="unregistered"):
        run_erasures(filled, [request_id], options(clock))
    assert get(filled, request_id).state is State.COLLECTED
    stray.unlink()
    run_erasures(filled, [request_id], options(clock))
    assert get(filled, request_id).state is State.CERTIFIED


def test_an_eraser_that_misses_a_place_is_caught(filled, clock, monkeypatch):
    from shelflife.lake.rewrite import Rewritten
    from shelflife.rights import erasure_places

    monkeypatch.setattr(erasure_places, "rewrite_without", lambda *_, **__: Rewritten(1, 1, 1))
    with pytest.raises(ResidueFound, match="derived_row_of_target"):
        erase(filled, "ada", clock)


def test_what_waits_in_the_inbox_of_the_erased_goes_too(filled, put, clock):
    put(samples_of(["ada"], month=10), "ada", "more.ndjson")
    put(b"\x00\x01 nothing known", "ada", "unreadable.bin")
    put(samples_of(["bob"], month=10), "ada", "of-somebody-else.ndjson")
    request_id = erase(filled, "ada", clock)
    assert list_inbox(filled.settings.inbox) == []
    assert not (filled.settings.inbox / "ada").exists()
    assert places(filled, request_id)["inbox"] == "deleted"
    assert readable(filled)["bob"]["raw/heart"] == 72


def test_finality_destroys_landing_keys_past_their_grace_time(filled, clock):
    old = rotate(filled, grace=dt.timedelta(days=2), clock=clock)
    rotate(filled, grace=dt.timedelta(days=2), clock=clock)
    clock.forward(days=1)
    assert finalize(filled, clock=clock).landing_keys == 0
    clock.forward(days=1)
    assert [finalize(filled, clock=clock).landing_keys for _ in range(2)] == [1, 0]
    with filled.database.read() as conn:
        assert private_key(filled, conn, old.key_id)[1] is None
        assert sorted(one.state for one in landing_keys(conn)) == ["current", "retired"]


def test_an_erasure_is_final_when_its_root_keys_are_destroyed(filled, clock):
    request_id = erase(filled, "ada", clock)
    clock.forward(days=6)
    assert finalize(filled, clock=clock).requests == []
    clock.forward(days=1)
    found = finalize(filled, clock=clock)
    assert (found.requests, found.root_keys > 0) == ([request_id], True)
    assert get(filled, request_id).state is State.FINAL
    assert get(filled, request_id).closed_at == clock()
