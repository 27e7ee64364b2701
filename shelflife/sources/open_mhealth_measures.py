"""What a valid Open mHealth body measures: signals, units, statistics and the time that each is about."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shelflife.sources.activity_names import activity_code
from shelflife.sources.json_times import since_epoch
from shelflife.sources.json_values import day_of
from shelflife.sources.open_mhealth_parts import FRAME, INTERVAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation

Body = dict[str, Any]

SIGNAL_OF: Mapping[str, tuple[str, str | None, str]] = MappingProxyType(
    {
        "heart-rate": ("heart_rate", "heart_rate", "instant"),
        "rr-interval": ("rr_interval", "rr_interval", "instant"),
        "oxygen-saturation": ("oxygen_saturation", "spo2", "instant"),
        "respiratory-rate": ("respiratory_rate", "respiratory_rate", "instant"),
        "body-temperature": ("body_temperature", "body_temperature", "instant"),
        "body-weight": ("body_weight", "body_weight", "instant"),
        # Which glucose it is stands in the body.
        "blood-glucose": ("blood_glucose", None, "instant"),
        "step-count": ("step_count", "step_count", "sum"),
        "sleep-duration": ("sleep_duration", "sleep_episode", "sum"),
        "total-sleep-time": ("total_sleep_time", "sleep_episode", "sum"),
        "sleep-episode": ("total_sleep_time", "sleep_episode", "sum"),
    }
)
"""The property that holds the measure, its signal, and what the number says when the body names no statistic."""

_GLUCOSE_OF = {"interstitial fluid": "glucose_interstitial", "capillary blood": "glucose_capillary"}
_STATISTICS = {"average": "mean", "maximum": "max", "minimum": "min", "sum": "sum"}
_WINDOWS = {"d": 86_400, "wk": 604_800}
_MICROSECONDS: Mapping[str, Decimal] = MappingProxyType(
    {
        "ps": Decimal("1e-6"),
        "ns": Decimal("1e-3"),
        "us": Decimal(1),
        "ms": Decimal(1_000),
        "sec": Decimal(1_000_000),
        "min": Decimal(60_000_000),
        "h": Decimal(3_600_000_000),
        "d": Decimal(86_400_000_000),
        "wk": Decimal(604_800_000_000),
    }
)
"""Microseconds of a unit of time. A month and a year have no fixed length."""
_LONGEST = Decimal(10**16)


def measures(name: str, body: Body, *, sensor: bool = False) -> Iterator[Observation]:
    """Yield what a valid body measures, without what its header says.

    Args:
        name: the schema's name.
        body: a body that the schema accepts.
        sensor: whether the source is known to be a continuous glucose sensor.
    """
    about: Observation = {**time_of(body.get("effective_time_frame")), **_statistic_of(body), "path": name}
    if name == "physical-activity":
        yield from _activity(body, about)
        return
    field, signal, statistic = SIGNAL_OF[name]
    value, unit = _quantity(body.get(field))
    found: Observation = {"signal": signal, "statistic": statistic, "value": value, "unit": unit, **about}
    if name == "blood-glucose":
        found["signal"] = _glucose(body, sensor=sensor)
    yield found


def time_of(frame: Any) -> Observation:
    """Return start and end of a valid time frame, or of none.

    A part of a day has no clock time in any standard, so it becomes the whole local day.
    """
    if frame is None:
        return {}
    moment = FRAME.branches[0]
    if FRAME.fitting(frame) is moment:
        return {"start": _upper(frame["date_time"])}
    interval = frame["time_interval"]
    fitting = INTERVAL.fitting(interval)
    required = fitting.required if fitting is not None else ()
    if "date" in required:
        return day_of(interval["date"])
    if "duration" not in required:
        return {"start": _upper(interval["start_date_time"]), "end": _upper(interval["end_date_time"])}
    length = _length(interval["duration"])
    named = "start_date_time" if "start_date_time" in required else "end_date_time"
    found: Observation = {"start": _upper(interval[named])}
    if length is None:
        found["problem"] = "ambiguous_time"
    elif named == "start_date_time":
        found["duration_us"] = length
    else:
        found |= _before(interval[named], length)
    return found


def _upper(text: str) -> str:
    # RFC 3339 permits `t` and `z`.
    return text.upper()


def _length(duration: Body) -> int | None:
    """Return microseconds; None where the unit has no fixed length or the number is beyond all reason."""
    factor, value = _MICROSECONDS.get(duration["unit"]), Decimal(duration["value"])
    # Comparing first keeps a number of a million digits from being written out.
    if factor is None or not -_LONGEST < value < _LONGEST:
        return None
    length = value * factor
    return int(length) if abs(length) < _LONGEST else None


def _before(end: str, length: int) -> Observation:
    """Return the interval of a length that ends at a date-time with an offset."""
    try:
        moment = dt.datetime.fromisoformat(_upper(end))
    except ValueError:
        return {"problem": "bad_time"}
    offset = moment.utcoffset() or dt.timedelta()
    last = since_epoch(moment)
    return {"start": last - length, "end": last, "offset_min": int(offset.total_seconds() // 60)}


def _statistic_of(body: Body) -> Observation:
    word = body.get("descriptive_statistic")
    if word is None:
        return {}
    known = _STATISTICS.get(word)
    if known is None:
        # A median or a variance beside plain values would be taken for one of them.
        return {"statistic": None, "problem": "unknown_signal"}
    window = _WINDOWS.get(body.get("descriptive_statistic_denominator", ""))
    return {"statistic": known, "window_s": window}


def _glucose(body: Body, *, sensor: bool) -> str | None:
    """Return which glucose it is; None for other specimens, and where nothing tells it."""
    specimen = body.get("specimen_source", body.get("blood_specimen_type"))
    if specimen is None and sensor:
        return "glucose_interstitial"
    return _GLUCOSE_OF.get(specimen or "")


def _activity(body: Body, about: Observation) -> Iterator[Observation]:
    code = activity_code(body["activity_name"])
    # The name is free text, so what was received stays out.
    yield {**about, "signal": "workout", "value": code, "statistic": None, "window_s": None}
    moves = body.get("base_movement_quantity")
    if isinstance(moves, dict) and moves.get("unit") == "steps":
        yield _part("step_count", moves, about)
    if "distance" in body:
        yield _part("distance", body["distance"], about)


def _part(signal: str, quantity: Body, about: Observation) -> Observation:
    value, unit = _quantity(quantity)
    return {"signal": signal, "statistic": "sum", "value": value, "unit": unit, **about}


def _quantity(quantity: Any) -> tuple[Any, str | None]:
    """Return value and unit; a bare number counts steps."""
    if isinstance(quantity, dict):
        return quantity["value"], quantity["unit"]
    return quantity, None if quantity is None else "steps"
