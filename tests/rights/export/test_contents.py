"""The documents beside the data: whose it is, who looked, how long it stays, what was left out."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import pytest

from shelflife.rights.export.documents import NO_CONSENTS, documents
from shelflife.rights.export.tally import Tally
from shelflife.signals.vocabulary import STREAMS
from shelflife.synthetic.inbox import NOTICE
from tests.rights.export.conftest import CONTROLLER, RECIPIENT, REQUEST
from tests.rights.export.test_page import nothing


@pytest.fixture(scope="module")
def document(exported):
    return lambda name: json.loads((exported.folder / name).read_text("utf-8"))


def test_the_profile_has_every_fact_and_alias(exported, document):
    profile, person = document("profile.json"), exported.person
    facts = profile["facts"]
    assert (facts["given_name"], facts["family_name"]) == (person.given_name, person.family_name)
    assert (facts["birth_date"], facts["email"]) == (person.birth_date.isoformat(), person.email)
    assert {"kind": "account", "value": person.alias} in profile["aliases"]
    assert profile["known_since"] == "2026-11-23"


def test_the_access_log_has_dates_purposes_and_roles_and_no_name(exported, document):
    log = document("access_log.json")
    [look] = log["queries"]
    assert look == {
        "at": "2026-11-23T12:00:00+00:00",
        "purpose": "care",
        "role": "clinician",
        "tables": ["glucose_daily"],
        "outcome": "answered",
    }
    # The query over cohorts read nothing of one person; attributes were handed over for them.
    assert log["attribute_handovers"]
    assert log["attribute_handovers"][0]["attributes"] == ["age_band", "sex"]
    for path in exported.folder.rglob("*"):
        assert not path.is_file() or b"dr-quokka" not in path.read_bytes()


def test_a_denied_query_read_nothing_and_is_not_told(exported):
    from shelflife.access import audit
    from shelflife.rights.export.looks import looks_at
    from tests.conftest import NOW

    def told() -> int:
        with exported.estate.database.read() as conn:
            return len(looks_at(conn, ["glucose_daily"], since=NOW - dt.timedelta(days=1)))

    before = told()
    attempt = audit.Attempt("dr-quokka", "clinician", "care", "SELECT 1")
    for decision, more in (("denied", 0), ("allowed", 1), ("failed", 2)):
        audit.record(exported.estate, attempt, tables=["glucose_daily"], decision=decision, now=NOW)
        assert told() == before + more


def test_recipients_are_named_with_contact(document):
    [told] = document("recipients.json")["recipients"]
    assert (told["name"], told["contact"], told["kind"]) == (RECIPIENT.name, RECIPIENT.contact, "processor")


def test_retention_says_the_rule_and_both_ends(document):
    lines = {line["table"]: line for line in document("retention.json")}
    assert set(lines) == {
        "heart", "sleep", "glucose", "activity", "body", "respiration", "quarantined",
        "heart_daily", "hrv_recordings", "sleep_nightly", "glucose_daily", "activity_daily",
    }  # fmt: skip
    glucose = lines["glucose"]
    assert (glucose["keep"], glucose["retention_class"]) == ("P1Y", "glucose/default")
    # The oldest day is 16 November 2026; it is over at the start of the 17th.
    assert (glucose["first_expiry"], glucose["last_expiry"]) == ("2027-11-17", "2027-11-23")
    assert "kept for 1 year after they were measured" in glucose["words"]
    assert "within 2 weeks" in glucose["files_gone"]
    assert "30 days after they arrived" in lines["quarantined"]["words"]


def test_consents_are_every_decision_with_the_notice_that_was_shown(document):
    told = document("consents.json")["consents"]
    assert len(told) == 12
    assert {(one["stream"], one["purpose"]) for one in told} == {
        (stream, purpose) for stream in STREAMS for purpose in ("collection", "sharing")
    }
    assert {one["notice_sha256"] for one in told} == {hashlib.sha256(NOTICE.encode()).hexdigest()}
    assert {(one["decision"], one["method"], one["counts"]) for one in told} == {("granted", "in_app", True)}
    assert {(one["decided_at"], one["recorded_on"]) for one in told} == {
        ("2026-10-17T12:00:00+00:00", "2026-11-23")
    }


def test_consents_that_were_never_recorded_say_so():
    assert json.loads(documents(nothing(), Tally())["consents.json"]) == {"consents": [], "note": NO_CONSENTS}


def test_decisions_say_what_is_not_known(document):
    decisions = document("automated_decisions.json")
    assert decisions["decisions"] == []
    formulas = {one["table"]: one["formulas"] for one in decisions["computed"]}
    assert "3.31 + 0.02392" in formulas["glucose_daily"]["gmi_percent"]


def test_sources_add_up_to_the_rows(exported, document):
    manifest = json.loads((exported.folder / "manifest.json").read_bytes())
    rows = {member["name"]: member.get("rows") for member in manifest["members"]}
    sources = document("sources.json")["sources"]
    for stream in ("heart", "glucose", "sleep"):
        assert sum(one["count"] for one in sources if one["stream"] == stream) == rows[f"data/{stream}.csv"]
    assert any("Watch" in one.get("model", "") for one in sources)


def test_rights_name_clock_and_complaint(document):
    rights = document("rights.json")
    assert rights["controller"] == {"name": CONTROLLER.name, "contact": CONTROLLER.contact}
    [gdpr] = rights["regimes"]
    assert "within 1 month" in gdpr["answer"]
    assert "data protection authority" in gdpr["complaint"]
    assert any("erased" in right for right in gdpr["rights"])


def test_what_is_withheld_under_gdpr(document):
    withheld = document("withheld.json")
    assert {item["category"] for item in withheld["withheld"]} == {"rights_of_others", "legal_hold"}
    assert withheld["looked_for"] == []


def test_the_readme_names_the_key_and_the_request(exported):
    text = (exported.folder / "README.txt").read_text("utf-8")
    assert str(exported.estate.ledger.verifier_key) in text
    assert exported.opened.signer == str(exported.estate.ledger.verifier_key)
    assert REQUEST in text
    assert max(map(len, text.splitlines())) <= 120
