"""The public retention schedule, written from the policies that are enforced: what is kept, how long, why, by whom.

Laws ask for a public schedule that is also followed (740 ILCS 14/15(a); C.R.S. 6-1-1314; GDPR Art. 13(2)(a); Cal. Civ.
Code 1798.100(a)(3)). This one cannot differ from what the purge does, because both are read from the same files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.policy.retention import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shelflife.policy.regime_rules import CapEvent, Period
    from shelflife.policy.regimes import Rulebook
    from shelflife.policy.retention import RetentionPolicy, RetentionRule

_STARTS = {
    "observed": "the end of the day, week or month it was observed in",
    "created": "the day it was made",
    "ended": "the day it ended",
    "closed": "the day it was closed",
}
_EVENTS = {
    "purpose_ended": "the end of its purpose",
    "last_interaction": "the last interaction",
    "determined_unnecessary": "it was found to be no longer needed",
    "authenticated": "the proof of identity",
}
_HOW_IT_ENDS = (
    "At the end of its time data is made unreadable: its key is destroyed. The unreadable rest is gone at the time named "
    "last. A legal hold can keep named data longer; a request to erase ends it sooner."
)
_WHAT_IS_CAPPED = (
    "Biometric identifiers (face, eye, hand, voice, gait) are not part of the data above. Wherever they are kept, they "
    "are gone at the earliest of these."
)
_MODELS = {
    "hard_cap": "until the last day of the law",
    "until_restored_or_accessed": "until it is restored or next used",
    "beyond_use": "as long as nothing is done with it, until it is overwritten",
}


def schedule(policies: Sequence[RetentionPolicy], rulebook: Rulebook) -> str:
    """Return the schedule as Markdown. The same policies and regimes always give the same text."""
    ordered = sorted(policies, key=lambda policy: policy.policy)
    parts = [
        "# Retention schedule",
        "Written by `shelflife policy schedule` from the policies that are enforced; do not edit it.",
        _table(["Policy", "Version", "Answers", "Deputy", "Why this version"], map(_head, ordered)),
        "## What is kept, and for how long",
        _HOW_IT_ENDS,
        _table(
            [
                "What",
                "Whose law",
                "For what",
                "Kept",
                "Counted from",
                "Physically gone at the latest",
                "Why",
                "Answers",
            ],
            (_rule(rule) for policy in ordered for rule in policy.rules),
        ),
        "## What laws cap, whatever the policy says",
        _WHAT_IS_CAPPED,
        _table(["Law", "Identifiers", "At the latest", "Published schedule", "Source"], _caps(rulebook)),
        "## Backups after an erasure",
        _table(["Law", "A backup may be kept", "At the latest", "Source"], _backups(rulebook)),
    ]
    return "\n\n".join(parts) + "\n"


def _head(policy: RetentionPolicy) -> list[str]:
    return [policy.policy, policy.version, policy.owner, policy.deputy, policy.reason]


def _rule(rule: RetentionRule) -> list[str]:
    names = ", ".join(f"`{name}`" if name != ANY else "everything else" for name in rule.applies_to)
    return [
        f"{rule.title} ({names})" if rule.title else names,
        _words(rule.jurisdictions),
        _words(rule.purposes),
        rule.keep.in_words(),
        _STARTS[rule.counted_from],
        rule.keep.plus(rule.physical_deadline).in_words(),
        rule.reason,
        f"{rule.owner}; deputy: {rule.deputy}",
    ]


def _caps(rulebook: Rulebook) -> Iterator[list[str]]:
    for regime in rulebook.regimes.values():
        rule = regime.retention_cap
        if rule is not None:
            yield [
                regime.name,
                ", ".join(name.replace("_", " ") for name in rule.identifiers),
                "; ".join(map(_moment, rule.earliest)),
                "yes" if rule.public_schedule else "no",
                f"{rule.cite} ({rule.confidence} {rule.checked})",
            ]


def _backups(rulebook: Rulebook) -> Iterator[list[str]]:
    for regime in rulebook.regimes.values():
        of_erasure = regime.delete.backups if regime.delete is not None else None
        kept = of_erasure or regime.backups
        rule = regime.delete if of_erasure is not None else regime.backups
        if kept is not None and rule is not None:
            yield [
                regime.name,
                _MODELS[kept.model],
                _period(kept.cap) if kept.cap is not None else "no day is named",
                f"{rule.cite} ({rule.confidence} {rule.checked})",
            ]


def _moment(moment: CapEvent) -> str:
    event = _event(moment.event)
    return f"at once after {event}" if moment.after is None else f"{moment.after.in_words()} after {event}"


def _period(period: Period) -> str:
    length = period.within.in_words() if period.within is not None else f"{period.business_days} working days"
    return f"{length} after {_event(period.from_)}"


def _event(name: str) -> str:
    return _EVENTS.get(name, name.replace("_", " "))


def _words(names: Sequence[str]) -> str:
    return "any" if ANY in names else ", ".join(f"`{name}`" for name in names)


def _table(columns: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(_cell, row)) + " |" for row in rows)])


def _cell(text: str) -> str:
    """Return a text as one cell: a bar or a line break in a reason must not end it."""
    return " ".join(text.replace("|", "\\|").split())
