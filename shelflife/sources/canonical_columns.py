"""The columns of the canonical exchange format, and how they become parsed rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.units import to_canonical
from shelflife.signals.vocabulary import SIGNALS, STATISTICS, TZ_BASES
from shelflife.sources.rows import numbers, parsed_batch, with_positions
from shelflife.sources.source import ACCOUNT
from shelflife.sources.times import Times, iso_times
from shelflife.sources.wall_clock import in_zones
from shelflife.sources.zones import is_zone

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

REQUIRED = ("signal", "value", "start")
COPIED = {
    "comparator": "comparator",
    "tz": "iana_tz",
    "parent": "parent_id",
    "platform": "source_platform",
    "app": "source_app",
    "device_make": "device_make",
    "device_model": "device_model",
    "device_software": "device_sw",
    "modality": "modality",
    "id": "source_record_id",
}
"""Columns that are taken as they are, and what they are called in a sample."""

COLUMNS = (
    "subject",
    "subject_kind",
    "unit",
    "end",
    "statistic",
    "window_s",
    "tz_basis",
    "modified",
    *REQUIRED,
    *COPIED,
)
"""Every column of the format; all are text but `value` and `window_s`, which may be numbers."""

_NO_TEXT = pa.scalar(None, pa.string())
_NO_NUMBER = pa.scalar(None, pa.float64())
_CODED = pa.array([name for name, signal in SIGNALS.items() if signal.kind == "coded"])


def canonical_batch(
    text: Mapping[str, pa.Array], positions: Sequence[int], *, now: dt.datetime, zone: str | None = None
) -> pa.RecordBatch:
    """Return rows of the exchange format as parsed rows.

    Args:
        text: every column of `COLUMNS` as strings.
        positions: record numbers of the rows.
        now: the present.
        zone: the account's zone, for times with neither an offset nor a zone of their own.
    """
    start = iso_times(text["start"])
    end = iso_times(pc.coalesce(text["end"], text["start"]))
    coded = pc.fill_null(pc.is_in(text["signal"], value_set=_CODED), fill_value=False)
    window, window_problem = numbers(text["window_s"])
    columns = {
        **{name: text[column] for column, name in COPIED.items()},
        **_values(text, coded),
        **_times(text, start, end, zone),
        "signal": text["signal"],
        "value_raw": text["value"],
        "statistic": _known(text["statistic"], STATISTICS),
        "window_s": _seconds(window),
        "stage": pc.if_else(
            pc.fill_null(pc.equal(text["signal"], "sleep_stage"), fill_value=False), text["value"], _NO_TEXT
        ),
        "source_modified_at": iso_times(text["modified"]).utc,
        "alias": text["subject"],
        "alias_kind": pc.if_else(
            pc.is_null(text["subject"]), _NO_TEXT, pc.coalesce(text["subject_kind"], ACCOUNT)
        ),
        "record_path": "sample",
    }
    unread = pc.if_else(_unreadable_words(text, window_problem), "bad_record", _NO_TEXT)
    end_problem = pc.if_else(pc.is_valid(end.problem), "bad_time", _NO_TEXT)
    columns["problem"] = pc.coalesce(start.problem, end_problem, columns["problem"], unread)
    return with_positions(parsed_batch(len(positions), columns, now=now), positions)


def _values(text: Mapping[str, pa.Array], coded: pa.Array) -> dict[str, pa.Array]:
    number, problem = numbers(pc.if_else(coded, _NO_TEXT, text["value"]))
    number, unit = to_canonical(text["signal"], number, text["unit"])
    missing = pc.if_else(pc.is_null(text["value"]), "missing_value", _NO_TEXT)
    unknown = pc.if_else(pc.is_null(unit), "unknown_unit", _NO_TEXT)
    known_signal = pc.is_in(text["signal"], value_set=pa.array(list(SIGNALS)))
    unknown_signal = pc.if_else(known_signal, _NO_TEXT, "unknown_signal")
    return {
        "value_num": pc.if_else(coded, _NO_NUMBER, number),
        "value_code": pc.if_else(coded, text["value"], _NO_TEXT),
        "unit_ucum": pc.if_else(coded, _NO_TEXT, unit),
        "unit_raw": text["unit"],
        "problem": pc.coalesce(unknown_signal, pc.if_else(coded, missing, pc.coalesce(problem, unknown))),
    }


def _times(
    text: Mapping[str, pa.Array], start: Times, end: Times, account_zone: str | None
) -> dict[str, pa.Array]:
    """Return start, end, offset, zone and basis: a time's own offset, then the row's zone, then the account's."""
    known = [name for name in text["tz"].unique().drop_null().to_pylist() if is_zone(name)]
    own = pc.if_else(pc.is_in(text["tz"], value_set=pa.array(known, pa.string())), text["tz"], _NO_TEXT)
    zones = pc.coalesce(own, pa.scalar(account_zone, pa.string()))
    begun, ended = in_zones(start, zones), in_zones(end, zones)
    by_account = pc.and_(pa.array(begun.placed), pc.is_null(own))
    said = pc.if_else(by_account, "account", pc.coalesce(text["tz_basis"], "sample"))
    return {
        "start_utc": begun.utc,
        "end_utc": ended.utc,
        "utc_offset_min": begun.offset_min,
        "iana_tz": pc.if_else(by_account, zones, text["tz"]),
        "tz_basis": _known(pc.if_else(pc.is_valid(begun.offset_min), said, "unknown"), TZ_BASES),
        "quality_flags": pc.bit_wise_or(begun.flags, ended.flags),
    }


def _unreadable_words(text: Mapping[str, pa.Array], window_problem: pa.Array) -> pa.Array:
    """Return which rows use a word that the format does not have, or a window that is no number."""
    wrong = pc.fill_null(pc.equal(window_problem, "bad_number"), fill_value=False)
    for name, words in (("statistic", STATISTICS), ("tz_basis", TZ_BASES), ("comparator", ("<", ">"))):
        wrong = pc.or_(wrong, pc.and_(pc.is_valid(text[name]), pc.is_null(_known(text[name], words))))
    return wrong


def _known(column: pa.Array, words: Sequence[str]) -> pa.Array:
    return pc.if_else(pc.is_in(column, value_set=pa.array(words)), column, _NO_TEXT)


def _seconds(window: pa.Array) -> pa.Array:
    fits = pc.and_(pc.greater_equal(window, 0), pc.less(window, 2**31))
    return pc.cast(pc.if_else(pc.fill_null(fits, fill_value=False), pc.round(window), _NO_NUMBER), pa.int32())
