"""Taking values out of JSON documents whose shape nobody vouches for: what is not there, or is of another kind, is None."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shelflife.sources.observations import Observation

_LARGEST = 10**15
"""Milliseconds, seconds and counts beyond this are no measurement, and their microseconds would overflow."""
_DIGITS = "0123456789"
_LONGEST_FACT = 200


def mapping(value: object) -> dict[str, Any]:
    """Return an object as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """Return an array as it is, anything else as an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str | None:
    """Return a text as it is, anything else as None."""
    return value if isinstance(value, str) else None


def readable(value: object) -> str:
    """Return a fact about a person as text of at most 200 characters; what JSON permits and text does not is replaced."""
    return str(value)[:_LONGEST_FACT].encode("utf-8", "replace").decode()


def whole(value: object) -> int | None:
    """Return a whole number, also one that is written as text, up to 10^15; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if not digits or len(digits) > 20 or not all(sign in _DIGITS for sign in digits):
            return None
        number = int(value)
    elif isinstance(value, Decimal):
        if not value.is_finite() or value.copy_abs() > _LARGEST or value != value.to_integral_value():
            return None
        number = int(value)
    elif isinstance(value, int):
        number = value
    else:
        return None
    return number if abs(number) <= _LARGEST else None


def nanoseconds(value: object) -> int | None:
    """Return microseconds since 1970-01-01T00:00Z for nanoseconds as a number or as text, rounded down."""
    if isinstance(value, str) and len(value) <= 20 and value and all(sign in _DIGITS for sign in value):
        return int(value) // 1000
    return value // 1000 if isinstance(value, int) and not isinstance(value, bool) else None


def record_id(value: object) -> str | None:
    """Return a vendor's numeric id as text, digit for digit; any other id as a digest, since it may hold a name."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    written = str(value)
    if 0 < len(written) <= 40 and all(sign in _DIGITS for sign in written):
        return written
    return digest(written)


def digest(*parts: str | None) -> str:
    """Return a stable id for what has no id of its own (BLAKE2b, 128 bit, as hexadecimal)."""
    joined = "\x1f".join(part or "" for part in parts)
    return hashlib.blake2b(joined.encode("utf-8", "replace"), digest_size=16).hexdigest()


def day_of(date: object) -> Observation:
    """Return start and end of a local day, from midnight to the next, as wall-clock times.

    Args:
        date: `YYYY-MM-DD`. Another text becomes a start that no reader of times accepts; anything else none at all.
    """
    written = text(date)
    try:
        first = dt.date.fromisoformat(written or "")
        return {"start": f"{first}T00:00:00", "end": f"{first + dt.timedelta(days=1)}T00:00:00"}
    except (ValueError, OverflowError):
        return {"start": written}
