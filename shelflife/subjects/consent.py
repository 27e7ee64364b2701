"""What follows from a person's decisions: whether consent is live, for each stream and purpose. Pure.

The later decision counts. Where two were taken at the same moment, the withdrawal counts: using data without consent
cannot be undone, leaving it out can.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from shelflife.policy.consent_events import ConsentEvent, Matter
    from shelflife.policy.duration import Duration


class Standing(StrEnum):
    """Where consent stands."""

    LIVE = "live"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    NEVER = "never"


Place = tuple[int, int]
"""Where an event stands in a person's ledger: the position of the recording, and its place in it."""


@dataclass(frozen=True)
class Placed:
    """A decision and where it stands."""

    place: Place
    event: ConsentEvent


@dataclass(frozen=True)
class Acted:
    """That something was done because consent ended.

    Attributes:
        of: the decision that had governed when it ended: a withdrawal, or a grant that expired.
        action: what the policy said then.
        request_id: the erasure that was registered, where one was.
    """

    of: Place
    action: str
    request_id: str | None = None


def governing(placed: Iterable[Placed]) -> dict[Matter, Placed]:
    """Return the decision that counts for each stream and purpose that there is one of."""
    found: dict[Matter, Placed] = {}
    for one in placed:
        before = found.get(one.event.matter)
        if before is None or _rank(one) >= _rank(before):
            found[one.event.matter] = one
    return found


def expiry(event: ConsentEvent, validity: Duration | None = None) -> dt.datetime | None:
    """Return when a grant ends: as it says itself, but never later than the policy's length of validity."""
    if event.decision != "granted":
        return None
    if validity is None:
        return event.expires_at
    begun = event.decided_at.astimezone(dt.UTC)
    last = validity.after(begun.date())
    ends = dt.datetime.combine(last, begun.timetz())
    return ends if event.expires_at is None else min(ends, event.expires_at)


def state_at(
    events: Sequence[ConsentEvent], now: dt.datetime, validity: Duration | None = None
) -> dict[Matter, Standing]:
    """Return where consent stands at a time, for every stream and purpose that was ever decided on.

    Args:
        events: the person's decisions, in the order in which they were recorded.
        now: the time; every recorded decision counts, since none is dated later than it was recorded.
        validity: how long a grant lasts at most.
    """
    placed = [Placed((0, index), event) for index, event in enumerate(events)]
    return {matter: _standing(one.event, now, validity) for matter, one in governing(placed).items()}


def standing(
    events: Sequence[ConsentEvent], matter: Matter, now: dt.datetime, validity: Duration | None = None
) -> Standing:
    """Return where consent stands for one stream and purpose; `never` where nothing was decided."""
    return state_at(events, now, validity).get(matter, Standing.NEVER)


def noted(placed: Sequence[Placed], acted: Collection[Place], matter: Matter) -> Standing:
    """Return where consent stands by what is recorded alone, without a clock.

    A grant that ran out is live until that is noted. What is derived must follow from the database, so that it is
    stale when, and only when, something was recorded.
    """
    one = governing(placed).get(matter)
    if one is None:
        return Standing.NEVER
    if one.event.decision == "withdrawn":
        return Standing.WITHDRAWN
    return Standing.EXPIRED if one.place in acted else Standing.LIVE


def _standing(event: ConsentEvent, now: dt.datetime, validity: Duration | None) -> Standing:
    if event.decision == "withdrawn":
        return Standing.WITHDRAWN
    ends = expiry(event, validity)
    return Standing.LIVE if ends is None or now < ends else Standing.EXPIRED


def _rank(one: Placed) -> tuple[dt.datetime, bool, Place]:
    return one.event.decided_at, one.event.decision == "withdrawn", one.place
