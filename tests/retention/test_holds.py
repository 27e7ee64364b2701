"""Holds as decisions: what they say, what they cover, whom they name (nobody), and when counsel must decide."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from shelflife.control.tables import hold_subject
from shelflife.errors import ConfigurationError
from shelflife.ledger.ledger import verify
from shelflife.policy.loading import load_rulebook
from shelflife.retention.coverage import coverage
from shelflife.retention.held_people import open_people
from shelflife.retention.hold_terms import Terms, counsel_needed
from shelflife.retention.holds import (
    active_holds,
    amend,
    covering,
    find_hold,
    overdue_reviews,
    people_of,
    place,
    scope_digest,
)
from tests.conftest import NOW
from tests.lake.conftest import ROOT
from tests.retention.conftest import TERMS, hold_on, land_rows, pid, rows


@pytest.fixture
def two(estate, put):
    land_rows(estate, put, rows("acct-ada", "acct-bob", days=("2026-11-01",)), NOW)
    return estate


def test_a_hold_covers_its_people_and_streams_and_nobody_else(two):
    ada, bob = pid(two, "acct-ada"), pid(two, "acct-bob")
    one = hold_on(two, "acct-ada", streams=["heart"])
    everyone = hold_on(two, streams=["sleep"])
    with two.database.read() as conn:
        both = {one.hold_id, everyone.hold_id}
        assert {found.hold_id for found in covering(conn, [ada])} == both
        assert covering(conn, [ada], ["heart"]) == [one]
        assert covering(conn, [bob], ["heart", "glucose"]) == []
        assert covering(conn, [bob], ["sleep"]) == [everyone]
        assert covering(conn, [], None) == []
        assert {found.hold_id for found in active_holds(conn)} == both


def test_who_is_held_is_sealed_and_opens_with_the_holds_key(two):
    one = hold_on(two, "acct-ada")
    with two.database.read() as conn:
        [person] = open_people(two, conn, one.hold_id, one.key_number)
        [held] = people_of(conn, one.hold_id).values()
    assert [(name.kind, name.value) for name in person.aliases] == [("account", "acct-ada")]
    assert person.hold_pid == held
    assert "acct" not in repr(person)
    database = two.settings.home / "control"
    assert not any(b"acct-ada" in path.read_bytes() for path in database.iterdir())


@pytest.mark.parametrize(
    ("terms", "what"),
    [
        ({"matter": "Smith versus Jones"}, "reference number"),
        ({"matter": ""}, "reference number"),
        ({"owner": "Jane Doe"}, "function"),
        ({"bases": {"eu_gdpr": "because Jane said so"}}, "basis"),
        ({"bases": {"EU": "art-17"}}, "basis"),
        ({"review_on": dt.date(2026, 11, 23)}, "future"),
    ],
)
def test_terms_are_codes_and_functions_never_people(two, terms, what):
    with pytest.raises(ConfigurationError, match=what):
        place(two, replace(TERMS, **terms), people=None, streams=None, now=NOW)


@pytest.mark.parametrize(
    ("scope", "what"),
    [
        ({"streams": ["heart", "profile"]}, "stream"),
        ({"streams": []}, "stream"),
        ({"first_day": dt.date(2026, 2, 2), "last_day": dt.date(2026, 2, 1)}, "before its first"),
        ({"people": [b"x" * 16]}, "1 of the people"),
    ],
)
def test_a_scope_that_means_nothing_is_refused(two, scope, what):
    with pytest.raises(ConfigurationError, match=what):
        place(two, TERMS, **({"people": None, "streams": None, "now": NOW} | scope))
    with two.database.read() as conn:
        assert active_holds(conn) == []


def test_an_amended_hold_says_something_else_and_covers_more(two):
    one = hold_on(two, "acct-ada", streams=["heart"])
    with two.database.read() as conn:
        before = scope_digest(conn)
    terms = Terms("M-2", "privacy-office", dt.date(2028, 1, 1), {"us_wa_mhmda": "counsel-7"})
    after = amend(two, one.hold_id, terms, now=NOW)
    with two.database.read() as conn:
        assert find_hold(conn, one.hold_id) == after
        assert (after.matter, after.owner, after.bases) == (
            "M-2",
            "privacy-office",
            {"us_wa_mhmda": "counsel-7"},
        )
        # What a hold says is no reason to plan anew; what it covers is.
        assert scope_digest(conn) == before
    amend(two, one.hold_id, terms, more_people=[pid(two, "acct-bob"), pid(two, "acct-ada")], now=NOW)
    with two.database.read() as conn:
        assert set(people_of(conn, one.hold_id)) == {pid(two, "acct-ada"), pid(two, "acct-bob")}
        assert scope_digest(conn) != before
        verify(conn, two.ledger.verifier_key, two.witness)
    everyone = hold_on(two)
    with pytest.raises(ConfigurationError, match="everyone already"):
        amend(two, everyone.hold_id, terms, more_people=[pid(two, "acct-bob")], now=NOW)


def test_pseudonyms_of_a_hold_are_its_own(two):
    hold_on(two, "acct-ada")
    hold_on(two, "acct-ada")
    with two.database.read() as conn:
        found = conn.execute(sa.select(hold_subject.c.hold_pid)).scalars().all()
    assert len({bytes(one) for one in found} | {pid(two, "acct-ada")}) == 3


def test_overdue_reviews_are_found_from_the_day_after(two):
    one = hold_on(two)
    with two.database.read() as conn:
        assert overdue_reviews(conn, one.review_on) == []
        assert overdue_reviews(conn, one.review_on + dt.timedelta(days=1)) == [one]


def test_a_hold_without_a_basis_where_it_is_no_exception_needs_counsel(two):
    regimes = load_rulebook(ROOT / "retention_policies").regimes
    washington, europe = regimes["us_wa_mhmda"], regimes["eu_gdpr"]
    one = hold_on(two, "acct-ada")
    assert counsel_needed([one], [washington, europe]) == [one.hold_id]
    assert counsel_needed([one], [europe]) == []
    decided = replace(one, bases={"us_wa_mhmda": "counsel-opinion-3"})
    assert counsel_needed([decided], [washington, europe]) == []


@pytest.mark.parametrize(
    ("first", "last", "table", "period", "expected"),
    [
        (None, None, "heart", "2026-11-02", "whole"),
        (None, None, "quarantine_heart", "2026-11", "whole"),
        (dt.date(2026, 11, 2), None, "heart", "2026-11-02", "whole"),
        (dt.date(2026, 11, 3), None, "heart", "2026-11-02", "none"),
        (None, dt.date(2026, 11, 1), "heart", "2026-11-02", "none"),
        (dt.date(2026, 11, 2), None, "quarantine_heart", "2026-11", "part"),
        (None, None, "held_heart", "2026-11-02", "none"),
        (None, None, "glucose", "2026-11-02", "none"),
        (dt.date(2026, 11, 2), None, "sleep", "2026-11", "part"),
        (dt.date(2026, 11, 1), dt.date(2026, 11, 30), "sleep", "2026-11", "whole"),
        (dt.date(2026, 12, 1), None, "sleep", "2026-11", "none"),
    ],
)
def test_coverage_of_a_partition_follows_streams_and_days(first, last, table, period, expected):
    stream = table.removeprefix("held_").removeprefix("quarantine_")
    one = SimpleNamespace(streams=("heart", "sleep"), first_day=first, last_day=last)
    assert coverage(one, table, stream, period) == expected
