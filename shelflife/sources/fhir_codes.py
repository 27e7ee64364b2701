"""What the codes of a FHIR Observation mean: LOINC and HealthKit codes, units, and words of required value sets."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shelflife.signals.units import conversion
from shelflife.signals.vocabulary import SIGNALS
from shelflife.sources.apple_types import GLUCOSE_TYPE, SIGNAL_OF_TYPE, SLEEP_TYPE
from shelflife.sources.source import SourceType

if TYPE_CHECKING:
    from collections.abc import Mapping

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
HEALTHKIT = "http://developer.apple.com/documentation/healthkit"

STATUSES = frozenset(
    {
        "registered",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "cancelled",
        "entered-in-error",
        "unknown",
    }
)
WITHDRAWN = frozenset({"cancelled", "entered-in-error"})
"""Statuses of an Observation that says nothing about anybody."""
COMPARATORS: Mapping[str, str] = MappingProxyType({"<": "<", "<=": "<", ">": ">", ">=": ">"})
"""FHIR's comparators; a sample only says on which side of the number the value lies."""

GLUCOSE_UNKNOWN: Mapping[str, str] = MappingProxyType(
    {
        "2339-0": "glucose in blood, whichever",
        "15074-8": "glucose in blood, whichever",
        "2345-7": "glucose in serum or plasma",
        "14749-6": "glucose in serum or plasma",
    }
)
"""Glucose of a specimen that no signal is for: set aside, never taken for another one."""

_STATISTIC_OF = {
    "step_count": "sum",
    "distance": "sum",
    "active_energy": "sum",
    "sleep_episode": "sum",
    "hrv_sdnn": "sdnn",
    "hrv_rmssd": "rmssd",
}
_FURTHER: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        # The code that the R4 profile of oxygen saturation asks for, beside that of pulse oximetry.
        "2708-6": ("spo2", None),
        "105272-9": ("glucose_interstitial", None),
        "97507-8": ("glucose_interstitial", "mean"),
        "105273-7": ("glucose_interstitial", "mean"),
        "14743-9": ("glucose_capillary", None),
        "93816-7": ("distance", "sum"),
    }
)
SIGNAL_OF_LOINC: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        **{
            signal.loinc: (signal.name, _STATISTIC_OF.get(signal.name))
            for signal in SIGNALS.values()
            if signal.loinc is not None
        },
        **_FURTHER,
    }
)
"""Signal and statistic of each LOINC code; None where the code says nothing about a statistic."""

_SIGNAL_OF_HEALTHKIT: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        record: (signal, _STATISTIC_OF.get(signal))
        for record, (signal, _) in SIGNAL_OF_TYPE.items()
        if record not in {GLUCOSE_TYPE, SLEEP_TYPE}
    }
)

TYPES: tuple[SourceType, ...] = (
    *(
        SourceType(f"LOINC {code}", signal, "UCUM" if SIGNALS[signal].unit else None, statistic)
        for code, (signal, statistic) in SIGNAL_OF_LOINC.items()
    ),
    *(
        SourceType(f"HealthKit {record}", signal, "UCUM" if SIGNALS[signal].unit else None, statistic)
        for record, (signal, statistic) in _SIGNAL_OF_HEALTHKIT.items()
    ),
    *(
        SourceType(f"LOINC {code}", None, note=f"{what.capitalize()}: set aside.")
        for code, what in GLUCOSE_UNKNOWN.items()
    ),
    SourceType("Patient", None, note="Name, birth date and sex go to the profile."),
    SourceType(
        "Device",
        None,
        note="Maker, model and version become those of its samples; serial numbers are dropped.",
    ),
)


def meaning(concept: Any) -> tuple[str | None, str | None, str | None]:
    """Return signal, statistic and problem of a CodeableConcept.

    The problem is `unknown_signal` for glucose of an unknown specimen and `value_conflict` for codes that mean two
    signals; without signal and problem it is another code, which is no business of this estate.
    """
    codings = [coding for coding in (concept or {}).get("coding") or () if isinstance(coding, dict)]
    loinc = {
        code["code"] for code in codings if code.get("system") == LOINC and isinstance(code.get("code"), str)
    }
    found = {SIGNAL_OF_LOINC[code] for code in loinc if code in SIGNAL_OF_LOINC}
    if not found and loinc & GLUCOSE_UNKNOWN.keys():
        return None, None, "unknown_signal"
    if not found:
        apple = {str(code.get("code")) for code in codings if code.get("system") == HEALTHKIT}
        found = {_SIGNAL_OF_HEALTHKIT[code] for code in apple if code in _SIGNAL_OF_HEALTHKIT}
    if len({signal for signal, _ in found}) > 1 or (found and loinc & GLUCOSE_UNKNOWN.keys()):
        return None, None, "value_conflict"
    if not found:
        return None, None, None
    signal, statistic = max(found, key=lambda one: one[1] or "")
    return signal, statistic, None


def unit_of(signal: str | None, quantity: Mapping[str, Any]) -> str | None:
    """Return the unit of a Quantity: its UCUM code, else the words for people that stand beside it."""
    code = quantity.get("code") if quantity.get("system") in {UCUM, None} else None
    words = quantity.get("unit")
    known = [unit for unit in (code, words) if isinstance(unit, str) and conversion(signal, unit) is not None]
    return next(iter(known), code or words)
