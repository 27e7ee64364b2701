"""The charts of glucose over the day, as SVG. Pure: numbers in, text out.

Source: the ambulatory glucose profile, Bergenstal et al., Diabetes Technology & Therapeutics 2013;15:198; target and
ranges of Battelino et al., Diabetes Care 2019;42:1593.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.rights.export.charts import HEIGHT, NARROW
from shelflife.rights.export.svg import BOTTOM, LEFT, RIGHT, TOP, nice_ticks, picture, short, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shelflife.rights.export.charts import Draw

TARGET = (70, 180)
RANGE_NAMES = ("below 54", "54 to 69", "70 to 180", "181 to 250", "above 250")


def profile_chart(percentiles: Sequence[Sequence[float] | None], title: str, description: str) -> Draw:
    """Return what draws glucose over the day: bands of 5-95 and 25-75 % of readings, the median, the target range.

    Args:
        percentiles: the 5th, 25th, 50th, 75th and 95th for each slot of the day; None where nothing was read.
        title: what it shows.
        description: what is to be seen in it.
    """

    def draw(identity: str, width: float) -> str:
        known = [(slot, found) for slot, found in enumerate(percentiles) if found is not None]
        ticks = nice_ticks(40, max(200, *(found[4] for _, found in known)))
        low, high = ticks[0], ticks[-1]

        def x(slot: float) -> float:
            return LEFT + slot / len(percentiles) * (width - LEFT - RIGHT)

        def y(number: float) -> float:
            return HEIGHT - BOTTOM - (number - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

        target = "".join(
            f'<path class="limit" d="M{LEFT:g} {y(limit):.1f}H{width - RIGHT:g}"/>'
            + text(width - RIGHT - 3, y(limit) - 4, str(limit), "limits end")
            for limit in TARGET
        )
        grid = "".join(
            f'<path class="grid" d="M{LEFT:g} {y(tick):.1f}H{width - RIGHT:g}"/>'
            + text(LEFT - 8, y(tick) + 4, short(tick), "tick end")
            for tick in ticks
        )
        hours = "".join(
            text(x(len(percentiles) * hour / 24), HEIGHT - 8, f"{hour:02d}:00", f"tick {_anchor(hour)}")
            for hour in range(0, 25, 4 if width > NARROW else 6)
        )
        bands = "".join(
            _area(run, x, y, lower, upper, name) for run in _runs(known) for lower, upper, name in _BANDS
        )
        median = "".join(
            '<path class="line" d="M' + "L".join(f"{x(s + 0.5):.1f} {y(f[2]):.1f}" for s, f in run) + '"/>'
            for run in _runs(known)
        )
        return picture(identity, title, description, width, HEIGHT, grid + hours + bands + target + median)

    return draw


def share_bar(shares: Sequence[float], title: str, description: str) -> Draw:
    """Return what draws the time in each glucose range as one bar."""

    def draw(identity: str, width: float) -> str:
        height, at, parts = 34.0, 0.0, []
        for place, share in enumerate(shares):
            length = share * width
            if length > 0:
                parts.append(
                    f'<rect class="r-{place}" x="{at:.1f}" y="0" width="{max(length - 1.5, 0.5):.1f}" height="{height:g}" rx="3"/>'
                )
            if length > 44:
                parts.append(text(at + length / 2, 22, f"{share:.0%}", "inbar middle"))
            at += length
        return picture(identity, title, description, width, height, "".join(parts))

    return draw


_BANDS = ((0, 4, "band outer"), (1, 3, "band inner"))


def _area(
    run: Sequence[tuple[int, Sequence[float]]],
    x: Callable[[float], float],
    y: Callable[[float], float],
    lower: int,
    upper: int,
    name: str,
) -> str:
    there = "L".join(f"{x(slot + 0.5):.1f} {y(found[upper]):.1f}" for slot, found in run)
    back = "L".join(f"{x(slot + 0.5):.1f} {y(found[lower]):.1f}" for slot, found in reversed(run))
    return f'<path class="{name}" d="M{there}L{back}Z"/>'


def _runs(known: Sequence[tuple[int, Sequence[float]]]) -> list[list[tuple[int, Sequence[float]]]]:
    """Cut slots where some in between have no reading."""
    runs: list[list[tuple[int, Sequence[float]]]] = []
    for slot, found in known:
        if not runs or runs[-1][-1][0] != slot - 1:
            runs.append([])
        runs[-1].append((slot, found))
    return runs


def _anchor(hour: int) -> str:
    return {0: "start", 24: "end"}.get(hour, "middle")
