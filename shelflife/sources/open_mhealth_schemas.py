"""The Open mHealth and IEEE 1752.1 schemas that are read, described in words of our own, by name and version.

Source: openmhealth/schemas (schema library 1.x to 4.x). Each version refuses what its JSON Schema refuses; where a newer
minor version of a part exists, the newest counts, as the library's own references have it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shelflife.sources.json_shapes import Fields, Flag, Number, Shape, Text
from shelflife.sources.open_mhealth_parts import (
    ACTIVITY,
    BLOOD,
    DURATION_UNITS,
    FRAME,
    HEADER,
    IEEE_FRAME,
    IEEE_LONG_FRAME,
    LENGTH_UNITS,
    LONG_FRAME,
    MASS_UNITS,
    MEAL,
    NEEDED,
    NOTES,
    OLD_HEADER,
    OLD_PLACES,
    OLD_SPECIMENS,
    OLD_STATISTIC,
    PER,
    PLACES,
    SLEEP,
    SPECIMENS,
    STATISTIC,
    measure,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shelflife.sources.json_shapes import Fault, OneOf

SchemaId = tuple[str, str]
"""Name and version."""


def _body(
    name: str, value: Shape, *extras: Mapping[str, Shape], timed: bool = True, frame: OneOf = FRAME
) -> Fields:
    """Describe a body whose measure has a property of its own.

    Args:
        name: that property.
        value: what it holds.
        extras: further properties.
        timed: whether a time frame is required.
        frame: what time frames are permitted.
    """
    properties: dict[str, Shape] = {
        name: value,
        "effective_time_frame": frame,
        "descriptive_statistic": STATISTIC,
    }
    for extra in extras:
        properties |= extra
    return Fields(properties, (name, "effective_time_frame") if timed else (name,))


def _without_statistic(body: Fields) -> Fields:
    kept = {name: shape for name, shape in body.properties.items() if name != "descriptive_statistic"}
    return Fields(kept, body.required)


def _glucose(*extras: Mapping[str, Shape], timed: bool = True, frame: OneOf = FRAME) -> Fields:
    value = measure("mg/dL", "mmol/L")
    meal: dict[str, Shape] = {"temporal_relationship_to_meal": MEAL}
    return _body("blood_glucose", value, *extras, meal, SLEEP, timed=timed, frame=frame)


def _specimen(name: str, choices: tuple[str, ...]) -> dict[str, Shape]:
    return {name: Text(choices)}


def _temperature(
    places: tuple[str, ...], *extras: Mapping[str, Shape], timed: bool = True, frame: OneOf = FRAME
) -> Fields:
    where: dict[str, Shape] = {"measurement_location": Text(places)}
    return _body("body_temperature", measure("K", "F", "C"), where, *extras, timed=timed, frame=frame)


_OXYGEN: Mapping[str, Shape] = {
    "system": Text(("peripheral capillary",)),
    "supplemental_oxygen_flow_rate": measure("L/min"),
    "oxygen_therapy_mode_of_administration": Text(("nasal cannula",)),
    "measurement_method": Text(("pulse oximetry",)),
}
_EXERCISE: dict[str, Shape] = {
    "distance": measure(*LENGTH_UNITS),
    "reported_activity_intensity": Text(("light", "moderate", "vigorous")),
}
_METS: dict[str, Shape] = {"met_value": Number()}
_KCAL: dict[str, Shape] = {"kcal_burned": measure("kcal")}
_MOVES: dict[str, Shape] = {
    "base_movement_quantity": measure("steps", "laps", "skips", "movements", "strokes")
}
_NIGHT: dict[str, Shape] = {
    "latency_to_sleep_onset": measure(*DURATION_UNITS),
    "latency_to_arising": measure(*DURATION_UNITS),
    "total_sleep_time": measure(*DURATION_UNITS),
    "number_of_awakenings": Number(whole=True),
    "is_main_sleep": Flag(),
    "sleep_maintenance_efficiency_percentage": measure("%"),
}
_WAKING: dict[str, Shape] = {"wake_after_sleep_onset": measure(*DURATION_UNITS)}


def _night(*extras: Mapping[str, Shape], frame: OneOf = LONG_FRAME) -> Fields:
    properties: dict[str, Shape] = {"effective_time_frame": frame, **_NIGHT}
    for extra in extras:
        properties |= extra
    return Fields(properties, ("effective_time_frame",))


def _exercise(*extras: Mapping[str, Shape], timed: bool = False, frame: OneOf = FRAME) -> Fields:
    return _without_statistic(_body("activity_name", Text(), _EXERCISE, *extras, timed=timed, frame=frame))


_HEART = measure("beats/min")
_BREATH = measure("breaths/min")
_STEPS = measure("steps")
_WEIGHT = measure(*MASS_UNITS)
_SHORT_SLEEP = measure("sec", "min", "h")
_OLD_PER: dict[str, Shape] = {**PER, "descriptive_statistic": OLD_STATISTIC}
_ASLEEP = measure(*DURATION_UNITS)

SCHEMAS: Mapping[SchemaId, Shape] = MappingProxyType(
    {
        ("blood-glucose", "1.0"): _glucose(_specimen("blood_specimen_type", BLOOD), NOTES, timed=False),
        ("blood-glucose", "2.0"): _glucose(_specimen("specimen_source", OLD_SPECIMENS), NOTES, timed=False),
        ("blood-glucose", "3.0"): _glucose(_specimen("specimen_source", SPECIMENS)),
        ("blood-glucose", "4.0"): _glucose(_specimen("specimen_source", SPECIMENS), frame=IEEE_FRAME),
        ("body-temperature", "1.0"): _temperature(OLD_PLACES, timed=False),
        ("body-temperature", "2.0"): _temperature(PLACES, SLEEP, timed=False),
        ("body-temperature", "3.0"): _temperature(PLACES, SLEEP),
        ("body-temperature", "4.0"): _temperature(PLACES, SLEEP, frame=IEEE_FRAME),
        ("body-weight", "1.0"): _body("body_weight", _WEIGHT, timed=False),
        ("body-weight", "2.0"): _body("body_weight", _WEIGHT),
        ("body-weight", "3.0"): _body("body_weight", _WEIGHT, frame=IEEE_FRAME),
        ("heart-rate", "1.0"): _body("heart_rate", _HEART, ACTIVITY, NOTES, timed=False),
        ("heart-rate", "1.1"): _body("heart_rate", _HEART, ACTIVITY, SLEEP, NOTES, timed=False),
        ("heart-rate", "2.0"): _body("heart_rate", _HEART, ACTIVITY, SLEEP),
        ("oxygen-saturation", "1.0"): _body("oxygen_saturation", measure("%"), _OXYGEN, timed=False),
        ("oxygen-saturation", "2.0"): _body("oxygen_saturation", measure("%"), _OXYGEN),
        ("respiratory-rate", "1.0"): _body("respiratory_rate", _BREATH, ACTIVITY, timed=False),
        ("respiratory-rate", "2.0"): _body("respiratory_rate", _BREATH, ACTIVITY),
        ("rr-interval", "1.0"): _body("rr_interval", measure("ms"), ACTIVITY, timed=False),
        ("sleep-duration", "1.0"): _without_statistic(
            _body("sleep_duration", _SHORT_SLEEP, NOTES, timed=False)
        ),
        ("sleep-duration", "2.0"): _body("sleep_duration", _SHORT_SLEEP, PER, frame=LONG_FRAME),
        ("total-sleep-time", "1.0"): _body("total_sleep_time", _ASLEEP, PER, frame=LONG_FRAME),
        ("sleep-episode", "1.0"): _night(),
        ("sleep-episode", "1.1"): _night(_WAKING),
        ("step-count", "1.0"): _without_statistic(_body("step_count", Number(), timed=False)),
        ("step-count", "2.0"): _body("step_count", Number(), _OLD_PER, frame=LONG_FRAME),
        ("step-count", "3.0"): _body("step_count", _STEPS, _OLD_PER, frame=LONG_FRAME),
        ("physical-activity", "1.0"): _exercise(),
        ("physical-activity", "1.1"): _exercise(_METS),
        ("physical-activity", "1.2"): _exercise(_METS, _KCAL),
        ("time-frame", "1.0"): FRAME,
        ("header", "1.0"): Fields(OLD_HEADER, tuple(NEEDED)),
        ("header", "1.1"): Fields({**OLD_HEADER, "user_id": Text()}, tuple(NEEDED)),
        ("header", "1.2"): HEADER,
    }
)
"""Every version that is read, the oldest version of a name first."""

IEEE_SCHEMAS: Mapping[SchemaId, Shape] = MappingProxyType(
    {
        ("total-sleep-time", "1.0"): _body("total_sleep_time", _ASLEEP, PER, frame=IEEE_LONG_FRAME),
        ("sleep-episode", "1.0"): _night(_WAKING, frame=IEEE_LONG_FRAME),
        ("physical-activity", "1.0"): _exercise(_METS, _KCAL, _MOVES, PER, timed=True, frame=IEEE_LONG_FRAME),
    }
)
"""Bodies that a header names in the namespace `ieee`."""

_PROPERTIES: Mapping[SchemaId, frozenset[str]] = MappingProxyType(
    {
        key: frozenset(shape.properties)
        if isinstance(shape, Fields)
        else frozenset({"date_time", "time_interval"})
        for key, shape in SCHEMAS.items()
    }
)
PROPERTIES: frozenset[str] = frozenset[str]().union(*_PROPERTIES.values())
"""Every property that a body, a header or a time frame can have."""
_SHARED = frozenset(
    {"effective_time_frame", "descriptive_statistic", "descriptive_statistic_denominator", "user_notes"}
)
TELLING: frozenset[str] = PROPERTIES - _SHARED
"""Properties that only a few schemas have."""


def judge(name: str, version: str, body: Any, *, ieee: bool = False) -> Fault | None:
    """Return what is wrong with a body by the schema that its header names.

    A version that is not described is judged by the newest described one of the same name.

    Args:
        name: the schema's name, one of those of `SCHEMAS`.
        version: its version.
        body: the body.
        ieee: whether the namespace is that of IEEE 1752.1.
    """
    table = IEEE_SCHEMAS if ieee and any(known == name for known, _ in IEEE_SCHEMAS) else SCHEMAS
    newest = [key for key in table if key[0] == name][-1]
    return table.get((name, version), table[newest]).fault(body)


def judge_bare(body: Mapping[str, Any]) -> tuple[str, Fault | None]:
    """Return which schema a body without a header is meant to have, and what is wrong with it by that.

    The schemas that know most of its properties are meant; it is right when any version of them accepts it.
    """

    def knows(key: SchemaId) -> tuple[int, bool]:
        own = key[0].replace("-", "_")
        return len(_PROPERTIES[key] & body.keys()), own in body or (
            own == "physical_activity" and "activity_name" in body
        )

    most = max(knows(key) for key in SCHEMAS)
    meant = [key for key in reversed(tuple(SCHEMAS)) if knows(key) == most]
    faults = [(name, SCHEMAS[name, version].fault(body)) for name, version in meant]
    accepted = next((found for found in faults if found[1] is None), None)
    if accepted is not None:
        return accepted
    name, fault = faults[0]
    return (name if all(known == name for known, _ in faults) else "body"), fault
