"""Texts that a glucose sensor reports instead of a number beyond its range."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.sources.rows import numbers

_LIMITS = {"low": ("<", 40.0), "high": (">", 400.0)}
"""Dexcom sensors measure 40 to 400 mg/dL (user guides of G4 to G7)."""


def sensor_glucose(text: pa.Array, factor: float = 1.0) -> dict[str, pa.Array]:
    """Read sensor glucose with `Low` and `High`.

    Args:
        text: readings.
        factor: mg/dL per unit of the readings.

    Returns:
        `value_num` in mg/dL, `comparator` and `problem`.
    """
    value, problem = numbers(text)
    value = value if factor == 1.0 else pc.multiply(value, factor)
    comparator = pa.nulls(len(text), pa.string())
    word = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    for name, (sign, limit) in _LIMITS.items():
        beyond = pc.fill_null(pc.equal(word, name), fill_value=False)
        value, comparator = pc.if_else(beyond, limit, value), pc.if_else(beyond, sign, comparator)
        problem = pc.if_else(beyond, pa.scalar(None, pa.string()), problem)
    return {"value_num": value, "comparator": comparator, "problem": problem}
