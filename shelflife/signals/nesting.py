"""Intervals that lie within each other, and which of them count. Pure, over the intervals of one source and statistic.

Of sums, the outer one does not count when what counts within it adds up to at least 95 % of it; otherwise the inner ones
do not, since something is missing among them. Of means, minima, maxima and measures of variability, an outer one
does not count when two or more lie within it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Interval = tuple[int, int, float]
"""Start, end (half open) and value."""

_SHARE_OF_TOTAL = 0.95


def sums(intervals: Sequence[Interval]) -> list[int]:
    """Return the places of sums that do not count.

    Args:
        intervals: sorted by start, the longest first among equal starts.
    """
    inside = within(intervals)
    found: set[int] = set()
    total = {place: value for place, (_, _, value) in enumerate(intervals)}
    # From the innermost outwards: what an outer one is compared with is what counts within it.
    for outer in sorted(inside, reverse=True):
        inner = sum(total[place] for place in inside[outer])
        if inner >= _SHARE_OF_TOTAL * total[outer]:
            found.add(outer)
            total[outer] = inner
        else:
            found |= _below(outer, inside)
    return sorted(found)


def summaries(intervals: Sequence[Interval]) -> list[int]:
    """Return the places of means, extremes and measures of variability that finer ones stand for.

    Args:
        intervals: sorted by start, the longest first among equal starts.
    """
    inside = within(intervals)
    return sorted(outer for outer in inside if len(_below(outer, inside)) > 1)


def within(intervals: Sequence[Interval]) -> dict[int, list[int]]:
    """Return for each interval that holds others the places of those directly within it."""
    inside: dict[int, list[int]] = {}
    open_ones: list[int] = []
    for place, (start, end, _) in enumerate(intervals):
        while open_ones and intervals[open_ones[-1]][1] < end:
            open_ones.pop()
        if open_ones and intervals[open_ones[-1]][:2] != (start, end):
            inside.setdefault(open_ones[-1], []).append(place)
        open_ones.append(place)
    return inside


def _below(outer: int, inside: Mapping[int, Sequence[int]]) -> set[int]:
    found, waiting = set[int](), list(inside.get(outer, ()))
    while waiting:
        place = waiting.pop()
        found.add(place)
        waiting += inside.get(place, ())
    return found
