"""Oura API v2: the JSON response of one endpoint a file, `{"data": [...], "next_token": ...}`.

Which endpoint it was follows from the fields of each record. `personal_info` is an object of its own and goes to the
profile. Source: Oura API V2 documentation, cloud.ouraring.com/v2/docs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from shelflife.sources.json_stream import paths
from shelflife.sources.oura_records import ENDPOINTS, NO_SIGNAL, TYPES, endpoint_of
from shelflife.sources.profile_text import sex
from shelflife.sources.vendor_json import api_parsing, unread

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ByteSource, Parsing
    from shelflife.sources.vendor_json import Row

_COMMON: Observation = {"source_platform": "oura", "device_make": "Oura", "modality": "sensed"}
_RECORD = "data.item"
_EMPTY_PAGE = frozenset({"", "data", "next_token"})
_PERSON = frozenset({"id", "biological_sex", "email"})


class Oura:
    """Reads a response of the Oura API."""

    name = "oura"
    title = "Oura API v2"
    subject_scope: Literal["file", "row"] = "file"
    types = TYPES

    def recognises(self, head: bytes) -> bool:
        """Return whether a record has the fields of an endpoint, or this is the profile or an empty page."""
        found = paths(head)
        if found == _EMPTY_PAGE or found >= _PERSON:
            return True
        fields = {place.split(".")[2] for place in found if place.startswith(f"{_RECORD}.")}
        return endpoint_of(fields) is not None

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account, `personal_info` goes to `profile`."""
        return api_parsing(source, {_RECORD}, _rows, _COMMON, now=now, zone=zone, facts=_FACTS)


def _rows(_place: str, record: dict[str, Any], _parsing: Parsing) -> Iterator[Row]:
    endpoint = endpoint_of(record.keys())
    if endpoint is None:
        yield unread(record, "data")
    elif endpoint in NO_SIGNAL:
        yield endpoint
    else:
        yield from ENDPOINTS[endpoint](record)


def _learn_sex(parsing: Parsing, word: str) -> None:
    parsing.profile.sex = sex(word)
    parsing.ignore("personal_info")


def _learn_email(parsing: Parsing, word: str) -> None:
    parsing.profile.other["email"] = word


def _learn_age(parsing: Parsing, word: str) -> None:
    parsing.profile.other["age"] = word


def _learn_weight(parsing: Parsing, word: str) -> None:
    parsing.profile.other["weight_kg"] = word


def _learn_height(parsing: Parsing, word: str) -> None:
    parsing.profile.other["height_m"] = word


_FACTS = {
    "biological_sex": _learn_sex,
    "email": _learn_email,
    "age": _learn_age,
    "weight": _learn_weight,
    "height": _learn_height,
}
