"""An estate with a few people's rows on days that are due, days that are not, and quarantined rows."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from shelflife.estate import Estate
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.retention.hold_terms import Terms
from shelflife.retention.holds import place
from shelflife.subjects.directory import Alias, find
from tests.conftest import NOW
from tests.lake.conftest import put, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.config import Settings
    from shelflife.retention.holds import Hold

__all__ = ["put", "settings"]

OLD, OLDER, RECENT = "2024-11-01", "2024-10-31", "2026-11-20"
THEN = dt.datetime(2024, 11, 2, 12, 0, tzinfo=dt.UTC)
PEOPLE = ("ada", "bob", "cyd")
TERMS = Terms("2026-HR-17", "legal", dt.date(2027, 6, 1), {"eu_gdpr": "art-17-3-e"})


@pytest.fixture
def estate(settings: Settings) -> Iterator[Estate]:
    """An empty estate that a purge may empty: most tests are not about the brake."""
    made = Estate.create(settings.model_copy(update={"purge_brake_percent": 100}), NOW)
    yield made
    made.close()


@pytest.fixture
def filled(estate: Estate, put) -> Estate:
    """Three people's heart and sleep rows on two old days and a recent one; heart is kept for two years."""
    land_rows(estate, put, rows(*PEOPLE, days=(OLDER, OLD)), THEN)
    land_rows(estate, put, rows(*PEOPLE, days=(RECENT,)), NOW)
    return estate


def land_rows(estate: Estate, put, content: bytes, at: dt.datetime):
    """Land rows as they arrived at a time."""
    put(content, "x", "rows.ndjson")
    return land(estate, list_inbox(estate.settings.inbox), clock=lambda: at)


def rows(*people: str, days: tuple[str, ...], hours: int = 3, value: float = 60) -> bytes:
    """Heart-rate samples and one sleep stage a person and day, and a heart rate that cannot be."""
    found = []
    for day in days:
        for number, name in enumerate(people):
            common = {"subject": name}
            found += [
                common
                | {
                    "signal": "heart_rate",
                    "value": value + number + hour,
                    "unit": "/min",
                    "start": f"{day}T{8 + hour:02d}:00:00Z",
                }
                for hour in range(hours)
            ]
            found.append(
                common | {"signal": "heart_rate", "value": 9999, "unit": "/min", "start": f"{day}T07:00:00Z"}
            )
            found.append(
                common
                | {
                    "signal": "sleep_stage",
                    "value": "deep",
                    "start": f"{day}T01:00:00Z",
                    "end": f"{day}T01:30:00Z",
                }
            )
    return "\n".join(map(json.dumps, found)).encode()


def pid(estate: Estate, name: str) -> bytes:
    """A person's identity-zone pseudonym."""
    alias = Alias("account", name)
    with estate.database.read() as conn:
        return find(estate, conn, [alias])[alias].identity_pid


def hold_on(estate: Estate, *names: str, **scope) -> Hold:
    """Place a hold on people, or on everyone when none is named."""
    people = [pid(estate, name) for name in names] or None
    return place(estate, TERMS, people=people, **({"streams": None} | scope), now=NOW)


def clock() -> dt.datetime:
    return NOW
