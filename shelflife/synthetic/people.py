"""Invented people: names, birth dates, accounts, devices and the traits that their signals follow."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from shelflife.sources.fitbit_fitabase import ALIAS_KIND
from shelflife.sources.source import ACCOUNT

Source = Literal["apple_health", "fitbit"]
Sensor = Literal["clarity", "glucose_ml"]

# Long and rare, so that finding one in a file is no accident.
_FAMILY_NAMES = (
    "Abernathwaite", "Brindlewood", "Carrowmere", "Dunmarrow", "Elderquist", "Featherstone", "Gallowhurst",
    "Hawthornby", "Isenthorpe", "Jessamyne", "Kestelrode", "Lindqvister", "Marrowfield", "Nethersole",
    "Ottermoor", "Pemberthwaite", "Quillfeather", "Ravenscroft", "Silverbrook", "Thistledown", "Umberleigh",
    "Vanderkoop", "Wrenhollow", "Yarborough", "Zephyrhill", "Applegarth", "Blackmarsh", "Cloverdale",
)  # fmt: skip
_FEMALE_NAMES = (
    "Adelheid",
    "Brunhilde",
    "Clementine",
    "Dorothea",
    "Evangeline",
    "Florentine",
    "Gwendolyn",
    "Henrietta",
)
_MALE_NAMES = (
    "Ambrosius",
    "Bartholomew",
    "Cornelius",
    "Desiderius",
    "Engelbert",
    "Ferdinand",
    "Gottfried",
    "Hieronymus",
)
_ZONES = (
    "Europe/Berlin",
    "Europe/Lisbon",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Tokyo",
    "Europe/Helsinki",
)
# Half are in their thirties, so that four dozen people have cohort cells large enough to publish beside smaller ones.
_COMMON_AGES, _RARE_AGES = (30, 38), ((20, 28), (40, 48))


@dataclass(frozen=True)
class Person:
    """One invented person.

    Attributes:
        alias_kind: `account`, or `fitbit_id` for people who are known by their tracker only.
        alias: account or Fitbit id.
        zone: IANA time zone in which they live.
        resting: resting heart rate, /min.
        fitness: 0 (sedentary) to 1 (athlete).
        bedtime: usual minute of the day, after 21:00, at which they fall asleep.
        diabetic: whether the glucose is that of type 1 diabetes.
        sensor: which glucose file they have; None for no sensor.
    """

    index: int
    alias_kind: str
    alias: str
    given_name: str
    family_name: str
    birth_date: dt.date
    sex: Literal["female", "male"]
    zone: str
    source: Source
    sensor: Sensor | None
    resting: float
    fitness: float
    bedtime: int
    diabetic: bool

    @property
    def device_name(self) -> str:
        """What the person calls their watch; iOS writes it with U+2019."""
        return f"{self.given_name}\N{RIGHT SINGLE QUOTATION MARK}s Apple\N{NO-BREAK SPACE}Watch"

    @property
    def phone_name(self) -> str:
        """What the person calls their phone."""
        return f"{self.given_name} {self.family_name}\N{RIGHT SINGLE QUOTATION MARK}s iPhone"

    @property
    def email(self) -> str:
        """An address in a domain that exists for examples only (RFC 2606)."""
        return f"{self.given_name}.{self.family_name}.{self.index}@example.com".lower()

    def offset_minutes(self, on: dt.date) -> int:
        """Return minutes east of UTC at noon of a day."""
        shift = dt.datetime.combine(on, dt.time(12), ZoneInfo(self.zone)).utcoffset()
        return 0 if shift is None else int(shift.total_seconds() // 60)

    def canaries(self) -> list[str]:
        """Return texts that must never be found outside the vault."""
        always = [self.alias, self.family_name, self.email]
        return [*always, self.device_name, self.phone_name] if self.source == "apple_health" else always


def invent(count: int, seed: int, until: dt.date) -> list[Person]:
    """Invent people: two thirds with Apple Health, one third with Fitbit, one third of all with a glucose sensor."""
    return [_person(index, seed, until) for index in range(count)]


def _person(index: int, seed: int, until: dt.date) -> Person:
    draw = np.random.default_rng([seed, index, 1])
    source: Source = "fitbit" if index % 3 == 2 else "apple_health"
    sensor: Sensor | None = None
    if index % 3 == 0:
        sensor = "clarity" if index % 2 == 0 else "glucose_ml"
    fitness = float(draw.beta(2, 3))
    sex: Literal["female", "male"] = "female" if index % 2 == 0 else "male"
    given = _FEMALE_NAMES if sex == "female" else _MALE_NAMES
    return Person(
        index=index,
        alias_kind=ALIAS_KIND if source == "fitbit" else ACCOUNT,
        alias=str(draw.integers(10**9, 10**10))
        if source == "fitbit"
        else f"acct-{draw.integers(2**48):012x}",
        given_name=given[index // 2 % len(given)],
        family_name=_FAMILY_NAMES[index % len(_FAMILY_NAMES)]
        + ("" if index < len(_FAMILY_NAMES) else f"son{index}"),
        birth_date=_birth_date(index, draw, until),
        sex=sex,
        zone=_ZONES[index % len(_ZONES)],
        source=source,
        sensor=sensor,
        resting=float(72 - 20 * fitness + draw.normal(0, 3)),
        fitness=fitness,
        bedtime=int(np.clip(draw.normal(23.1 * 60, 40), 21.5 * 60, 24.5 * 60)),
        diabetic=bool(sensor) and index % 4 == 0,
    )


def _birth_date(index: int, draw: np.random.Generator, until: dt.date) -> dt.date:
    youngest, oldest = _COMMON_AGES if index % 4 < 2 else _RARE_AGES[index // 4 % 2]
    days = int(draw.integers(youngest * 366, (oldest + 1) * 365))
    return until - dt.timedelta(days=days)
