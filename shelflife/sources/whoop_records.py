"""Records of the WHOOP API as rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shelflife.signals.sample import QualityFlag
from shelflife.sources.activity_names import activity_code
from shelflife.sources.json_times import offset_minutes, utc_instant
from shelflife.sources.json_values import mapping, record_id, text, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.vendor_json import Row

_SCORED = "SCORED"
_UNSCORED = {"PENDING_SCORE": "pending score", "UNSCORABLE": "unscorable"}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ASLEEP = ("total_light_sleep_time_milli", "total_slow_wave_sleep_time_milli", "total_rem_sleep_time_milli")
_SLEEP_SCORES = ("performance", "efficiency", "consistency")
_HEART_RATES = (("average_heart_rate", "mean"), ("max_heart_rate", "max"))


def kind_of(fields: Collection[str]) -> str | None:
    """Return what a record with these fields is: `recovery`, `sleep`, `workout` or `cycle`; None for something else."""
    if "score_state" not in fields:
        return None
    # v2 sleeps name their cycle, too; only a recovery has no interval.
    if "start" not in fields:
        return "recovery" if "cycle_id" in fields else None
    if "nap" in fields:
        return "sleep"
    return "workout" if "sport_id" in fields or "sport_name" in fields else "cycle"


def _score(record: Mapping[str, Any], kind: str) -> Mapping[str, Any] | str:
    """Return the numbers of a record, or the word that counts one without."""
    score, state = mapping(record.get("score")), record["score_state"]
    if state == _SCORED and score:
        return score
    return f"{kind}/{_UNSCORED.get(str(state), 'without score')}"


def _identity(record: Mapping[str, Any]) -> str | None:
    """Return a record's id: a number in v1, a random UUID in v2."""
    given = record.get("id")
    return given if isinstance(given, str) and _UUID.fullmatch(given) else record_id(given)


def _span(record: Mapping[str, Any]) -> Observation:
    return {
        "start": utc_instant(record["start"]),
        "end": utc_instant(record.get("end")),
        "offset_min": offset_minutes(record.get("timezone_offset")),
        "modified": text(record.get("updated_at")),
    }


def _recovery(record: Mapping[str, Any]) -> Iterator[Row]:
    score = _score(record, "recovery")
    if isinstance(score, str):
        yield score
        return
    common: Observation = {
        "start": utc_instant(record.get("created_at")),
        "modified": text(record.get("updated_at")),
        "parent_id": record_id(record.get("cycle_id")),
        # The first days of a new band are scored before it knows the person's normal values.
        "flags": int(QualityFlag.LOW_CONFIDENCE) if score.get("user_calibrating") is True else 0,
    }
    for field, signal, unit, statistic in (
        ("resting_heart_rate", "resting_heart_rate", "bpm", "mean"),
        ("hrv_rmssd_milli", "hrv_rmssd", "ms", "rmssd"),
        ("spo2_percentage", "spo2", "%", "mean"),
    ):
        # 3.x bands and older measure no saturation: the field is absent, or zero.
        if score.get(field):
            row: Observation = {**common, "signal": signal, "value": score[field], "unit": unit}
            yield {**row, "statistic": statistic, "path": f"recovery/{field}"}
        else:
            yield f"recovery/{field} without value"


def _sleep(record: Mapping[str, Any]) -> Iterator[Row]:
    score, identity = _score(record, "sleep"), _identity(record)
    if isinstance(score, str):
        yield score
        return
    span = _span(record)
    stages = mapping(score.get("stage_summary"))
    lengths = [whole(stages.get(field)) for field in _ASLEEP]
    yield {
        **span,
        "signal": "sleep_episode",
        "value": None if None in lengths else sum(length or 0 for length in lengths),
        "unit": "ms",
        "statistic": "sum",
        "source_record_id": identity,
        "path": "sleep/nap" if record["nap"] is True else "sleep",
    }
    part: Observation = {**span, "parent_id": identity}
    if score.get("respiratory_rate"):
        row: Observation = {**part, "signal": "respiratory_rate", "value": score["respiratory_rate"]}
        yield {**row, "unit": "breaths/min", "statistic": "mean", "path": "sleep/respiratory_rate"}
    for name in _SLEEP_SCORES:
        value = score.get(f"sleep_{name}_percentage")
        if value is not None:
            # Scores of one night may be the same number, and are three observations.
            own = f"{identity}/{name}" if identity else None
            scored: Observation = {**part, "signal": "sleep_score", "value": value, "unit": "%"}
            yield {**scored, "source_record_id": own, "path": f"sleep/{name}"}


def _workout(record: Mapping[str, Any]) -> Iterator[Row]:
    span, identity = _span(record), _identity(record)
    yield {
        **span,
        "signal": "workout",
        "value": _sport(record),
        "source_record_id": identity,
        "path": "workout",
    }
    score = _score(record, "workout")
    if isinstance(score, str):
        yield score
        return
    part: Observation = {**span, "parent_id": identity}
    if score.get("distance_meter") is not None:
        row: Observation = {**part, "signal": "distance", "value": score["distance_meter"], "unit": "m"}
        yield {**row, "statistic": "sum", "path": "workout/distance_meter"}
    yield from _heart_rates(part, score, "workout")


def _sport(record: Mapping[str, Any]) -> str:
    name, number = text(record.get("sport_name")), whole(record.get("sport_id"))
    if name is None and number is not None:
        return f"whoop_sport_{number}"
    return activity_code(name or "")


def _cycle(record: Mapping[str, Any]) -> Iterator[Row]:
    score = _score(record, "cycle")
    if isinstance(score, str):
        yield score
    elif record.get("end") is None:
        # Its averages would change with every hour until it ends.
        yield "cycle/still running"
    else:
        yield from _heart_rates({**_span(record), "parent_id": _identity(record)}, score, "cycle")


def _heart_rates(part: Observation, score: Mapping[str, Any], kind: str) -> Iterator[Row]:
    found = [(field, statistic) for field, statistic in _HEART_RATES if score.get(field)]
    for field, statistic in found:
        row: Observation = {**part, "signal": "heart_rate", "value": score[field], "unit": "bpm"}
        yield {**row, "statistic": statistic, "path": f"{kind}/{field}"}
    if not found:
        yield f"{kind}/without heart rate"


KINDS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Row]]] = {
    "recovery": _recovery,
    "sleep": _sleep,
    "workout": _workout,
    "cycle": _cycle,
}
"""What turns each kind of record into rows."""
