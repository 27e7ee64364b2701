"""What the tables, columns and codes of a Health Connect database mean.

Names, codes and units: Android Open Source Project, module HealthFitness, the record helpers of
`com.android.server.healthconnect.storage.datatypehelpers` and the record classes of
`android.health.connect.datatypes`. Records are stored in the base units of those classes: calories (of 4.184 J, not
kilocalories), grams, metres, mmol/L, degrees Celsius. Times are milliseconds since 1970, offsets seconds east of UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from shelflife.sources.source import SourceType

if TYPE_CHECKING:
    from collections.abc import Mapping

APPLICATIONS, DEVICES = "application_info_table", "device_info_table"
GLUCOSE, SLEEP, STAGES = "blood_glucose_record_table", "sleep_session_record_table", "sleep_stages_table"
EXERCISE = "exercise_session_record_table"


@dataclass(frozen=True)
class RecordTable:
    """A table whose rows are observations with one number each.

    Attributes:
        name: the table.
        column: the column of the number.
        signal: what it is a number of.
        unit: its unit.
        statistic: what it says about its interval.
        interval: whether rows have a start and an end, or one time.
    """

    name: str
    column: str
    signal: str
    unit: str
    statistic: str = "instant"
    interval: bool = False


@dataclass(frozen=True)
class SeriesTable:
    """A table of samples that belong to the interval records of another table.

    Attributes:
        name: the table of the samples.
        parent: the table of the records.
        column: the column of the number.
        signal: what it is a number of.
        unit: its unit.
    """

    name: str
    parent: str
    column: str
    signal: str
    unit: str


RECORDS: tuple[RecordTable, ...] = (
    RecordTable("steps_record_table", "count", "step_count", "steps", "sum", interval=True),
    RecordTable("distance_record_table", "distance", "distance", "m", "sum", interval=True),
    RecordTable(
        "active_calories_burned_record_table", "energy", "active_energy", "cal", "sum", interval=True
    ),
    RecordTable("resting_heart_rate_record_table", "beats_per_minute", "resting_heart_rate", "bpm"),
    RecordTable(
        "heart_rate_variability_rmssd_record_table",
        "heart_rate_variability_millis",
        "hrv_rmssd",
        "ms",
        "rmssd",
    ),
    RecordTable("oxygen_saturation_record_table", "percentage", "spo2", "%"),
    RecordTable("respiratory_rate_record_table", "rate", "respiratory_rate", "breaths/min"),
    RecordTable("vo2_max_record_table", "vo2_milliliters_per_minute_kilogram", "vo2max", "mL/kg/min"),
    RecordTable("weight_record_table", "weight", "body_weight", "g"),
    RecordTable("body_temperature_record_table", "temperature", "body_temperature", "Cel"),
)
SERIES: tuple[SeriesTable, ...] = (
    SeriesTable(
        "heart_rate_record_series_table", "heart_rate_record_table", "beats_per_minute", "heart_rate", "bpm"
    ),
    SeriesTable(
        "skin_temperature_delta_table",
        "skin_temperature_record_table",
        "delta",
        "skin_temperature_delta",
        "Cel",
    ),
)

UNUSED: Mapping[str, str] = MappingProxyType(
    {
        "exercise_route_table": "Locations: counted and dropped.",
        "exercise_lap_table": "",
        "exercise_segments_table": "",
        "total_calories_burned_record_table": "Holds the basal energy, too, so it is no active energy.",
        "blood_pressure_record_table": "No signal yet.",
        "basal_body_temperature_record_table": "",
        "basal_metabolic_rate_record_table": "",
        "body_fat_record_table": "",
        "body_water_mass_record_table": "",
        "bone_mass_record_table": "",
        "lean_body_mass_record_table": "",
        "height_record_table": "",
        "hydration_record_table": "",
        "nutrition_record_table": "",
        "floors_climbed_record_table": "",
        "elevation_gained_record_table": "",
        "wheelchair_pushes_record_table": "",
        "speed_record_table": "",
        "power_record_table": "",
        "steps_cadence_record_table": "",
        "cycling_pedaling_cadence_record_table": "",
        "SpeedRecordTable": "",
        "PowerRecordTable": "",
        "StepsCadenceRecordTable": "",
        "CyclingPedalingCadenceRecordTable": "",
    }
)
"""Tables of records without a signal, which are counted, and what is worth knowing about them."""

RECORD_TABLE_ENDS = ("_record_table", "_series_table", "_delta_table", "RecordTable", "_resource_table")
"""How the names of tables with records end; the others hold settings, logs and indices."""

STAGE_OF_CODE: Mapping[int, str] = MappingProxyType(
    {
        1: "awake",
        2: "asleep_unspecified",
        3: "out_of_bed",
        4: "light",
        5: "deep",
        6: "rem",
        7: "awake",
    }
)
UNKNOWN_STAGE = 0
AWAKE_CODES = (1, 3, 7)
"""Stages that do not count as sleep in Health Connect's own sleep duration."""

GLUCOSE_OF_SPECIMEN: Mapping[str, str] = MappingProxyType(
    {"1": "glucose_interstitial", "2": "glucose_capillary"}
)
UNKNOWN_SPECIMEN = "0"
SENSOR_PACKAGES = ("com.dexcom.", "com.freestylelibre.", "com.eveningoutpost.dexdrip", "com.senseonics.")
"""Beginnings of the packages of applications that read a continuous glucose sensor and nothing else."""

MANUAL_ENTRY = 3
EXERCISES: tuple[str, ...] = tuple(
    """
    other badminton baseball basketball biking biking_stationary boot_camp boxing calisthenics cricket dancing
    exercise_class fencing football_american football_australian frisbee_disc golf guided_breathing gymnastics handball
    high_intensity_interval_training hiking ice_hockey ice_skating martial_arts paddling paragliding pilates racquetball
    rock_climbing roller_hockey rowing rugby running running_treadmill sailing scuba_diving skating skiing snowboarding
    snowshoeing soccer softball squash stair_climbing strength_training stretching surfing swimming_open_water
    swimming_pool table_tennis tennis volleyball walking water_polo weightlifting wheelchair yoga other
    stair_climbing_machine elliptical rowing_machine
    """.split()  # noqa: SIM905 (a hundred lines otherwise)
)
"""Exercise types of the platform by their number (`ExerciseSessionType`; the Jetpack library counts differently)."""

TYPES: tuple[SourceType, ...] = (
    *(SourceType(f"{table.name}.{table.column}", table.signal, table.unit, table.statistic) for table in RECORDS),
    *(SourceType(f"{table.name}.{table.column}", table.signal, table.unit, "instant") for table in SERIES),
    SourceType(f"{GLUCOSE}.level", "glucose_interstitial", "mmol/L", "instant", "Specimen source 1, or a sensor's application."),
    SourceType(f"{GLUCOSE}.level", "glucose_capillary", "mmol/L", "instant", "Specimen source 2; others are quarantined."),
    SourceType(f"{STAGES}.stage_type", "sleep_stage"),
    SourceType(SLEEP, "sleep_episode", "ms", "sum", note="Length without the stages awake and out of bed, as in the phone's own sum."),
    SourceType(EXERCISE, "workout", note="Titles and notes are dropped."),
    *(SourceType(name, None, note=note or "No signal: counted.") for name, note in UNUSED.items()),
)  # fmt: skip
