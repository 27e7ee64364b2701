"""Google Fit data points: from the REST API (`value`) and from the archive (`fitValue`), which differ in little else.

Times are nanoseconds since 1970 (text in the API, numbers in the archive), so they are instants. A momentary value is as of
its end (vendor). `originDataSourceId` says which application and device a value is from; its parts are
`raw|derived : data type : package [: make : model : serial] : stream`. The package becomes a label, the serial is dropped.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shelflife.sources import google_fit_types as fit
from shelflife.sources.device_labels import known_maker, known_model
from shelflife.sources.json_values import mapping, nanoseconds, sequence, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import Parsing

COMMON: Observation = {"source_platform": "google_fit"}
_APPS: Mapping[str, str] = MappingProxyType(
    {
        "com.google.android.apps.fitness": "google_fit",
        "com.google.android.gms": "google_play_services",
        "com.google.android.apps.healthdata": "health_connect",
        "com.strava": "strava",
        "com.nike.plusgps": "nike_run_club",
        "com.mapmyrun.android2": "mapmyrun",
        "com.azumio.instantheartrate.full": "instant_heart_rate",
        "si.modula.android.instantheartrate": "instant_heart_rate",
        "com.fatsecret.android": "fatsecret",
        "com.wsl.noom": "noom",
        "com.fitbit.FitbitMobile": "fitbit",
        "com.xiaomi.hm.health": "mi_fit",
        "com.xiaomi.wearable": "mi_fitness",
        "com.sec.android.app.shealth": "samsung_health",
        "com.garmin.android.apps.connectmobile": "garmin_connect",
        "com.withings.wiscale2": "withings",
        "com.ouraring.oura": "oura",
        "fi.polar.polarflow": "polar_flow",
        "com.myfitnesspal.android": "myfitnesspal",
        "com.urbandroid.sleep": "sleep_as_android",
    }
)
_WITH_DEVICE = 7
_SPECIMEN_PLACE = 4
_LOCATION = "location"


def point_rows(point: Mapping[str, Any], stream: str | None, parsing: Parsing) -> Iterator[Observation]:
    """Yield the rows of one data point; count it where it holds no signal.

    Args:
        point: the data point.
        stream: id of the data source that the whole file is of, for points that do not name their type or origin.
        parsing: counts what has no signal.
    """
    kind = text(point.get("dataTypeName")) or _type_of(stream) or ""
    values = [_number(entry) for entry in sequence(point.get("value", point.get("fitValue")))]
    start, end = nanoseconds(point.get("startTimeNanos")), nanoseconds(point.get("endTimeNanos"))
    row: Observation = {
        **origin(text(point.get("originDataSourceId")) or stream),
        "start": start,
        "end": end,
        "path": fit.type_key(kind),
    }
    modified = whole(point.get("modifiedTimeMillis"))
    if modified is not None:
        row["modified"] = modified * 1000
    if kind in fit.NUMBERS:
        yield {**row, **_momentary(kind, end), **_measured(kind, values)}
    elif kind in fit.SUMMARIES:
        for part in _summary(fit.SUMMARIES[kind], values):
            yield {**row, **part}
    elif kind == fit.SLEEP:
        yield {**row, **_stage(fit.STAGE_OF_SLEEP, values)}
    elif kind == fit.ACTIVITY:
        yield from _activity(row, values, parsing)
    else:
        parsing.ignore(_LOCATION if ".location." in kind else fit.type_key(kind))


def origin(source_id: str | None) -> Observation:
    """Return the provenance that a data source's id tells, without what may name a person or a single device."""
    parts = (source_id or "").split(":")
    found: Observation = {"modality": "self_reported" if parts[-1] == "user_input" else "sensed"}
    if len(parts) > 2:
        found["source_app"] = _APPS.get(parts[2], "third_party")
    if len(parts) == _WITH_DEVICE:
        found["device_make"], found["device_model"] = known_maker(parts[3]), known_model(parts[4])
    return found


def _type_of(stream: str | None) -> str | None:
    parts = (stream or "").split(":")
    return parts[1] if len(parts) > 1 else None


def _number(entry: object) -> Any:
    """Return the number of one value: `{"fpVal": 1.5}`, or `{"value": {"fpVal": 1.5}}` in the archive."""
    value = mapping(entry)
    value = mapping(value.get("value", value))
    return value.get("fpVal", value.get("intVal"))


def _momentary(kind: str, end: int | None) -> Observation:
    return {"start": end, "end": end} if fit.NUMBERS[kind].instant and end is not None else {}


def _measured(kind: str, values: list[Any]) -> Observation:
    known = fit.NUMBERS[kind]
    row: Observation = {
        "signal": known.signal,
        "value": values[0] if values else None,
        "unit": known.unit,
        "statistic": known.statistic,
    }
    if kind == fit.GLUCOSE:
        specimen = whole(values[_SPECIMEN_PLACE]) if len(values) > _SPECIMEN_PLACE else None
        row["signal"] = fit.SPECIMEN_SIGNAL.get(specimen or 0)
    return row


def _summary(known: fit.FitType, values: list[Any]) -> Iterator[Observation]:
    for place, statistic in enumerate(("mean", "max", "min")):
        value = values[place] if place < len(values) else None
        yield {"signal": known.signal, "value": value, "unit": known.unit, "statistic": statistic}


def _stage(stages: Mapping[int, str], values: list[Any]) -> Observation:
    code = whole(values[0]) if values else None
    stage = stages.get(-1 if code is None else code)
    row: Observation = {
        "signal": "sleep_stage",
        "value": stage,
        "value_raw": None if code is None else str(code),
    }
    if stage is None:
        row["problem"] = "missing_value" if code is None else "unknown_code"
    return row


def _activity(row: Observation, values: list[Any], parsing: Parsing) -> Iterator[Observation]:
    code = whole(values[0]) if values else None
    if code is None:
        yield {**row, "signal": "workout", "value": None}
    elif code in fit.STAGE_OF_ACTIVITY:
        yield {**row, **_stage(fit.STAGE_OF_ACTIVITY, values)}
    elif code in fit.PASSIVE:
        parsing.ignore(f"{fit.ACTIVITY} {fit.PASSIVE[code]}")
    else:
        yield {**row, "signal": "workout", "value": fit.activity_name(code), "value_raw": str(code)}
