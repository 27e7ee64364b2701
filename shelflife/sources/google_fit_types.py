"""What the data types, activities and data sources of Google Fit mean, in the REST API and in the archive alike.

Source: Google Fit REST documentation (Public data types, Health data types, Sleep values, Activity types).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from shelflife.sources.source import SourceType

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class FitType:
    """A data type whose first value is a number of a signal.

    Attributes:
        signal: the signal.
        unit: the unit that the vendor documents for the type.
        statistic: what the number says about its interval.
        instant: whether only the end of a data point counts, as the vendor documents for momentary values.
    """

    signal: str
    unit: str
    statistic: str
    instant: bool = False


ACTIVITY = "com.google.activity.segment"
SLEEP = "com.google.sleep.segment"
GLUCOSE = "com.google.blood_glucose"
NUMBERS: Mapping[str, FitType] = MappingProxyType(
    {
        "com.google.heart_rate.bpm": FitType("heart_rate", "bpm", "instant", instant=True),
        "com.google.step_count.delta": FitType("step_count", "steps", "sum"),
        "com.google.distance.delta": FitType("distance", "m", "sum"),
        "com.google.weight": FitType("body_weight", "kg", "instant", instant=True),
        "com.google.body.temperature": FitType("body_temperature", "Cel", "instant", instant=True),
        "com.google.oxygen_saturation": FitType("spo2", "%", "instant", instant=True),
        GLUCOSE: FitType("glucose_capillary", "mmol/L", "instant", instant=True),
    }
)
SUMMARIES: Mapping[str, FitType] = MappingProxyType(
    {
        "com.google.heart_rate.summary": FitType("heart_rate", "bpm", "mean"),
        "com.google.weight.summary": FitType("body_weight", "kg", "mean"),
    }
)
"""Types whose first three values are mean, maximum and minimum."""

STAGE_OF_SLEEP: Mapping[int, str] = MappingProxyType(
    {1: "awake", 2: "asleep_unspecified", 3: "out_of_bed", 4: "light", 5: "deep", 6: "rem"}
)
STAGE_OF_ACTIVITY: Mapping[int, str] = MappingProxyType(
    {72: "asleep_unspecified", 109: "light", 110: "deep", 111: "rem", 112: "awake"}
)
STAGE_OF_NAME: Mapping[str, str] = MappingProxyType(
    {
        "sleep": "asleep_unspecified",
        "sleep.light": "light",
        "sleep.deep": "deep",
        "sleep.rem": "rem",
        "sleep.awake": "awake",
    }
)
SPECIMEN_SIGNAL: Mapping[int, str] = MappingProxyType({1: "glucose_interstitial", 2: "glucose_capillary"})
"""Signal of each specimen of a glucose reading. Whole blood (6) may be a vein's, plasma and serum are a laboratory's."""

PASSIVE: Mapping[int, str] = MappingProxyType(
    {0: "in_vehicle", 3: "still", 4: "unknown", 5: "tilting", 117: "elevator", 118: "escalator"}
)
"""Activities in which nobody exercises."""

PASSIVE_NAMES = frozenset({"in_vehicle", "still", "unknown", "tilting", "elevator", "escalator"})
_NAMES: Mapping[int, str] = MappingProxyType(
    {
        1: "biking",
        2: "on_foot",
        7: "walking",
        8: "running",
        9: "aerobics",
        10: "badminton",
        11: "baseball",
        12: "basketball",
        15: "mountain_biking",
        16: "road_biking",
        17: "spinning",
        18: "stationary_biking",
        20: "boxing",
        22: "circuit_training",
        24: "dancing",
        25: "elliptical",
        29: "soccer",
        32: "golf",
        35: "hiking",
        39: "jumping_rope",
        44: "martial_arts",
        49: "pilates",
        52: "rock_climbing",
        53: "rowing",
        54: "rowing_machine",
        56: "jogging",
        57: "sand_running",
        58: "treadmill_running",
        62: "skating",
        65: "skiing",
        73: "snowboarding",
        76: "squash",
        77: "stair_climbing",
        80: "strength_training",
        81: "surfing",
        82: "swimming",
        83: "pool_swimming",
        84: "open_water_swimming",
        87: "tennis",
        89: "volleyball",
        93: "fitness_walking",
        94: "nordic_walking",
        95: "treadmill_walking",
        97: "weightlifting",
        100: "yoga",
        113: "crossfit",
        114: "high_intensity_interval_training",
        115: "interval_training",
    }
)
_ACTIVITY_NAME = re.compile(r"[a-z][a-z_.]{1,40}", re.ASCII)
_KNOWN_NAMES = frozenset(_NAMES.values()) | {
    "running.jogging",
    "running.sand",
    "running.treadmill",
    "swimming.pool",
}
_TYPE_NAME = re.compile(r"com\.google\.[a-z_.]{1,60}", re.ASCII)

TYPES: tuple[SourceType, ...] = (
    *(
        SourceType(name, kind.signal, kind.unit, kind.statistic)
        for name, kind in NUMBERS.items()
        if name != GLUCOSE
    ),
    SourceType(
        GLUCOSE,
        "glucose_capillary",
        "mmol/L",
        "instant",
        "Of capillary blood; with another specimen or none it is set aside.",
    ),
    SourceType(GLUCOSE, "glucose_interstitial", "mmol/L", "instant", "Of interstitial fluid."),
    *(
        SourceType(name, kind.signal, kind.unit, statistic)
        for name, kind in SUMMARIES.items()
        for statistic in ("mean", "max", "min")
    ),
    SourceType(SLEEP, "sleep_stage"),
    SourceType(f"{ACTIVITY} 72, 109 to 112", "sleep_stage"),
    SourceType(ACTIVITY, "workout", note="A row a segment; still, in a vehicle and the like are counted."),
    SourceType("com.google.calories.expended", None, "kcal", "sum", "Energy at rest is included."),
    SourceType("com.google.location.sample", None, None, None, "Places are dropped and counted."),
    SourceType("com.google.height, com.google.speed and others", None, None, None, "No signal: counted."),
)


def activity_name(code: int) -> str:
    """Return the name of an activity type; `other` for a rare one."""
    return _NAMES.get(code, "other")


def known_activity(name: str) -> str:
    """Return an activity's name where it is one of the vendor's common ones, else `other`."""
    return name if _ACTIVITY_NAME.fullmatch(name) and name in _KNOWN_NAMES else "other"


def type_key(data_type: str | None) -> str:
    """Return a data type as a key for counts; an application's own type, which may name anything, is `other`."""
    return data_type if data_type is not None and _TYPE_NAME.fullmatch(data_type) else "other"
