"""Retention policies: how long data is kept, by what it is, whose law holds for it and what it is used for.

A policy is a YAML file. Each rule names a retention class; a partition lives under exactly one class. Rules that
overlap without one being more specific are refused when the file is read, so that the order of rules never matters.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from shelflife.errors import ConfigurationError
from shelflife.policy.duration import Duration  # noqa: TC001  pydantic reads it at run time
from shelflife.policy.strict import Function, Name, Strict, Text, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ANY",
    "UNKNOWN",
    "Function",
    "Name",
    "RetentionClass",
    "RetentionPolicy",
    "RetentionRule",
    "best_rule",
    "clashes",
    "retention_class_for",
    "rule_for",
    "rule_of_class",
]

ANY = "any"
UNKNOWN = "unknown"

RetentionClass = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*/[a-z0-9_-]+$", max_length=64)]
Start: TypeAlias = Literal["observed", "created", "ended", "closed"]
"""What a length is counted from (ISO/IEC 27555: a deletion class is a starting point and a standard period)."""


class RetentionRule(Strict):
    """One rule: what it holds for, how long that is kept, who answers for it and why."""

    retention_class: RetentionClass = Field(description="The class that matching partitions live under.")
    title: Text | None = Field(default=None, description="What the public schedule calls it.")
    applies_to: list[Name] = Field(
        min_length=1,
        description="Streams, tables, and copies, backups, requests, exports, dagster_runs; `any` for every one.",
    )
    jurisdictions: list[Name] = Field(
        default=[ANY], min_length=1, description="Regimes (such as eu_gdpr); `any` for every one."
    )
    purposes: list[Name] = Field(default=[ANY], min_length=1, description="Purposes; `any` for every one.")
    keep: Duration = Field(description="How long data is kept after its starting point.")
    counted_from: Start = Field(
        default="observed",
        description="The starting point: when data was observed, a copy made, a run ended, a request closed.",
    )
    physical_deadline: Duration = Field(
        description="Longest time between the destruction of keys and that of the files."
    )
    owner: Function = Field(description="The function that answers for the rule, never a person.")
    deputy: Function = Field(description="The function that answers when the owner cannot.")
    reason: Text = Field(description="Why this long: the legal basis or the need.")

    @model_validator(mode="after")
    def _deputy_is_another(self) -> Self:
        if self.deputy == self.owner:
            raise ValueError("the deputy must be another function than the owner")
        return self

    @model_validator(mode="after")
    def _is_no_hold(self) -> Self:
        if self.retention_class.startswith("hold/") or "hold" in self.applies_to:
            raise ValueError("a hold is a recorded decision about named data, never a rule of a policy")
        return self


class RetentionPolicy(Strict):
    """A versioned set of retention rules."""

    policy: Name = Field(max_length=64, description="Name of the policy.")
    version: Version = Field(description="Date of this version; a suffix (.2) where a day has several.")
    owner: Function = Field(description="The function that answers for the policy, never a person.")
    deputy: Function = Field(description="The function that answers when the owner cannot.")
    reason: Text = Field(description="Why this version exists.")
    rules: list[RetentionRule] = Field(
        min_length=1, description="At least one rule: an empty policy is refused."
    )

    @model_validator(mode="after")
    def _each_case_has_one_rule(self) -> Self:
        for (first, one), (second, other) in itertools.combinations(enumerate(self.rules), 2):
            if one.retention_class == other.retention_class and one.keep != other.keep:
                raise ValueError(
                    f"rules {first} and {second} keep one retention class for two lengths of time"
                )
            if _specificity(one) == _specificity(other) and _overlap(one, other):
                raise ValueError(f"rules {first} and {second} overlap and neither is more specific")
        return self


def rule_for(policy: RetentionPolicy, stream_or_table: str, jurisdiction: str, purpose: str) -> RetentionRule:
    """Return the rule that data lives under: the most specific of those that match.

    What the rule names (a stream or table before `any`) counts first, then the jurisdiction, then the purpose.
    Where the jurisdiction is `unknown`, the strictest answer holds: the shortest of what any jurisdiction would get.

    Raises:
        ConfigurationError: no rule matches; data without a retention rule must not be kept.
    """
    if jurisdiction == UNKNOWN:
        named = {name for rule in policy.rules for name in rule.jurisdictions} - {ANY}
        answers = [
            rule
            for name in (*sorted(named), _NOWHERE)
            if (rule := _best(policy, stream_or_table, name, purpose)) is not None
        ]
        best = min(answers, key=lambda rule: rule.keep.approximate_days(), default=None)
    else:
        best = _best(policy, stream_or_table, jurisdiction, purpose)
    if best is None:
        raise ConfigurationError(
            "No retention rule matches a stream or table.",
            remedy=f"Add a rule for it to the policy {policy.policy!r}, or one that applies to `any`.",
        )
    return best


def retention_class_for(
    policy: RetentionPolicy, stream_or_table: str, jurisdiction: str, purpose: str
) -> str:
    """Return the retention class of data; see `rule_for`."""
    return rule_for(policy, stream_or_table, jurisdiction, purpose).retention_class


def rule_of_class(policy: RetentionPolicy, retention_class: str) -> RetentionRule:
    """Return the rule behind a retention class.

    Raises:
        ConfigurationError: no rule of the policy gives this class.
    """
    for rule in policy.rules:
        if rule.retention_class == retention_class:
            return rule
    shown = retention_class if re.fullmatch(r"[a-z0-9_/-]{1,64}", retention_class) else "of a partition"
    raise ConfigurationError(
        f"The retention class {shown} has no rule in the policy {policy.policy!r}.",
        remedy="Add a rule for it: data without a retention rule must not be kept.",
    )


def best_rule(
    policies: Sequence[RetentionPolicy], stream_or_table: str, jurisdiction: str, purpose: str
) -> tuple[RetentionPolicy, RetentionRule] | None:
    """Return the most specific rule of all policies, and its policy; None where no rule matches.

    Of rules that are equally specific, the one that keeps longest: whoever asks wants to know how long data can live.
    """
    found = [
        (policy, rule)
        for policy in policies
        if (rule := _best(policy, stream_or_table, jurisdiction, purpose)) is not None
    ]
    return max(found, key=lambda one: (_specificity(one[1]), one[1].keep.approximate_days()), default=None)


def clashes(policies: Sequence[RetentionPolicy]) -> list[tuple[RetentionRule, RetentionRule]]:
    """Return the pairs of rules of different policies that match the same data equally well and name other classes."""
    return [
        (one, other)
        for left, right in itertools.combinations(policies, 2)
        for one, other in itertools.product(left.rules, right.rules)
        if one.retention_class != other.retention_class
        and _specificity(one) == _specificity(other)
        and _overlap(one, other)
    ]


_NOWHERE = "-"
"""A jurisdiction that no rule can name: matches only rules for any jurisdiction."""


def _best(policy: RetentionPolicy, subject: str, jurisdiction: str, purpose: str) -> RetentionRule | None:
    matching = [
        rule
        for rule in policy.rules
        if _covers(rule.applies_to, subject)
        and _covers(rule.jurisdictions, jurisdiction)
        and _covers(rule.purposes, purpose)
    ]
    return max(matching, key=_specificity, default=None)


def _covers(names: list[str], name: str) -> bool:
    return ANY in names or name in names


def _specificity(rule: RetentionRule) -> tuple[bool, bool, bool]:
    return ANY not in rule.applies_to, ANY not in rule.jurisdictions, ANY not in rule.purposes


def _overlap(one: RetentionRule, other: RetentionRule) -> bool:
    pairs = (
        (one.applies_to, other.applies_to),
        (one.jurisdictions, other.jurisdictions),
        (one.purposes, other.purposes),
    )
    return all(ANY in left or ANY in right or set(left) & set(right) for left, right in pairs)
