"""What differs between two sets of retention policies, and whether it may be adopted.

Reading two files side by side does not show what a change does: a rule that is added can lengthen what another one
shortened, a rule that is removed can leave a longer one in force. So every case that either set tells apart (a stream
or table, a jurisdiction, a purpose) is looked up in both, and what lives longer is named.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from shelflife.policy.documents import digest, version_key
from shelflife.policy.retention import ANY, best_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shelflife.policy.duration import Duration
    from shelflife.policy.retention import RetentionPolicy, RetentionRule

ChangeKind: TypeAlias = Literal[
    "policy_added",
    "policy_removed",
    "rule_added",
    "rule_removed",
    "lengthened",
    "shortened",
    "deadline_lengthened",
    "deadline_shortened",
    "start_changed",
    "owner_changed",
    "scope_changed",
    "moved",
    "uncovered",
]
Policies: TypeAlias = "Sequence[RetentionPolicy]"
Case: TypeAlias = tuple[str, str, str]

_OTHER = "-"
"""A name that no rule can have: whatever the rules do not name."""


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        policy: the policy that it stands in.
        subject: the retention class, or the stream or table that another class holds for.
        kind: what sort of difference it is.
        before: what was; empty for what is new.
        after: what is; empty for what is gone.
        lengthens: whether anything can be kept longer for it, or a rule is gone.
    """

    policy: str
    subject: str
    kind: ChangeKind
    before: str = ""
    after: str = ""
    lengthens: bool = False


@dataclass(frozen=True)
class Adoption:
    """Whether one set of policies may take the place of another.

    Attributes:
        changes: what differs.
        lengthens: whether retention gets longer anywhere, or a rule is gone.
        problems: what forbids it; none means that it may be adopted.
    """

    changes: tuple[Change, ...]
    lengthens: bool
    problems: tuple[str, ...]


def compare(old: Policies, new: Policies) -> list[Change]:
    """Return every difference between two sets of policies, by policy and class; the order of rules makes none."""
    before, after = _by_name(old), _by_name(new)
    found: list[Change] = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            found.append(Change(name, name, "policy_added", after=after[name].version))
        elif name not in after:
            found.append(Change(name, name, "policy_removed", before[name].version, lengthens=True))
        found += _rule_changes(name, before.get(name), after.get(name))
    return [*found, *_moves(old, new)]


def adoption(old: Policies, new: Policies) -> Adoption:
    """Judge whether a set of policies may be adopted after another.

    A policy that changed needs a newer version. One that keeps anything longer, or drops a rule, also needs a new reason.
    A policy that is gone has no place for a reason, so another one must give it: one that is new or has a new reason.
    """
    changes = tuple(compare(old, new))
    before, after = _by_name(old), _by_name(new)
    lengthening = {one.policy for one in changes if one.lengthens}
    problems = [
        problem
        for name in sorted(after.keys() & before.keys())
        for problem in _problems(before[name], after[name], lengthens=name in lengthening)
    ]
    reasoned = [
        name for name, policy in after.items() if name not in before or _new_reason(before[name], policy)
    ]
    problems += [
        f"{name}: the policy is gone and no other policy gives a new reason for it"
        for name in sorted(before.keys() - after.keys())
        if not reasoned
    ]
    return Adoption(changes, bool(lengthening), tuple(problems))


def _problems(old: RetentionPolicy, new: RetentionPolicy, *, lengthens: bool) -> Iterator[str]:
    if digest(old) == digest(new):
        return
    if version_key(new.version) <= version_key(old.version):
        yield f"{new.policy}: it changed, so its version must be newer than {old.version}"
    if lengthens and not _new_reason(old, new):
        yield f"{new.policy}: it keeps data longer or drops a rule, so its reason must say why, in new words"


def _new_reason(old: RetentionPolicy, new: RetentionPolicy) -> bool:
    return old.reason.casefold().split() != new.reason.casefold().split()


def _by_name(policies: Policies) -> dict[str, RetentionPolicy]:
    return {policy.policy: policy for policy in policies}


def _rule_changes(policy: str, old: RetentionPolicy | None, new: RetentionPolicy | None) -> Iterator[Change]:
    """Yield the differences between the rules of one policy, class by class."""
    before, after = _by_class(old), _by_class(new)
    for name in sorted(before.keys() | after.keys()):
        for one, other in _paired(before[name], after[name]):
            if one is None and other is not None:
                yield Change(policy, name, "rule_added", after=_told(other))
            elif one is not None and other is None:
                yield Change(policy, name, "rule_removed", _told(one), lengthens=True)
            elif one is not None and other is not None:
                yield from _differences(policy, one, other)


def _by_class(policy: RetentionPolicy | None) -> defaultdict[str, list[RetentionRule]]:
    found: defaultdict[str, list[RetentionRule]] = defaultdict(list)
    for rule in policy.rules if policy is not None else ():
        found[rule.retention_class].append(rule)
    return found


def _paired(
    old: Sequence[RetentionRule], new: Sequence[RetentionRule]
) -> Iterator[tuple[RetentionRule | None, RetentionRule | None]]:
    """Pair the rules of one class: those of one scope first, the others in the order of their scopes."""
    before, after = {_scope(rule): rule for rule in old}, {_scope(rule): rule for rule in new}
    for scope in sorted(before.keys() & after.keys()):
        yield before.pop(scope), after.pop(scope)
    rest = [sorted(rules.items()) for rules in (before, after)]
    for one, other in itertools.zip_longest(*rest):
        yield one and one[1], other and other[1]


def _differences(policy: str, old: RetentionRule, new: RetentionRule) -> Iterator[Change]:
    """Yield what differs between two versions of one rule."""
    name = new.retention_class
    yield from _length(policy, name, "", old.keep, new.keep)
    yield from _length(policy, name, "deadline_", old.physical_deadline, new.physical_deadline)
    if old.counted_from != new.counted_from:
        # Two starting points cannot be compared, so the change counts as the longer one.
        yield Change(policy, name, "start_changed", old.counted_from, new.counted_from, lengthens=True)
    if (old.owner, old.deputy) != (new.owner, new.deputy):
        yield Change(
            policy, name, "owner_changed", f"{old.owner}, {old.deputy}", f"{new.owner}, {new.deputy}"
        )
    if _scope(old) != _scope(new):
        yield Change(policy, name, "scope_changed", _scope_told(old), _scope_told(new))


def _length(
    policy: str, name: str, what: Literal["", "deadline_"], old: Duration, new: Duration
) -> Iterator[Change]:
    if new.can_outlast(old):
        kind: ChangeKind = "deadline_lengthened" if what else "lengthened"
        yield Change(policy, name, kind, str(old), str(new), lengthens=True)
    elif old.can_outlast(new):
        kind = "deadline_shortened" if what else "shortened"
        yield Change(policy, name, kind, str(old), str(new))


def _moves(old: Policies, new: Policies) -> Iterable[Change]:
    """Return what lives longer because another rule holds for it than before, and what has no rule any more."""
    found: dict[Change, None] = {}
    for case in _cases([*old, *new]):
        before, after = best_rule(old, *case), best_rule(new, *case)
        name = "anything else" if case[0] == _OTHER else case[0]
        if before is not None and after is None:
            found[Change(before[0].policy, name, "uncovered", _told(before[1]), lengthens=True)] = None
        elif before is not None and after is not None and _longer_elsewhere(before[1], after[1]):
            told = _told(before[1]), _told(after[1])
            found[Change(after[0].policy, name, "moved", *told, lengthens=True)] = None
    return found


def _longer_elsewhere(old: RetentionRule, new: RetentionRule) -> bool:
    """Return whether a case that moved to another class is kept longer there; within a class its rules are compared."""
    return old.retention_class != new.retention_class and (
        new.keep.can_outlast(old.keep)
        or new.physical_deadline.can_outlast(old.physical_deadline)
        or old.counted_from != new.counted_from
    )


def _cases(policies: Policies) -> Iterable[Case]:
    """Return every case that any rule tells apart from another."""
    rules = [rule for policy in policies for rule in policy.rules]
    sides = (
        {name for rule in rules for name in rule.applies_to},
        {name for rule in rules for name in rule.jurisdictions},
        {name for rule in rules for name in rule.purposes},
    )
    names, jurisdictions, purposes = (sorted(side - {ANY} | {_OTHER}) for side in sides)
    return itertools.product(names, jurisdictions, purposes)


def _scope(rule: RetentionRule) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(sorted(set(side))) for side in (rule.applies_to, rule.jurisdictions, rule.purposes))


def _scope_told(rule: RetentionRule) -> str:
    return "; ".join(", ".join(side) for side in _scope(rule) if side != (ANY,)) or ANY


def _told(rule: RetentionRule) -> str:
    return f"{rule.retention_class} {rule.keep}"
