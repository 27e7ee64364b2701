"""Unit conversion against factors computed by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.signals.units import to_canonical
from shelflife.signals.vocabulary import SIGNALS


def convert(signal: str, value: float | None, unit: str | None) -> tuple[float | None, str | None]:
    numbers, units = to_canonical(
        pa.array([signal]), pa.array([value], pa.float64()), pa.array([unit], pa.string())
    )
    return numbers[0].as_py(), units[0].as_py()


@pytest.mark.parametrize(
    ("signal", "value", "unit", "expected"),
    [
        ("glucose_interstitial", 5.5, "mmol/L", 99.1001),
        ("glucose_capillary", 100.0, "mg/dL", 100.0),
        ("glucose_capillary", 5.5, "mmol<180.1558800000541>/L", 99.1001),
        ("distance", 26.2, "mi", 42164.8128),
        ("distance", 1.5, "km", 1500.0),
        ("body_weight", 154.0, "lb", 69.85322498),
        ("body_weight", 11.0, "st", 69.85322498),
        ("body_temperature", 98.6, "degF", 37.0),
        ("skin_temperature_delta", 1.8, "degF", 1.0),
        ("active_energy", 418.4, "kJ", 100.0),
        ("active_energy", 250.0, "Cal", 250.0),
        ("spo2", 0.97, "1", 97.0),
        ("heart_rate", 1.2, "count/s", 72.0),
        ("rr_interval", 0.812, "s", 812.0),
        ("vo2max", 44.2, "mL/min·kg", 44.2),
        ("sleep_episode", 8.0, "h", 480.0),
    ],
)
def test_known_units(signal: str, value: float, unit: str, expected: float) -> None:
    number, canonical = convert(signal, value, unit)
    assert number == pytest.approx(expected, rel=1e-9)
    assert canonical == SIGNALS[signal].unit


@pytest.mark.parametrize(
    ("signal", "unit"), [("heart_rate", "furlong"), ("heart_rate", None), ("sleep_stage", "min")]
)
def test_unknown_units_give_nothing(signal: str, unit: str | None) -> None:
    assert convert(signal, 3.0, unit) == (None, None)


def test_mixed_units_in_one_column() -> None:
    signal = pa.array(["distance", "body_weight", "distance", None, "nonsense"])
    unit = pa.array(["mi", "lb", "km", "km", "km"])
    values, units = to_canonical(signal, pa.array([1.0, 1.0, 1.0, 1.0, 1.0]), unit)
    assert values.to_pylist() == pytest.approx([1609.344, 0.45359237, 1000.0, None, None])
    assert units.to_pylist() == ["m", "kg", "m", None, None]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_canonical_value_is_not_touched(value: float) -> None:
    assert convert("heart_rate", value, "/min") == (value, "/min")
