"""Policies and regimes judged together: gaps, clashes, tables that outlive their source, rules that grow old."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shelflife.policy.checks import Findings, TableFacts, check
from shelflife.policy.duration import Duration
from shelflife.policy.loading import load_policies, load_rulebook
from tests.policy.policies import policy, rule

if TYPE_CHECKING:
    from shelflife.policy.retention import RetentionPolicy

FOLDER = Path(__file__).parents[2] / "retention_policies"
RULEBOOK = load_rulebook(FOLDER)
ON = dt.date(2026, 12, 1)


def findings(*policies: RetentionPolicy, on: dt.date = ON, **more: Any) -> Findings:
    facts: dict[str, Any] = {"names": ["heart"], "tables": {}, "copies": {}}
    return check(policies, RULEBOOK, on=on, **{**facts, **more})


def table(*reads: str, retention_class: str = "derived/default", personal: bool = True) -> TableFacts:
    return TableFacts(reads, retention_class, personal)


def test_the_default_policy_has_no_findings() -> None:
    tables = {
        "heart_daily": table("heart"),
        "glucose_daily": table("glucose"),
        "cohort_weekly": table(
            "heart_daily", "glucose_daily", "attributes", retention_class="analytics/default", personal=False
        ),
    }
    policies = load_policies(FOLDER)
    names = [name for one in policies[0].rules for name in one.applies_to]
    found = check(policies, RULEBOOK, names=names, tables=tables, copies={}, on=ON)
    assert found == Findings((), ())


def test_everything_needs_a_rule_whatever_the_jurisdiction() -> None:
    here = policy(rule("a/b", jurisdictions=["eu_gdpr"]))
    assert "heart" in findings(here).problems[0]
    assert findings(here, policy(rule("c/d"), policy="second")).problems == ()


def test_a_table_must_claim_a_class_that_a_rule_gives_it() -> None:
    found = policy(rule("a/b"), rule("derived/default", applies_to=["heart_daily"]))
    assert findings(found, tables={"heart_daily": table("heart")}).problems == ()
    (problem,) = findings(found, tables={"sleep_nightly": table("sleep")}).problems
    assert "sleep_nightly" in problem
    (problem,) = findings(found, tables={"heart_daily": table("heart", retention_class="x/y")}).problems
    assert "x/y" in problem


def test_a_jurisdiction_that_no_regime_has_is_a_mistake() -> None:
    (problem,) = findings(policy(rule("a/b"), rule("c/d", jurisdictions=["eu_gpdr"]))).problems
    assert "eu_gpdr" in problem


def test_a_rule_for_what_nothing_is_called_is_pointed_at() -> None:
    slip = policy(rule("any/default", applies_to=["any"]), rule("a/b", applies_to=["hart", "mart", "daily"]))
    copies, tables = {"mart": Duration(days=1)}, {"daily": table("heart", retention_class="a/b")}
    (warning,) = findings(slip, copies=copies, tables=tables).warnings
    assert "hart" in warning


def test_rules_of_two_policies_must_not_clash() -> None:
    (problem,) = findings(policy(rule("a/b")), policy(rule("c/d"), policy="second")).problems
    assert "a/b" in problem
    assert "c/d" in problem


def outliving(*rules: dict[str, Any], **tables: TableFacts) -> list[str]:
    return [one for one in findings(policy(*rules), names=[], tables=tables).warnings if "outlives" in one]


def test_a_table_that_outlives_its_source_is_named_with_the_chain() -> None:
    rules = [
        rule("heart/default", "P2Y"),
        rule("glucose/default", "P30D", applies_to=["glucose"]),
        rule("derived/default", "P1Y", applies_to=["daily", "both"]),
    ]
    chain = {"daily": table("heart", "glucose"), "both": table("daily", "heart")}
    assert outliving(*rules, **chain) == [
        "both is kept P1Y and outlives glucose, which is kept P30D: both <- daily <- glucose.",
        "daily is kept P1Y and outlives glucose, which is kept P30D: daily <- glucose.",
    ]
    groups = {"daily": table("heart", "glucose", personal=False)}
    assert outliving(*rules, **groups) == []
    assert outliving(*rules, daily=table("heart")) == []


def test_one_jurisdiction_is_enough_to_outlive() -> None:
    rules = [
        rule("heart/default", "P2Y"),
        rule("heart/washington", "P90D", jurisdictions=["us_wa_mhmda"]),
        rule("derived/default", "P1Y", applies_to=["daily"]),
    ]
    (warning,) = outliving(*rules, daily=table("heart"))
    assert "P90D" in warning
    fitting = rule("derived/washington", "P90D", applies_to=["daily"], jurisdictions=["us_wa_mhmda"])
    assert outliving(*rules, fitting, daily=table("heart")) == []


def test_a_copy_must_not_live_longer_than_its_rule() -> None:
    def problems(**lives: str) -> list[str]:
        copies = {name: Duration.parse(text) for name, text in lives.items()}
        general = rule("c/c", "P90D", applies_to=["copies"], counted_from="created")
        own = rule("c/mart", "P1Y", applies_to=["mart"], counted_from="created")
        return list(findings(policy(general, own), names=[], copies=copies).problems)

    assert problems(cache="P90D", mart="P1Y") == []
    (problem,) = problems(cache="P3M", mart="P1Y")
    assert problem == "The copy cache may live P3M, longer than c/c keeps it (P90D)."
    (problem,) = problems(mart="P366D")
    assert "c/mart" in problem


def test_backups_must_not_outlive_the_hardest_cap() -> None:
    def warnings(keep: str, deadline: str) -> list[str]:
        kept = rule("b/b", keep, applies_to=["backups"], physical_deadline=deadline)
        return [one for one in findings(policy(kept), names=["backups"]).warnings if "backups" in one]

    assert warnings("P90D", "P30D") == []
    # 181 days are never six months, but longer than the house's own 180; 184 can be longer than both.
    assert len(warnings("P150D", "P31D")) == 1
    both = warnings("P154D", "P30D")
    assert len(both) == 2
    assert any("us_wa_mhmda" in one for one in both)
    assert len(warnings("P3Y", "P30D")) == 3


def test_records_of_requests_must_be_kept_as_long_as_a_law_asks() -> None:
    def warned(keep: str) -> set[str]:
        kept = rule("r/r", keep, applies_to=["requests"])
        return {
            one.split("and ")[1].split(" ")[0] for one in findings(policy(kept), names=["requests"]).warnings
        }

    assert warned("P25M") == warned("P2Y") == set()
    assert warned("P700D") == {"us_ca_ccpa", "us_co_cpa_biometric"}


@pytest.mark.parametrize(("on", "stale"), [("2027-11-23", 0), ("2027-11-24", 1)])
def test_rules_that_nobody_compared_for_a_year_are_named(on: str, stale: int) -> None:
    checked = {"regimes.eu_gdpr.request": dt.date(2026, 11, 23)}
    rulebook = dataclasses.replace(RULEBOOK, checked=checked)
    found = check(
        [policy(rule("a/b"))], rulebook, names=["heart"], tables={}, copies={}, on=dt.date.fromisoformat(on)
    )
    assert len(found.warnings) == stale
    assert all("regimes.eu_gdpr.request" in one and "2026-11-23" in one for one in found.warnings)
