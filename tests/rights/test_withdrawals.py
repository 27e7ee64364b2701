"""Consent that ended: out of use at once, acted on once, whatever kills the process in between."""

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

from shelflife.access.query import query
from shelflife.control.subject_tables import consent
from shelflife.control.tables import ledger_leaf, request
from shelflife.copies.publish import publish
from shelflife.copies.reading_models import inputs_of, read_datasets
from shelflife.copies.registry import load_declarations
from shelflife.estate import Estate
from shelflife.lake.derive import derive, stale
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.models import load_models
from shelflife.policy.consent_events import ConsentEvent
from shelflife.rights.erasure import run_erasures
from shelflife.rights.requests import get, record_identity_check, subject_of
from shelflife.rights.withdrawals import apply_withdrawals
from shelflife.subjects.consent_ledger import decide, decisions_of
from shelflife.subjects.directory import Alias, find
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.lake.consents import NOTICE, beat, consent_required, grants
from tests.lake.state import derived_rows, raw_rows
from tests.rights.conftest import Clock, options

__all__ = ["consent_required"]
pytestmark = pytest.mark.usefixtures("consent_required")

PEOPLE = ("ada", "bob", "eve", "joe")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(consent_required, tmp_path):
    return settings_in(tmp_path)


def samples() -> bytes:
    rows = []
    for name in PEOPLE:
        for day in (20, 21):
            for minute in range(0, 60, 5):
                start = f"2026-11-{day}T08:{minute:02d}:00Z"
                rows += [beat(name, start), beat(name, start, "glucose_interstitial", 100 + minute)]
    return b"\n".join(rows)


def fill(estate, put, clock) -> None:
    put(grants(*PEOPLE), "x", "consents.ndjson")
    put(samples(), "x", "rows.ndjson")
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert report.reasons() == {}
    derive(estate, clock=clock)


@pytest.fixture
def consented(estate, put, clock) -> Estate:
    fill(estate, put, clock)
    return estate


def alias(name: str) -> Alias:
    return Alias("account", name)


def decide_now(estate, name: str, stream: str, decision: str, clock, purpose="collection", **more) -> None:
    notice = NOTICE if decision == "granted" else None
    event = ConsentEvent(decision, stream, purpose, "in_app", clock(), notice, **more)
    assert decide(estate, alias(name), [event], clock()) == 1


def stale_units(estate) -> list:
    with estate.database.read() as conn:
        return stale(estate, load_models(estate.settings.models), conn)


def seen(estate, table: str) -> int:
    asked = {"principal": "dr-quokka", "role": "clinician", "purpose": "care", "now": NOW}
    found = query(estate, f"SELECT count(DISTINCT pid) AS people FROM {table}", **asked)
    return found.table.column("people")[0].as_py()


def in_files(estate, table: str) -> set[str]:
    rows = derived_rows(estate)
    return set(rows[table]["pid"].to_list()) if table in rows else set()


def published(estate, dataset: str) -> int:
    declaration = load_declarations(estate.settings)["app_cache"]
    with estate.database.read() as conn:
        made, _ = read_datasets(estate, conn, declaration, inputs_of(estate, conn, declaration))
    rows = next(one.rows for one in made if one.name == dataset)
    return len(set(rows.column(0).to_pylist()))


def test_a_withdrawn_stream_is_out_of_queries_and_copies_at_once_and_then_out_of_tables(consented, clock):
    before = raw_rows(consented)
    assert (seen(consented, "heart_daily"), published(consented, "heart_daily")) == (4, 4)
    decide_now(consented, "ada", "heart", "withdrawn", clock)
    assert (seen(consented, "heart_daily"), published(consented, "heart_daily")) == (3, 3)
    assert seen(consented, "glucose_daily") == 4
    assert "ada" in in_files(consented, "heart_daily")
    derive(consented, clock=clock)
    assert in_files(consented, "heart_daily") == {"bob", "eve", "joe"}
    assert in_files(consented, "glucose_daily") == set(PEOPLE)
    assert {key: rows.height for key, rows in raw_rows(consented).items()} == {
        key: rows.height for key, rows in before.items()
    }


def test_only_the_units_of_the_persons_bucket_become_stale(estate, put, clock, monkeypatch):
    monkeypatch.setattr("shelflife.lake.derive.PEOPLE_PER_BUCKET", 1)
    fill(estate, put, clock)
    assert stale_units(estate) == []
    decide_now(estate, "ada", "heart", "withdrawn", clock)
    with estate.database.read() as conn:
        from shelflife.keys.pseudonyms import pseudonym

        person = find(estate, conn, [alias("ada")])[alias("ada")]
        bucket = pseudonym(estate.pepper(conn, "derived"), person.subject_id)[0] % 4
    units = stale_units(estate)
    assert {(unit.bucket, unit.buckets) for unit in units} == {(bucket, 4)}
    assert {unit.model for unit in units} == {"heart_daily", "hrv_recordings"}
    derive(estate, clock=clock)
    assert stale_units(estate) == []


def test_a_new_grant_brings_the_rows_back(consented, clock):
    before = derived_rows(consented)["heart_daily"]
    decide_now(consented, "ada", "heart", "withdrawn", clock)
    derive(consented, clock=clock)
    clock.forward(days=1)
    decide_now(consented, "ada", "heart", "granted", clock)
    assert {unit.model for unit in stale_units(consented)} == {"heart_daily", "hrv_recordings"}
    derive(consented, clock=clock)
    assert derived_rows(consented)["heart_daily"].equals(before)


def test_where_the_policy_says_stop_what_is_there_stays_in_use(consented, clock, tmp_path, monkeypatch):
    policies = tmp_path / "policies"
    policies.mkdir()
    for name in ("default.yaml", "regimes.yaml", "calendars.yaml", "copies.yaml"):
        (policies / name).write_bytes((ROOT / "retention_policies" / name).read_bytes())
    (policies / "consent.yaml").write_text(
        "version: 2026-11-24\nowner: privacy-office\non_withdrawal:\n"
        "  - {streams: [heart], purpose: collection, do: stop, reason: what is there stays}\n"
    )
    monkeypatch.setattr(consented, "settings", consented.settings.model_copy(update={"policies": policies}))
    decide_now(consented, "ada", "heart", "withdrawn", clock)
    assert (seen(consented, "heart_daily"), stale_units(consented)) == (4, [])
    assert apply_withdrawals(consented, clock=clock).actions == {"stop": 1}
    assert (seen(consented, "heart_daily"), stale_units(consented)) == (4, [])


def test_whoever_refuses_sharing_is_left_out_of_copies_and_of_nothing_else(consented, clock):
    assert published(consented, "heart_daily") == 4
    decide_now(consented, "ada", "heart", "withdrawn", clock, purpose="sharing")
    assert (published(consented, "heart_daily"), published(consented, "activity_daily")) == (3, 0)
    assert (seen(consented, "heart_daily"), stale_units(consented)) == (4, [])


def test_a_refusal_to_share_makes_the_copy_published_anew(consented, clock):
    assert [one.state for one in publish(consented, clock=clock).copies] == ["published"]
    assert [one.state for one in publish(consented, clock=clock).copies] == ["unchanged"]
    decide_now(consented, "ada", "heart", "withdrawn", clock, purpose="sharing")
    [again] = publish(consented, clock=clock).copies
    assert (again.state, again.left_out) == ("published", 2)


def test_a_refusal_to_share_counts_whatever_the_lawful_basis_is(consented, clock, monkeypatch):
    changed = consented.settings.model_copy(update={"consent": "not_relied_on"})
    monkeypatch.setattr(consented, "settings", changed)
    decide_now(consented, "ada", "heart", "withdrawn", clock)
    decide_now(consented, "bob", "heart", "withdrawn", clock, purpose="sharing")
    assert (seen(consented, "heart_daily"), published(consented, "heart_daily")) == (4, 3)
    assert apply_withdrawals(consented, clock=clock).actions == {"stop": 1}


def test_each_withdrawal_is_acted_on_once(consented, clock):
    decide_now(consented, "ada", "heart", "withdrawn", clock)
    decide_now(consented, "bob", "glucose", "withdrawn", clock)
    decide_now(consented, "eve", "sleep", "withdrawn", clock, purpose="sale")
    done = apply_withdrawals(consented, clock=clock)
    assert done.actions == {"restrict": 1, "erase": 1, "stop": 1}
    [request_id] = done.requests
    asked = get(consented, request_id)
    assert (asked.kind, asked.streams, asked.reason) == ("erasure", ("glucose",), "consent_withdrawal")
    with consented.database.read() as conn:
        bob = find(consented, conn, [alias("bob")])[alias("bob")]
        assert subject_of(consented, conn, request_id) == bob.subject_id
        entries = conn.execute(sa.select(ledger_leaf.c.body)).scalars().all()
    again = apply_withdrawals(consented, clock=clock)
    assert (again.actions, again.requests) == ({}, [])
    [entry] = [json.loads(text) for text in entries if '"type":"consent_ended"' in text]
    assert entry["actions"] == {"erase": 1, "restrict": 1, "stop": 1}
    assert entry.keys() == {"type", "at", "actions", "requests"}


def test_a_withdrawal_that_was_taken_back_before_it_was_acted_on_does_nothing(consented, clock):
    decide_now(consented, "ada", "glucose", "withdrawn", clock)
    clock.forward(minutes=1)
    decide_now(consented, "ada", "glucose", "granted", clock)
    assert apply_withdrawals(consented, clock=clock).actions == {}


def test_whoever_withdraws_again_is_acted_on_again(consented, clock):
    for decision in ("withdrawn", "granted", "withdrawn"):
        clock.forward(minutes=1)
        decide_now(consented, "ada", "glucose", decision, clock)
        apply_withdrawals(consented, clock=clock)
    with consented.database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(request)).scalar() == 2


def test_an_erasure_by_withdrawal_runs_like_every_other(consented, clock):
    decide_now(consented, "ada", "glucose", "withdrawn", clock)
    assert seen(consented, "glucose_daily") == 3
    [request_id] = apply_withdrawals(consented, clock=clock).requests
    record_identity_check(consented, request_id, method="signed_in_session", passed=True, now=clock())
    run_erasures(consented, [request_id], options(clock))
    assert get(consented, request_id).state == "certified"
    assert {name for (table, _), rows in raw_rows(consented).items() if table == "glucose"
            for name in rows["pid"].to_list()} == {"bob", "eve", "joe"}  # fmt: skip
    derive(consented, clock=clock)
    assert (seen(consented, "glucose_daily"), seen(consented, "heart_daily")) == (3, 4)


def test_a_grant_that_ran_out_takes_rows_out_of_use_once_it_is_noted_and_erases_nothing(consented, clock):
    clock.forward(minutes=1)
    decide_now(consented, "ada", "glucose", "granted", clock, expires_at=clock() + dt.timedelta(days=1))
    clock.forward(days=2)
    assert seen(consented, "glucose_daily") == 4
    done = apply_withdrawals(consented, clock=clock)
    assert (done.actions, done.requests) == ({"expired": 1}, [])
    assert seen(consented, "glucose_daily") == 3
    assert apply_withdrawals(consented, clock=clock).actions == {}


def test_data_from_before_consent_was_asked_for_is_out_of_use(estate, put, clock, monkeypatch):
    asking = estate.settings
    monkeypatch.setattr(estate, "settings", asking.model_copy(update={"consent": "not_relied_on"}))
    put(samples(), "x", "rows.ndjson")
    land(estate, list_inbox(estate.settings.inbox), clock=clock)
    derive(estate, clock=clock)
    assert seen(estate, "heart_daily") == 4
    monkeypatch.setattr(estate, "settings", asking)
    decide_now(estate, "ada", "heart", "granted", clock)
    assert (seen(estate, "heart_daily"), seen(estate, "glucose_daily")) == (1, 0)
    derive(estate, clock=clock)
    assert in_files(estate, "heart_daily") == {"ada"}


def test_an_erased_persons_decisions_are_gone_with_them(consented, clock):
    from tests.rights.conftest import erase

    with consented.database.read() as conn:
        pid = find(consented, conn, [alias("ada")])[alias("ada")].identity_pid
    erase(consented, "ada", clock)
    with consented.database.read() as conn:
        left = {bytes(row) for row in conn.execute(sa.select(consent.c.pid)).scalars()}
        assert len(left) == 3
        assert pid not in left
        assert len(decisions_of(consented, conn)) == 3


@pytest.mark.parametrize(("point", "before"), [("consent.in_commit", 0), ("consent.committed", 1)])
def test_a_process_that_dies_registers_each_erasure_once(consented, clock, tmp_path, point, before):
    decide_now(consented, "ada", "glucose", "withdrawn", clock)
    code = (
        "import sys; from pathlib import Path; from tests.rights.test_withdrawals import act;"
        "act(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "SHELFLIFE_CRASH_AT": point, "SHELFLIFE_CONSENT": "required"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with consented.database.read() as conn:
        count = sa.select(sa.func.count()).select_from(request)
        assert conn.execute(count).scalar() == before
    apply_withdrawals(consented, clock=clock)
    with consented.database.read() as conn:
        assert conn.execute(count).scalar() == 1


def act(folder: Path) -> None:
    """Act on withdrawals in a process of its own."""
    estate = Estate.open(settings_in(folder), NOW)
    apply_withdrawals(estate, clock=Clock())
    estate.close()
