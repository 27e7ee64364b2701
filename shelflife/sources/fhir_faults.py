"""What R4 finds wrong with a resource, found once for all resources that say the same of other times and numbers.

The definitions of R4 take a tenth of a millisecond for each element. An export has thousands of Observations of one
device, which differ in id, times and numbers only; where those are plainly sound, the rest decides.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from shelflife.sources.json_shapes import Fault

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_TIME = re.compile(
    r"(?:19|20)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d)", re.ASCII
)
_TIMES = ("effectiveDateTime", "effectiveInstant", "issued", "lastUpdated", "start", "end")
_HOLDERS = ("valueQuantity", "effectivePeriod", "meta")
_LARGEST = 10**9
_PLAIN = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_LONGEST_KEY = 8192
_MOST_KNOWN = 1024


class Faults:
    """Remembers what was found of resources that are equal but for sound ids, times and numbers.

    Args:
        judge: returns what is wrong with a resource.
    """

    def __init__(self, judge: Callable[[str, dict[str, Any]], Fault | None]) -> None:
        self._judge = judge
        self._known: dict[str, Fault | None] = {}

    def of(self, kind: str, resource: dict[str, Any]) -> Fault | None:
        """Return what is wrong with a resource of a kind; None when nothing is."""
        try:
            key = f"{kind} {_without_sound_values(resource)!r}"
        except (ValueError, RecursionError):
            # A number of thousands of digits, or objects nested without end.
            return self._judge(kind, resource)
        if len(key) > _LONGEST_KEY:
            return self._judge(kind, resource)
        if key not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = self._judge(kind, resource)
        return self._known[key]


def _without_sound_values(holder: dict[str, Any]) -> dict[str, Any]:
    """Return an object with one value each in place of ids, times and numbers of which R4 accepts every one."""
    plain = dict(holder)
    for name in _TIMES:
        if name in plain and _is_sound_time(plain[name]):
            plain[name] = _SOME_TIME
    if _is_sound_id(plain.get("id")):
        plain["id"] = "x"
    value = plain.get("value")
    if value is not None and type(value) in _SOME_NUMBERS and _is_sound_number(value):
        plain["value"] = _SOME_NUMBERS[type(value)]
    for name in _HOLDERS:
        if type(plain.get(name)) is dict:
            plain[name] = _without_sound_values(plain[name])
    if type(plain.get("component")) is list:
        plain["component"] = [
            _without_sound_values(part) if type(part) is dict else part for part in plain["component"]
        ]
    return plain


def _is_sound_id(value: object) -> bool:
    return type(value) is str and _ID.fullmatch(value) is not None


def _is_sound_time(value: object) -> bool:
    if type(value) is not str or _TIME.fullmatch(value) is None:
        return False
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_sound_number(value: Decimal | int) -> bool:
    if isinstance(value, Decimal) and not value.is_finite():
        return False
    # A whole number of thousands of digits cannot be written as text.
    return 0 <= value < _LARGEST and _PLAIN.fullmatch(str(value)) is not None


_SOME_TIME = "2000-01-01T00:00:00Z"
_SOME_NUMBERS: dict[type, Decimal | int] = {int: 1, Decimal: Decimal("1.5")}
