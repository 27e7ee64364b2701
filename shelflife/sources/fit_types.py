"""What the messages of a FIT file become, and those with a single number.

Units and the meaning of fields are those of the profile of the FIT SDK (version 21.171, as `fitdecode` holds it, and its
comments on fields).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from shelflife.sources.source import SourceType

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class SingleValue:
    """A message of which one field is a sample.

    Attributes:
        field: the field.
        signal: its signal.
        unit: its unit in the profile.
        statistic: what the number says.
        note: for the documentation.
        time: the field with the time.
        window_s: seconds that the statistic covers.
        signed: whether numbers of zero and below are measurements.
    """

    field: str
    signal: str
    unit: str
    statistic: str
    note: str = ""
    time: str = "timestamp"
    window_s: int | None = None
    signed: bool = False


SINGLE_VALUES: Mapping[str, SingleValue] = MappingProxyType(
    {
        "spo2_data": SingleValue("reading_spo2", "spo2", "%", "instant"),
        "respiration_rate": SingleValue(
            "respiration_rate",
            "respiratory_rate",
            "breaths/min",
            "instant",
            "Numbers below zero say why there is no reading, and are counted.",
        ),
        "hrv_value": SingleValue("value", "hrv_rmssd", "ms", "rmssd", "RMSSD of five minutes.", window_s=300),
        "hrv_status_summary": SingleValue(
            "last_night_average", "hrv_rmssd", "ms", "mean", "Mean of the RMSSD over the night's sleep."
        ),
        "max_met_data": SingleValue(
            "vo2_max", "vo2max", "mL/kg/min", "instant", "An estimate of the device.", time="update_time"
        ),
        "monitoring_hr_data": SingleValue(
            "current_day_resting_heart_rate",
            "resting_heart_rate",
            "bpm",
            "instant",
            "The day's own value; `resting_heart_rate` beside it is a mean of seven days.",
        ),
        "skin_temp_overnight": SingleValue(
            "average_deviation", "skin_temperature_delta", "degC", "mean", signed=True
        ),
    }
)

TYPES: tuple[SourceType, ...] = (
    SourceType("record.heart_rate", "heart_rate", "bpm", "instant", "Zero means no contact and is counted."),
    SourceType("record.enhanced_respiration_rate", "respiratory_rate", "breaths/min", "instant"),
    SourceType("record.core_temperature", "body_temperature", "C", "instant", "Of a sensor on the skin."),
    SourceType("record position and altitude", None, note="Locations are dropped and counted."),
    SourceType(
        "hrv.time",
        "rr_interval",
        "s",
        "instant",
        "Placed by adding intervals up from the time of the message before, to a few seconds.",
    ),
    SourceType("beat_intervals.time", "rr_interval", "ms", "instant"),
    SourceType("raw_bbi.data", "rr_interval", "ms", "instant", "Low quality becomes low confidence."),
    SourceType("session", "workout", note="The sport's name in the profile."),
    SourceType("session.total_distance", "distance", "m", "sum"),
    SourceType(
        "session.total_calories",
        "active_energy",
        "kcal",
        "sum",
        "As the device counts it; some include the metabolic rate at rest.",
    ),
    SourceType("lap", None, note="A session in parts, not counted again."),
    SourceType("monitoring.heart_rate", "heart_rate", "bpm", "instant"),
    SourceType(
        "monitoring.steps",
        "step_count",
        "steps",
        "sum",
        "Counters since local midnight become sums between readings.",
    ),
    SourceType("monitoring.distance", "distance", "m", "sum", "Like steps."),
    SourceType("monitoring.active_calories", "active_energy", "kcal", "sum", "Like steps."),
    SourceType(
        "sleep_level",
        "sleep_stage",
        note="A level is that of the time since the level before; the documentation does not say so.",
    ),
    SourceType(
        "weight_scale.weight",
        "body_weight",
        "kg",
        "instant",
        "Rows of a scale with several users are nobody's: refused and counted.",
    ),
    SourceType("stress_level", None, note="No signal."),
    SourceType("blood_pressure", None, note="No signal."),
    SourceType(
        "hr.filtered_bpm",
        "heart_rate",
        "bpm",
        "instant",
        "Stored by a chest strap while out of reach of the watch.",
    ),
    *(
        SourceType(f"{message}.{one.field}", one.signal, one.unit, one.statistic, one.note)
        for message, one in SINGLE_VALUES.items()
    ),
)
