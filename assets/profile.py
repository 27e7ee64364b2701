"""What Great Expectations expects of a batch's profile, and the judging of it.

Great Expectations never sees a row: it is handed one line of counts, means and shares, in memory, and asked for
booleans only, since its other result formats quote the values that they object to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shelflife.signals.vocabulary import SIGNALS, signals_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa


@dataclass(frozen=True)
class Expected:
    """Between what one measure of one signal of a batch lies; a signal that the batch lacks is not judged.

    Attributes:
        measure: a column of the profile: mean, null_share, samples, ...
        least: smallest value that is accepted; None for no bound.
        most: largest value that is accepted; None for no bound.
    """

    signal: str
    measure: str
    least: float | None
    most: float | None

    @property
    def name(self) -> str:
        """Name of the expectation, and of the column that it looks at."""
        return f"{self.signal}.{self.measure}"


# Means of a whole batch, in canonical units: wide enough for one person's bad day, too narrow for a wrong unit
# (mmol/L read as mg/dL, beats a second, pounds, Fahrenheit).
_MEANS: Mapping[str, tuple[float, float]] = {
    "heart_rate": (30, 220),
    "resting_heart_rate": (25, 130),
    "rr_interval": (270, 2000),
    "hrv_sdnn": (2, 300),
    "hrv_rmssd": (2, 300),
    "sleep_episode": (10, 1080),
    "glucose_interstitial": (40, 400),
    "glucose_capillary": (40, 400),
    "step_count": (0, 30_000),
    "distance": (0, 100_000),
    "active_energy": (0, 5000),
    "body_temperature": (33, 42.5),
    "skin_temperature_delta": (-5, 5),
    "body_weight": (20, 350),
    "vo2max": (10, 90),
    "spo2": (70, 100),
    "respiratory_rate": (4, 60),
    "sleep_score": (1, 100),
}


def expectations_of(stream: str) -> list[Expected]:
    """Return what is expected of one stream's part of a profile."""
    found = []
    for signal in signals_of(stream):
        coded = signal.kind == "coded"
        found.append(Expected(signal.name, "null_share", *((1.0, 1.0) if coded else (0.0, 0.0))))
        if not coded:
            found.append(Expected(signal.name, "mean", *_MEANS[signal.name]))
    return found


def judge_profiles(profiles: Mapping[str, pa.Table]) -> dict[str, dict[str, bool]]:
    """Judge a batch's profile.

    Args:
        profiles: the profile of each stream, as `shelflife.lake.checks.check_stream` makes it.

    Returns:
        Whether each expectation of each stream is met.
    """
    expected = {stream: expectations_of(stream) for stream in profiles}
    line = _line(profiles)
    asked = [one for stream in expected.values() for one in stream if line.get(one.name) is not None]
    met = _validate(line, asked) if asked else {}
    return {stream: {one.name: met.get(one.name, True) for one in mine} for stream, mine in expected.items()}


def _line(profiles: Mapping[str, pa.Table]) -> dict[str, float | None]:
    """Lay the profiles out as one line: a column for each measure of each signal."""
    line: dict[str, float | None] = {}
    for profile in profiles.values():
        for row in profile.to_pylist():
            if row["signal"] in SIGNALS:
                line |= {f"{row['signal']}.{name}": value for name, value in row.items() if name != "signal"}
    return line


def _validate(line: Mapping[str, float | None], asked: Sequence[Expected]) -> dict[str, bool]:
    # Great Expectations takes seconds to import and most processes never judge a batch.
    import great_expectations as gx  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    frame = pd.DataFrame({one.name: [float(line[one.name] or 0.0)] for one in asked})
    asset = context.data_sources.add_pandas("profile").add_dataframe_asset("batch")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite("profile", expectations=[_expectation(gx, one) for one in asked])
    results = batch.validate(suite, result_format="BOOLEAN_ONLY").results
    return {result.expectation_config.kwargs["column"]: bool(result.success) for result in results}


def _expectation(gx: Any, one: Expected) -> Any:
    return gx.expectations.ExpectColumnValuesToBeBetween(
        column=one.name, min_value=one.least, max_value=one.most
    )
