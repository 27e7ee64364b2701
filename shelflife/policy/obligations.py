"""What is recorded of a request, and what must be done for it: dates and names, nothing that tells of a person."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from shelflife.errors import ConfigurationError
from shelflife.policy.periods import Stop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shelflife.policy.regime_rules import Event, Kind, PauseReason

ObligationName: TypeAlias = Literal[
    "acknowledge",
    "respond",
    "respond_extended",
    "notify_extension",
    "delete_live",
    "notify_recipients",
    "recipients_delete",
    "delete_backups",
]


@dataclass(frozen=True)
class Pause:
    """A time in which the person was asked for something.

    Attributes:
        reason: what was asked for; it stops the clock only where the regime says so.
        asked: the day of the question.
        answered: the day of the answer; None while it is awaited.

    Raises:
        ConfigurationError: the answer is dated before the question.
    """

    reason: PauseReason
    asked: dt.date
    answered: dt.date | None = None

    def __post_init__(self) -> None:
        """Refuse an answer before its question."""
        if self.answered is not None and self.answered < self.asked:
            raise ConfigurationError(
                "An answer is dated before its question.", remedy="Correct the recorded events."
            )

    @property
    def stop(self) -> Stop:
        """The time in which a clock that stops for it stands still."""
        return Stop(self.asked, self.answered or dt.date.max)


@dataclass(frozen=True)
class Request:
    """What is recorded of one request, in dates.

    Attributes:
        kind: what is asked.
        events: the day of each event that happened; of several recipients, the day the first was notified.
        pauses: when the person was asked for something.
        extended: whether the longer period was claimed; a regime that allows none goes on as before.
        met: when an obligation was fulfilled, by regime and name.
    """

    kind: Kind
    events: Mapping[Event, dt.date]
    pauses: Sequence[Pause] = ()
    extended: bool = False
    met: Mapping[tuple[str, str], dt.date] = field(default_factory=dict)


@dataclass(frozen=True)
class Obligation:
    """One thing that must be done.

    Attributes:
        regime: whose law asks for it, or `house`, or `unknown` for the strictest of all.
        name: what it is.
        due: the last day for it; None while its clock has not started or stands still.
        latest: the last day that the law allows after every extension; None where it names none.
        starts_on: the event that starts its clock.
        note: why the dates are what they are.
        met_on: when it was fulfilled.
    """

    regime: str
    name: ObligationName
    due: dt.date | None
    latest: dt.date | None
    starts_on: Event
    note: str = ""
    met_on: dt.date | None = None


@dataclass(frozen=True)
class Alert:
    """An obligation that is past its day, or soon will be. Holds nothing of the person but the request's opaque id.

    Attributes:
        days_left: negative for each day past it.
    """

    request_id: str
    regime: str
    name: ObligationName
    due: dt.date
    state: Literal["overdue", "soon"]
    days_left: int


def alerts(obligations: Iterable[Obligation], on: dt.date, soon_days: int, *, request_id: str) -> list[Alert]:
    """Return the unmet obligations that are overdue on a day or due within `soon_days` of it, the oldest first.

    What is due on the day itself is not overdue yet.
    """
    found = []
    for one in obligations:
        if one.met_on is not None or one.due is None or (one.due - on).days > soon_days:
            continue
        days_left = (one.due - on).days
        state: Literal["overdue", "soon"] = "overdue" if days_left < 0 else "soon"
        found.append(Alert(request_id, one.regime, one.name, one.due, state, days_left))
    return sorted(found, key=lambda alert: (alert.due, alert.regime, alert.name))
