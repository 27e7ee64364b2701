"""Reading the few facts about a person that sources write as text."""

from __future__ import annotations

import datetime as dt
import re

_NUMERIC = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")


def iso_date(text: str) -> str:
    """Return a date as ISO 8601 when its day and month cannot be confused, else the text as it is."""
    match = _NUMERIC.fullmatch(text)
    if match is None:
        return text
    first, second, year = (int(part) for part in match.groups())
    if first != second and first <= 12 and second <= 12:
        return text
    month, day = (second, first) if first > 12 else (first, second)
    try:
        return dt.date(year, month, day).isoformat()
    except ValueError:
        return text


def sex(text: str) -> str | None:
    """Return `female`, `male` or `other` for the usual ways to write them; None for none given."""
    word = text.strip().lower().removeprefix("hkbiologicalsex")
    known = {"f": "female", "female": "female", "m": "male", "male": "male", "other": "other"}
    return None if word in {"", "notset"} else known.get(word, word)
