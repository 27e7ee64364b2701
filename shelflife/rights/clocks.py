"""The clocks of recorded requests: what is still to be done for each, by when, and what is overdue or soon due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.policy.clocks import obligations_for
from shelflife.policy.obligations import Alert, Obligation, Pause, alerts
from shelflife.policy.obligations import Request as Recorded
from shelflife.rights.request_states import Kind
from shelflife.rights.requests import events, still_open

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from shelflife.policy.obligations import ObligationName
    from shelflife.policy.regime_rules import Event as ClockEvent
    from shelflife.policy.regime_rules import Kind as ClockKind
    from shelflife.policy.regimes import Rulebook
    from shelflife.rights.requests import Event, Request

SOON_DAYS = 7
_STARTS: Mapping[str, ClockEvent] = {
    "received": "received",
    "authenticated": "authenticated",
    "recipient_notified": "recipient_notified",
}
_KINDS: Mapping[Kind, ClockKind] = {
    Kind.EXPORT: "export",
    Kind.ERASURE: "erasure",
    Kind.RESTRICTION: "restriction",
    Kind.RECTIFICATION: "rectification",
}
_MEETS: Mapping[str, Sequence[ObligationName]] = {
    "acknowledged": ("acknowledge",),
    "delivered": ("respond", "respond_extended"),
    "certified": ("respond", "respond_extended", "delete_live"),
    "final": ("delete_backups",),
    "recipient_notified": ("notify_recipients",),
    "extension_told": ("notify_extension",),
    "denied": ("respond", "respond_extended"),
}


def obligations_of(rulebook: Rulebook, asked: Request, happened: Sequence[Event]) -> list[Obligation]:
    """Return everything that must be done for a request, for each of its regimes, with what is done already. Pure."""
    return obligations_for(rulebook, asked.regimes, _recorded(asked, happened))


def open_alerts(
    conn: sa.Connection, rulebook: Rulebook, on: dt.date, soon_days: int = SOON_DAYS
) -> list[Alert]:
    """Return what is overdue or soon due among the requests that are not closed; opaque ids and dates only."""
    found: list[Alert] = []
    for asked in still_open(conn):
        due = obligations_of(rulebook, asked, events(conn, asked.request_id))
        found += alerts(due, on, soon_days, request_id=asked.request_id)
    return sorted(found, key=lambda alert: (alert.due, alert.request_id, alert.name))


def _recorded(asked: Request, happened: Sequence[Event]) -> Recorded:
    """Return a request as the clocks read it: the first day of each event, pauses, and what is met."""
    days: dict[ClockEvent, dt.date] = {}
    met: dict[tuple[str, str], dt.date] = {}
    for one in happened:
        if one.event in _STARTS:
            days.setdefault(_STARTS[one.event], one.at.date())
        for name in _MEETS.get(one.event, ()):
            met |= {(regime, name): one.at.date() for regime in (*asked.regimes, "house", "unknown")}
    extended = any(one.event == "extended" for one in happened)
    return Recorded(_KINDS[asked.kind], days, _pauses(happened), extended, met)


def _pauses(happened: Sequence[Event]) -> list[Pause]:
    """Return the times in which the person was asked for something."""
    found: list[Pause] = []
    asked: dt.date | None = None
    for one in happened:
        if one.event == "clarification_asked":
            asked = one.at.date()
        elif one.event == "clarified" and asked is not None:
            found.append(Pause("clarification", asked, one.at.date()))
            asked = None
    return [*found, Pause("clarification", asked)] if asked is not None else found
