"""Working-day calendars as data: weekends, holidays by rule, and the arithmetic of days and months on them.

A deadline that rolls falls on the next working day (Reg. (EEC, Euratom) 1182/71, Art. 3(4)). Which holidays count is
the place's own matter, so every calendar is written in `calendars.yaml`; with fewer holidays a deadline is earlier.
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from shelflife.errors import ConfigurationError
from shelflife.policy.strict import Day, Name, Strict, Text, Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Weekday: TypeAlias = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
OnWeekend: TypeAlias = Literal["stays", "nearest_weekday", "next_working_day", "sunday_to_monday"]
_MonthDay = Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
_LONGEST_BREAK = 60
_ONE_DAY = dt.timedelta(days=1)


class Holiday(Strict):
    """One holiday: on a fixed date, on a weekday of a month, some days from Easter Sunday, or on proclaimed dates."""

    name: str = Field(min_length=3, description="What the day is called.")
    date: _MonthDay | None = Field(default=None, description="Month and day, as 12-25.")
    weekday: Weekday | None = Field(default=None, description="With `month` and `nth`.")
    month: int | None = Field(default=None, ge=1, le=12)
    nth: int | None = Field(default=None, description="1 to 4, or -1 for the last one of the month.")
    easter: int | None = Field(default=None, ge=-100, le=100, description="Days after Easter Sunday.")
    dates: list[Day] | None = Field(
        default=None, min_length=1, description="Days that were proclaimed one by one."
    )
    plus_days: int = Field(default=0, ge=0, le=6, description="Days after the weekday that was counted.")
    on_weekend: OnWeekend = Field(
        default="stays", description="Where the day is kept when it falls on a weekend."
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        weekday = (self.weekday, self.month, self.nth)
        kinds = [self.date is not None, self.easter is not None, self.dates is not None, any(weekday)]
        if sum(kinds) != 1 or (any(weekday) and not all(weekday)):
            raise ValueError("name one of: date; weekday with month and nth; easter; dates")
        if self.nth is not None and self.nth not in {1, 2, 3, 4, -1}:
            raise ValueError("nth must be 1, 2, 3, 4 or -1")
        if self.plus_days and self.nth is None:
            raise ValueError("plus_days belongs to a counted weekday")
        return self


class CalendarRules(Strict):
    """One calendar as its file has it."""

    id: Name
    name: Text
    weekend: list[Weekday] = Field(max_length=6)
    holidays: list[Holiday]
    cite: Text = Field(description="Where the list comes from.")
    checked: Day = Field(description="When somebody last compared it with its source.")


class CalendarSet(Strict):
    """Every calendar that regimes can name."""

    version: Version
    calendars: list[CalendarRules] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        if len({one.id for one in self.calendars}) < len(self.calendars):
            raise ValueError("two calendars have one id")
        return self


@dataclass(frozen=True)
class Calendar:
    """Working days of one place.

    Attributes:
        name: its id.
        weekend: weekdays on which nobody works, Monday is 0.
        holidays: the rules of the days on which nobody works either.
    """

    name: str
    weekend: frozenset[int]
    holidays: tuple[Holiday, ...] = ()
    _years: dict[int, Mapping[dt.date, str]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, rules: CalendarRules) -> Calendar:
        """Return the calendar that rules describe."""
        return cls(rules.id, frozenset(map(WEEKDAYS.index, rules.weekend)), tuple(rules.holidays))

    def is_working_day(self, day: dt.date) -> bool:
        """Return whether people work on this day."""
        return day.weekday() not in self.weekend and day not in self.holidays_of(day.year)

    def holidays_of(self, year: int) -> Mapping[dt.date, str]:
        """Return the days of a year that are kept as holidays, with their names."""
        if year not in self._years:
            # The New Year's Day of a year can be kept in the year before, a Boxing Day in the year after.
            around = range(max(year - 1, dt.MINYEAR), min(year + 1, dt.MAXYEAR) + 1)
            kept = {day: name for near in around for day, name in self._kept(near).items()}
            self._years[year] = {day: name for day, name in sorted(kept.items()) if day.year == year}
        return self._years[year]

    def roll(self, day: dt.date) -> dt.date:
        """Return the day itself if it is a working day, else the next one that is.

        `date.max` where the calendar ends.

        Raises:
            ConfigurationError: there is none for two months; the calendar is wrong.
        """
        for step in range(_LONGEST_BREAK):
            if dt.date.max - day < step * _ONE_DAY:
                return dt.date.max
            if self.is_working_day(day + step * _ONE_DAY):
                return day + step * _ONE_DAY
        raise ConfigurationError(
            f"The calendar {self.name} has no working day for two months.",
            remedy="Correct its holidays in calendars.yaml.",
        )

    def add_working_days(self, start: dt.date, count: int) -> dt.date:
        """Return the last day of a period of `count` working days that begins on the day after `start`."""
        day = start
        for _ in range(count):
            if day == dt.date.max:
                return day
            day = self.roll(day + _ONE_DAY)
        return day

    def _kept(self, year: int) -> dict[dt.date, str]:
        """Return the days on which a year's holidays are kept, which may lie just outside of the year."""
        named = sorted((day, one.name, one.on_weekend) for one in self.holidays for day in _days(one, year))
        taken = {day: name for day, name, _ in named}
        for day, name, on_weekend in named:
            moved = self._moved(day, on_weekend, taken)
            if moved is not None:
                taken.setdefault(moved, name)
        return taken

    def _moved(self, day: dt.date, on_weekend: OnWeekend, taken: Mapping[dt.date, str]) -> dt.date | None:
        """Return the day on which a holiday that falls on a weekend is kept instead; None where it stays."""
        if day.weekday() not in self.weekend or on_weekend == "stays" or dt.date.max - day < 14 * _ONE_DAY:
            return None
        if on_weekend == "sunday_to_monday":
            return day + _ONE_DAY if WEEKDAYS[day.weekday()] == "sunday" else None
        if on_weekend == "nearest_weekday" and WEEKDAYS[day.weekday()] == "saturday":
            return day - _ONE_DAY
        following = day + _ONE_DAY
        while following.weekday() in self.weekend or (
            on_weekend == "next_working_day" and following in taken
        ):
            following += _ONE_DAY
        return following


def calendars_of(found: CalendarSet) -> dict[str, Calendar]:
    """Return the calendars of a file by id."""
    return {rules.id: Calendar.of(rules) for rules in found.calendars}


def easter_sunday(year: int) -> dt.date:
    """Return Easter Sunday of the Gregorian calendar.

    Source: the anonymous algorithm in Nature 13 (1876), p. 487; Meeus, Astronomical Algorithms (1991), ch. 8.
    """
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    return dt.date(year, month, day + 1)


def _days(holiday: Holiday, year: int) -> Sequence[dt.date]:
    """Return the days of a year that a holiday's rule names, before any move."""
    if holiday.dates is not None:
        return [day for day in holiday.dates if day.year == year]
    if holiday.easter is not None:
        return [easter_sunday(year) + holiday.easter * _ONE_DAY]
    if holiday.date is not None:
        month, day = map(int, holiday.date.split("-"))
        return [dt.date(year, month, day)] if day <= calendar.monthrange(year, month)[1] else []
    assert holiday.weekday is not None  # noqa: S101  the model names one kind
    assert holiday.month is not None  # noqa: S101
    assert holiday.nth is not None  # noqa: S101
    found = _nth_weekday(year, holiday.month, WEEKDAYS.index(holiday.weekday), holiday.nth)
    return [found + holiday.plus_days * _ONE_DAY]


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> dt.date:
    first = dt.date(year, month, 1)
    length = calendar.monthrange(year, month)[1]
    days = range(1 + (weekday - first.weekday()) % 7, length + 1, 7)
    return first.replace(day=days[nth - 1 if nth > 0 else nth])
