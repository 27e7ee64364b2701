"""The parts that Open mHealth schemas share, described in words of our own: units, time frames, permitted words, headers.

Source: openmhealth/schemas (utility schemas 1.0 to 2.1). IEEE 1752.1 has the same parts, but for a time interval that is a
part of a day.
"""

from __future__ import annotations

from shelflife.sources.json_shapes import DateTime, Fields, Number, OneOf, Shape, Text

DURATION_UNITS = ("ps", "ns", "us", "ms", "sec", "min", "h", "d", "wk", "Mo", "yr")
LENGTH_UNITS = ("fm", "pm", "nm", "um", "mm", "cm", "m", "km", "in", "ft", "yd", "mi")
MASS_UNITS = ("fg", "pg", "ng", "ug", "mg", "g", "kg", "Metric Ton", "gr", "oz", "lb", "Ton")
MODALITIES = ("sensed", "self-reported")
_QUINTILES = ("1st quintile", "2nd quintile", "3rd quintile", "4th quintile")
_QUARTILES = ("lower quartile", "upper quartile", "quartile deviation")
_PLAIN = ("average", "maximum", "minimum", "standard deviation", "variance", "sum", "median")


def measure(*units: str) -> Fields:
    """Describe a number with its unit."""
    return Fields({"value": Number(), "unit": Text(units)}, ("value", "unit"))


_START, _END, _LENGTH = (
    {"start_date_time": DateTime()},
    {"end_date_time": DateTime()},
    {"duration": measure(*DURATION_UNITS)},
)
_PART = {
    "date": Text(pattern=r"\d{4}-\d{2}-\d{2}"),
    "part_of_day": Text(("morning", "afternoon", "evening", "night")),
}
_PAIRS = tuple(Fields(pair, tuple(pair)) for pair in (_START | _LENGTH, _END | _LENGTH, _START | _END))
INTERVAL = OneOf((*_PAIRS, Fields(_PART, tuple(_PART))))
"""A time interval: two of start, end and duration, or a part of a day."""
IEEE_INTERVAL = OneOf(_PAIRS)


def frame(interval: OneOf, required: tuple[str, ...] = ()) -> OneOf:
    """Describe a time frame.

    Args:
        interval: the intervals that are permitted.
        required: `time_interval`, where a moment is not.
    """
    return OneOf(
        (
            Fields({"date_time": DateTime()}, ("date_time",)),
            Fields({"time_interval": interval}, ("time_interval",)),
        ),
        required,
    )


FRAME = frame(INTERVAL)
"""A time frame: a moment or an interval."""
IEEE_FRAME = frame(IEEE_INTERVAL)
LONG_FRAME = frame(INTERVAL, ("time_interval",))
IEEE_LONG_FRAME = frame(IEEE_INTERVAL, ("time_interval",))

STATISTIC = Text((*_PLAIN, "count", "20th percentile", "80th percentile", *_QUARTILES, *_QUINTILES))
OLD_STATISTIC = Text(_PLAIN)
_MEALS = ("breakfast", "lunch", "dinner")
MEAL = Text(
    (
        "fasting",
        "not fasting",
        *(f"{when} {meal}" for when in ("before", "after") for meal in ("meal", *_MEALS)),
        "2 hours postprandial",
        "with meal",
        "with food",
    )
)
SLEEP = {"temporal_relationship_to_sleep": Text(("before sleeping", "during sleep", "on waking"))}
ACTIVITY = {
    "temporal_relationship_to_physical_activity": Text(
        ("at rest", "active", "before exercise", "after exercise", "during exercise")
    )
}
NOTES = {"user_notes": Text()}
PER = {"descriptive_statistic": STATISTIC, "descriptive_statistic_denominator": Text()}
OLD_PLACES = ("oral", "rectal", "vaginal", "axillary", "otic", "wrist", "chest", "temporal")
PLACES = (
    "axillary",
    "finger",
    "forehead",
    "oral",
    "rectal",
    "temporal artery",
    "toe",
    "tympanic",
    "wrist",
    "vagina",
)
SPECIMENS = ("breath", "capillary blood", "interstitial fluid", "saliva", "sweat", "tears", "urine")
OLD_SPECIMENS = ("interstitial fluid", "capillary blood", "plasma", "serum", "tears", "whole blood")
BLOOD = ("whole blood", "plasma", "serum")


def _provenance(*texts: str, dates: tuple[str, ...] = ("source_creation_date_time",)) -> Fields:
    properties: dict[str, Shape] = {"source_name": Text(), "modality": Text(MODALITIES)}
    properties |= {name: Text() for name in texts} | {name: DateTime() for name in dates}
    return Fields(properties, ("source_name",))


SCHEMA_ID = Fields(
    {"namespace": Text(), "name": Text(), "version": Text(), "url": Text()}, ("namespace", "name", "version")
)
NEEDED: dict[str, Shape] = {"id": Text(), "creation_date_time": DateTime(), "schema_id": SCHEMA_ID}
_CHANGED = ("source_creation_date_time", "source_last_modification_date_time")
OLD_HEADER: dict[str, Shape] = {**NEEDED, "acquisition_provenance": _provenance()}
HEADER = Fields(
    {
        **NEEDED,
        "acquisition_provenance": _provenance("source_data_point_id", dates=_CHANGED),
        "user_id": Text(),
    },
    tuple(NEEDED),
)
IEEE_HEADER = Fields(
    {
        "uuid": Text(),
        "schema_id": SCHEMA_ID,
        "source_creation_date_time": DateTime(),
        "modality": Text(MODALITIES),
        "user_id": Text(),
    },
    ("uuid", "schema_id", "source_creation_date_time"),
)
