"""The register: who asked is sealed and shredded, what was done stays, each law's clock runs by itself."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from shelflife.control.tables import request
from shelflife.errors import ConfigurationError, KeyDestroyed, RequestRefused
from shelflife.policy.loading import load_rulebook
from shelflife.rights.clocks import obligations_of, open_alerts
from shelflife.rights.request_states import SEVERITY, Kind, State, worst
from shelflife.rights.requests import (
    close,
    events,
    get,
    record_event,
    record_identity_check,
    request_in,
    requests,
    still_open,
    subject_of,
    submit,
)
from shelflife.subjects.directory import Alias, find
from tests.conftest import NOW
from tests.rights.conftest import samples_of

ADA = Alias("account", "ada")


@pytest.fixture
def landed(estate, put, clock):
    from shelflife.lake.inbox import list_inbox
    from shelflife.lake.landing import land

    put(samples_of(["ada"], days=1), "x", "first.ndjson")
    land(estate, list_inbox(estate.settings.inbox), clock=clock)
    return estate


def asked(estate, **more):
    values = {"kind": Kind.ERASURE, "alias": ADA, "now": NOW, "regimes": ("eu_gdpr",)} | more
    return submit(estate, **values)


def row_of(estate, request_id):
    with estate.database.read() as conn:
        return conn.execute(sa.select(request).where(request.c.request_id == request_id)).one()


def test_a_request_knows_its_person_and_shows_nobody(landed):
    made = asked(landed)
    with landed.database.read() as conn:
        person = find(landed, conn, [ADA])[ADA]
        assert subject_of(landed, conn, made.request_id) == person.subject_id
    shown = repr(made) + repr(row_of(landed, made.request_id)._mapping)
    for secret in (person.subject_id, person.identity_pid, person.raw_pid):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    assert "ada" not in shown


def test_who_asked_is_shredded_with_a_closed_request(landed):
    made = asked(landed)
    closed = close(landed, made.request_id, State.DENIED, basis="identity_not_verified", now=NOW)
    assert (closed.state, closed.closed_at) == (State.DENIED, NOW)
    assert row_of(landed, made.request_id).sealed is None
    with landed.database.read() as conn, pytest.raises(KeyDestroyed):
        subject_of(landed, conn, made.request_id)
    with landed.database.read() as conn:
        [_, denied] = events(conn, made.request_id)
    assert denied.facts == {"basis": "identity_not_verified"}
    assert still_open_ids(landed) == []


def still_open_ids(estate):
    with estate.database.read() as conn:
        return [one.request_id for one in still_open(conn)]


def test_an_identity_check_keeps_method_and_outcome(landed):
    made = asked(landed)
    failed = record_identity_check(landed, made.request_id, method="two_data_points", passed=False, now=NOW)
    assert failed.state is State.RECEIVED
    passed = record_identity_check(landed, made.request_id, method="in_person", passed=True, now=NOW)
    assert passed.state is State.VERIFIED
    with pytest.raises(RequestRefused):
        record_identity_check(landed, made.request_id, method="in_person", passed=True, now=NOW)
    with landed.database.read() as conn:
        happened = [(one.event, one.facts) for one in events(conn, made.request_id)]
    assert happened == [
        ("received", {}),
        ("authentication_failed", {"method": "two_data_points"}),
        ("authenticated", {"method": "in_person"}),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"alias": Alias("account", "nobody")},
        {"streams": ["no_such_stream"]},
        {"regimes": ["no_such_law"]},
        {"reason": "because"},
        {"kind": Kind.EXPORT, "streams": ["glucose"]},
        {"kind": Kind.EXPORT, "regimes": ()},
    ],
)
def test_what_does_not_exist_is_refused(landed, wrong):
    with pytest.raises(ConfigurationError):
        asked(landed, **wrong)
    assert still_open_ids(landed) == []


def test_each_regime_has_its_own_clock(landed):
    received = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
    made = asked(landed, regimes=("us_wa_mhmda", "us_nv_sb370"), received_at=received)
    rulebook = load_rulebook(landed.settings.policies)

    def due(on=None):
        with landed.database.read() as conn:
            found = obligations_of(rulebook, request_in(conn, made.request_id), events(conn, made.request_id))
        return {(one.regime, one.name): one.due for one in found}

    before = due()
    assert before["us_wa_mhmda", "respond"] == dt.date(2026, 12, 17)
    assert before["us_nv_sb370", "respond"] is None
    checked = dt.datetime(2026, 11, 12, 9, tzinfo=dt.UTC)
    record_identity_check(landed, made.request_id, method="in_person", passed=True, now=checked)
    after = due()
    assert after["us_nv_sb370", "respond"] == dt.date(2026, 12, 27)
    assert after["us_nv_sb370", "delete_live"] == dt.date(2026, 12, 12)
    assert after["us_wa_mhmda", "delete_backups"] == dt.date(2027, 5, 12)


def test_alerts_tell_what_is_late_and_soon_and_stop_when_it_is_met(landed):
    made = asked(landed, kind=Kind.EXPORT, regimes=("ca_pipeda",))
    rulebook = load_rulebook(landed.settings.policies)

    def states(on):
        with landed.database.read() as conn:
            return {(one.name, one.state) for one in open_alerts(conn, rulebook, on)}

    assert states(dt.date(2026, 11, 24)) == set()
    assert ("respond", "soon") in states(dt.date(2026, 12, 20))
    assert ("respond", "overdue") in states(dt.date(2026, 12, 24))
    record_event(landed, made.request_id, "delivered", NOW)
    assert not {one for one in states(dt.date(2026, 12, 24)) if one[0] == "respond"}


def test_requests_are_listed_oldest_first(landed):
    second = asked(landed)
    first = asked(landed, received_at=NOW - dt.timedelta(days=3))
    with landed.database.read() as conn:
        assert [one.request_id for one in requests(conn)] == [first.request_id, second.request_id]
        assert requests(conn, kinds=[Kind.EXPORT]) == []
    with pytest.raises(ConfigurationError):
        get(landed, "0" * 32)


def test_a_request_is_never_better_than_its_worst_place():
    assert worst(SEVERITY) == "failed"
    assert worst(["deleted", "deferred_until", "already_absent"]) == "deferred_until"
    assert worst([]) == "already_absent"
