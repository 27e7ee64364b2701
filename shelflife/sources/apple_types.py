"""What the record types, units and names of an Apple Health export mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from shelflife.sources.device_labels import known_maker, known_model, plain_version
from shelflife.sources.source import SourceType

if TYPE_CHECKING:
    from collections.abc import Mapping

SLEEP_TYPE = "HKCategoryTypeIdentifierSleepAnalysis"
GLUCOSE_TYPE = "HKQuantityTypeIdentifierBloodGlucose"
OXYGEN_TYPE = "HKQuantityTypeIdentifierOxygenSaturation"
WORKOUT_TYPE = "Workout"

SIGNAL_OF_TYPE: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "HKQuantityTypeIdentifierHeartRate": ("heart_rate", "instant"),
        "HKQuantityTypeIdentifierRestingHeartRate": ("resting_heart_rate", "instant"),
        "HKQuantityTypeIdentifierHeartRateVariabilitySDNN": ("hrv_sdnn", "sdnn"),
        "HKQuantityTypeIdentifierHeartRateVariabilityRMSSD": ("hrv_rmssd", "rmssd"),
        "HKQuantityTypeIdentifierStepCount": ("step_count", "sum"),
        "HKQuantityTypeIdentifierDistanceWalkingRunning": ("distance", "sum"),
        "HKQuantityTypeIdentifierDistanceCycling": ("distance", "sum"),
        "HKQuantityTypeIdentifierDistanceSwimming": ("distance", "sum"),
        "HKQuantityTypeIdentifierDistanceWheelchair": ("distance", "sum"),
        "HKQuantityTypeIdentifierActiveEnergyBurned": ("active_energy", "sum"),
        GLUCOSE_TYPE: ("glucose_capillary", "instant"),
        "HKQuantityTypeIdentifierBodyTemperature": ("body_temperature", "instant"),
        "HKQuantityTypeIdentifierBodyMass": ("body_weight", "instant"),
        "HKQuantityTypeIdentifierVO2Max": ("vo2max", "instant"),
        OXYGEN_TYPE: ("spo2", "instant"),
        "HKQuantityTypeIdentifierRespiratoryRate": ("respiratory_rate", "instant"),
        SLEEP_TYPE: ("sleep_stage", None),
        WORKOUT_TYPE: ("workout", None),
    }
)
"""Signal and statistic of each record type that has one."""

BEAT_TYPES = frozenset(
    {
        "HKQuantityTypeIdentifierHeartRateVariabilitySDNN",
        "HKQuantityTypeIdentifierHeartRateVariabilityRMSSD",
    }
)
"""Record types whose records may hold lists of heart beats."""

_NOTES: Mapping[str, str] = MappingProxyType(
    {
        GLUCOSE_TYPE: "Interstitial when a sensor's application wrote it.",
        OXYGEN_TYPE: "Written as a fraction of one under the unit `%`.",
        SLEEP_TYPE: "`InBed` overlaps the stages; the values of iOS 16 and those of 2017.",
        WORKOUT_TYPE: "Totals and statistics stay as received.",
    }
)
TYPES: tuple[SourceType, ...] = (
    *(
        SourceType(
            record,
            signal,
            None if signal in {"sleep_stage", "workout"} else "any usual unit",
            statistic,
            _NOTES.get(record, ""),
        )
        for record, (signal, statistic) in SIGNAL_OF_TYPE.items()
    ),
    SourceType(
        "InstantaneousBeatsPerMinute",
        "rr_interval",
        "difference of two clock times",
        "instant",
        "Dated to the beat that ends it; a difference that spans a missing beat is counted, not landed.",
    ),
    SourceType(
        "WorkoutRoute", None, note="Locations: counted and dropped, as are the GPX files beside the export."
    ),
    SourceType(
        "HKQuantityTypeIdentifierBloodPressureSystolic",
        None,
        note="No signal yet: counted, as is the diastolic.",
    ),
    SourceType("Correlation", None, note="Its records stand in the file on their own, too, and count there."),
    SourceType("ActivitySummary", None, note="Sums of a day of what the records say."),
)

STAGE_OF_VALUE: Mapping[str, str] = MappingProxyType(
    {
        "HKCategoryValueSleepAnalysisInBed": "in_bed",
        "HKCategoryValueSleepAnalysisAwake": "awake",
        "HKCategoryValueSleepAnalysisAsleep": "asleep_unspecified",
        "HKCategoryValueSleepAnalysisAsleepUnspecified": "asleep_unspecified",
        "HKCategoryValueSleepAnalysisAsleepCore": "light",
        "HKCategoryValueSleepAnalysisAsleepDeep": "deep",
        "HKCategoryValueSleepAnalysisAsleepREM": "rem",
    }
)

_APPS: Mapping[str, str] = MappingProxyType(
    {
        "health": "apple_health",
        "clock": "apple_clock",
        "apple watch": "apple_watch",
        "iphone": "iphone",
        "connect": "garmin_connect",
        "garmin connect": "garmin_connect",
        "fitbit": "fitbit",
        "oura": "oura",
        "whoop": "whoop",
        "withings": "withings",
        "health mate": "withings",
        "polar flow": "polar_flow",
        "strava": "strava",
        "mysugr": "mysugr",
        "one drop": "one_drop",
        "lark": "lark",
        "nutrino": "nutrino",
        "pillow": "pillow",
        "autosleep": "autosleep",
        "dexcom": "dexcom",
        "dexcom g6": "dexcom",
        "dexcom g7": "dexcom",
        "librelink": "librelink",
        "freestyle librelink": "librelink",
    }
)
"""Applications by the name they register; any other name may hold a person's and becomes `third_party`."""

_SENSOR_APPS = frozenset({"dexcom", "librelink"})
_TYPE_NAME = re.compile(r"HK[A-Za-z0-9]{1,80}")
_WORKOUT_NAME = re.compile(r"HKWorkoutActivityType([A-Z][A-Za-z0-9]{0,60})")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DEVICE_PART = re.compile(r", (name|manufacturer|model|hardware|firmware|software|localIdentifier|FDA UDI):")
_LONGEST_PART = 64


@dataclass(frozen=True)
class Device:
    """The impersonal parts of a HealthKit device text.

    Attributes:
        name: what its owner calls it: personal, for the profile only.
    """

    name: str | None
    make: str | None
    model: str | None
    software: str | None


def read_device(text: str | None) -> Device:
    """Split `<<HKDevice: 0x...>, name:..., manufacturer:..., model:..., ...>`; pointer and serials are left out.

    Applications write what they like into it, so only makers, models and versions that are known as such come out.
    """
    if text is None:
        return Device(None, None, None, None)
    parts = _DEVICE_PART.split(text.removesuffix(">"))
    found = {key: value.strip()[:_LONGEST_PART] for key, value in zip(parts[1::2], parts[2::2], strict=True)}
    model = known_model(found.get("hardware")) or known_model(found.get("model"))
    return Device(
        found.get("name"), known_maker(found.get("manufacturer")), model, plain_version(found.get("software"))
    )


def app_label(source_name: str | None, device: Device) -> str:
    """Return a label of the application or device class that names nobody."""
    name = _plain(source_name or "")
    if name in _APPS:
        return _APPS[name]
    if name.endswith("apple watch") or (
        (device.make or "").startswith("Apple") and "Watch" in (device.model or "")
    ):
        return "apple_watch"
    if name.endswith("iphone") or "iPhone" in (device.model or ""):
        return "iphone"
    return "third_party"


def names_somebody(source_name: str) -> bool:
    """Return whether a source name may hold a person's, because it is not that of a known application."""
    return _plain(source_name) not in _APPS


def is_sensor(label: str) -> bool:
    """Return whether an application writes continuous sensor glucose rather than finger-stick values."""
    return label in _SENSOR_APPS


def type_key(record_type: str | None) -> str:
    """Return a record type as a key for counts; anything that is not shaped like one becomes `other`."""
    return record_type if record_type is not None and _TYPE_NAME.fullmatch(record_type) else "other"


def workout_code(activity: str | None) -> str | None:
    """Return `mixed_cardio` for `HKWorkoutActivityTypeMixedCardio`; None when it is no activity type."""
    match = _WORKOUT_NAME.fullmatch(activity or "")
    return _WORD_START.sub("_", match[1]).lower() if match else None


def _plain(source_name: str) -> str:
    """Return a name in lower case with single spaces; Apple writes a no-break space in `Apple Watch`."""
    return " ".join(source_name.lower().split())
