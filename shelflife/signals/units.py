"""Conversion of the units that sources use into the canonical UCUM unit of each signal.

Factors: 1 lb = 0.45359237 kg, 1 mi = 1609.344 m, 1 ft = 0.3048 m (international yard and pound, 1959); 1 kcal = 4.184 kJ
(thermochemical); glucose 1 mmol/L = 18.0182 mg/dL (molar mass 180.182 g/mol; some sources round to 18.0).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.vocabulary import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping

GLUCOSE_MG_DL_PER_MMOL_L = 18.0182
FRACTION = "1"
"""UCUM for a pure number; for a percentage it means a fraction of one."""

_Conversion = tuple[float, float]
_PER_MINUTE: Mapping[str, _Conversion] = MappingProxyType(
    {
        "/min": (1, 0),
        "{beats}/min": (1, 0),
        "beats/min": (1, 0),
        "bpm": (1, 0),
        "1/min": (1, 0),
        "{breaths}/min": (1, 0),
        "count/min": (1, 0),
        "breaths/min": (1, 0),
        "/s": (60, 0),
        "count/s": (60, 0),
    }
)
_MILLISECONDS: Mapping[str, _Conversion] = MappingProxyType({"ms": (1, 0), "s": (1000, 0), "sec": (1000, 0)})
_DEGREES_FAHRENHEIT = (5 / 9, -160 / 9)
_BY_CANONICAL: Mapping[str, Mapping[str, _Conversion]] = MappingProxyType(
    {
        "/min": _PER_MINUTE,
        "ms": _MILLISECONDS,
        "min": {
            "min": (1, 0),
            "s": (1 / 60, 0),
            "sec": (1 / 60, 0),
            "ms": (1 / 60_000, 0),
            "h": (60, 0),
            "hr": (60, 0),
            "d": (1440, 0),
        },
        "mg/dL": {
            "mg/dL": (1, 0),
            "mg/dl": (1, 0),
            "mmol/L": (GLUCOSE_MG_DL_PER_MMOL_L, 0),
            "mmol/l": (GLUCOSE_MG_DL_PER_MMOL_L, 0),
            # Apple Health names the molar mass inside the unit.
            "mmol<180.1558800000541>/L": (GLUCOSE_MG_DL_PER_MMOL_L, 0),
        },
        "{steps}": {"{steps}": (1, 0), "count": (1, 0), "steps": (1, 0)},
        # A vendor's own score of a night: comparable within one vendor only.
        "{score}": {"{score}": (1, 0), "score": (1, 0), "%": (1, 0)},
        "m": {
            "m": (1, 0),
            "km": (1000, 0),
            "cm": (0.01, 0),
            "mm": (0.001, 0),
            "mi": (1609.344, 0),
            "[mi_i]": (1609.344, 0),
            "yd": (0.9144, 0),
            "[yd_i]": (0.9144, 0),
            "ft": (0.3048, 0),
            "[ft_i]": (0.3048, 0),
            "in": (0.0254, 0),
        },
        "kcal": {"kcal": (1, 0), "Cal": (1, 0), "cal": (0.001, 0), "kJ": (1 / 4.184, 0), "J": (1 / 4184, 0)},
        "Cel": {
            "Cel": (1, 0),
            "degC": (1, 0),
            "°C": (1, 0),
            "degF": _DEGREES_FAHRENHEIT,
            "[degF]": _DEGREES_FAHRENHEIT,
            "°F": _DEGREES_FAHRENHEIT,
            # Open mHealth's own spellings.
            "C": (1, 0),
            "F": _DEGREES_FAHRENHEIT,
            "K": (1, -273.15),
        },
        # A difference of temperatures: no offset.
        "K": {"K": (1, 0), "Cel": (1, 0), "degC": (1, 0), "degF": (5 / 9, 0), "[degF]": (5 / 9, 0)},
        "kg": {
            "kg": (1, 0),
            "g": (0.001, 0),
            "mg": (1e-6, 0),
            "lb": (0.45359237, 0),
            "oz": (0.028349523125, 0),
            "[oz_av]": (0.028349523125, 0),
            "[lb_av]": (0.45359237, 0),
            "st": (6.35029318, 0),
            "[stone_av]": (6.35029318, 0),
        },
        "mL/kg/min": {
            "mL/kg/min": (1, 0),
            "mL/min/kg": (1, 0),
            "mL/(kg.min)": (1, 0),
            "mL/min·kg": (1, 0),
            "ml/(kg*min)": (1, 0),
        },
        "%": {"%": (1, 0), FRACTION: (100, 0)},
    }
)


def conversion(signal: str | None, unit_raw: str | None) -> _Conversion | None:
    """Return (factor, offset) from a source's unit to the signal's canonical unit; None when it is not known."""
    known = SIGNALS.get(signal or "")
    canonical = known.unit if known else None
    return None if canonical is None or unit_raw is None else _BY_CANONICAL[canonical].get(unit_raw)


def to_canonical(signal: pa.Array, value: pa.Array, unit_raw: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Convert values to the canonical units of their signals.

    Args:
        signal: names of signals, string.
        value: values in `unit_raw`, double.
        unit_raw: units as received, string.

    Returns:
        The values in canonical units (double) and those units (string); both null where the unit is not known.
    """
    pair_code, pairs = _distinct_pairs(signal, unit_raw)
    found = [conversion(*pair) for pair in pairs]
    factor = np.array([item[0] if item else np.nan for item in found], np.float64)[pair_code]
    offset = np.array([item[1] if item else 0.0 for item in found], np.float64)[pair_code]
    unit = [
        SIGNALS[name].unit if item and name else None for item, (name, _) in zip(found, pairs, strict=True)
    ]
    units = pa.array(unit, pa.string()).take(pa.array(pair_code))
    # A factor of one leaves the number exactly as it was received.
    number = np.asarray(pc.fill_null(value, np.nan)) * factor + offset
    missing = pc.or_(pc.is_null(value), pc.is_null(units))
    return pc.if_else(missing, pa.scalar(None, pa.float64()), pa.array(number)), units


def _distinct_pairs(
    left: pa.Array, right: pa.Array
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[tuple[str | None, str | None]]]:
    """Return each row's number among the distinct pairs, and the pairs."""
    first = left.dictionary_encode(null_encoding="encode")
    second = right.dictionary_encode(null_encoding="encode")
    width = max(len(second.dictionary), 1)
    joint = np.asarray(first.indices).astype(np.int64) * width + np.asarray(second.indices)
    distinct, codes = np.unique(joint, return_inverse=True)
    lefts, rights = first.dictionary.to_pylist(), second.dictionary.to_pylist()
    return codes, [(lefts[pair // width], rights[pair % width]) for pair in distinct.tolist()]
