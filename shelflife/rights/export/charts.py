"""The charts of days and nights, as SVG. Pure: numbers in, text out.

Each chart is drawn for a given width, so that a narrow screen gets a chart of its own with letters of full size.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from shelflife.rights.export.svg import (
    axes,
    frame_of,
    picture,
)

if TYPE_CHECKING:
    from shelflife.rights.export.svg import Frame
    from shelflife.rights.export.tally import Days

WIDE, NARROW = 720, 350
HEIGHT = 232
# Above this many days single marks would run together, so that weeks are drawn.
MOST_DAYS = 120
STAGES = ("deep", "light", "rem", "unstaged", "awake")

Draw = Callable[[str, float], str]
"""Draws a chart under a unique name at a width."""


@dataclass(frozen=True)
class Night:
    """Minutes in each state (`STAGES`) of one night."""

    day: dt.date
    minutes: Mapping[str, float]


def weekly(days: Mapping[dt.date, Days]) -> dict[dt.date, Days]:
    """Return days as they are or, if there are too many to tell apart, joined by week (Monday)."""
    if not days or (max(days) - min(days)).days <= MOST_DAYS:
        return dict(days)
    weeks: dict[dt.date, Days] = {}
    for day, found in sorted(days.items()):
        monday = day - dt.timedelta(days=day.weekday())
        if monday in weeks:
            weeks[monday].join(found)
        else:
            weeks[monday] = type(found)(found.low, found.high, found.total, found.count)
    return weeks


def range_chart(days: Mapping[dt.date, Days], title: str, description: str) -> Draw:
    """Return what draws, for each day, a bar from the lowest to the highest reading, and the mean as a line."""
    shown = weekly(days)

    def draw(identity: str, width: float) -> str:
        low, high = min(day.low for day in shown.values()), max(day.high for day in shown.values())
        frame = frame_of(list(shown), low, high, width, HEIGHT)
        bar = _bar_width(frame, shown)
        parts = [axes(frame)]
        for day, found in sorted(shown.items()):
            top, bottom = frame.y(found.high), frame.y(found.low)
            height = max(bottom - top, 1.5)
            parts.append(
                f'<rect class="band" x="{frame.x(day) - bar / 2:.1f}" y="{top:.1f}" width="{bar:.1f}" '
                f'height="{height:.1f}" rx="{min(bar / 2, 4):.1f}"/>'
            )
        parts.append(_line(frame, [(day, found.mean) for day, found in sorted(shown.items())]))
        return picture(identity, title, description, width, HEIGHT, "".join(parts))

    return draw


def line_chart(days: Mapping[dt.date, Days], title: str, description: str) -> Draw:
    """Return what draws the mean of each day as a line with dots."""
    shown = weekly(days)

    def draw(identity: str, width: float) -> str:
        means = [(day, found.mean) for day, found in sorted(shown.items())]
        numbers = [mean for _, mean in means]
        room = max((max(numbers) - min(numbers)) * 0.15, abs(max(numbers)) * 0.01, 0.1)
        frame = frame_of(list(shown), min(numbers) - room, max(numbers) + room, width, HEIGHT * 0.8)
        dots = "".join(
            f'<circle class="dot" cx="{frame.x(day):.1f}" cy="{frame.y(mean):.1f}" r="3"/>'
            for day, mean in means
        )
        body = axes(frame) + _line(frame, means) + (dots if len(means) <= 60 else "")
        return picture(identity, title, description, width, HEIGHT * 0.8, body)

    return draw


def bar_chart(values: Mapping[dt.date, float], title: str, description: str) -> Draw:
    """Return what draws one bar a day from zero; a week's mean where there are too many days."""
    shown = _weekly_means(values)

    def draw(identity: str, width: float) -> str:
        frame = frame_of(list(shown), 0, max([*shown.values(), 1]), width, HEIGHT)
        bar = _bar_width(frame, shown)
        base = frame.y(0)
        bars = "".join(
            f'<rect class="bar" x="{frame.x(day) - bar / 2:.1f}" y="{frame.y(number):.1f}" width="{bar:.1f}" '
            f'height="{max(base - frame.y(number), 0):.1f}" rx="{min(bar / 4, 3):.1f}"/>'
            for day, number in sorted(shown.items())
        )
        return picture(identity, title, description, width, HEIGHT, axes(frame) + bars)

    return draw


def night_chart(nights: Sequence[Night], title: str, description: str) -> Draw:
    """Return what draws each night as a bar of its stages, in hours; a week's mean where there are too many nights."""
    shown = _weekly_nights(nights)

    def draw(identity: str, width: float) -> str:
        hours = max((sum(night.minutes.values()) / 60 for night in shown), default=1)
        frame = frame_of([night.day for night in shown], 0, max(hours, 1), width, HEIGHT)
        bar = _bar_width(frame, [night.day for night in shown])
        parts = [axes(frame)]
        for night in shown:
            upto = 0.0
            for stage in STAGES:
                minutes = night.minutes.get(stage, 0.0)
                if minutes <= 0:
                    continue
                top, bottom = frame.y((upto + minutes) / 60), frame.y(upto / 60)
                upto += minutes
                parts.append(
                    f'<rect class="s-{stage}" x="{frame.x(night.day) - bar / 2:.1f}" y="{top:.1f}" '
                    f'width="{bar:.1f}" height="{max(bottom - top - 0.8, 0.4):.1f}"/>'
                )
        return picture(identity, title, description, width, HEIGHT, "".join(parts))

    return draw


def _line(frame: Frame, points: Sequence[tuple[dt.date, float]]) -> str:
    """Return a line through points, broken where more than two weeks are missing."""
    path, before = "", None
    for day, number in points:
        letter = "M" if before is None or (day - before).days > 14 else "L"
        path += f"{letter}{frame.x(day):.1f} {frame.y(number):.1f}"
        before = day
    return f'<path class="line" d="{path}"/>'


def _bar_width(frame: Frame, days: Sequence[dt.date] | Mapping[dt.date, object]) -> float:
    ordered = sorted(days)
    apart = min(((b - a).days for a, b in pairwise(ordered)), default=1)
    return max(1.0, min(frame.step * apart * 0.62, 22.0))


def _weekly_means(values: Mapping[dt.date, float]) -> dict[dt.date, float]:
    if not values or (max(values) - min(values)).days <= MOST_DAYS:
        return dict(values)
    weeks: dict[dt.date, list[float]] = {}
    for day, number in values.items():
        weeks.setdefault(day - dt.timedelta(days=day.weekday()), []).append(number)
    return {monday: sum(found) / len(found) for monday, found in weeks.items()}


def _weekly_nights(nights: Sequence[Night]) -> list[Night]:
    means = {stage: _weekly_means({n.day: n.minutes.get(stage, 0.0) for n in nights}) for stage in STAGES}
    days = sorted({day for found in means.values() for day in found})
    return [Night(day, {stage: means[stage].get(day, 0.0) for stage in STAGES}) for day in days]
