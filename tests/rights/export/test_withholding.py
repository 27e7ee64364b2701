"""What each regime keeps out of an export; pure, with the project's own regimes."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError
from shelflife.policy.loading import load_rulebook
from shelflife.rights.export.contents import Person
from shelflife.rights.export.withholding import CATEGORIES, decide
from shelflife.subjects.directory import Alias
from tests.lake.conftest import ROOT
from tests.rights.export.conftest import landed, subject_of, unpacked

REGIMES = load_rulebook(ROOT / "retention_policies").regimes
SECRETS = {
    "ssn": "078-05-1120",
    "passport_number": "C01X00T47",
    "iban": "DE02120300000000202051",
    "health_insurance_id": "A123456780",
    "password_hash": "pbkdf2-quokka",
    "face_template": "AAECAwQFBgc-quokka",
}
PLAIN = {"given_name": "Ada", "email": "ada@example.org", "birth_date": "1990-01-02", "sex": "female"}
SINCE = dt.date(2026, 11, 1)


def person(facts: dict, *kinds: str) -> Person:
    return Person(dict(facts), tuple(Alias(kind, f"value of {kind}") for kind in kinds), SINCE)


def names(*regimes: str):
    return [REGIMES[name] for name in regimes]


def test_ccpa_leaves_out_what_its_rule_names_and_gdpr_gives_it():
    everything = person(PLAIN | SECRETS, "account", "ssn")
    gdpr = decide(everything, names("eu_gdpr"))
    assert gdpr.person == everything
    assert (gdpr.withheld, gdpr.received_text) == ((), True)
    ccpa = decide(everything, names("us_ca_ccpa"))
    assert ccpa.person.facts == PLAIN
    assert [alias.kind for alias in ccpa.person.aliases] == ["account"]
    assert {item.category for item in ccpa.withheld} == set(CATEGORIES)
    assert not ccpa.received_text
    for item in ccpa.withheld:
        assert "7024(d)" in item.rule
        assert not any(secret in f"{item}" for secret in SECRETS.values())


def test_where_two_regimes_hold_what_either_forbids_stays_out():
    both = decide(person(PLAIN | SECRETS), names("eu_gdpr", "us_ca_ccpa"))
    assert both.person.facts == PLAIN
    assert len(both.looked_for) == len(CATEGORIES)


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("SSN", "ssn"), ("customer ssn", "ssn"), ("socialSecurityNumber", "ssn"), ("Social-Insurance", "ssn"),
        ("driversLicense", "government_id"), ("driving_licence_no", "government_id"), ("Passport", "government_id"),
        ("Bank Account", "account_number"), ("creditCard", "account_number"), ("card_number", "account_number"),
        ("insuranceNumber", "health_insurance_id"), ("MRN", "health_insurance_id"), ("nhs_number", "health_insurance_id"),
        ("passwordHash", "password"), ("securityAnswer", "password"), ("PIN", "password"),
        ("faceEmbedding", "unique_biometric_data"), ("voice_print", "unique_biometric_data"),
        ("gait-template", "unique_biometric_data"), ("fingerprint", "unique_biometric_data"),
    ],
)  # fmt: skip
def test_names_are_recognised_however_they_are_spelt(name, category):
    [item] = decide(person({name: "x"}), names("us_ca_ccpa")).withheld
    assert item.category == category


@pytest.mark.parametrize(
    "name", ["email", "blood_type", "skin_type", "phone", "pinned_note", "since", "heart_zone", "interface", "source_names"]
)  # fmt: skip
def test_ordinary_names_are_not_taken_for_secrets(name):
    assert decide(person({name: "x"}), names("us_ca_ccpa")).withheld == ()


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=10)), st.sampled_from(sorted(REGIMES)))
def test_nothing_is_lost_and_nothing_invented(facts, regime):
    decision = decide(person(facts), [REGIMES[regime]])
    left_out = {item.what for item in decision.withheld}
    assert decision.person.facts.items() <= facts.items()
    assert len(facts) - len(decision.person.facts) == len(left_out)


def test_no_regime_or_one_with_an_unknown_category_is_refused():
    with pytest.raises(ConfigurationError):
        decide(person({}), [])
    odd = REGIMES["us_ca_ccpa"]
    access = odd.access.model_copy(update={"withhold": ["horoscope"]})
    with pytest.raises(ConfigurationError, match="horoscope"):
        decide(person({}), [odd.model_copy(update={"access": access})])


def test_every_category_of_the_regimes_is_known():
    for regime in REGIMES.values():
        decide(person({}), [regime])


def test_one_person_under_both_laws_end_to_end(tmp_path):
    profile = {"record": "profile", "account": "ada"} | PLAIN | SECRETS
    sample = {
        "subject": "ada",
        "signal": "heart_rate",
        "value": 61,
        "unit": "/min",
        "start": "2026-11-20T08:00:00Z",
    }
    broken = sample | {"ssn": SECRETS["ssn"]}
    content = "\n".join(map(json.dumps, [profile, sample, broken])).encode()
    estate = landed(tmp_path, {"files/rows.ndjson": content})
    ada = subject_of(estate, "ada")
    given_all = unpacked(estate, ada, tmp_path / "gdpr", regimes=["eu_gdpr"])
    kept_back = unpacked(estate, ada, tmp_path / "ccpa", regimes=["us_ca_ccpa"])
    # Where nobody says whose law holds, what any of them forbids stays out.
    strictest = unpacked(estate, ada, tmp_path / "unknown", regimes=[])
    assert (strictest / "profile.json").read_bytes() == (kept_back / "profile.json").read_bytes()
    assert "Nobody said which law" in (strictest / "index.html").read_text("utf-8")
    assert json.loads((strictest / "rights.json").read_text("utf-8"))["regimes"] == []
    for secret in SECRETS.values():
        assert secret in (given_all / "profile.json").read_text("utf-8")
        for path in kept_back.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path.name
    assert SECRETS["ssn"] in (given_all / "data/quarantined.csv").read_text("utf-8")
    said = json.loads((kept_back / "withheld.json").read_text("utf-8"))
    assert {item["category"] for item in said["withheld"]} == {*CATEGORIES, "unreadable_text", "legal_hold"}
    assert len(said["looked_for"]) == len(CATEGORIES)
    unknown = json.loads((strictest / "withheld.json").read_text("utf-8"))["withheld"]
    assert ["7024(d)" in item["rule"] for item in unknown if item["category"] == "unreadable_text"] == [True]
    assert not any("Art. 15" in item["rule"] for item in unknown)
    page = (kept_back / "index.html").read_text("utf-8")
    assert "We hold a social security number of you" in page
    # The row itself is not kept back, only its text.
    assert (kept_back / "data/quarantined.csv").read_text("utf-8").count("bad_record") == 1
    estate.close()
