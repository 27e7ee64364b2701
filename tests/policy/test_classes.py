"""The class that data lives under, over all policies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError
from shelflife.policy.classes import class_of, rules_by_class
from shelflife.policy.retention import RetentionPolicy


def rule(name: str, applies_to: str, keep: str, jurisdiction: str = "any", purpose: str = "any") -> dict:
    return {
        "retention_class": name,
        "applies_to": [applies_to],
        "jurisdictions": [jurisdiction],
        "purposes": [purpose],
        "keep": keep,
        "physical_deadline": "P30D",
        "owner": "data-platform",
        "deputy": "legal",
        "reason": "A reason for a test.",
    }


def policy(name: str, *rules: dict) -> RetentionPolicy:
    return RetentionPolicy.model_validate(
        {
            "policy": name,
            "version": "2026-11-23",
            "owner": "privacy-office",
            "deputy": "legal",
            "reason": "A policy for a test.",
            "rules": list(rules),
        }
    )


GENERAL = policy(
    "general",
    rule("all/default", "any", "P3Y"),
    rule("heart/default", "heart", "P2Y"),
    rule("heart/eu", "heart", "P1Y", "eu_gdpr"),
)
SPECIAL = policy(
    "special",
    rule("heart/coaching", "heart", "P6M", "eu_gdpr", "coaching"),
    rule("glucose/wa", "glucose", "P3M", "us_wa_mhmda"),
)


@pytest.mark.parametrize(
    ("stream", "jurisdiction", "purpose", "expected"),
    [
        ("heart", "us_ca_ccpa", "training", "heart/default"),
        ("heart", "eu_gdpr", "training", "heart/eu"),
        ("heart", "eu_gdpr", "coaching", "heart/coaching"),
        ("glucose", "eu_gdpr", "training", "all/default"),
        ("glucose", "us_wa_mhmda", "training", "glucose/wa"),
        ("heart", "unknown", "training", "heart/eu"),
        ("heart", "unknown", "coaching", "heart/coaching"),
        ("glucose", "unknown", "training", "glucose/wa"),
        ("sleep", "unknown", "training", "all/default"),
    ],
)
def test_the_most_specific_rule_of_all_policies_decides(stream, jurisdiction, purpose, expected):
    assert class_of([GENERAL, SPECIAL], stream, jurisdiction, purpose) == expected
    assert class_of([SPECIAL, GENERAL], stream, jurisdiction, purpose) == expected


@given(st.permutations([GENERAL, SPECIAL]), st.sampled_from(["heart", "glucose", "x"]), st.text(max_size=5))
def test_an_unknown_jurisdiction_never_lives_longer_than_a_known_one(policies, stream, purpose):
    lengths = {name: one.rule.keep for name, one in rules_by_class(policies).items()}
    strictest = lengths[class_of(policies, stream, "unknown", purpose)].approximate_days()
    for jurisdiction in ("eu_gdpr", "us_wa_mhmda", "elsewhere"):
        found = class_of(policies, stream, jurisdiction, purpose)
        assert strictest <= lengths[found].approximate_days()


def test_what_no_rule_matches_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="'heart'"):
        class_of([SPECIAL], "heart", "us_ca_ccpa", "training")
    with pytest.raises(ConfigurationError, match="'sleep'"):
        class_of([SPECIAL], "sleep", "unknown", "training")


def test_two_policies_that_answer_equally_well_and_differently_are_refused():
    other = policy("other", rule("heart/other", "heart", "P5Y"))
    with pytest.raises(ConfigurationError, match="equally well"):
        class_of([GENERAL, other], "heart", "us_ca_ccpa", "training")
    assert class_of([GENERAL, other], "heart", "eu_gdpr", "training") == "heart/eu"


def test_two_policies_that_keep_one_class_for_two_lengths_are_refused():
    with pytest.raises(ConfigurationError, match="two lengths"):
        rules_by_class([GENERAL, policy("other", rule("heart/default", "sleep", "P5Y"))])
    agreeing = policy("other", rule("heart/default", "sleep", "P2Y"))
    assert rules_by_class([GENERAL, agreeing])["heart/default"].policy == "general"
