"""Names of Withings' devices; another text in their place could name a person, and is no model."""

from __future__ import annotations

_MODELS = frozenset(
    {
        "Body", "Body+", "Body Cardio", "Body Comp", "Body Scan", "Body Smart", "Body Pro", "BPM", "BPM Connect", "BPM Core",
        "BPM Pro", "Thermo", "Pulse", "Pulse HR", "Go", "Move", "Move ECG", "Activite Steel", "Activite Steel HR", "Steel HR",
        "ScanWatch", "ScanWatch 2", "ScanWatch Light", "ScanWatch Nova", "Aura Dock", "Aura Sensor", "Aura Sensor V2",
        "Sleep Analyzer",
    }
)  # fmt: skip


def device_model(given: object) -> str | None:
    """Return a model's name where it is one of Withings' own, else None."""
    return given if isinstance(given, str) and given in _MODELS else None
