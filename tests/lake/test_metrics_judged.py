"""Derived HRV and glucose metrics against packages that nobody here wrote: NeuroKit2 and GlucoStats."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lake.model_rows import MIDNIGHT, one, pid, run, sample

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # importing the judges takes seconds
BEATS = st.lists(st.floats(400, 1400).map(lambda value: round(value, 3)), min_size=8, max_size=200)


def recording(intervals: list[float], begins: float = 60.0, **more: object) -> list[dict[str, object]]:
    """One uninterrupted recording: each interval stands at the beat that ends it."""
    at = begins * 60_000 + np.cumsum(intervals)
    return [
        sample("rr_interval", nn, float(ms) / 60_000, source_platform="garmin", **more)
        for nn, ms in zip(intervals, at, strict=True)
    ]


def judged(intervals: list[float]) -> dict[str, float]:
    import neurokit2

    seconds = np.cumsum(intervals) / 1000
    found = neurokit2.hrv_time({"RRI": np.array(intervals), "RRI_Time": seconds}).iloc[0]
    names = {"mean_nn_ms": "MeanNN", "sdnn_ms": "SDNN", "rmssd_ms": "RMSSD", "pnn50_percent": "pNN50"}
    return {ours: float(found[f"HRV_{theirs}"]) for ours, theirs in names.items()}


@given(BEATS)
@settings(max_examples=30, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_hrv_of_a_recording_equals_neurokit(intervals: list[float]) -> None:
    found = one("hrv_recordings", recording(intervals))
    for name, value in judged(intervals).items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name
    assert found["intervals"] == len(intervals)
    assert found["minutes"] == pytest.approx(sum(intervals) / 60_000)


def test_fifty_milliseconds_exactly_do_not_count() -> None:
    found = one("hrv_recordings", recording([800, 850, 800, 851, 800]))
    assert found["pnn50_percent"] == pytest.approx(100 * 2 / 5)


@pytest.mark.filterwarnings("ignore")
def test_a_gap_begins_another_recording_and_no_difference_reaches_across_it() -> None:
    first, second = [800.0, 810, 790, 820, 805, 815, 795, 800], [600.0, 700, 650, 720, 690, 655, 700, 640]
    rows = recording(first) + recording(second, begins=90)
    found = sorted(run("hrv_recordings", rows), key=lambda row: row["start_utc"])
    for row, intervals in zip(found, (first, second), strict=True):
        assert row["rmssd_ms"] == pytest.approx(judged(intervals)["rmssd_ms"], rel=1e-9)


def test_sources_and_people_are_never_mixed() -> None:
    beats = [800.0, 810, 790]
    rows = recording(beats) + recording(beats, source_app="other") + recording(beats, pid=pid(2))
    assert len(run("hrv_recordings", rows)) == 3


def test_an_implausible_interval_ends_a_recording() -> None:
    rows = recording([800.0, 810, 5000, 790, 805])
    rows[2]["quality_flags"] = 2
    assert [row["intervals"] for row in run("hrv_recordings", rows)] == [2, 2]


def glucose_judged(values: list[float]) -> dict[str, float]:
    import pandas as pd
    from glucostats.stats.control_stats import a1c_estimation
    from glucostats.stats.descriptive_stats import distribution
    from glucostats.stats.observations_stats import percentage_observations_in_ranges

    # The judge's grouping needs two signals at least: the second is another one, whose figures are not looked at.
    times = pd.date_range("2026-11-03", periods=len(values), freq="5min")
    other = [100.5 + place for place in range(len(values))][::-1]
    frame = pd.DataFrame(
        {"time": [*times, *times], "glucose": [*values, *other]},
        index=["one"] * len(values) + ["two"] * len(values),
    )
    spread = distribution(frame, ddof=1).loc["one"]
    wide, narrow = (
        percentage_observations_in_ranges(frame, in_range_interval=limits).loc["one"]
        for limits in ([54, 250], [70, 180])
    )
    return {
        "mean_mg_dl": spread["mean"],
        "sd_mg_dl": spread["std"],
        "cv_percent": 100 * spread["std"] / spread["mean"],
        "gmi_percent": a1c_estimation(frame)["gmi"].loc["one"],
        "time_in_range_percent": narrow["pn_ir"],
        "below_70_percent": narrow["pn_br"],
        "above_180_percent": narrow["pn_ar"],
        "below_54_percent": wide["pn_br"],
        "above_250_percent": wide["pn_ar"],
    }


def check_glucose(values: list[float]) -> None:
    found: dict[str, Any] = one(
        "glucose_daily",
        [sample("glucose_interstitial", value, place / 60) for place, value in enumerate(values)],
    )
    for name, value in glucose_judged(values).items():
        assert found[name] == pytest.approx(float(value), rel=1e-9, abs=1e-9), name


# GlucoStats counts a value on a limit to the other side than the consensus does: no value lies on one.
@given(st.lists(st.integers(40, 400).map(lambda value: value + 0.5), min_size=3, max_size=100))
@settings(max_examples=25, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_glucose_metrics_equal_glucostats(values: list[float]) -> None:
    check_glucose(values)


@pytest.mark.filterwarnings("ignore")
def test_glucose_metrics_of_a_real_sensor_equal_glucostats(samples: Path) -> None:
    with (samples / "dexcom_clarity" / "test_file.csv").open(encoding="utf-8-sig") as file:
        readings = [
            float(row["Glucose Value (mg/dL)"]) for row in csv.DictReader(file) if row["Event Type"] == "EGV"
        ]
    assert len(readings) == 2148
    check_glucose([value + 0.25 for value in readings])
    found = one(
        "glucose_daily",
        [sample("glucose_interstitial", value, place / 60) for place, value in enumerate(readings)],
    )
    assert found["mean_mg_dl"] == pytest.approx(111.896648, abs=5e-7)
    assert found["gmi_percent"] == pytest.approx(5.986568, abs=5e-7)
    assert MIDNIGHT.hour == 0
