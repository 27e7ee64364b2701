"""Runs one step in a process of its own, so that a test can kill it: `python -m tests.retention.worker FOLDER STEP`."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shelflife.errors import PlanOutdated
from shelflife.estate import Estate
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.retention.apply import apply_plan, plan_purge
from shelflife.retention.holds import all_holds
from shelflife.retention.plan_file import plan_folder, write_plan
from shelflife.retention.release import release
from tests.lake.conftest import settings_in

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def main(folder: Path, step: str) -> None:
    estate = Estate.open(settings_in(folder, purge_brake_percent=100), NOW)
    print(act(estate, step, NOW))  # noqa: T201
    estate.close()


def act(estate: Estate, step: str, now: dt.datetime) -> int:
    """Run one step at a time; return what it counts."""

    def clock() -> dt.datetime:
        return now

    if step == "apply":
        [plan] = plan_folder(estate.settings).glob("*.json")
        return apply_plan(estate, plan.stem, clock=clock).partitions
    if step == "release":
        with estate.database.read() as conn:
            holds = all_holds(conn)
        return sum(release(estate, one.hold_id, clock=clock).rows for one in holds)
    if step == "land":
        return land(estate, list_inbox(estate.settings.inbox), clock=clock).total("landed")
    return purge_until_done(estate, clock)


def purge_until_done(estate: Estate, clock: Callable[[], dt.datetime]) -> int:
    """Plan and apply, again whenever something moved in between; return how often that happened."""
    moved = 0
    while True:
        plan = plan_purge(estate, clock=clock)
        if plan.does_nothing:
            return moved
        try:
            apply_plan(estate, write_plan(estate.settings, plan), clock=clock)
        except PlanOutdated:
            moved += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
