"""The signals that an estate knows: their stream, canonical unit, LOINC code and the values that make sense.

Units are UCUM. LOINC codes are those confirmed by Stanford's HealthKitOnFHIR mapping, the HL7 CGM guide 1.0.0
(99504-3) and the HL7 PHR guide (93832-4); a signal without a confirmed code has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["instant", "interval", "coded"]
Grain = Literal["day", "month"]

STREAMS: tuple[str, ...] = ("heart", "sleep", "glucose", "activity", "body", "respiration")
"""Groups of signals that share keys. The order is fixed: it is the slot of a stream's key in a keyring."""

PARTITION_GRAIN: Mapping[str, Grain] = MappingProxyType(
    {
        "heart": "day",
        "sleep": "month",
        "glucose": "day",
        "activity": "day",
        "body": "month",
        "respiration": "month",
    }
)
"""Period that one partition of a stream covers. Sparse streams use months, so that blocks stay large."""

STAGES: tuple[str, ...] = (
    "awake",
    "light",
    "deep",
    "rem",
    "asleep_unspecified",
    "in_bed",
    "out_of_bed",
)
"""Codes that a `sleep_stage` can have."""

STATISTICS: tuple[str, ...] = ("instant", "mean", "min", "max", "sum", "sdnn", "rmssd")
"""What a number says about its interval."""

TZ_BASES: tuple[str, ...] = ("sample", "device", "export", "account", "assumed", "unknown")
"""Where a sample's UTC offset comes from, the most trustworthy first."""


@dataclass(frozen=True)
class Signal:
    """One kind of measurement.

    Attributes:
        name: canonical name.
        stream: the stream it belongs to.
        unit: canonical UCUM unit; None for a coded signal.
        loinc: LOINC code, None where none is confirmed.
        plausible: values outside are odd and get flagged; in `unit`.
        possible: values outside cannot be true and are quarantined; in `unit`.
        kind: `instant` and `interval` carry a number, `coded` carries a code.
    """

    name: str
    stream: str
    unit: str | None
    loinc: str | None
    plausible: tuple[float, float] | None
    possible: tuple[float, float] | None
    kind: Kind


_ALL = (
    Signal("heart_rate", "heart", "/min", "8867-4", (25, 230), (1, 400), "instant"),
    Signal("resting_heart_rate", "heart", "/min", "40443-4", (25, 130), (1, 400), "instant"),
    Signal("rr_interval", "heart", "ms", None, (250, 2500), (100, 20_000), "instant"),
    Signal("hrv_sdnn", "heart", "ms", "80404-7", (2, 300), (0, 2000), "interval"),
    Signal("hrv_rmssd", "heart", "ms", None, (2, 300), (0, 2000), "interval"),
    Signal("sleep_stage", "sleep", None, None, None, None, "coded"),
    Signal("sleep_episode", "sleep", "min", "93832-4", (10, 1080), (0, 4320), "interval"),
    Signal("sleep_score", "sleep", "{score}", None, (0, 100), (0, 1000), "interval"),
    Signal("glucose_interstitial", "glucose", "mg/dL", "99504-3", (20, 510), (10, 1000), "instant"),
    Signal("glucose_capillary", "glucose", "mg/dL", "41653-7", (20, 600), (10, 1500), "instant"),
    Signal("step_count", "activity", "{steps}", "55423-8", (0, 30_000), (0, 500_000), "interval"),
    Signal("distance", "activity", "m", None, (0, 100_000), (0, 2_000_000), "interval"),
    Signal("active_energy", "activity", "kcal", "41981-2", (0, 5000), (0, 50_000), "interval"),
    Signal("workout", "activity", None, "73985-4", None, None, "coded"),
    Signal("body_temperature", "body", "Cel", "8310-5", (33, 42.5), (10, 50), "instant"),
    Signal("skin_temperature_delta", "body", "K", None, (-5, 5), (-30, 30), "instant"),
    Signal("body_weight", "body", "kg", "29463-7", (20, 350), (0.2, 700), "instant"),
    Signal("vo2max", "body", "mL/kg/min", None, (10, 90), (1, 120), "instant"),
    Signal("spo2", "respiration", "%", "59408-5", (70, 100), (1, 100), "instant"),
    Signal("respiratory_rate", "respiration", "/min", "9279-1", (4, 60), (0, 200), "instant"),
)

SIGNALS: Mapping[str, Signal] = MappingProxyType({signal.name: signal for signal in _ALL})
"""Every signal by name."""


def signals_of(stream: str) -> tuple[Signal, ...]:
    """Return the signals of one stream, in vocabulary order."""
    return tuple(signal for signal in _ALL if signal.stream == stream)
