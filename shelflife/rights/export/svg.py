"""The few drawing parts that the charts share: scales, ticks, axes and the frame of an accessible SVG. Pure.

Colours come from classes that the page's style sheet defines, so that a chart follows light, dark and print.
"""

from __future__ import annotations

import datetime as dt
import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT, RIGHT, TOP, BOTTOM = 48.0, 10.0, 12.0, 28.0
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TICK_PIXELS = 66
# Numbers that are closer to each other than this share of themselves are one number.
_LEAST = 1e-9
_DAY_STEPS = (1, 2, 3, 7, 14)
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


@dataclass(frozen=True)
class Frame:
    """The plotting area of a chart and its scales.

    Attributes:
        width: of the whole chart, in pixels.
        height: of the whole chart, in pixels.
        first: the day at the left edge.
        days: how many days it spans.
        low: the number at the bottom.
        high: the number at the top.
    """

    width: float
    height: float
    first: dt.date
    days: int
    low: float
    high: float

    @property
    def step(self) -> float:
        """How wide a day is."""
        return (self.width - LEFT - RIGHT) / max(self.days, 1)

    def x(self, day: dt.date) -> float:
        """Where the middle of a day is."""
        return LEFT + ((day - self.first).days + 0.5) * self.step

    def y(self, number: float) -> float:
        """Where a number is; lower numbers are further down."""
        share = (number - self.low) / ((self.high - self.low) or 1)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def frame_of(days: Sequence[dt.date], low: float, high: float, width: float, height: float) -> Frame:
    """Return a frame that holds these days and numbers, its edges on round numbers."""
    ticks = nice_ticks(low, high)
    first, last = min(days), max(days)
    return Frame(width, height, first, (last - first).days + 1, ticks[0], ticks[-1])


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers (1, 2 or 5 times a power of ten) that span a range."""
    if high - low < _LEAST * max(1.0, abs(low)):
        high = low + 1
    rough = (high - low) / count
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 10) for number in range(first, last + 1)]


def axes(frame: Frame) -> str:
    """Return the horizontal grid with its numbers, and the days below."""
    parts = []
    for number in nice_ticks(frame.low, frame.high):
        if not frame.low <= number <= frame.high:
            continue
        y = frame.y(number)
        parts.append(f'<path class="grid" d="M{LEFT:g} {y:.1f}H{frame.width - RIGHT:g}"/>')
        parts.append(text(LEFT - 8, y + 4, short(number), "tick end"))
    for day, label in day_ticks(frame):
        parts.append(text(frame.x(day), frame.height - 8, label, "tick middle"))
    return "".join(parts)


def day_ticks(frame: Frame) -> list[tuple[dt.date, str]]:
    """Return days to label, few enough for the width, with their labels."""
    most = max(2, int((frame.width - LEFT - RIGHT) // _TICK_PIXELS))
    last = frame.first + dt.timedelta(days=frame.days - 1)
    for step in _DAY_STEPS:
        if math.ceil(frame.days / step) <= most:
            days = [frame.first + dt.timedelta(days=at) for at in range(0, frame.days, step)]
            return _inside(frame, [(day, f"{day.day} {_MONTHS[day.month - 1]}") for day in days])
    first = frame.first.year * 12 + frame.first.month - (frame.first.day == 1)
    end = last.year * 12 + last.month - 1
    step = next(
        step for step in _MONTH_STEPS if (end - first) // step + 1 <= most or step == _MONTH_STEPS[-1]
    )
    months = [month for month in range(first, end + 1) if month % step == 0]
    dates = [dt.date(month // 12, month % 12 + 1, 1) for month in months]
    return _inside(frame, [(day, _month_label(day, step)) for day in dates])


def short(number: float) -> str:
    """Return a number as an axis shows it: no more digits than it has, thousands apart."""
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:g}"


def text(x: float, y: float, content: str, classes: str) -> str:
    """Return a label."""
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{html.escape(content)}</text>'


def picture(identity: str, title: str, description: str, width: float, height: float, body: str) -> str:
    """Return a whole SVG that a screen reader can tell: a title and a description in words.

    Args:
        identity: unique in the page.
        title: what it shows.
        description: what is to be seen in it.
        width: in pixels.
        height: in pixels.
        body: its parts.
    """
    names = f"{identity}-t", f"{identity}-d"
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{names[0]} {names[1]}">'
        f'<title id="{names[0]}">{html.escape(title)}</title><desc id="{names[1]}">{html.escape(description)}</desc>'
        f"{body}</svg>"
    )


def _inside(frame: Frame, ticks: list[tuple[dt.date, str]]) -> list[tuple[dt.date, str]]:
    """Leave out labels that would run over the right edge."""
    return [(day, label) for day, label in ticks if frame.x(day) + 3.4 * len(label) <= frame.width]


def _month_label(day: dt.date, step: int) -> str:
    if step >= 12:
        return str(day.year)
    return f"{_MONTHS[day.month - 1]} {day.year}" if day.month == 1 else _MONTHS[day.month - 1]
