"""Statutory caps on keeping biometric identifiers: the day by which they must be gone, whatever the policy says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping

    from shelflife.policy.regime_rules import Event, Identifier
    from shelflife.policy.regimes import Regime, Rulebook

_ANY_IDENTIFIER = "biometric_identifier"


@dataclass(frozen=True)
class Cap:
    """One regime's last day for identifiers.

    Attributes:
        regime: whose law it is.
        by: the last day on which they may still be there.
        because: the event that it counts from.
    """

    regime: str
    by: dt.date
    because: Event


def retention_cap(regime: Regime, identifier: Identifier, events: Mapping[Event, dt.date]) -> Cap | None:
    """Return a regime's cap on one sort of identifier: the earliest of its moments that have a date.

    None where the regime caps no such identifier, or nothing that it counts from has happened.
    """
    rule = regime.retention_cap
    if rule is None or not {identifier, _ANY_IDENTIFIER} & set(rule.identifiers):
        return None
    ends = [
        Cap(
            regime.id,
            events[one.event] if one.after is None else one.after.after(events[one.event]),
            one.event,
        )
        for one in rule.earliest
        if one.event in events
    ]
    return min(ends, key=lambda cap: cap.by, default=None)


def retention_caps(
    rulebook: Rulebook,
    jurisdictions: Collection[str],
    identifier: Identifier,
    events: Mapping[Event, dt.date],
) -> list[Cap]:
    """Return the caps of every regime that can apply, the one that counts first.

    A jurisdiction that is not known, or none at all, means all of them.
    """
    every = not jurisdictions or bool(set(jurisdictions) - set(rulebook.regimes))
    caps = [
        cap
        for regime in rulebook.regimes.values()
        if every or regime.id in jurisdictions
        if (cap := retention_cap(regime, identifier, events)) is not None
    ]
    return sorted(caps, key=lambda cap: (cap.by, cap.regime))
