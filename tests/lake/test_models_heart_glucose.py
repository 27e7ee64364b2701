"""The heart and glucose formulas, each against a computation that shares nothing with the SQL."""

from __future__ import annotations

import csv
import datetime as dt
import math
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.signals.sample import QualityFlag
from tests.lake.model_rows import DAY, SQL, models, one, pid, run, sample

if TYPE_CHECKING:
    from pathlib import Path

DISQUALIFYING = (
    QualityFlag.FUTURE
    | QualityFlag.OUT_OF_RANGE
    | QualityFlag.DUP_EXACT
    | QualityFlag.DUP_CROSS_SOURCE
    | QualityFlag.LOW_CONFIDENCE
    | QualityFlag.TIME_ONLY
    | QualityFlag.COUNTED_ELSEWHERE
)
mg_dl = st.floats(20, 500).map(lambda value: round(value, 1))
bpm = st.integers(30, 220).map(float)


def glucose(values: list[float], signal: str = "glucose_interstitial") -> list[dict[str, object]]:
    return [sample(signal, value, 5 * place) for place, value in enumerate(values)]


def check_glucose(found: dict[str, object], values: list[float]) -> None:
    numbers = np.array(values)
    mean = statistics.fmean(values)
    expected = {
        "mean_mg_dl": mean,
        "gmi_percent": 3.31 + 0.02392 * mean,
        "time_in_range_percent": 100 * np.mean((numbers >= 70) & (numbers <= 180)),
        "below_70_percent": 100 * np.mean(numbers < 70),
        "below_54_percent": 100 * np.mean(numbers < 54),
        "above_180_percent": 100 * np.mean(numbers > 180),
        "above_250_percent": 100 * np.mean(numbers > 250),
    }
    if len(values) > 1:
        expected |= {"sd_mg_dl": np.std(numbers, ddof=1), "cv_percent": 100 * np.std(numbers, ddof=1) / mean}
    else:
        assert found["sd_mg_dl"] is None
        assert found["cv_percent"] is None
    assert found["readings"] == len(values)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-7), name


@given(st.lists(mg_dl, min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_glucose_formulas(values: list[float]) -> None:
    check_glucose(one("glucose_daily", glucose(values)), values)


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        (53.9, {"below_54_percent", "below_70_percent"}),
        (54.0, {"below_70_percent"}),
        (69.9, {"below_70_percent"}),
        (70.0, {"time_in_range_percent"}),
        (180.0, {"time_in_range_percent"}),
        (180.1, {"above_180_percent"}),
        (250.0, {"above_180_percent"}),
        (250.1, {"above_180_percent", "above_250_percent"}),
    ],
)
def test_glucose_limits_belong_to_the_side_that_the_consensus_says(value: float, columns: set[str]) -> None:
    found = one("glucose_daily", glucose([value]))
    shares = {
        name for name in found if name.endswith("_percent") and name not in ("cv_percent", "gmi_percent")
    }
    assert {name for name in shares if found[name] == 100} == columns
    assert {name for name in shares if found[name] == 0} == shares - columns


def test_capillary_readings_stay_apart() -> None:
    found = one("glucose_daily", [*glucose([100.0, 120.0]), *glucose([300.0], "glucose_capillary")])
    check_glucose(found, [100.0, 120.0])
    assert (found["capillary_readings"], found["capillary_mean_mg_dl"]) == (1, 300.0)


def test_a_day_of_capillary_readings_only_has_no_continuous_figures() -> None:
    found = one("glucose_daily", glucose([90.0], "glucose_capillary"))
    assert found["readings"] == 0
    assert found["gmi_percent"] is None
    assert found["time_in_range_percent"] is None


@pytest.mark.parametrize("name", ["heart_daily", "glucose_daily", "activity_daily", "sleep_nightly"])
def test_the_mask_in_the_sql_is_the_disqualifying_flags(name: str) -> None:
    assert f"& {int(DISQUALIFYING)} = 0" in (SQL / "derived" / f"{name}.sql").read_text()


@pytest.mark.parametrize("flag", list(QualityFlag))
def test_disqualified_readings_count_nowhere(flag: QualityFlag) -> None:
    flagged = sample("glucose_interstitial", 400.0, 600, quality_flags=int(flag))
    found = one("glucose_daily", [*glucose([100.0]), flagged])
    assert found["readings"] == (1 if flag & DISQUALIFYING else 2)


@given(st.lists(bpm, min_size=1, max_size=50))
@settings(max_examples=25, deadline=None)
def test_heart_formulas(values: list[float]) -> None:
    found = one(
        "heart_daily", [sample("heart_rate", value, 17 * place) for place, value in enumerate(values)]
    )
    assert found["readings"] == len(values)
    assert found["mean_bpm"] == pytest.approx(statistics.fmean(values))
    assert (found["min_bpm"], found["max_bpm"]) == (min(values), max(values))
    assert found["resting_bpm_estimate"] is None


def lowest_half_hour(readings: dict[float, float]) -> float | None:
    """Six consecutive 5-minute means, none missing: the lowest mean of them (plain Python)."""
    bins: dict[int, list[float]] = defaultdict(list)
    for minute, value in readings.items():
        bins[math.floor(minute / 5)].append(value)
    means = {number: statistics.fmean(values) for number, values in bins.items()}
    windows = [[means.get(start + step) for step in range(6)] for start in means]
    full = [statistics.fmean(window) for window in windows if None not in window]
    return min(full, default=None)


@given(st.dictionaries(st.integers(0, 180).map(float), bpm, min_size=1, max_size=120))
@settings(max_examples=60, deadline=None)
def test_resting_estimate(readings: dict[float, float]) -> None:
    found = one("heart_daily", [sample("heart_rate", value, minute) for minute, value in readings.items()])
    expected = lowest_half_hour(readings)
    assert found["resting_bpm_estimate"] == (None if expected is None else pytest.approx(expected))


def test_sdnn_and_rmssd_are_never_mixed() -> None:
    rows = [sample("hrv_sdnn", 40.0, 10), sample("hrv_sdnn", 60.0, 20), sample("hrv_rmssd", 20.0, 30)]
    found = one("heart_daily", [*rows, sample("resting_heart_rate", 51.0, 40)])
    assert (found["hrv_sdnn_ms"], found["hrv_rmssd_ms"], found["resting_bpm_reported"]) == (50.0, 20.0, 51.0)
    assert (found["readings"], found["mean_bpm"]) == (0, None)


def test_people_and_days_are_kept_apart_and_ordered() -> None:
    tomorrow = DAY + dt.timedelta(days=1)
    rows = [
        sample("heart_rate", 90.0, 5, pid=pid(2)),
        sample("heart_rate", 60.0, 5, local_date=tomorrow),
        sample("heart_rate", 50.0, 5),
    ]
    found = [(row["pid"], row["local_date"], row["mean_bpm"]) for row in run("heart_daily", rows)]
    assert found == [(pid(1), DAY, 50.0), (pid(1), tomorrow, 60.0), (pid(2), DAY, 90.0)]


def read_glucose_file(path: Path) -> dict[dt.date, list[float]]:
    """Readings of a file by day, read with the csv module alone."""
    days: dict[dt.date, list[float]] = defaultdict(list)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines):
            # A reading beyond the sensor's range counts at its limit.
            text = {"Low": "40", "High": "400"}.get(row["glucose_value_mg_dl"], row["glucose_value_mg_dl"])
            if text and not math.isnan(float(text)):
                days[dt.date.fromisoformat(row["timestamp"][:10])].append(float(text))
    return days


def test_real_glucose_files(samples: Path) -> None:
    folders = sorted((samples / "glucose_ml").glob("*/*glucose-files"))
    files = [min(folder.glob("*.csv")) for folder in folders]
    assert len(files) >= 2
    for number, file in enumerate(files, start=1):
        days = read_glucose_file(file)
        rows = [
            sample("glucose_interstitial", value, place, pid=pid(number), local_date=day)
            for day, values in days.items()
            for place, value in enumerate(values)
        ]
        found = {row["local_date"]: row for row in run("glucose_daily", rows)}
        assert set(found) == set(days)
        for day, values in days.items():
            check_glucose(found[day], values)


def test_every_value_of_every_model_cites_its_formula() -> None:
    for model in models().values():
        for name, column in model.columns.items():
            if column.sensitivity != "ordinary" and not name.startswith("night_"):
                assert column.formula, f"{model.name}.{name}"
                assert column.source, f"{model.name}.{name}"


def test_classes_follow_what_a_column_holds() -> None:
    assert set(models()["glucose_daily"].classes.values()) == {"ordinary", "special"}
    for name in ("heart_daily", "hrv_recordings", "sleep_nightly", "activity_daily"):
        assert set(models()[name].classes.values()) == {"ordinary", "sensitive"}
    assert models()["cohort_weekly"].classes["mean_time_in_range_percent"] == "special"
