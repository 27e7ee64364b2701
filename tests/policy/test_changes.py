"""What differs between two sets of policies, what of it lengthens retention, and what may be adopted."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError
from shelflife.policy.changes import Change, adoption, compare
from shelflife.policy.documents import digest, document, read_document, version_key
from shelflife.policy.loading import load_policies
from shelflife.policy.retention import RetentionPolicy, rule_for
from tests.policy.policies import policy, rule

FOLDER = Path(__file__).parents[2] / "retention_policies"
NEWER = {"version": "2026-12-01", "reason": "Another reason for the test."}


def kinds(old: RetentionPolicy, new: RetentionPolicy) -> list[tuple[str, str, bool]]:
    return [(one.subject, one.kind, one.lengthens) for one in compare([old], [new])]


def test_the_same_set_has_no_changes_whatever_the_order() -> None:
    found = load_policies(FOLDER)
    assert compare(found, found) == []
    (default,) = found
    turned = default.model_copy(update={"rules": default.rules[::-1]})
    assert compare(found, [turned]) == []
    assert digest(turned) == digest(default)
    assert adoption(found, [turned]) == adoption(found, found)
    assert read_document(document(default)) == read_document(document(turned))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"keep": "P1Y"}, {"keep": "P2Y"}, [("lengthened", True)]),
        ({"keep": "P2Y"}, {"keep": "P1Y"}, [("shortened", False)]),
        ({"keep": "P12M"}, {"keep": "P1Y"}, []),
        ({"keep": "P30D"}, {"keep": "P1M"}, [("lengthened", True)]),
        ({"keep": "P31D"}, {"keep": "P1M"}, [("shortened", False)]),
        ({"physical_deadline": "P30D"}, {"physical_deadline": "P31D"}, [("deadline_lengthened", True)]),
        ({"physical_deadline": "P30D"}, {"physical_deadline": "P7D"}, [("deadline_shortened", False)]),
        ({"owner": "data-platform"}, {"owner": "analytics"}, [("owner_changed", False)]),
        ({"deputy": "legal"}, {"deputy": "analytics"}, [("owner_changed", False)]),
        ({"counted_from": "observed"}, {"counted_from": "closed"}, [("start_changed", True)]),
        ({"applies_to": ["heart"]}, {"applies_to": ["heart", "sleep"]}, [("scope_changed", False)]),
        ({"reason": "One reason for it."}, {"reason": "Another reason for it."}, []),
    ],
)
def test_changes_of_one_rule(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, bool]]
) -> None:
    found = kinds(policy(rule("a/b", **before)), policy(rule("a/b", **after)))
    assert [(kind, lengthens) for _, kind, lengthens in found] == expected


def test_a_rule_that_is_added_can_lengthen_and_is_found_out() -> None:
    old = policy(rule("heart/default", "P1Y"))
    new = policy(rule("heart/default", "P1Y"), rule("heart/eu", "P5Y", jurisdictions=["eu_gdpr"]))
    assert kinds(old, new) == [("heart/eu", "rule_added", False), ("heart", "moved", True)]
    (moved,) = [one for one in compare([old], [new]) if one.kind == "moved"]
    assert (moved.before, moved.after) == ("heart/default P1Y", "heart/eu P5Y")
    shorter = policy(rule("heart/default", "P1Y"), rule("heart/eu", "P30D", jurisdictions=["eu_gdpr"]))
    assert kinds(old, shorter) == [("heart/eu", "rule_added", False)]
    # Away again: the general rule keeps European hearts longer than the one that is gone.
    assert kinds(shorter, old) == [("heart/eu", "rule_removed", True), ("heart", "moved", True)]


def test_a_rule_of_another_policy_can_lengthen_too() -> None:
    old = [policy(rule("any/default", "P1Y", applies_to=["any"]))]
    new = [*old, policy(rule("heart/long", "P9Y"), policy="second")]
    assert [(one.policy, one.kind, one.lengthens) for one in compare(old, new)] == [
        ("second", "policy_added", False),
        ("second", "rule_added", False),
        ("second", "moved", True),
    ]


def test_what_has_no_rule_any_more_is_named() -> None:
    old = policy(rule("a/b", applies_to=["heart", "sleep"]))
    new = policy(rule("a/b", applies_to=["heart"]))
    assert kinds(old, new) == [("a/b", "scope_changed", False), ("sleep", "uncovered", True)]
    everything = policy(rule("a/b", applies_to=["any"]))
    assert ("anything else", "uncovered", True) in kinds(everything, old)


def test_rules_of_one_class_are_compared_by_their_scope() -> None:
    eu, us = {"jurisdictions": ["eu_gdpr"]}, {"jurisdictions": ["us_ca_ccpa"]}
    old = policy(rule("a/b", **eu), rule("a/b", **us))
    new = policy(rule("a/b", **eu), rule("a/b", physical_deadline="P90D", **us))
    assert kinds(old, new) == [("a/b", "deadline_lengthened", True)]
    fewer = policy(rule("a/b", **us))
    assert kinds(old, fewer) == [("a/b", "rule_removed", True), ("heart", "uncovered", True)]
    assert kinds(fewer, old) == [("a/b", "rule_added", False)]


def test_what_moves_to_a_later_deadline_or_another_start_is_named_too() -> None:
    general = rule("heart/default", "P1Y", physical_deadline="P7D")
    for more in ({"physical_deadline": "P8D"}, {"physical_deadline": "P7D", "counted_from": "closed"}):
        eu = rule("heart/eu", "P30D", jurisdictions=["eu_gdpr"], **more)
        assert ("heart", "moved", True) in kinds(policy(general), policy(general, eu))


def test_a_lengthening_needs_a_newer_version_and_a_new_reason() -> None:
    old, longer = rule("a/b", "P1Y"), rule("a/b", "P2Y")
    before = [policy(old)]

    def problems(**head: str) -> tuple[str, ...]:
        return adoption(before, [policy(longer, **head)]).problems

    assert len(problems()) == 2
    assert len(problems(version="2026-12-01")) == 1
    assert len(problems(reason="Another reason for the test.")) == 1
    # The same words, written another way, are no new reason.
    assert len(problems(version="2026-12-01", reason="made  for THE test.")) == 1
    assert len(problems(version="2025-12-01", reason="Another reason for the test.")) == 1
    assert problems(**NEWER) == ()
    assert problems(version="2026-11-23.2", reason="Another reason for the test.") == ()
    assert adoption(before, [policy(longer, **NEWER)]).lengthens


def test_any_other_change_needs_a_newer_version_only() -> None:
    before = [policy(rule("a/b", "P2Y"))]
    shorter = adoption(before, [policy(rule("a/b", "P1Y"), version="2026-12-01")])
    assert (shorter.problems, shorter.lengthens) == ((), False)
    assert adoption(before, [policy(rule("a/b", "P1Y"))]).problems != ()
    reworded = policy(rule("a/b", "P2Y", reason="Another reason for the rule."))
    assert adoption(before, [reworded]).problems != ()


def test_a_policy_that_goes_needs_a_reason_elsewhere() -> None:
    kept, gone = policy(rule("a/b")), policy(rule("c/d", applies_to=["sleep"]), policy="second")
    silent = adoption([kept, gone], [kept])
    assert silent.lengthens
    assert any("second" in problem for problem in silent.problems)
    assert adoption([kept, gone], [policy(rule("a/b"), **NEWER)]).problems == ()
    assert (
        adoption([kept, gone], [kept, policy(rule("e/f", applies_to=["body"]), policy="third")]).problems
        == ()
    )


def test_the_first_adoption_is_always_possible() -> None:
    first = adoption([], load_policies(FOLDER))
    assert first.problems == ()
    assert not first.lengthens
    assert {one.kind for one in first.changes} == {"policy_added", "rule_added"}


def test_versions_are_ordered_as_days_and_numbers() -> None:
    mixed = ["2026-12-01", "2026-11-23.10", "2026-11-23", "2026-11-23.2"]
    ordered = ["2026-11-23", "2026-11-23.2", "2026-11-23.10", "2026-12-01"]
    assert sorted(mixed, key=version_key) == ordered


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"policy": "x"}'])
def test_an_unreadable_document_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(ConfigurationError):
        read_document(text)


NAMES, PLACES, PURPOSES = ("heart", "sleep", "body"), ("eu_gdpr", "us_ca_ccpa"), ("care", "research")
KEEPS = st.sampled_from(["P30D", "P1M", "P31D", "P1Y", "P365D", "P2Y"])


def _one_side(names: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.just(["any"]) | st.sampled_from(names).map(lambda name: [name])


@st.composite
def policies(draw: st.DrawFn) -> RetentionPolicy:
    """Any policy of single-valued scopes; equal scopes do not overlap because each is there once."""
    scopes = draw(
        st.lists(
            st.tuples(_one_side(NAMES), _one_side(PLACES), _one_side(PURPOSES)),
            min_size=1,
            max_size=6,
            unique_by=repr,
        )
    )
    rules = [
        rule(
            f"class/{number}",
            draw(KEEPS),
            applies_to=names,
            jurisdictions=places,
            purposes=purposes,
            physical_deadline=draw(st.sampled_from(["P7D", "P30D"])),
        )
        for number, (names, places, purposes) in enumerate(scopes)
    ]
    return policy(*rules)


CASES = list(itertools.product((*NAMES, "other"), (*PLACES, "elsewhere"), (*PURPOSES, "other")))


def _kept(found: RetentionPolicy, case: tuple[str, str, str]) -> Any:
    try:
        return rule_for(found, *case)
    except ConfigurationError:
        return None


@given(policies(), policies())
def test_nothing_is_kept_longer_without_being_found_out(old: RetentionPolicy, new: RetentionPolicy) -> None:
    judged = adoption([old], [new])
    longer = lost = False
    for case in CASES:
        before, after = _kept(old, case), _kept(new, case)
        lost = lost or (before is not None and after is None)
        if before is not None and after is not None:
            longer = longer or after.keep.can_outlast(before.keep)
            longer = longer or after.physical_deadline.can_outlast(before.physical_deadline)
    if longer or lost:
        assert judged.lengthens
        assert judged.problems


@given(policies(), policies())
def test_judging_twice_gives_the_same_and_going_nowhere_gives_nothing(
    old: RetentionPolicy, new: RetentionPolicy
) -> None:
    assert adoption([old], [new]) == adoption([old], [new])
    assert compare([old], [old]) == []
    assert adoption([new], [new]).problems == ()
    newer = new.model_copy(update=NEWER)
    assert adoption([old], [newer]).problems == ()
    assert bool(compare([old], [new])) or _same(old, new)


def _same(old: RetentionPolicy, new: RetentionPolicy) -> bool:
    def durations(found: RetentionPolicy) -> list[Any]:
        return sorted((one.retention_class, str(one.keep), one.applies_to) for one in found.rules)

    return durations(old) == durations(new)


def test_a_digest_stays_what_it_was_when_rules_get_new_fields_with_defaults() -> None:
    # A release that changed it would make every adopted policy look like another one.
    plain = policy(rule("a/b"))
    assert digest(plain).hex() == "bdf56fff8e7e430681421f9d60c5fcf1192b785274e1edab97e12f0c26e23cd3"
    written_out = rule("a/b", counted_from="observed", jurisdictions=["any"], purposes=["any"], title=None)
    assert digest(policy(written_out)) == digest(plain)


@given(policies())
def test_a_document_survives_writing_and_reading(found: RetentionPolicy) -> None:
    again = read_document(document(found))
    assert digest(again) == digest(found)
    assert compare([found], [again]) == []


def test_a_change_says_what_was_and_what_is() -> None:
    (change,) = compare([policy(rule("a/b", "P1Y"))], [policy(rule("a/b", "P2Y"))])
    assert change == Change("test", "a/b", "lengthened", "P1Y", "P2Y", lengthens=True)
