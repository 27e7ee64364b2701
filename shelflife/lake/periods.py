"""Periods: a day "2026-11-23", a month "2026-11" or an ISO week "2026-W48"."""

from __future__ import annotations

import datetime as dt


def period_of(day: dt.date, grain: str) -> str:
    """Return the period that a day belongs to: "2026-11-23", "2026-11" or the ISO week "2026-W48"."""
    if grain == "day":
        return day.isoformat()
    if grain == "month":
        return day.strftime("%Y-%m")
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def days_of(period: str) -> tuple[dt.date, dt.date]:
    """Return the first day of a period and the first day after it."""
    if "W" in period:
        year, week = period.split("-W")
        first = dt.date.fromisocalendar(int(year), int(week), 1)
        return first, first + dt.timedelta(days=7)
    if len(period) == len("2026-11"):
        first = dt.date.fromisoformat(f"{period}-01")
        return first, (first + dt.timedelta(days=32)).replace(day=1)
    first = dt.date.fromisoformat(period)
    return first, first + dt.timedelta(days=1)


def periods_covering(period: str, grain: str) -> list[str]:
    """Return the periods of another grain that share a day with this one."""
    first, end = days_of(period)
    days = [first + dt.timedelta(days=offset) for offset in range((end - first).days)]
    return sorted({period_of(day, grain) for day in days})
