"""Which source goes before which where several report the same observation.

The declared order runs from what the measuring device or its maker says itself to what was passed on by others: a value
that went through a phone's health store was rounded, re-stamped or re-labelled on its way. What a person typed in comes
last. An estate can declare another order (setting `source_precedence`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PRECEDENCE: tuple[str, ...] = (
    "dexcom",
    "libreview",
    "garmin",
    "polar",
    "oura",
    "whoop",
    "fitbit",
    "withings",
    "samsung_health",
    "apple_health/apple_watch",
    "health_connect",
    "apple_health",
    "google_fit",
    "nightscout",
    "fhir",
    "open_mhealth",
)
"""Platforms, or `platform/application`, the most trusted first; what is not named comes after all of them."""


def rank(platform: str | None, app: str | None, precedence: Sequence[str]) -> int:
    """Return the place of a source in the declared order, from 0; an entry that names the application wins."""
    for name in (f"{platform}/{app}", platform):
        if name in precedence:
            return precedence.index(name)
    return len(precedence)


def digest(precedence: Sequence[str]) -> int:
    """Return a number that changes with the order, so that what was derived under another one is stale."""
    return int.from_bytes(hashlib.sha256("\n".join(precedence).encode()).digest()[:6], "big")
