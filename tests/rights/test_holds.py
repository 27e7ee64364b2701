"""Holds and erasures: what is held survives, unseen and under keys of its own; its release ends it."""

from __future__ import annotations

import datetime as dt

import pytest

from shelflife.errors import RequestRefused
from shelflife.retention.held_rows import read_held
from shelflife.retention.hold_terms import Terms
from shelflife.retention.holds import amend, place
from shelflife.retention.release import release
from shelflife.rights.certificates import certificate_file, verify_certificate
from shelflife.rights.erasure import run_erasures
from shelflife.rights.finality import settle_released
from shelflife.rights.outcomes import outcomes
from shelflife.rights.request_states import State
from shelflife.rights.requests import get
from shelflife.rights.verify import verify
from shelflife.subjects.directory import Alias, find
from tests.rights.conftest import ask, options
from tests.rights.state import content, readable

TERMS = Terms("2026-LIT-4", "legal", dt.date(2027, 6, 1), {"eu_gdpr": "art-17-3-e"})


def hold_ada(estate, clock, **more):
    with estate.database.read() as conn:
        person = find(estate, conn, [Alias("account", "ada")])[Alias("account", "ada")]
    values = {"people": [person.identity_pid], "streams": ["heart"], "now": clock()} | more
    return place(estate, TERMS, **values)


def outcome(estate, request_id, where="raw") -> str:
    with estate.database.read() as conn:
        return {one.place: one.outcome for one in outcomes(conn, request_id)}[where]


def test_held_rows_survive_an_erasure_unseen_and_their_release_ends_them(filled, clock):
    others = content(filled, ["ada"])
    hold = hold_ada(filled, clock)
    request_id = ask(filled, "ada", clock)
    run_erasures(filled, [request_id], options(clock))
    assert outcome(filled, request_id) == "restricted_hold"
    assert "ada" not in readable(filled)
    held = read_held(filled, hold.hold_id, clock=clock)
    assert sum(table.num_rows for table in held.tables.values()) == 36
    assert verify(filled, now=clock()).findings == ()
    first = verify_certificate(certificate_file(filled, request_id)).document
    assert (first["worst_outcome"], first["holds"]) == ("restricted_hold", [hold.hold_id])
    assert settle_released(filled, clock()) == []
    release(filled, hold.hold_id, clock=clock)
    assert settle_released(filled, clock()) == [request_id]
    assert settle_released(filled, clock()) == []
    assert verify_certificate(certificate_file(filled, request_id)).document["worst_outcome"] == "deleted"
    assert verify(filled, now=clock()).findings == ()
    assert content(filled) == others


def test_what_a_hold_does_not_cover_goes_with_the_rest(filled, clock):
    hold = hold_ada(filled, clock, first_day=dt.date(2026, 11, 2), last_day=dt.date(2026, 11, 2))
    run_erasures(filled, [ask(filled, "ada", clock)], options(clock))
    held = read_held(filled, hold.hold_id, clock=clock)
    assert {name: table.num_rows for name, table in held.tables.items()} == {"heart": 12}


def test_a_law_without_an_exception_for_holds_waits_for_counsel(filled, clock):
    hold = hold_ada(filled, clock)
    blocked = ask(filled, "ada", clock, regimes=("us_wa_mhmda",))
    with pytest.raises(RequestRefused, match="hold"):
        run_erasures(filled, [blocked], options(clock))
    assert get(filled, blocked).state is State.VERIFIED
    assert get(filled, blocked).facts["blocked_by"] == [hold.hold_id]
    assert "ada" in readable(filled)
    decided = Terms(TERMS.matter, TERMS.owner, TERMS.review_on, {**TERMS.bases, "us_wa_mhmda": "court-order"})
    amend(filled, hold.hold_id, decided, now=clock())
    run_erasures(filled, [blocked], options(clock))
    assert outcome(filled, blocked) == "restricted_hold"


def test_one_blocked_request_stops_no_other(filled, clock):
    hold_ada(filled, clock)
    blocked = ask(filled, "ada", clock, regimes=("us_wa_mhmda",))
    free = ask(filled, "bob", clock)
    report = run_erasures(filled, [blocked, free], options(clock))
    assert list(report.blocked) == [blocked]
    assert get(filled, free).state is State.CERTIFIED


def test_a_second_preserving_counts_what_is_held_already(filled, clock, monkeypatch):
    from shelflife.rights import erasure_keys

    hold_ada(filled, clock)
    request_id = ask(filled, "ada", clock)
    move_on = erasure_keys.move_on

    def die_after_preserving(tx, facts, state=None):
        if state is State.PRESERVED and not died:
            died.append(True)
            raise KeyboardInterrupt
        move_on(tx, facts, state)

    died: list[bool] = []
    monkeypatch.setattr(erasure_keys, "move_on", die_after_preserving)
    with pytest.raises(KeyboardInterrupt):
        run_erasures(filled, [request_id], options(clock))
    run_erasures(filled, [request_id], options(clock))
    assert outcome(filled, request_id) == "restricted_hold"
