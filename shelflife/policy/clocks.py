"""Clocks: what must be done for one request, by when, for each regime on its own.

Laws start their clocks at different events, count in different days and stop for different reasons, so one request
has many obligations, and each closes by itself. Everything is computed from recorded dates; nothing reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError
from shelflife.policy.obligations import Obligation, Request
from shelflife.policy.periods import last_day
from shelflife.policy.regime_rules import promptly

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    from shelflife.policy.duration import Duration
    from shelflife.policy.obligations import ObligationName
    from shelflife.policy.regime_rules import DeleteRule, Event, Extension, Period, Planning, SimpleRule
    from shelflife.policy.regimes import Regime, Rulebook

HOUSE = "house"
UNKNOWN = "unknown"

_NO_DATE = "the law names no date; this is the house's own target"
_DELETIONS = frozenset({"erasure", "deauthorization"})


def obligations(rulebook: Rulebook, regime_id: str, request: Request) -> list[Obligation]:
    """Return everything that one regime asks for one request; nothing where it grants no such right.

    Raises:
        ConfigurationError: there is no such regime.
    """
    regime = rulebook.regimes.get(regime_id)
    if regime is None:
        raise ConfigurationError("A regime is not known.", remedy="Use an id that regimes.yaml has.")
    return _Clock(rulebook, regime, request).obligations()


def obligations_for(rulebook: Rulebook, jurisdictions: Collection[str], request: Request) -> list[Obligation]:
    """Return everything that must be done for one request of a person to whom several laws can apply.

    Every regime keeps its own obligations. A jurisdiction that is not known, or none at all, adds the strictest answer
    of every regime to each obligation, under the regime `unknown`. Where no regime grants what is asked, the house's
    own targets hold, so that no request is without a date.
    """
    known = sorted(set(jurisdictions) & set(rulebook.regimes))
    found = [one for regime_id in known for one in obligations(rulebook, regime_id, request)]
    if not jurisdictions or set(jurisdictions) - set(known):
        found += strictest(rulebook, request)
    return found or house_targets(rulebook.planning, request)


def strictest(rulebook: Rulebook, request: Request) -> list[Obligation]:
    """Return for each obligation the strictest answer that any regime gives, under the regime `unknown`.

    Strictest is the earliest day of those whose clocks have started. A longer period to answer holds only where no
    regime refuses it.
    """
    of_all = [one for regime_id in rulebook.regimes for one in obligations(rulebook, regime_id, request)]
    if any(one.name == "respond" for one in of_all):
        of_all = [
            replace(one, name="respond") if one.name == "respond_extended" else one
            for one in of_all
            if one.name != "notify_extension"
        ]
    names = dict.fromkeys(one.name for one in of_all)
    return [_strictest([one for one in of_all if one.name == name], request) for name in names]


def house_targets(planning: Planning, request: Request) -> list[Obligation]:
    """Return what the house promises for a request that no known law asks an answer to."""
    start: Event = "deauthorized" if request.kind == "deauthorization" else "received"
    targets: dict[ObligationName, Duration] = {
        "acknowledge": planning.acknowledge,
        "respond": planning.respond,
    }
    if request.kind in _DELETIONS:
        targets |= {
            "delete_live": planning.delete_live,
            "notify_recipients": planning.notify_recipients,
            "delete_backups": planning.delete_backups,
        }
    begun = request.events.get(start)
    return [
        Obligation(
            HOUSE,
            name,
            length.after(begun) if begun is not None else None,
            None,
            start,
            "no law is known to ask for it",
            request.met.get((HOUSE, name)),
        )
        for name, length in targets.items()
    ]


def recipient_due(rulebook: Rulebook, regime_id: str, notified_on: dt.date) -> dt.date | None:
    """Return the day by which a recipient that was notified on a day must have deleted; None where no law says.

    Raises:
        ConfigurationError: there is no such regime.
    """
    notified = Request("erasure", {"recipient_notified": notified_on})
    found = obligations(rulebook, regime_id, notified)
    return next((one.due for one in found if one.name == "recipients_delete"), None)


@dataclass(frozen=True)
class _Clock:
    """One regime's clock for one request."""

    rulebook: Rulebook
    regime: Regime
    request: Request

    def obligations(self) -> list[Obligation]:
        """Return what the regime asks for this kind of request."""
        if self.request.kind == "complaint":
            return self._single("acknowledge", self.regime.complaints)
        if self.request.kind == "opt_out":
            return self._single("respond", self.regime.opt_out)
        if self.request.kind == "appeal":
            return self._single("respond", self.regime.appeal)
        rule, planning = self.regime.request, self.rulebook.planning
        if rule is None or self.request.kind not in rule.rights:
            return []
        found = self._answer(rule.respond, rule.extend)
        if rule.acknowledge is not None:
            found.insert(0, self._one("acknowledge", rule.acknowledge, planning.acknowledge))
        if self.regime.delete is not None and self.request.kind in _DELETIONS:
            found += self._deletion(self.regime.delete)
        return found

    def _single(self, name: ObligationName, rule: SimpleRule | None) -> list[Obligation]:
        """Return the one obligation of a rule that has no other."""
        received = self.request.events.get("received")
        early = rule is not None and rule.effective and received is not None and received < rule.effective
        return (
            [] if rule is None or early else [self._one(name, rule.respond, self.rulebook.planning.respond)]
        )

    def _answer(self, period: Period, extension: Extension | None) -> list[Obligation]:
        """Return the answer to the person, and the notice that it takes longer where that was claimed."""
        plain = self._one("respond", period, self.rulebook.planning.respond, answers=True)
        if extension is None or period.within is None:
            note = "no longer period is allowed" if self.request.extended else plain.note
            return [replace(plain, note=note)]
        longest = self._end(period.from_, period.within.plus(extension.by), answers=True)
        if not self.request.extended:
            return [replace(plain, latest=longest)]
        told_by = self._end(period.from_, extension.notice_within or period.within, answers=True)
        reasons = "the person is told of the longer period, with its reasons"
        return [
            self._made("notify_extension", period.from_, told_by, told_by, reasons),
            self._made("respond_extended", period.from_, longest, longest, plain.note),
        ]

    def _deletion(self, rule: DeleteRule) -> list[Obligation]:
        planning, start = self.rulebook.planning, rule.live.from_
        found = [self._one("delete_live", rule.live, planning.delete_live)]
        if rule.notify:
            told = rule.notify_within or promptly(start)
            found.append(self._one("notify_recipients", told, planning.notify_recipients))
        if rule.recipients_delete is not None:
            found.append(self._one("recipients_delete", rule.recipients_delete, planning.recipients_delete))
        if rule.backups is not None:
            cap = rule.backups.cap or promptly(start)
            found.append(self._one("delete_backups", cap, planning.delete_backups))
        return found

    def _one(
        self, name: ObligationName, period: Period, target: Duration, *, answers: bool = False
    ) -> Obligation:
        """Return an obligation of one period; where the law names no date, of the house's target."""
        if period.promptly:
            return self._made(
                name, period.from_, self._end(period.from_, target, answers=answers), None, _NO_DATE
            )
        if period.within is not None:
            due = self._end(period.from_, period.within, answers=answers)
        else:
            due = self._working_days_end(period)
        return self._made(name, period.from_, due, due, "")

    def _made(
        self, name: ObligationName, event: Event, due: dt.date | None, latest: dt.date | None, note: str
    ) -> Obligation:
        if self._start(event) is None:
            note = f"its clock waits for: {event.replace('_', ' ')}"
        elif due is None:
            note = "its clock stands still until the person answers"
        met_on = self.request.met.get((self.regime.id, name))
        return Obligation(self.regime.id, name, due, latest, event, note, met_on)

    def _end(self, event: Event, length: Duration, *, answers: bool) -> dt.date | None:
        """Return the last day of a calendar length, provided that its clock has started and runs.

        Only the time to answer stands still and rolls; every other duty keeps its earliest day.
        """
        start, rule = self._start(event), self.regime.request
        if start is None:
            return None
        if rule is None or not answers:
            return last_day(start, length)
        still = [pause.stop for pause in self.request.pauses if pause.reason in rule.pause_on]
        calendar = self.rulebook.calendar_of(self.regime) if rule.roll else None
        return last_day(start, length, stops=still, calendar=calendar)

    def _working_days_end(self, period: Period) -> dt.date | None:
        start = self._start(period.from_)
        if start is None or period.business_days is None:
            return None
        return self.rulebook.calendar_of(self.regime).add_working_days(start, period.business_days)

    def _start(self, event: Event) -> dt.date | None:
        """Return the day of the event that starts a clock; its own day is not counted."""
        events = self.request.events
        if event != "authenticated_or_received":
            return events.get(event)
        return max((events[one] for one in ("authenticated", "received") if one in events), default=None)


def _strictest(candidates: list[Obligation], request: Request) -> Obligation:
    """Return the earliest of some regimes' answers to one obligation."""
    running = [one for one in candidates if one.due is not None]
    first = min(running or candidates, key=lambda one: (str(one.due), one.regime))
    latest = min((one.latest for one in candidates if one.latest is not None), default=None)
    met_on = request.met.get((UNKNOWN, first.name))
    note = f"the strictest known is that of {first.regime}" if running else first.note
    return replace(first, regime=UNKNOWN, latest=latest, note=note, met_on=met_on)
