"""Time series of the Fitbit Web API: a total a day (`activities-steps`), and what a day is made of (`...-intraday`)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shelflife.errors import SourceError
from shelflife.sources.json_values import day_of, mapping, sequence, text, whole
from shelflife.sources.source import SourceType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import Parsing

_LANDED: Mapping[str, Observation] = MappingProxyType(
    {
        "heart": {"signal": "heart_rate", "unit": "bpm"},
        "steps": {"signal": "step_count", "unit": "steps", "statistic": "sum"},
        "distance": {"signal": "distance", "unit": None, "statistic": "sum"},
    }
)
_OTHERS = (
    *("calories", "caloriesBMR", "activityCalories", "floors", "elevation", "active-zone-minutes"),
    *("minutesSedentary", "minutesLightlyActive", "minutesFairlyActive", "minutesVeryActive"),
    *("tracker-steps", "tracker-distance", "tracker-calories", "swimming-strokes"),
)
SERIES_PLACES: tuple[str, ...] = tuple(f"activities-{name}.item" for name in _LANDED)
INTRADAY_PLACES: tuple[str, ...] = tuple(f"activities-{name}-intraday" for name in _LANDED)
COUNTED_SERIES: frozenset[str] = frozenset(
    place
    for name in _OTHERS
    for place in (f"activities-{name}.item", f"activities-{name}-intraday.dataset.item")
)
"""Places of series that hold no signal: each value is counted."""

TYPES: tuple[SourceType, ...] = (
    SourceType(
        "activities-heart restingHeartRate",
        "resting_heart_rate",
        "bpm",
        None,
        "The interval is the local day; 0 means none.",
    ),
    SourceType("activities-heart-intraday of minutes", "heart_rate", "bpm", "mean", "Of 1, 5 or 15 minutes."),
    SourceType("activities-heart-intraday of seconds", "heart_rate", "bpm", "instant"),
    SourceType(
        "activities-steps",
        "step_count",
        "steps",
        "sum",
        "A total a local day, beside its minutes if both are there.",
    ),
    SourceType("activities-steps-intraday", "step_count", "steps", "sum"),
    SourceType(
        "activities-distance", "distance", "not given", "sum", "Set aside: the unit is in no document."
    ),
    SourceType("activities-calories", None, "kcal", "sum", "Energy at rest is included: no active energy."),
    SourceType("summary", None, None, "sum", "Totals of a day that the document does not name."),
)
_NO_RESTING = frozenset({"0", "0.0"})
_SEVERAL = 2
_MOST_ENTRIES = 1_000_000
"""Three series of a day in seconds are a quarter of it."""
_SECONDS_OF = MappingProxyType({"minute": 60, "second": 1})


class Series:
    """Collects the series of one document until their day is known."""

    def __init__(self) -> None:
        self._days: dict[str, set[str | None]] = {}
        self._held: list[tuple[str, Mapping[str, Any]]] = []
        self._entries = 0

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of the series that become rows."""
        return tuple(_LANDED)

    def take(self, place: str, item: Mapping[str, Any], parsing: Parsing) -> Iterator[Observation]:
        """Yield the rows of a day's total, or keep the times of a day for `rest`."""
        name = place.removeprefix("activities-")
        if name.endswith("-intraday"):
            self._hold(name.removesuffix("-intraday"), item)
            return
        name = name.removesuffix(".item")
        day = text(item.get("dateTime"))
        days = self._days.setdefault(name, set())
        # More than one day is all that has to be known.
        if len(days) < _SEVERAL:
            days.add(day)
        if name != "heart":
            yield {**day_of(day), **_LANDED[name], "value": item.get("value"), "path": f"activities-{name}"}
            return
        resting = mapping(item.get("value")).get("restingHeartRate", item.get("restingHeartRate"))
        # The vendor writes 0 for a day that has none.
        if resting is None or str(resting) in _NO_RESTING:
            parsing.ignore("activities-heart without restingHeartRate")
            return
        yield {
            **day_of(day),
            "signal": "resting_heart_rate",
            "value": resting,
            "unit": "bpm",
            "path": "activities-heart",
        }

    def _hold(self, name: str, item: Mapping[str, Any]) -> None:
        self._held.append((name, item))
        self._entries += 1 + len(sequence(item.get("dataset")))
        if self._entries > _MOST_ENTRIES:
            raise SourceError(
                f"An answer holds more than {_MOST_ENTRIES} times of one day.",
                remedy="The service answers for one day at a time; give its answers one by one.",
            )

    def rest(self) -> Iterator[Observation]:
        """Yield the rows of the times of a day, once the whole document is read."""
        for name, series in self._held:
            days = self._days.get(name, set())
            day = next(iter(days)) if len(days) == 1 else None
            step = _SECONDS_OF.get(text(series.get("datasetType")) or "", 0)
            seconds = step * (whole(series.get("datasetInterval")) or 0)
            for entry in sequence(series.get("dataset")):
                yield _reading(name, mapping(entry), day, seconds if 0 < seconds <= 86_400 else None)


def _reading(name: str, entry: Mapping[str, Any], day: str | None, seconds: int | None) -> Observation:
    clock = text(entry.get("time"))
    row: Observation = {
        **_LANDED[name],
        "value": entry.get("value"),
        "start": f"{day}T{clock}" if day is not None and clock is not None else clock,
        "path": f"activities-{name}-intraday",
    }
    if day is None:
        row["problem"] = "ambiguous_time"
    # Heart rates of the detail level `1sec` are 1 to 15 seconds apart: single readings.
    if name == "heart" and seconds == 1:
        row["statistic"] = "instant"
    elif seconds is not None:
        row["statistic"] = "mean" if name == "heart" else "sum"
        row["duration_us"], row["window_s"] = seconds * 1_000_000, seconds
    return row
