"""Retention classes over all loaded policies: which class data lives under, and which rule keeps a class. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError
from shelflife.policy.retention import ANY, UNKNOWN, RetentionRule, rule_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shelflife.policy.retention import RetentionPolicy

# A jurisdiction that no rule can name: it meets only rules for any jurisdiction.
_ELSEWHERE = "-"


@dataclass(frozen=True)
class ClassRule:
    """The rule that keeps a retention class, and the policy that it stands in."""

    policy: str
    version: str
    rule: RetentionRule


def class_of(
    policies: Sequence[RetentionPolicy], stream_or_table: str, jurisdiction: str, purpose: str
) -> str:
    """Return the retention class of data: that of the most specific rule of all policies.

    Within and across policies a rule that names the stream or table comes before `any`, then one that names the
    jurisdiction, then one that names the purpose. Where the jurisdiction is `unknown`, the shortest of what any
    jurisdiction would get holds.

    Args:
        policies: every loaded policy.
        stream_or_table: a stream ("heart"), a quarantine table or a model.
        jurisdiction: a regime ("eu_gdpr"), or `unknown`.
        purpose: what the data is used for.

    Raises:
        ConfigurationError: no rule matches, or rules of two policies match equally well and give different classes.
    """
    if jurisdiction != UNKNOWN:
        return _most_specific(policies, stream_or_table, jurisdiction, purpose).retention_class
    named = {name for policy in policies for rule in policy.rules for name in rule.jurisdictions} - {ANY}
    answers = [
        _most_specific(policies, stream_or_table, name, purpose)
        for name in (*sorted(named), _ELSEWHERE)
        if _matching(policies, stream_or_table, name, purpose)
    ]
    if not answers:
        raise _no_rule(stream_or_table)
    return min(answers, key=lambda rule: rule.keep.approximate_days()).retention_class


def rules_by_class(policies: Sequence[RetentionPolicy]) -> dict[str, ClassRule]:
    """Return the rule behind every retention class.

    Raises:
        ConfigurationError: two policies keep one class for two lengths of time.
    """
    found: dict[str, ClassRule] = {}
    for policy in policies:
        for rule in policy.rules:
            known = found.setdefault(rule.retention_class, ClassRule(policy.policy, policy.version, rule))
            if known.rule.keep != rule.keep:
                raise ConfigurationError(
                    f"The policies {known.policy!r} and {policy.policy!r} keep the class "
                    f"{rule.retention_class} for two lengths of time.",
                    remedy="Let one policy decide, or give one of them a class of its own.",
                )
    return found


def _most_specific(
    policies: Sequence[RetentionPolicy], stream_or_table: str, jurisdiction: str, purpose: str
) -> RetentionRule:
    matching = _matching(policies, stream_or_table, jurisdiction, purpose)
    if not matching:
        raise _no_rule(stream_or_table)
    most = max(_specificity(rule) for rule in matching)
    best = [rule for rule in matching if _specificity(rule) == most]
    if len({rule.retention_class for rule in best}) > 1:
        raise ConfigurationError(
            f"Rules of two policies match {_shown(stream_or_table)} equally well and give different classes.",
            remedy="Make one of them more specific, or let one policy decide.",
        )
    return best[0]


def _matching(
    policies: Sequence[RetentionPolicy], stream_or_table: str, jurisdiction: str, purpose: str
) -> list[RetentionRule]:
    """Return the best rule of each policy that has one."""
    found = []
    for policy in policies:
        try:
            found.append(rule_for(policy, stream_or_table, jurisdiction, purpose))
        except ConfigurationError:
            continue
    return found


def _specificity(rule: RetentionRule) -> tuple[bool, bool, bool]:
    return ANY not in rule.applies_to, ANY not in rule.jurisdictions, ANY not in rule.purposes


def _no_rule(stream_or_table: str) -> ConfigurationError:
    return ConfigurationError(
        f"No retention rule of any policy matches {_shown(stream_or_table)}.",
        remedy="Add a rule for it: data without a retention rule must not be kept.",
    )


def _shown(stream_or_table: str) -> str:
    return repr(stream_or_table) if stream_or_table.isidentifier() else "a stream or table"
