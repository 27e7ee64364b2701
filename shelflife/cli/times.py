"""Times as they are written on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from shelflife.errors import ConfigurationError


def instant(text: str) -> datetime:
    """Return an ISO 8601 date-time with an offset as the same instant in UTC.

    Raises:
        ConfigurationError: it is none, has no offset, or lies outside of the years that can be counted in UTC.
    """
    try:
        found = datetime.fromisoformat(text)
        in_utc = None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        in_utc = None
    if in_utc is None:
        raise ConfigurationError(
            "A time is not ISO 8601 with an offset.", remedy="Write it like 2026-11-02T12:00:00Z."
        )
    return in_utc
