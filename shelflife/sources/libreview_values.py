"""Glucose of LibreView rows: which column holds it, decimal commas, and readings beyond what the device measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.units import GLUCOSE_MG_DL_PER_MMOL_L
from shelflife.sources.rows import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shelflife.sources.delimited import Lines
    from shelflife.sources.libreview_header import Columns

RECORD_TYPES: Mapping[str, str] = {"3": "ketone", "4": "insulin", "5": "food", "6": "note"}
"""Record types that hold no glucose, and what their records are counted as."""

_SENSOR_LIMITS, _STRIP_LIMITS = (40.0, 400.0), (20.0, 500.0)
"""mg/dL. Sensors measure 40 to 500 mg/dL, those sold in the United States 40 to 400; `HI` says that a reading is beyond 400
in either case. The strip meter measures 20 to 500 (FreeStyle Libre 2 user manuals)."""
_WORDS = {"lo": ("<", 0), "hi": (">", 1)}
_NO_TEXT = pa.scalar(None, pa.string())
_COMMA = r"^\s*(\d+),(\d+)\s*$"


def glucose(lines: Lines, columns: Columns, kind: pa.Array) -> dict[str, pa.Array]:
    """Read the glucose of each row from the column that its record type uses.

    Args:
        lines: rows of types 0 to 2, and of types that are not known.
        columns: the file's columns.
        kind: record type of each row.

    Returns:
        `signal`, `value_num` in mg/dL, `value_raw`, `comparator` and `problem`.
    """
    empty = pa.nulls(len(kind), pa.string())
    scan = empty if columns.scan is None else lines.column(columns.scan)
    strip = empty if columns.strip is None else lines.column(columns.strip)
    is_scan, is_strip = _is(kind, "1"), _is(kind, "2")
    text = pc.if_else(is_scan, scan, pc.if_else(is_strip, strip, lines.column(columns.historic)))
    number, problem = numbers(pc.replace_substring_regex(text, _COMMA, r"\1.\2"))
    factor = GLUCOSE_MG_DL_PER_MMOL_L if columns.unit == "mmol/L" else 1.0
    value = pc.multiply(number, factor)
    comparator = empty
    word = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    for name, (sign, side) in _WORDS.items():
        beyond = _is(word, name)
        limit = pc.if_else(is_strip, _STRIP_LIMITS[side], _SENSOR_LIMITS[side])
        value, comparator = pc.if_else(beyond, limit, value), pc.if_else(beyond, sign, comparator)
        problem = pc.if_else(beyond, _NO_TEXT, problem)
    return {
        "signal": pc.if_else(is_strip, "glucose_capillary", "glucose_interstitial"),
        "value_num": value,
        "value_raw": text,
        "comparator": comparator,
        "problem": problem,
    }


def _is(column: pa.Array, text: str) -> pa.Array:
    return pc.fill_null(pc.equal(column, text), fill_value=False)
