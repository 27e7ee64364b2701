"""Great Expectations judges a profile and tells booleans only."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa

from assets.profile import expectations_of, judge_profiles
from shelflife.signals.vocabulary import SIGNALS, STREAMS
from tests.dagster.conftest import MARKS, ROOT

pytestmark = MARKS


def profile(**rows: tuple[float | None, float]) -> pa.Table:
    return pa.table(
        {
            "signal": pa.array(list(rows), pa.string()),
            "mean": pa.array([mean for mean, _ in rows.values()], pa.float64()),
            "null_share": pa.array([share for _, share in rows.values()], pa.float64()),
        }
    )


def test_every_signal_has_expectations():
    named = {one.signal for stream in STREAMS for one in expectations_of(stream)}
    assert named == set(SIGNALS)


def test_good_and_bad_measures_are_told_apart():
    met = judge_profiles(
        {
            "heart": profile(heart_rate=(72.0, 0.0), rr_interval=(0.8, 0.0)),
            "glucose": profile(glucose_interstitial=(5.5, 0.0), glucose_capillary=(110.0, 0.25)),
            "sleep": profile(sleep_stage=(None, 1.0)),
            "body": profile(),
        }
    )
    assert {name for held in met.values() for name, passed in held.items() if not passed} == {
        "rr_interval.mean",
        "glucose_interstitial.mean",
        "glucose_capillary.null_share",
    }
    assert all(isinstance(passed, bool) for held in met.values() for passed in held.values())


def test_an_empty_profile_passes_without_great_expectations():
    assert all(all(held.values()) for held in judge_profiles({"heart": profile()}).values())


def test_great_expectations_is_imported_only_to_judge():
    code = "import sys, assets.checks; print('great_expectations' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "False"
