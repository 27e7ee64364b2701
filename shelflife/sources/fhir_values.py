"""The values and times of a FHIR R4 Observation: Quantity, integer, code, SampledData; dateTime, Period, instant.

Source: hl7.org/fhir/R4 (Observation, Datatypes: SampledData, Period, dateTime).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.sample import QualityFlag
from shelflife.signals.vocabulary import SIGNALS
from shelflife.sources.activity_names import activity_code
from shelflife.sources.fhir_codes import COMPARATORS, unit_of
from shelflife.sources.json_values import day_of
from shelflife.sources.times import iso_times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.sources.observations import Observation

Element = dict[str, Any]

VALUES: tuple[str, ...] = (
    "valueQuantity",
    "valueInteger",
    "valueCodeableConcept",
    "valueSampledData",
    "valueString",
    "valueBoolean",
    "valueRange",
    "valueRatio",
    "valueTime",
    "valueDateTime",
    "valuePeriod",
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_POINT = re.compile(r"\S+")
_LONGEST_PERIOD = Decimal(10**12)
_FURTHEST = Decimal(10**14)


def time_of(resource: Element) -> Observation:
    """Return when an Observation is about.

    A date becomes the whole local day, since FHIR gives no offset with it. A year or a month names no day, and a period
    without one of its ends has no length: both have no time that a sample could have.
    """
    moment = resource.get("effectiveDateTime") or resource.get("effectiveInstant")
    if moment is not None:
        return _moment(moment)
    period = resource.get("effectivePeriod") or {}
    start, end = period.get("start"), period.get("end")
    if start is None or end is None:
        return {"problem": "no_time"}
    first, last = _moment(start), _moment(end)
    problem = first.get("problem") or last.get("problem")
    if problem:
        return {"start": start, "problem": problem}
    # The end of a period that is a date includes that day.
    return {"start": first["start"], "end": last.get("end", last["start"])}


def value_of(signal: str | None, holder: Element) -> Observation:
    """Return the value that an Observation or one of its components has, of any kind but SampledData."""
    quantity = holder.get("valueQuantity")
    if isinstance(quantity, dict):
        return _quantity(signal, quantity)
    if "valueInteger" in holder:
        return _count(signal, holder["valueInteger"])
    concept = holder.get("valueCodeableConcept")
    if isinstance(concept, dict) and signal == "workout":
        return {"value": _activity(concept)}
    if any(kind in holder for kind in VALUES):
        return {"problem": "value_conflict"}
    return {"problem": "missing_value"}


def sampled(signal: str | None, data: Element, about: Observation) -> Iterator[Observation | None]:
    """Yield an observation for each point of a SampledData; None for a point that the device could not take.

    A point is `origin + factor * number`, `period` milliseconds after the one before. FHIR does not say whether a limit of
    detection is scaled, so `L` and `U` have a value only where scaling changes nothing.
    """
    start, offset, problem = _start(about)
    period, factor = Decimal(str(data.get("period"))), Decimal(str(data.get("factor", 1)))
    origin = Decimal(str(data["origin"].get("value", 0)))
    if data.get("dimensions") != 1:
        # Which of the interleaved series is the signal is not said.
        problem = "bad_record"
    if problem is not None or not 0 < period < _LONGEST_PERIOD:
        yield {**about, "value_raw": None, "problem": problem or "bad_time"}
        return
    common: Observation = {
        **about,
        "unit": unit_of(signal, data["origin"]),
        "offset_min": offset,
        "statistic": "instant",
    }
    plain = factor == 1 and origin == 0
    for index, match in enumerate(_POINT.finditer(data.get("data") or "")):
        word = match[0]
        if word == "E":
            yield None
            continue
        since = period * 1000 * index
        when = start + int(since) if since < _FURTHEST * 1000 else None
        point: Observation = {**common, "start": when, "end": when}
        yield {**point, **_point(word, origin, factor, data if plain else {})}


def _point(word: str, origin: Decimal, factor: Decimal, limits: Element) -> Observation:
    if word in {"L", "U"}:
        limit = limits.get("lowerLimit" if word == "L" else "upperLimit")
        side = "<" if word == "L" else ">"
        return {"value": limit, "comparator": side, "value_raw": word}
    try:
        number = Decimal(word)
        return {"value": origin + factor * number, "value_raw": word}
    except ArithmeticError:
        return {"value": word}


def _start(about: Observation) -> tuple[int, int | None, str | None]:
    """Return start in microseconds, offset and problem of an observation whose start is a text."""
    problem = about.get("problem")
    if problem is not None:
        return 0, None, problem
    read = iso_times(pa.array([str(about.get("start"))]))
    micros = pc.cast(read.utc, pa.int64())[0].as_py()
    offset = read.offset_min[0].as_py()
    if micros is None or offset is None:
        return 0, None, "no_time" if offset is None and micros is not None else "bad_time"
    return micros, offset, None


def _moment(text: str) -> Observation:
    if "T" in text:
        return {"start": text}
    return day_of(text) if _DAY.fullmatch(text) else {"start": text, "problem": "no_time"}


def _quantity(signal: str | None, quantity: Element) -> Observation:
    found: Observation = {"value": quantity.get("value"), "unit": unit_of(signal, quantity)}
    given = quantity.get("comparator")
    if given is not None:
        found["comparator"] = COMPARATORS[given]
        found["value_raw"] = f"{given}{quantity.get('value')}"
    return found


def _count(signal: str | None, number: Any) -> Observation:
    """Return an integer: without a unit of its own it can only count steps."""
    if signal == "step_count":
        return {"value": number, "unit": "{steps}", "flags": int(QualityFlag.UNIT_ASSUMED)}
    return {"value": number, "unit": "{score}" if _is_score(signal) else None}


def _is_score(signal: str | None) -> bool:
    return signal is not None and SIGNALS[signal].unit == "{score}"


def _activity(concept: Element) -> str:
    """Return the code of an activity; the words are free text, so only known ones pass."""
    words = [concept.get("text"), *(coding.get("display") for coding in concept.get("coding") or ())]
    codes = [activity_code(text) for text in words if isinstance(text, str)]
    return next((code for code in codes if code != "other"), "other")
