"""How long each of the person's tables is kept, in words, from the policies. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError
from shelflife.lake.periods import days_of
from shelflife.policy.retention import rule_of_class
from shelflife.rights.export.contents import Retention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shelflife.policy.duration import Duration
    from shelflife.policy.retention import RetentionPolicy, RetentionRule


@dataclass(frozen=True)
class Kept:
    """The rows of one table and retention class: the first and the last period that the person has rows in."""

    table: str
    retention_class: str
    first_period: str
    last_period: str


def retention_of(kept: Sequence[Kept], policies: Sequence[RetentionPolicy]) -> list[Retention]:
    """Return the rule behind each table, in words, with the days on which the oldest and newest rows expire.

    A class that no policy names is said to have no rule: the person is told so, rather than nothing.
    """
    return [_line(one, *_rule(one.retention_class, policies)) for one in kept]


def in_words(length: Duration) -> str:
    """Return a duration in words: "2 years", "1 year and 6 months", "30 days"."""
    years, months = divmod(length.months, 12)
    weeks, days = divmod(length.days, 7)
    counted = [(years, "year"), (months, "month")]
    counted += [(weeks, "week")] if weeks and not days else [(length.days, "day")]
    parts = [f"{count} {word}{'s' * (count != 1)}" for count, word in counted if count]
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _line(one: Kept, rule: RetentionRule | None, policy: str) -> Retention:
    if rule is None:
        words = (
            "No rule of the current policies names these rows. Ask the organisation how long they are kept."
        )
        return Retention(one.table, one.retention_class, "", words, "", None, None, "", "", "")
    # A period's own end is the earliest day on which everything in it is old enough.
    first, last = (rule.keep.after(days_of(period)[1]) for period in (one.first_period, one.last_period))
    since = "they arrived" if one.table.startswith("quarantined") else "they were measured"
    words = (
        f"Rows are kept for {in_words(rule.keep)} after {since}; then their keys are destroyed and nobody can "
        f"read them."
    )
    gone = f"The unreadable files are removed within {in_words(rule.physical_deadline)} after that."
    return Retention(
        one.table,
        one.retention_class,
        str(rule.keep),
        words,
        gone,
        first,
        last,
        rule.reason,
        rule.owner,
        policy,
    )


def _rule(retention_class: str, policies: Sequence[RetentionPolicy]) -> tuple[RetentionRule | None, str]:
    for policy in policies:
        try:
            return rule_of_class(policy, retention_class), f"{policy.policy} {policy.version}"
        except ConfigurationError:
            continue
    return None, ""
