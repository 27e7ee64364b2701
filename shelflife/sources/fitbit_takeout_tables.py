"""Fitbit's account archive (Google Takeout): its CSV files, told apart by their columns.

A time with `Z` is UTC; one without is a wall-clock time of the account's zone, as in the nights it belongs to. Daily files
name the day in the date of their time. `Minute SpO2` has the columns `timestamp,value` and nothing else, so its values are
saturations only when the file's name says so (`ByteSource.series`), else they are set aside as `unknown_signal`; exactly
50.0 is what the vendor writes for a minute without a valid value (one catalogue of a real archive found no other value
below 70). `Profile.csv` goes to the profile.

Source: the README files of the archive, by way of public catalogues of it.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from shelflife.sources.delimited import header_fields, split_line
from shelflife.sources.fitbit_api import COMMON
from shelflife.sources.fitbit_profile import learn_user
from shelflife.sources.json_values import day_of, record_id
from shelflife.sources.source import SourceType
from shelflife.sources.vendor_tables import table_parsing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from shelflife.sources.observations import Observation, Observations
    from shelflife.sources.source import ByteSource, Parsing
    from shelflife.sources.vendor_tables import Line

_FIVE_MINUTES = 300
_NOT_VALID = "50.0"
_MINUTE_SPO2 = ["timestamp", "value"]
_LAYOUTS: tuple[tuple[str, frozenset[str]], ...] = (
    ("hrv_details", frozenset({"timestamp", "rmssd", "coverage"})),
    ("hrv_daily", frozenset({"timestamp", "rmssd", "nremhr"})),
    ("spo2_daily", frozenset({"timestamp", "average_value", "lower_bound", "upper_bound"})),
    ("respiratory_daily", frozenset({"timestamp", "daily_respiratory_rate"})),
    ("respiratory_night", frozenset({"timestamp", "full_sleep_breathing_rate"})),
    ("sleep_score", frozenset({"sleep_log_entry_id", "timestamp", "overall_score"})),
    ("computed_temperature", frozenset({"type", "sleep_start", "nightly_temperature"})),
    ("device_temperature", frozenset({"recorded_time", "temperature", "sensor_type"})),
    ("profile", frozenset({"first_name", "date_of_birth", "timezone", "member_since"})),
)


class FitbitTakeoutTables:
    """Reads the CSV files of an account archive."""

    name = "fitbit_takeout_tables"
    title = "Fitbit account archive (Takeout CSV)"
    subject_scope: Literal["file", "row"] = "file"
    types = (
        SourceType("Heart Rate Variability Details", "hrv_rmssd", "ms", "rmssd", "Five minutes each."),
        SourceType("Daily Heart Rate Variability Summary", "hrv_rmssd", "ms", "rmssd", "A local day."),
        SourceType("Minute SpO2", "spo2", "%", "instant", "50.0 means no valid value."),
        SourceType("Daily SpO2 average_value", "spo2", "%", "mean", "A local day."),
        SourceType(
            "Daily Respiratory Rate Summary", "respiratory_rate", "breaths/min", "mean", "A local day."
        ),
        SourceType("Respiratory Rate Summary", "respiratory_rate", "breaths/min", "mean", "A night's end."),
        SourceType("sleep_score overall_score", "sleep_score", "score", None, "At the time of waking up."),
        SourceType("Computed Temperature, Device Temperature", None, None, None, "Skin temperature as such."),
        SourceType("Profile", None, None, None, "To the profile."),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether the columns are those of one of the archive's tables."""
        header = header_fields(head)
        if header == _MINUTE_SPO2:
            return _first_time(head).endswith("Z")
        return _layout(header) is not None

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account, `Profile.csv` goes to `profile`."""
        return table_parsing(source, _layout, partial(_take, source.series), COMMON, now=now, zone=zone)


def _layout(header: list[str]) -> str | None:
    if header == _MINUTE_SPO2:
        return "minute_spo2"
    return next((name for name, columns in _LAYOUTS if columns.issubset(header)), None)


def _first_time(head: bytes) -> str:
    """Return the first field below the header; the empty text when there is none."""
    lines = head.decode("utf-8-sig", "replace").lstrip("\r\n").splitlines()
    fields = next((split_line(line) for line in lines[1:] if line.strip()), None)
    return fields[0].strip() if fields else ""


def _take(series: str, line: Line, layout: str, found: Observations, parsing: Parsing) -> None:
    """Take one line: a row, a fact about the person, or a count."""
    if layout == "profile":
        learn_user(parsing, line)
    elif layout in _READERS:
        found.add({**_READERS[layout](line), "path": layout})
    elif layout == "minute_spo2":
        found.add(_minute_spo2(line, series))
    else:
        parsing.ignore(layout)


def _minute_spo2(line: Line, series: str) -> Observation:
    row: Observation = {"value": line["value"], "start": line["timestamp"], "path": "timestamp,value"}
    if series != "minute_spo2":
        return row
    missing = "missing_value" if (line["value"] or "").strip() in {_NOT_VALID, "50"} else None
    saturation: Observation = {"signal": "spo2", "unit": "%", "statistic": "instant", "path": "minute_spo2"}
    return {**row, **saturation, "problem": missing}


def _hrv_details(line: Line) -> Observation:
    return {
        **_rmssd(line),
        "start": line["timestamp"],
        "duration_us": _FIVE_MINUTES * 1_000_000,
        "window_s": _FIVE_MINUTES,
    }


def _hrv_daily(line: Line) -> Observation:
    return {**_rmssd(line), **_day(line)}


def _rmssd(line: Line) -> Observation:
    return {"signal": "hrv_rmssd", "value": line["rmssd"], "unit": "ms", "statistic": "rmssd"}


def _spo2_daily(line: Line) -> Observation:
    value: Observation = {"signal": "spo2", "value": line["average_value"], "unit": "%", "statistic": "mean"}
    return {**value, **_day(line)}


def _respiratory_daily(line: Line) -> Observation:
    return {**_breathing(line["daily_respiratory_rate"]), **_day(line)}


def _respiratory_night(line: Line) -> Observation:
    return {**_breathing(line["full_sleep_breathing_rate"]), "start": line["timestamp"]}


def _breathing(value: str | None) -> Observation:
    return {"signal": "respiratory_rate", "value": value, "unit": "breaths/min", "statistic": "mean"}


def _sleep_score(line: Line) -> Observation:
    return {
        "signal": "sleep_score",
        "value": line["overall_score"],
        "unit": "score",
        "start": line["timestamp"],
        "parent_id": record_id(line["sleep_log_entry_id"]),
    }


def _day(line: Line) -> Observation:
    """Return the local day that the date of a daily summary's time names, whatever its clock says."""
    return day_of((line["timestamp"] or "").strip()[:10] or None)


_READERS: Mapping[str, Callable[[Line], Observation]] = MappingProxyType(
    {
        "hrv_details": _hrv_details,
        "hrv_daily": _hrv_daily,
        "spo2_daily": _spo2_daily,
        "respiratory_daily": _respiratory_daily,
        "respiratory_night": _respiratory_night,
        "sleep_score": _sleep_score,
    }
)
