"""Calendar durations as ISO 8601 writes them: `P3Y`, `P18M`, `P2W`, `P1Y6M`, `P30D`.

Retention counts in whole days, so a time part (`PT5M`) is refused.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

PATTERN = r"^P(?=[0-9])(?:([0-9]{1,3})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,4})W)?(?:([0-9]{1,5})D)?$"
_DAYS_A_YEAR = 365.2425
_DAYS_A_MONTH = _DAYS_A_YEAR / 12
# Lengths whose means are further apart than that never change places, wherever they start.
_MOST_DAYS_OFF_MEAN = 12
# The Gregorian calendar repeats after 400 years.
_CYCLE = range(1600, 2000)


@dataclass(frozen=True)
class Duration:
    """A length of calendar time.

    Attributes:
        months: whole months; a year is twelve.
        days: whole days on top; a week is seven.
    """

    months: int = 0
    days: int = 0

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read an ISO 8601 duration without a time part.

        Raises:
            ValueError: the text is no such duration, or the duration is zero.
        """
        found = re.fullmatch(PATTERN, text)
        if found is None:
            raise ValueError(
                "must be an ISO 8601 duration in years, months, weeks and days, such as P3Y or P30D"
            )
        years, months, weeks, days = (int(part or 0) for part in found.groups())
        duration = cls(months=12 * years + months, days=7 * weeks + days)
        if duration == cls():
            raise ValueError("must be longer than zero")
        return duration

    def after(self, start: dt.date) -> dt.date:
        """Return the date that lies this long after `start`.

        Months are added first; a day that the month does not have becomes its last one (31 January plus one
        month is 28 or 29 February), then days are added. `date.max` where the calendar ends.
        """
        month = start.month - 1 + self.months
        year, month = start.year + month // 12, month % 12 + 1
        if year > dt.MAXYEAR:
            return dt.date.max
        last = calendar.monthrange(year, month)[1]
        try:
            return start.replace(year=year, month=month, day=min(start.day, last)) + dt.timedelta(self.days)
        except OverflowError:
            return dt.date.max

    def plus(self, other: Duration) -> Duration:
        """Return both lengths together; months stay months, so that the sum is clamped once."""
        return Duration(self.months + other.months, self.days + other.days)

    def can_outlast(self, other: Duration) -> bool:
        """Return whether there is a day from which this one ends later than the other.

        A month outlasts 30 days, from most days of the year; 31 days outlast a month, from February.
        """
        apart = self.approximate_days() - other.approximate_days()
        if abs(apart) > _MOST_DAYS_OFF_MEAN:
            return apart > 0
        return _longest_lead(self, other) > 0

    def in_words(self) -> str:
        """Return it as a reader says it: `1 year and 6 months`."""
        years, months = divmod(self.months, 12)
        parts = ((years, "year"), (months, "month"), (self.days, "day"))
        words = [f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in parts if number]
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

    def approximate_days(self) -> float:
        """Return the mean length in days of the Gregorian calendar, to compare durations by."""
        return self.months * _DAYS_A_MONTH + self.days

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        parts = ((years, "Y"), (months, "M"), (self.days, "D"))
        return "P" + "".join(f"{number}{unit}" for number, unit in parts if number)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Read from text, write as text."""
        del source, handler
        read = core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe it as text of that pattern, so that an editor can check it."""
        del schema, handler
        return {"type": "string", "pattern": PATTERN, "examples": ["P30D", "P18M", "P3Y"]}


@lru_cache(maxsize=4096)
def _longest_lead(one: Duration, other: Duration) -> int:
    """Return by how many days the first ends later than the second, from the start where that is most.

    Only the first days of months need looking at: from a day that one of them clamps, the lead is never longer than
    from the first day of the month after.
    """
    starts = (dt.date(year, month, 1) for year in _CYCLE for month in range(1, 13))
    return max((one.after(start) - other.after(start)).days for start in starts)
