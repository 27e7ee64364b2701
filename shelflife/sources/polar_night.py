"""Sleep and Nightly Recharge of Polar AccessLink: values by the clock of a night (`"00:39": 2`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shelflife.sources.json_times import moment
from shelflife.sources.json_values import mapping, text
from shelflife.sources.polar_values import day_after, day_before, is_date, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shelflife.sources.observations import Observation

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_STAGES = {"0": "awake", "1": "rem", "2": "light", "3": "light", "4": "deep"}
_UNKNOWN = "5"
"""No stage, for example for bad contact with the skin (AccessLink documentation, `hypnogram`)."""
_ASLEEP = ("light_sleep", "deep_sleep", "rem_sleep", "unrecognized_sleep_stage")
_FIVE_MINUTES = 300
_RECHARGE_S = 4 * 3600
_NOON = "12:00"


def night(values: dict[str, Any], ignore: Callable[[str], None]) -> Iterator[Observation]:
    """Yield a night, its score, its stages and its heart rates.

    A clock time belongs to the date on which the sleep began when it is not earlier than the time at which it began, else to
    the next one; it has the offset of that beginning. A stage lasts until the next one, the last until the end.
    """
    begin, end = values.get("sleep_start_time"), values.get("sleep_end_time")
    parts = [number(values.get(name)) for name in _ASLEEP]
    lengths = [part for part in parts if isinstance(part, int)]
    whole: Observation = {"start": text(begin), "end": text(end)}
    identity = f"sleep-{begin}" if text(begin) is not None and moment(begin) is not None else None
    yield {
        **whole,
        "signal": "sleep_episode",
        "value": sum(lengths) if lengths else None,
        "unit": "s",
        "statistic": "sum",
        "source_record_id": identity,
        "path": "sleep",
    }
    if (score := number(values.get("sleep_score"))) is not None:
        yield {**whole, "signal": "sleep_score", "value": score, "unit": "score", "path": "sleep.sleep_score"}
    stages = _by_clock(values.get("hypnogram"), lambda clock: _from(begin, clock))
    ends: list[str | None] = [start for start, _ in stages[1:]] + [text(end)]
    for (start, code), until in zip(stages, ends, strict=True):
        written = str(code)
        if written == _UNKNOWN:
            ignore("sleep.hypnogram")
            continue
        yield {
            "signal": "sleep_stage",
            "value": _STAGES.get(written, written),
            "value_raw": written,
            "start": start,
            "end": until,
            "parent_id": identity,
            "path": "sleep.hypnogram",
        }
    samples = _by_clock(values.get("heart_rate_samples"), lambda clock: _from(begin, clock))
    yield from _means(samples, "heart_rate", "bpm", "mean", "sleep.heart_rate_samples", ignore)


def recharge(values: dict[str, Any], ignore: Callable[[str], None]) -> Iterator[Observation]:
    """Yield the means of four hours of a night and the values of five minutes that it consists of.

    `date` is that of the morning, so that a clock time from noon on belongs to the day before. The four hours begin with
    the first value of five minutes; without any, the whole day is all that is known.
    """
    given = values.get("date")
    day = given if isinstance(given, str) and is_date(given) else None
    variability, breathing = (
        _by_clock(values.get(name), lambda clock: _of_night(day, clock))
        for name in ("hrv_samples", "breathing_samples")
    )
    firsts = [start for start, _ in [*variability[:1], *breathing[:1]] if start is not None]
    when: Observation = {"start": None if day is None else f"{day}T00:00:00"}
    if firsts:
        when = {"start": min(firsts), "duration_us": _RECHARGE_S * 1_000_000}
    elif day is not None:
        when["end"] = f"{day_after(day)}T00:00:00"
    means = (
        ("heart_rate_avg", "heart_rate", "bpm"),
        ("beat_to_beat_avg", "rr_interval", "ms"),
        ("heart_rate_variability_avg", "hrv_rmssd", "ms"),
        ("breathing_rate_avg", "respiratory_rate", "breaths/min"),
    )
    for name, signal, unit in means:
        if (mean := number(values.get(name))) is not None:
            yield {
                **when, "signal": signal, "value": mean, "unit": unit, "statistic": "mean", "path": f"recharge.{name}"
            }  # fmt: skip
    yield from _means(variability, "hrv_rmssd", "ms", "rmssd", "recharge.hrv_samples", ignore)
    yield from _means(
        breathing, "respiratory_rate", "breaths/min", "mean", "recharge.breathing_samples", ignore
    )


def _means(
    samples: list[tuple[str | None, Any]],
    signal: str,
    unit: str,
    statistic: str,
    path: str,
    ignore: Callable[[str], None],
) -> Iterator[Observation]:
    for start, value in samples:
        if (mean := number(value)) is None:
            ignore(path)
        else:
            yield {
                "signal": signal,
                "value": mean,
                "unit": unit,
                "start": start,
                "statistic": statistic,
                "window_s": _FIVE_MINUTES,
                "path": path,
            }


def _by_clock(given: Any, place: Callable[[str], str | None]) -> list[tuple[str | None, Any]]:
    """Return the values of an object by the clock with the time of each, earliest first; None for a time that is none."""
    found = [
        (place(clock) if _CLOCK.fullmatch(clock) else None, value) for clock, value in mapping(given).items()
    ]
    return sorted(found, key=lambda pair: pair[0] or "")


def _from(begin: Any, clock: str) -> str | None:
    """Return the time at which a clock shows this, first after a sleep began."""
    began = moment(begin)
    if began is None:
        return None
    same = clock >= began.strftime("%H:%M")
    day = began.date().isoformat() if same else day_after(began.date().isoformat())
    return f"{day}T{clock}:00{began.strftime('%z')}"


def _of_night(day: str | None, clock: str) -> str | None:
    if day is None:
        return None
    return f"{day_before(day) if clock >= _NOON else day}T{clock}:00"
