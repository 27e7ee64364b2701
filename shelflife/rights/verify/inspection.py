"""What a verification finds and what it looked at on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shelflife.rights.verify.rules import RULES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


@dataclass(frozen=True, order=True)
class Finding:
    """Something that must not be there.

    Attributes:
        rule: the broken rule (`rules.RULES`).
        store: the kind of store.
        place: where, in opaque words: a table and column, a file id, a folder and inode; never a name or value.
    """

    rule: str
    store: str
    place: str

    @property
    def about_targets(self) -> bool:
        """Whether this is about the people that were asked about, and not the estate as a whole."""
        return RULES[self.rule].about_targets


@dataclass(frozen=True, order=True)
class Unseen:
    """A store that could not be looked at, and why; nothing is claimed about it."""

    store: str
    why: str


@dataclass(frozen=True)
class Verification:
    """The outcome of one verification; safe to print and keep.

    Attributes:
        at: when.
        findings: what must not be there, sorted; the same thing is listed once.
        looked_at: by store and kind of thing, how many were looked at.
        unseen: stores that nothing is claimed about.
        final: whether every root key but the living ones is destroyed, so that no backup brings a key back.
        oldest: the oldest local day of any decoded row, by zone and table.
    """

    at: dt.datetime
    findings: tuple[Finding, ...]
    looked_at: Mapping[tuple[str, str], int]
    unseen: tuple[Unseen, ...]
    final: bool
    oldest: Mapping[str, dt.date]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def counts(self) -> dict[str, int]:
        """What was looked at, as one level of names and numbers."""
        return {f"{store}: {what}": count for (store, what), count in sorted(self.looked_at.items())}

    def about_targets(self) -> tuple[Finding, ...]:
        """Return the findings about the people that were asked about."""
        return tuple(finding for finding in self.findings if finding.about_targets)

    def as_json(self) -> dict[str, object]:
        """Return the outcome as JSON values."""
        looked: dict[str, dict[str, int]] = {}
        for (store, what), count in sorted(self.looked_at.items()):
            looked.setdefault(store, {})[what] = count
        return {
            "at": self.at.isoformat(timespec="seconds"),
            "passed": self.passed,
            "final": self.final,
            "findings": [vars(finding) for finding in self.findings],
            "looked_at": looked,
            "not_looked_at": [vars(one) for one in self.unseen],
            "oldest": {table: day.isoformat() for table, day in sorted(self.oldest.items())},
        }


@dataclass
class Inspection:
    """A verification in the making."""

    findings: set[Finding] = field(default_factory=set)
    looked_at: Counter[tuple[str, str]] = field(default_factory=Counter)
    unseen: set[Unseen] = field(default_factory=set)
    oldest: dict[str, dt.date] = field(default_factory=dict)

    def found(self, rule: str, place: str) -> None:
        """Note a broken rule."""
        self.findings.add(Finding(rule, RULES[rule].store, place))

    def looked(self, store: str, what: str, count: int = 1) -> None:
        """Count what was looked at."""
        self.looked_at[store, what] += count

    def not_seen(self, store: str, why: str) -> None:
        """Note a store that nothing can be claimed about."""
        self.unseen.add(Unseen(store, why))

    def saw_day(self, table: str, day: dt.date) -> None:
        """Note the day of a decoded row."""
        self.oldest[table] = min(day, self.oldest.get(table, day))

    def conclude(self, at: dt.datetime, *, final: bool) -> Verification:
        """Return the outcome."""
        return Verification(
            at,
            tuple(sorted(self.findings)),
            dict(self.looked_at),
            tuple(sorted(self.unseen)),
            final,
            dict(self.oldest),
        )
