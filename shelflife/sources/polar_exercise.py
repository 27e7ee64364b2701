"""Exercises of Polar AccessLink: totals, and samples in lists of numbers at equal distances."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from shelflife.sources.json_times import moment
from shelflife.sources.json_values import mapping, record_id, sequence, text
from shelflife.sources.polar_values import microseconds, model, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shelflife.sources.observations import Observation

_SPORT = re.compile(r"[A-Z][A-Z0-9_]{0,60}")
_HEART_RATE, _RR = "0", "11"
"""Sample types (AccessLink documentation, appendix "Exercise sample types")."""
_LONGEST_RATE_S = 3600
_MOST_BEATS_MS = 7 * 24 * 3600 * 1000


def exercise(values: dict[str, Any], ignore: Callable[[str], None]) -> Iterator[Observation]:
    """Yield a workout, its totals and its samples."""
    start = _local(values.get("start_time"))
    offset = values.get("start_time_utc_offset")
    identity = record_id(values.get("id"))
    shared: Observation = {
        "offset_min": offset if type(offset) is int else None,
        "device_model": model(values.get("device")),
        "parent_id": identity,
    }
    whole: Observation = {
        **shared,
        "start": _text(start),
        "duration_us": microseconds(values.get("duration")),
    }
    sport = next(
        (name for name in (values.get("detailed_sport_info"), values.get("sport")) if _is_sport(name)), None
    )
    yield {
        **whole,
        "signal": "workout",
        "value": None if sport is None else sport.lower(),
        "source_record_id": identity,
        "modified": text(values.get("upload_time")),
        "path": "exercise",
        "problem": "unknown_code" if sport is None else None,
    }
    rates = mapping(values.get("heart_rate"))
    totals = (
        (values.get("distance"), "distance", "m", "sum", "distance"),
        (values.get("calories"), "active_energy", "kcal", "sum", "calories"),
        (rates.get("average"), "heart_rate", "bpm", "mean", "heart_rate.average"),
        (rates.get("maximum"), "heart_rate", "bpm", "max", "heart_rate.maximum"),
    )
    for value, signal, unit, statistic, path in totals:
        if (given := number(value)) is not None:
            yield {
                **whole, "signal": signal, "value": given, "unit": unit, "statistic": statistic, "path": f"exercise.{path}"
            }  # fmt: skip
    if values.get("route"):
        ignore("location")
    for one in sequence(values.get("samples")):
        yield from _samples(one, start, shared, ignore)


def _samples(
    given: Any, start: dt.datetime | None, shared: Observation, ignore: Callable[[str], None]
) -> Iterator[Observation]:
    """Yield the numbers of one list; lists of another type (speed, altitude, power) are counted."""
    one = {name.replace("-", "_"): value for name, value in mapping(given).items()}
    kind, rate, data = str(one.get("sample_type")), one.get("recording_rate"), one.get("data")
    texts = _split(data) if isinstance(data, str) else iter(())
    if kind == _RR:
        yield from _beats(texts, start, shared, ignore)
    elif kind == _HEART_RATE and type(rate) is int and 0 < rate <= _LONGEST_RATE_S:
        for place, rate_text in enumerate(texts):
            if number(rate_text) is None:
                ignore("exercise.samples")
            else:
                yield {
                    **shared,
                    "signal": "heart_rate",
                    "value": rate_text,
                    "unit": "bpm",
                    "start": _later(start, place * rate * 1000),
                    "statistic": "instant",
                    "path": "exercise.samples.0",
                }
    else:
        ignore("exercise.samples")


def _beats(
    texts: Iterator[str], start: dt.datetime | None, shared: Observation, ignore: Callable[[str], None]
) -> Iterator[Observation]:
    """Yield intervals between beats, each at its end, counted from the start of the exercise."""
    passed = 0.0
    for length in texts:
        if number(length) is None:
            ignore("exercise.samples")
            continue
        try:
            passed += float(length)
        except ValueError:
            passed = _MOST_BEATS_MS + 1.0
        yield {
            **shared,
            "signal": "rr_interval",
            "value": length,
            "unit": "ms",
            "start": _later(start, passed) if 0 < passed <= _MOST_BEATS_MS else None,
            "statistic": "instant",
            "path": "exercise.samples.11",
        }


def _split(data: str) -> Iterator[str]:
    """Yield the parts of a list one by one, however long it is."""
    begin = 0
    while (end := data.find(",", begin)) >= 0:
        yield data[begin:end]
        begin = end + 1
    yield data[begin:]


def _is_sport(name: object) -> bool:
    return isinstance(name, str) and _SPORT.fullmatch(name) is not None


def _local(given: object) -> dt.datetime | None:
    """Return a wall-clock time, as the documentation has it; one with an offset is none."""
    read = moment(given)
    return None if read is None or read.tzinfo is not None else read


def _later(start: dt.datetime | None, milliseconds: float) -> str | None:
    try:
        return None if start is None else _text(start + dt.timedelta(milliseconds=milliseconds))
    except OverflowError:
        return None


def _text(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat()
