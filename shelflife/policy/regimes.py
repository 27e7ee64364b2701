"""Regimes: what each law or contract asks for, read from `regimes.yaml`, with what one inherits from another resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from shelflife.errors import ConfigurationError
from shelflife.policy import regime_rules as rules
from shelflife.policy.calendars import Calendar, CalendarSet, calendars_of
from shelflife.policy.strict import Function, Name, Strict, Text, Version

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping

RESERVED = frozenset({"any", "unknown", "house"})
"""Words that stand in place of a regime and so cannot name one."""

INHERITED = (
    "request",
    "complaints",
    "opt_out",
    "appeal",
    "delete",
    "backups",
    "access",
    "portability",
    "records",
    "consent",
    "retention_cap",
    "breach",
    "biometrics",
    "end_of_purpose",
    "geofence",
    "contract",
)
"""The sections of a regime; one that a regime leaves out is that of the regime it inherits from, as a whole."""


class Regime(Strict):
    """One law or contract. A section that is absent means that it asks nothing of the sort."""

    id: Name
    name: Text
    inherits: Name | None = Field(
        default=None, description="The regime whose sections hold where none is here."
    )
    calendar: Name = Field(description="Working days that its deadlines are counted on (calendars.yaml).")
    request: rules.RequestRule | None = None
    complaints: rules.SimpleRule | None = None
    opt_out: rules.SimpleRule | None = None
    appeal: rules.SimpleRule | None = None
    delete: rules.DeleteRule | None = None
    backups: rules.BackupSection | None = None
    access: rules.AccessRule | None = None
    portability: rules.PortabilityRule | None = None
    records: rules.RecordsRule | None = None
    consent: rules.ConsentRule | None = None
    retention_cap: rules.RetentionCapRule | None = None
    breach: rules.BreachRule | None = None
    biometrics: rules.BiometricsRule | None = None
    end_of_purpose: rules.EndOfPurposeRule | None = None
    geofence: rules.GeofenceRule | None = None
    contract: rules.ContractRule | None = None

    @model_validator(mode="after")
    def _erasure_has_its_rule(self) -> Self:
        if self.inherits is None and not _erases_by_rule(self):
            raise ValueError(_NO_ERASURE_RULE)
        return self

    def own_sections(self) -> Iterator[tuple[str, rules.Rule]]:
        """Yield every section that stands in the regime itself, by name."""
        for name in INHERITED:
            section = getattr(self, name)
            if isinstance(section, rules.Rule):
                yield name, section


class RegimeSet(Strict):
    """Every regime that the estate knows."""

    version: Version
    owner: Function = Field(description="The function that answers for the file, never a person.")
    unknown_jurisdiction: Literal["strictest"] = Field(
        description="What holds where nobody knows whose law does."
    )
    planning: rules.Planning
    regimes: list[Regime] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        known: set[str] = set()
        for regime in self.regimes:
            if regime.id in RESERVED:
                raise ValueError(f"no regime can be called {regime.id}")
            if regime.id in known:
                raise ValueError(f"the regime {regime.id} stands here twice")
            if regime.inherits is not None and regime.inherits not in known:
                raise ValueError(f"the regime {regime.id} inherits from one that does not stand before it")
            known.add(regime.id)
        for name, regime in resolved(self.regimes).items():
            if not _erases_by_rule(regime):
                raise ValueError(f"{name}: {_NO_ERASURE_RULE}")
        return self


@dataclass(frozen=True)
class Rulebook:
    """The regimes with what they inherit, and the calendars that they count on.

    Attributes:
        version: that of the regimes' file.
        planning: what the house promises itself where the law names no date.
        regimes: by id.
        calendars: by id.
        checked: when each rule and calendar was last compared with its source, by its place in the files.
    """

    version: str
    planning: rules.Planning
    regimes: Mapping[str, Regime]
    calendars: Mapping[str, Calendar]
    checked: Mapping[str, dt.date]

    def calendar_of(self, regime: Regime) -> Calendar:
        """Return the working days that a regime counts on."""
        return self.calendars[regime.calendar]


def rulebook_of(found: RegimeSet, calendars: CalendarSet) -> Rulebook:
    """Return the rulebook that two files make together.

    Raises:
        ConfigurationError: a regime counts on a calendar that is not there.
    """
    known = calendars_of(calendars)
    for regime in found.regimes:
        if regime.calendar not in known:
            raise ConfigurationError(
                f"The regime {regime.id} counts on a calendar that is not there.",
                remedy="Name one of those in calendars.yaml, or add it there.",
            )
    checked = {f"calendars.{one.id}": one.checked for one in calendars.calendars} | {
        f"regimes.{regime.id}.{name}": rule.checked
        for regime in found.regimes
        for name, rule in regime.own_sections()
    }
    return Rulebook(found.version, found.planning, resolved(found.regimes), known, checked)


def resolved(regimes: Iterable[Regime]) -> dict[str, Regime]:
    """Return the regimes by id, each with the sections that it inherits from those before it."""
    known: dict[str, Regime] = {}
    for regime in regimes:
        missing = [name for name in INHERITED if name not in regime.model_fields_set]
        parent = known[regime.inherits] if regime.inherits is not None else regime
        known[regime.id] = regime.model_copy(update={name: getattr(parent, name) for name in missing})
    return known


_NO_ERASURE_RULE = "a right to erasure and a `delete` section come together"


def _erases_by_rule(regime: Regime) -> bool:
    granted = regime.request is not None and {"erasure", "deauthorization"} & set(regime.request.rights)
    return bool(granted) == (regime.delete is not None)
