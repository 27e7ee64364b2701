"""Clocks against worked examples: each date here was computed by hand or from the law's own text."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError
from shelflife.policy.caps import retention_cap, retention_caps
from shelflife.policy.clocks import (
    HOUSE,
    UNKNOWN,
    obligations,
    obligations_for,
    recipient_due,
    strictest,
)
from shelflife.policy.loading import load_rulebook
from shelflife.policy.obligations import Obligation, Pause, Request, alerts

RULEBOOK = load_rulebook(Path(__file__).parents[2] / "retention_policies")
REGIMES_WITH_REQUESTS = [one.id for one in RULEBOOK.regimes.values() if one.request is not None]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def request(kind: str = "erasure", *, extended: bool = False, **events: str) -> Request:
    return Request(kind, {name: day(text) for name, text in events.items()}, extended=extended)  # type: ignore[arg-type,misc]


def due(found: list[Obligation], name: str) -> str | None:
    (one,) = [obligation for obligation in found if obligation.name == name]
    return None if one.due is None else one.due.isoformat()


def counting_on(regime: str, calendar: str):
    """The rulebook with another calendar for one regime, as a deployment would write it."""
    changed = RULEBOOK.regimes[regime].model_copy(update={"calendar": calendar})
    return dataclasses.replace(RULEBOOK, regimes={**RULEBOOK.regimes, regime: changed})


@pytest.mark.parametrize(
    ("received", "calendar", "answer", "extended"),
    [
        ("2027-01-31", "weekends_only", "2027-03-01", "2027-04-30"),
        ("2026-08-31", "weekends_only", "2026-09-30", "2026-11-30"),
        ("2028-01-31", "weekends_only", "2028-02-29", "2028-05-01"),
        ("2028-01-31", "germany", "2028-02-29", "2028-05-02"),
        ("2026-11-24", "germany", "2026-12-24", "2027-02-24"),
        ("2026-11-25", "weekends_only", "2026-12-25", "2027-02-25"),
        ("2026-11-25", "germany", "2026-12-28", "2027-02-25"),
    ],
)
def test_gdpr_months_clamp_and_roll(received: str, calendar: str, answer: str, extended: str) -> None:
    rulebook = counting_on("eu_gdpr", calendar)
    plain = obligations(rulebook, "eu_gdpr", request("export", received=received))
    assert due(plain, "respond") == answer
    assert [one.latest for one in plain if one.name == "respond"] == [day(extended)]
    longer = obligations(rulebook, "eu_gdpr", request("export", received=received, extended=True))
    assert due(longer, "respond_extended") == extended
    assert due(longer, "notify_extension") == answer
    assert "respond" not in {one.name for one in longer}


def test_ccpa_acknowledges_in_working_days_and_answers_in_calendar_days() -> None:
    asked = request(received="2026-12-21")
    found = obligations(RULEBOOK, "us_ca_ccpa", asked)
    assert due(found, "acknowledge") == "2027-01-06"
    assert (
        due(obligations(counting_on("us_ca_ccpa", "weekends_only"), "us_ca_ccpa", asked), "acknowledge")
        == "2027-01-04"
    )
    assert due(found, "respond") == due(found, "delete_live") == "2027-02-04"
    longer = obligations(RULEBOOK, "us_ca_ccpa", dataclasses.replace(asked, extended=True))
    # A Sunday: Californian periods do not roll.
    assert due(longer, "respond_extended") == "2027-03-21"


def test_washington_counts_from_receipt_but_backups_from_authentication() -> None:
    asked = request(received="2026-11-02", authenticated="2026-11-12")
    found = obligations(RULEBOOK, "us_wa_mhmda", asked)
    assert due(found, "respond") == "2026-12-17"
    assert due(found, "delete_backups") == "2027-05-12"
    longer = obligations(RULEBOOK, "us_wa_mhmda", dataclasses.replace(asked, extended=True))
    assert due(longer, "respond_extended") == "2027-01-31"
    assert due(longer, "notify_extension") == "2026-12-17"
    waiting = obligations(RULEBOOK, "us_wa_mhmda", request(received="2026-11-02"))
    assert due(waiting, "respond") == "2026-12-17"
    assert due(waiting, "delete_backups") is None


def test_nevada_counts_from_authentication_and_recipients_from_their_notice() -> None:
    asked = request(received="2026-11-02", authenticated="2026-11-12", recipient_notified="2026-11-20")
    found = obligations(RULEBOOK, "us_nv_sb370", asked)
    assert due(found, "delete_live") == due(found, "notify_recipients") == "2026-12-12"
    assert due(found, "respond") == "2026-12-27"
    assert due(found, "delete_backups") == "2028-11-12"
    assert due(found, "recipients_delete") == "2026-12-20"
    assert recipient_due(RULEBOOK, "us_nv_sb370", day("2026-12-01")) == day("2026-12-31")
    assert recipient_due(RULEBOOK, "us_ca_ccpa", day("2026-12-01")) is None
    before = obligations(RULEBOOK, "us_nv_sb370", request(received="2026-11-02"))
    assert {one.due for one in before} == {None}
    assert {one.note for one in before} == {
        "its clock waits for: authenticated",
        "its clock waits for: recipient notified",
    }


@pytest.mark.parametrize("regime", ["ca_pipeda", "us_hipaa"])
def test_thirty_days_and_thirty_more(regime: str) -> None:
    asked = request("export", received="2026-11-02")
    assert due(obligations(RULEBOOK, regime, asked), "respond") == "2026-12-02"
    longer = obligations(RULEBOOK, regime, dataclasses.replace(asked, extended=True))
    assert due(longer, "respond_extended") == "2027-01-01"


def test_quebec_allows_no_longer_period() -> None:
    found = obligations(RULEBOOK, "ca_qc_law25", request("export", received="2026-11-02", extended=True))
    assert [(one.name, one.due, one.latest) for one in found] == [
        ("respond", day("2026-12-02"), day("2026-12-02"))
    ]


def test_biometric_caps_end_at_the_earliest_event() -> None:
    events = {"last_interaction": day("2026-03-01"), "purpose_ended": day("2027-01-15")}
    by = {
        name: retention_cap(RULEBOOK.regimes[name], "fingerprint", events).by.isoformat()  # type: ignore[union-attr,arg-type]
        for name in ("us_il_bipa", "us_tx_cubi", "us_co_cpa_biometric")
    }
    assert by == {
        "us_il_bipa": "2027-01-15",
        "us_tx_cubi": "2028-01-15",
        "us_co_cpa_biometric": "2027-01-15",
    }
    first = retention_caps(
        RULEBOOK, ["us_il_bipa", "us_tx_cubi", "us_co_cpa_biometric"], "fingerprint", events
    )[0]  # type: ignore[arg-type]
    assert (first.by, first.because) == (day("2027-01-15"), "purpose_ended")
    # Colorado counts 24 months from the last interaction, Illinois three years; Texas waits for the purpose to end.
    unfinished = {"last_interaction": day("2026-03-01")}
    caps = {one.regime: one.by for one in retention_caps(RULEBOOK, [], "voiceprint", unfinished)}  # type: ignore[arg-type]
    assert caps == {"us_il_bipa": day("2029-03-01"), "us_co_cpa_biometric": day("2028-03-01")}
    assert retention_caps(RULEBOOK, ["us_tx_cubi"], "voiceprint", unfinished) == []  # type: ignore[arg-type]
    # A gait template is on no closed list, so only Colorado's general term reaches it.
    assert [one.regime for one in retention_caps(RULEBOOK, ["us_xx"], "gait_template", events)] == [
        "us_co_cpa_biometric"
    ]  # type: ignore[arg-type]
    dropped = {"determined_unnecessary": day("2026-11-23")}
    assert retention_caps(RULEBOOK, [], "fingerprint", dropped)[0].by == day("2027-01-07")  # type: ignore[arg-type]


def test_two_regimes_keep_two_clocks_and_close_one_by_one() -> None:
    asked = request(received="2026-11-02", authenticated="2026-11-12")
    found = obligations_for(RULEBOOK, ["us_wa_mhmda", "eu_gdpr"], asked)
    answers = {one.regime: one.due for one in found if one.name == "respond"}
    assert answers == {"eu_gdpr": day("2026-12-02"), "us_wa_mhmda": day("2026-12-17")}
    met = {("eu_gdpr", "respond"): day("2026-12-01")}
    after = obligations_for(RULEBOOK, ["us_wa_mhmda", "eu_gdpr"], dataclasses.replace(asked, met=met))
    open_answers = [one.regime for one in after if one.name == "respond" and one.met_on is None]
    assert open_answers == ["us_wa_mhmda"]


def uk(*pauses: Pause, kind: str = "export", extended: bool = False, **events: str) -> list[Obligation]:
    asked = dataclasses.replace(request(kind, extended=extended, **events), pauses=pauses)
    return obligations(RULEBOOK, "uk_gdpr", asked)


def test_the_uk_clock_stops_while_the_person_is_asked() -> None:
    # Received on 1 June 2026, due on 1 July; asked on 3 June, answered on 13 June: ten days more.
    clear = Pause("clarification", day("2026-06-03"), day("2026-06-13"))
    assert due(uk(received="2026-06-01"), "respond") == "2026-07-01"
    # 11 July is a Saturday.
    assert due(uk(clear, received="2026-06-01"), "respond") == "2026-07-13"
    assert due(uk(clear, received="2026-06-01", extended=True), "respond_extended") == "2026-09-11"
    overlapping = Pause("fee", day("2026-06-10"), day("2026-06-15"))
    assert due(uk(clear, overlapping, received="2026-06-01"), "respond") == "2026-07-13"
    waiting = uk(dataclasses.replace(clear, answered=None), received="2026-06-01")
    assert due(waiting, "respond") is None
    assert {one.note for one in waiting if one.due is None} == {
        "its clock stands still until the person answers"
    }
    too_late = Pause("clarification", day("2026-07-02"))
    assert due(uk(too_late, received="2026-06-01"), "respond") == "2026-07-01"
    # No other regime's clock stops.
    for regime, answer in (("eu_gdpr", "2026-07-01"), ("us_wa_mhmda", "2026-07-16")):
        asked = dataclasses.replace(request("export", received="2026-06-01"), pauses=[clear])
        assert due(obligations(RULEBOOK, regime, asked), "respond") == answer


def test_the_uk_clock_starts_with_the_proof_of_identity_where_one_was_asked_for() -> None:
    asked = Pause("id_check", day("2026-06-02"))
    assert due(uk(asked, received="2026-06-01"), "respond") is None
    answered = dataclasses.replace(asked, answered=day("2026-06-10"))
    # The days before the clock started are not counted a second time.
    assert due(uk(answered, received="2026-06-01", authenticated="2026-06-10"), "respond") == "2026-07-10"


def test_an_answer_cannot_come_before_its_question() -> None:
    with pytest.raises(ConfigurationError, match="before its question"):
        Pause("fee", day("2026-06-03"), day("2026-06-02"))


def test_complaints_appeals_and_opt_outs_have_their_own_clocks() -> None:
    assert uk(kind="complaint", received="2026-06-18") == []
    assert due(uk(kind="complaint", received="2026-06-19"), "acknowledge") == "2026-07-19"
    appeal = obligations(RULEBOOK, "us_wa_mhmda", request("appeal", received="2026-12-20"))
    assert due(appeal, "respond") == "2027-02-03"
    # 15 working days over Christmas and New Year.
    opt_out = obligations(RULEBOOK, "us_ca_ccpa", request("opt_out", received="2026-12-21"))
    assert due(opt_out, "respond") == "2027-01-13"


def test_a_platform_that_withdraws_has_its_data_deleted_promptly() -> None:
    found = obligations(RULEBOOK, "contract_strava", request("deauthorization", deauthorized="2026-11-02"))
    assert due(found, "delete_live") == "2026-11-16"
    assert [one.latest for one in found] == [None] * len(found)


def test_what_a_law_leaves_open_the_house_dates() -> None:
    found = obligations(RULEBOOK, "eu_gdpr", request(received="2026-11-02"))
    assert due(found, "delete_live") == "2026-11-16"
    assert due(found, "notify_recipients") == "2026-11-09"
    # A Sunday: only the time to answer rolls.
    assert due(found, "delete_backups") == "2027-01-31"
    assert [one.latest for one in found if one.name.startswith("delete")] == [None, None]


def test_only_an_erasure_has_something_deleted() -> None:
    for regime in ("eu_gdpr", "us_wa_mhmda", "us_ca_ccpa"):
        found = obligations(RULEBOOK, regime, request("export", received="2026-11-02"))
        assert {one.name for one in found} <= {"acknowledge", "respond"}


def test_a_right_that_a_regime_does_not_grant_has_no_clock_there() -> None:
    assert obligations(RULEBOOK, "us_hipaa", request(received="2026-11-02")) == []
    found = obligations_for(
        RULEBOOK, ["us_hipaa"], request(received="2026-11-02", authenticated="2026-11-03")
    )
    assert {one.regime for one in found} == {HOUSE}
    assert due(found, "respond") == "2026-12-02"
    assert due(found, "delete_live") == "2026-11-16"
    done = dataclasses.replace(request(received="2026-11-02"), met={(HOUSE, "respond"): day("2026-11-09")})
    assert [one.name for one in obligations_for(RULEBOOK, ["us_hipaa"], done) if one.met_on] == ["respond"]
    with pytest.raises(ConfigurationError):
        obligations(RULEBOOK, "us_xx", request(received="2026-11-02"))


def test_an_unknown_jurisdiction_gets_the_strictest_of_all() -> None:
    asked = request(received="2027-01-29", authenticated="2027-02-01")
    for jurisdictions in ([], ["us_xx"]):
        found = obligations_for(RULEBOOK, jurisdictions, asked)
        assert {one.regime for one in found} == {UNKNOWN}
        assert due(found, "acknowledge") == "2027-02-12"
        # GDPR: one month from 29 January is 28 February, a Sunday; the UK counts from the proof of identity.
        assert due(found, "respond") == "2027-03-01"
        assert due(found, "delete_live") == "2027-02-12"
        assert due(found, "notify_recipients") == "2027-02-05"
        assert due(found, "delete_backups") == "2027-04-29"
        # Three months of the GDPR and 90 days of Washington end on one day; the UK and Nevada count from later.
        assert [one.latest for one in found if one.name == "respond"] == [day("2027-04-29")]
    closed = dataclasses.replace(asked, met={(UNKNOWN, "respond"): day("2027-02-03")})
    assert [one.name for one in strictest(RULEBOOK, closed) if one.met_on] == ["respond"]
    mixed = obligations_for(RULEBOOK, ["us_xx", "us_nv_sb370"], asked)
    assert {one.regime for one in mixed} == {UNKNOWN, "us_nv_sb370"}


def test_a_longer_period_holds_for_an_unknown_jurisdiction_only_where_no_regime_refuses_it() -> None:
    export = strictest(RULEBOOK, request("export", received="2026-11-02", extended=True))
    # Quebec allows none.
    assert [(one.name, one.due) for one in export if "resp" in one.name] == [("respond", day("2026-12-02"))]
    assert not any(one.name == "notify_extension" for one in export)
    erasure = strictest(RULEBOOK, request("erasure", received="2026-11-02", extended=True))
    assert due(erasure, "respond_extended") == "2027-01-31"
    assert due(erasure, "notify_extension") == "2026-12-02"


def test_alerts_name_only_the_request_the_duty_and_the_date() -> None:
    asked = dataclasses.replace(
        request(received="2026-11-02", authenticated="2026-11-12"),
        met={("us_nv_sb370", "notify_recipients"): day("2026-11-13")},
    )
    found = obligations_for(RULEBOOK, ["us_nv_sb370"], asked)
    raised = alerts(found, day("2026-12-13"), 14, request_id="0f" * 16)
    assert [(one.name, one.state, one.days_left) for one in raised] == [
        ("delete_live", "overdue", -1),
        ("respond", "soon", 14),
    ]
    assert {one.request_id for one in raised} == {"0f" * 16}
    today = alerts(found, day("2026-12-12"), 0, request_id="x")
    assert [(one.name, one.state, one.days_left) for one in today] == [("delete_live", "soon", 0)]
    assert alerts(found, day("2026-11-20"), 3, request_id="x") == []
    assert {field.name for field in dataclasses.fields(raised[0])} == {
        "request_id", "regime", "name", "due", "state", "days_left",
    }  # fmt: skip


DAYS = st.dates(dt.date(2026, 1, 1), dt.date(2029, 12, 31))


@given(st.sampled_from(REGIMES_WITH_REQUESTS), DAYS, st.integers(0, 60), st.booleans())
def test_no_obligation_is_due_after_the_last_day_that_the_law_allows(
    regime: str, received: dt.date, later: int, extended: bool
) -> None:
    events = {"received": received, "authenticated": received + dt.timedelta(later)}
    for kind in ("export", "erasure", "rectification", "restriction"):
        asked = Request(kind, events, extended=extended)  # type: ignore[arg-type]
        for one in obligations(RULEBOOK, regime, asked):
            if one.due is None:
                assert one.starts_on == "recipient_notified"
                continue
            assert one.due > received
            assert one.latest is None or one.due <= one.latest


@given(DAYS, st.integers(0, 60), st.booleans())
def test_nothing_is_stricter_than_the_strictest(received: dt.date, later: int, extended: bool) -> None:
    events = {"received": received, "authenticated": received + dt.timedelta(later)}
    for kind in ("export", "erasure", "rectification", "restriction"):
        asked = Request(kind, events, extended=extended)  # type: ignore[arg-type]
        answers = {one.name: one.due for one in strictest(RULEBOOK, asked)}
        for regime in RULEBOOK.regimes:
            for one in obligations(RULEBOOK, regime, asked):
                name = one.name.replace("_extended", "") if one.name not in answers else one.name
                if name == "notify_extension" or one.due is None:
                    continue
                assert answers[name] <= one.due
