"""What is wrong, or looks wrong, with policies and regimes that can each be read: gaps, clashes, chains, age.

A problem means that the files must not be used as they are; a warning asks somebody to look.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.policy.duration import Duration
from shelflife.policy.retention import ANY, best_rule, clashes

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from shelflife.policy.regimes import Rulebook
    from shelflife.policy.retention import RetentionPolicy, RetentionRule

STALE_AFTER = Duration(months=12)
BACKUPS = "backups"
COPIES = "copies"
REQUESTS = "requests"

_OTHER = "-"


@dataclass(frozen=True)
class TableFacts:
    """What the policies must know of a computed table.

    Attributes:
        reads: streams and tables that it is computed from.
        retention_class: the class that it claims.
        personal: whether its rows belong to single people; published groups may outlive what they are made from.
    """

    reads: tuple[str, ...]
    retention_class: str
    personal: bool


@dataclass(frozen=True)
class Findings:
    """What a check found, in sentences that name files, rules and tables."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def check(
    policies: Sequence[RetentionPolicy],
    rulebook: Rulebook,
    *,
    names: Collection[str],
    tables: Mapping[str, TableFacts],
    copies: Mapping[str, Duration],
    on: dt.date,
) -> Findings:
    """Judge policies and regimes together.

    Args:
        policies: every retention policy.
        rulebook: the regimes and calendars.
        names: streams, quarantine tables and whatever else must have a rule.
        tables: the computed tables.
        copies: the time to live of each declared copy.
        on: the day of the check, for rules that nobody has compared for long.
    """
    problems = [
        *_without_rule(policies, names),
        *_wrong_class(policies, tables),
        *_unknown_jurisdictions(policies, rulebook),
        *_clashing(policies),
        *_long_copies(policies, copies),
    ]
    warnings = [
        *_idle(policies, {*names, *tables, *copies}),
        *_outliving(policies, tables),
        *_backups(policies, rulebook),
        *_records(policies, rulebook),
        *_stale(rulebook, on),
    ]
    return Findings(tuple(problems), tuple(warnings))


def _without_rule(policies: Sequence[RetentionPolicy], names: Collection[str]) -> Iterator[str]:
    for name in sorted(names):
        if best_rule(policies, name, _OTHER, _OTHER) is None:
            yield f"No retention rule of any policy holds for {name}, whatever the jurisdiction."


def _wrong_class(policies: Sequence[RetentionPolicy], tables: Mapping[str, TableFacts]) -> Iterator[str]:
    for name, table in sorted(tables.items()):
        classes = {
            rule.retention_class
            for policy in policies
            for rule in policy.rules
            if {name, ANY} & set(rule.applies_to)
        }
        if table.retention_class not in classes:
            yield f"The table {name} claims the class {table.retention_class}, which no rule gives it."


def _unknown_jurisdictions(policies: Sequence[RetentionPolicy], rulebook: Rulebook) -> Iterator[str]:
    for policy, rule in _rules(policies):
        for name in sorted(set(rule.jurisdictions) - {ANY} - set(rulebook.regimes)):
            yield f"{policy.policy}: the rule {rule.retention_class} names {name}, which regimes.yaml does not have."


def _clashing(policies: Sequence[RetentionPolicy]) -> Iterator[str]:
    for one, other in clashes(policies):
        yield (
            f"The rules {one.retention_class} and {other.retention_class} of two policies hold for the same data "
            "and neither is more specific."
        )


def _long_copies(policies: Sequence[RetentionPolicy], copies: Mapping[str, Duration]) -> Iterator[str]:
    """Yield the copies whose own time to live is longer than the rule for them: a copy can be named, or is of `copies`."""
    rules = [rule for _, rule in _rules(policies)]
    for name, lives in sorted(copies.items()):
        own = [rule for rule in rules if name in rule.applies_to]
        for rule in own or [rule for rule in rules if COPIES in rule.applies_to]:
            if lives.can_outlast(rule.keep):
                yield f"The copy {name} may live {lives}, longer than {rule.retention_class} keeps it ({rule.keep})."


def _idle(policies: Sequence[RetentionPolicy], known: Collection[str]) -> Iterator[str]:
    """Yield the names in rules that nothing has: most often a slip of the pen."""
    for policy, rule in _rules(policies):
        for name in sorted(set(rule.applies_to) - {ANY, *known}):
            yield f"{policy.policy}: the rule {rule.retention_class} names {name}, which nothing is called."


def _outliving(policies: Sequence[RetentionPolicy], tables: Mapping[str, TableFacts]) -> Iterator[str]:
    """Yield the personal tables that can be kept longer than a stream that they are computed from."""
    for name, table in sorted(tables.items()):
        if not table.personal:
            continue
        found = [
            (raw.keep.approximate_days(), raw.keep, mine.keep, chain)
            for chain in _chains(name, tables)
            for mine, raw in _compared(policies, name, chain[-1])
            if mine.keep.can_outlast(raw.keep)
        ]
        if found:
            _, raw_keep, keep, chain = min(found, key=lambda one: (one[0], one[3]))
            yield (
                f"{name} is kept {keep} and outlives {chain[-1]}, which is kept {raw_keep}: "
                f"{' <- '.join(chain)}."
            )


def _chains(name: str, tables: Mapping[str, TableFacts]) -> Iterator[tuple[str, ...]]:
    """Yield every way from a table back to what is not computed."""
    for source in tables[name].reads:
        rest = _chains(source, tables) if source in tables else iter([(source,)])
        for chain in rest:
            yield (name, *chain)


def _compared(
    policies: Sequence[RetentionPolicy], table: str, raw: str
) -> Iterator[tuple[RetentionRule, RetentionRule]]:
    """Yield the rules of a table and of a raw stream, for every jurisdiction and purpose that rules tell apart."""
    rules = [rule for _, rule in _rules(policies)]
    jurisdictions = {name for rule in rules for name in rule.jurisdictions} - {ANY} | {_OTHER}
    purposes = {name for rule in rules for name in rule.purposes} - {ANY} | {_OTHER}
    for case in itertools.product(sorted(jurisdictions), sorted(purposes)):
        mine, other = best_rule(policies, table, *case), best_rule(policies, raw, *case)
        if mine is not None and other is not None:
            yield mine[1], other[1]


def _backups(policies: Sequence[RetentionPolicy], rulebook: Rulebook) -> Iterator[str]:
    """Yield the rules that let backups live longer than the house or a law's hard cap allows."""
    limits = {"the planning target of regimes.yaml": rulebook.planning.backup_lifetime_at_most}
    for regime in rulebook.regimes.values():
        cap = regime.delete.backups.cap if regime.delete and regime.delete.backups else None
        if cap is not None and cap.within is not None:
            limits[f"{regime.id} ({cap.within} from {cap.from_})"] = cap.within
    for _, rule in _rules(policies):
        whole = rule.keep.plus(rule.physical_deadline)
        for limit, length in limits.items():
            if BACKUPS in rule.applies_to and whole.can_outlast(length):
                yield f"{rule.retention_class}: backups can live {whole}, longer than {limit} allows."


def _records(policies: Sequence[RetentionPolicy], rulebook: Rulebook) -> Iterator[str]:
    """Yield the rules that drop the records of requests sooner than a law lets them go."""
    for _, rule in _rules(policies):
        for regime in rulebook.regimes.values():
            least = regime.records.requests if regime.records is not None else None
            if REQUESTS in rule.applies_to and least is not None and least.can_outlast(rule.keep):
                yield (
                    f"{rule.retention_class}: records of requests are kept {rule.keep}, "
                    f"and {regime.id} asks for {least}."
                )


def _stale(rulebook: Rulebook, on: dt.date) -> Iterator[str]:
    for place, checked in rulebook.checked.items():
        if STALE_AFTER.after(checked) < on:
            yield f"{place} was last compared with its source on {checked}; compare it and set `checked`."


def _rules(policies: Sequence[RetentionPolicy]) -> Iterator[tuple[RetentionPolicy, RetentionRule]]:
    for policy in policies:
        for rule in policy.rules:
            yield policy, rule
