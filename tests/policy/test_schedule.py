"""The public schedule is the generated one, says what the policies say, and cannot be broken by what they say."""

from __future__ import annotations

from pathlib import Path

from shelflife.policy.loading import load_policies, load_rulebook
from shelflife.policy.schedule import schedule
from tests.policy.policies import policy, rule

ROOT = Path(__file__).parents[2]
RULEBOOK = load_rulebook(ROOT / "retention_policies")


def test_the_committed_schedule_is_the_generated_one() -> None:
    committed = (ROOT / "docs" / "retention-schedule.md").read_text(encoding="utf-8")
    generated = schedule(load_policies(ROOT / "retention_policies"), RULEBOOK)
    assert committed == generated, "write it anew: shelflife policy schedule > docs/retention-schedule.md"


def test_each_rule_and_each_cap_has_its_line() -> None:
    policies = load_policies(ROOT / "retention_policies")
    lines = schedule(policies, RULEBOOK).splitlines()
    for one in policies[0].rules:
        (line,) = [text for text in lines if f"`{one.applies_to[0]}`" in text]
        assert one.reason in line
        assert f"| {one.keep.in_words()} |" in line
        assert one.owner in line
        assert one.deputy in line
    for law, latest in (
        ("Illinois", "at once after the end of its purpose; 3 years after the last interaction"),
        ("Texas", "1 year after the end of its purpose"),
        ("Colorado", "2 years after the last interaction; 45 days after it was found to be no longer needed"),
        ("Washington", "6 months after the proof of identity"),
    ):
        assert any(law in line and latest in line for line in lines)


def test_when_something_is_physically_gone_is_told_in_one_length() -> None:
    text = schedule([policy(rule("a/b", "P18M", physical_deadline="P1M2D"))], RULEBOOK)
    assert (
        "| 1 year and 6 months | the end of the day, week or month it was observed in | 1 year, 7 months and 2 days |"
        in text
    )


def test_the_order_of_policies_makes_no_difference() -> None:
    first, second = policy(rule("a/b")), policy(rule("c/d", applies_to=["sleep"]), policy="another")
    assert schedule([first, second], RULEBOOK) == schedule([second, first], RULEBOOK)


def test_a_reason_cannot_break_the_table() -> None:
    odd = rule("a/b", reason="One | two\n| three | four |")
    lines = schedule([policy(odd)], RULEBOOK).splitlines()
    (line,) = [text for text in lines if "two" in text]
    assert line.count("|") - line.count("\\|") == 9
