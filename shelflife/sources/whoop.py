"""WHOOP API v1 and v2: a page of records (`{"records": [...], "next_token": ...}`), or one record.

Times are UTC with a `timezone_offset` beside them; a recovery has neither start nor end and is dated by when it was
recorded. Only a record whose `score_state` is `SCORED` has numbers. Stages are totals without a timeline, so a night is a
`sleep_episode` and no `sleep_stage`. Source: WHOOP developer documentation, developer.whoop.com/api.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from shelflife.sources.json_stream import paths
from shelflife.sources.json_values import readable
from shelflife.sources.source import SourceType
from shelflife.sources.vendor_json import api_parsing, head_places, unread
from shelflife.sources.whoop_records import KINDS, kind_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ByteSource, Parsing
    from shelflife.sources.vendor_json import Row

_COMMON: Observation = {"source_platform": "whoop", "device_make": "WHOOP", "modality": "sensed"}
_RECORD = "records.item"
_EMPTY_PAGE = frozenset({"", "records", "next_token"})
_BODY = frozenset({"", "height_meter", "weight_kilogram", "max_heart_rate"})
_PERSON = frozenset({"", "user_id", "email", "first_name", "last_name"})


class Whoop:
    """Reads a response of the WHOOP API."""

    name = "whoop"
    title = "WHOOP API"
    subject_scope: Literal["file", "row"] = "file"
    types = (
        SourceType("recovery resting_heart_rate", "resting_heart_rate", "bpm", "mean"),
        SourceType("recovery hrv_rmssd_milli", "hrv_rmssd", "ms", "rmssd"),
        SourceType("recovery spo2_percentage", "spo2", "%", "mean"),
        SourceType(
            "recovery skin_temp_celsius",
            None,
            note="A temperature of the skin, no deviation from a baseline.",
        ),
        SourceType("recovery recovery_score", None, note="A score of the day, no score of a sleep."),
        SourceType(
            "sleep stage_summary", "sleep_episode", "ms", "sum", "Light, slow-wave and REM sleep together."
        ),
        SourceType("sleep respiratory_rate", "respiratory_rate", "breaths/min", "mean"),
        SourceType("sleep sleep_performance_percentage", "sleep_score", "%"),
        SourceType("sleep sleep_efficiency_percentage", "sleep_score", "%"),
        SourceType("sleep sleep_consistency_percentage", "sleep_score", "%"),
        SourceType("workout sport_name, sport_id", "workout"),
        SourceType("workout distance_meter", "distance", "m", "sum"),
        SourceType("workout, cycle average_heart_rate", "heart_rate", "bpm", "mean"),
        SourceType("workout, cycle max_heart_rate", "heart_rate", "bpm", "max"),
        SourceType("workout, cycle kilojoule", None, note="All energy, the resting part included."),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether records have a `score_state`, or this is the profile, the body or an empty page."""
        found = paths(head)
        scored = f"{_RECORD}.score_state" in found or {"score_state", "user_id"} <= found
        return scored or found == _EMPTY_PAGE or found in (_BODY, _PERSON)

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account, profile and body go to `profile`."""
        return api_parsing(source, _places, _rows, _COMMON, now=now, zone=zone)


def _places(source: ByteSource) -> Collection[str]:
    return {_RECORD} if "records" in head_places(source) else {""}


def _rows(place: str, record: dict[str, Any], parsing: Parsing) -> Iterator[Row]:
    kind = kind_of(record.keys())
    if kind is not None:
        yield from KINDS[kind](record)
    elif place == "" and record.keys() & _FACTS.keys():
        yield _learned(record, parsing)
    else:
        yield unread(record, "record")


def _learned(record: Mapping[str, Any], parsing: Parsing) -> str:
    """Take the profile or the body measurements, which have no time, to the profile."""
    for field, place in _FACTS.items():
        value = record.get(field)
        if value is not None:
            parsing.profile.other[place] = readable(value)
    for field, name in (("first_name", "given_name"), ("last_name", "family_name")):
        if record.get(field):
            setattr(parsing.profile, name, readable(record[field]))
    return "profile" if "email" in record else "body_measurement"


_FACTS = {
    "email": "email",
    "user_id": "whoop_user_id",
    "height_meter": "height_m",
    "weight_kilogram": "weight_kg",
    "max_heart_rate": "max_heart_rate",
}
