"""Reading the clock strings of heart beats in an Apple Health export: a time of day in the phone's own language.

The phone writes them for people: with 12 or 24 hours, a point or a comma before the hundredths, the half of the day in
its language before or after the time, a narrow no-break space in between, and digits of its script.
"""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY_US = 86_400_000_000
"""Microseconds of a day."""

_LONGEST = 64
# Without at least hundredths, differences of times say nothing about the intervals between beats.
_CLOCK = re.compile(r"(\d{1,2})([:.])(\d\d)\2(\d\d)[.,\u066b](\d{2,6})", re.ASCII)
_NOT_PRINTED = re.compile("[\\s.\u200e\u200f\u061c]")
_BEFORE_NOON = (
    "am", "上午", "午前", "오전", "πμ", "vorm", "fm", "de", "sa", "öö", "ص", "قظ", "לפנה״צ", "ap", "dop", "дп",
    "ก่อนเที่ยง", "पूर्वाह्न",
)  # fmt: skip
_AFTER_NOON = (
    "pm", "下午", "午後", "오후", "μμ", "nachm", "em", "du", "ch", "ös", "م", "بظ", "אחה״צ", "ip", "odp", "пп",
    "หลังเที่ยง", "अपराह्न",
)  # fmt: skip
_HALF: Mapping[str, int] = MappingProxyType(dict.fromkeys(_BEFORE_NOON, 0) | dict.fromkeys(_AFTER_NOON, 12))
"""Hours to add by the name of the half of the day (Unicode CLDR, day periods `am` and `pm`, abbreviated), without points."""


def clock_us(text: str | None) -> int | None:
    """Return the microseconds since midnight that a clock string says.

    Args:
        text: such as `6:14:48.94 PM`, `08:33:44,67` or `下午6:14:48.94`.

    Returns:
        None when it cannot be read for certain: not a time, less exact than hundredths of a second, or with words beside
        it that are no known half of the day.
    """
    if text is None or len(text) > _LONGEST:
        return None
    plain = _with_plain_digits(text)
    match = _CLOCK.search(plain)
    if match is None:
        return None
    half = _NOT_PRINTED.sub("", plain[: match.start()] + plain[match.end() :]).casefold()
    hour = _hour(int(match[1]), half)
    minute, second = int(match[3]), int(match[4])
    if hour is None or minute > 59 or second > 59:
        return None
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + int(match[5].ljust(6, "0"))


def _hour(number: int, half: str) -> int | None:
    if not half:
        return number if number < 24 else None
    later = _HALF.get(half)
    # Twelve o'clock is the first hour of its half; some languages call it zero.
    return None if later is None or number > 12 else number % 12 + later


def _with_plain_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in text)
