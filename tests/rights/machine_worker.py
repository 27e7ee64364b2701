"""One step of the state machine in a process of its own: `python -m tests.rights.machine_worker FOLDER NOW STEP [ID]`."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

from shelflife.estate import Estate
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.retention.apply import apply_plan
from shelflife.rights.erasure import Options, run_erasures
from tests.lake.conftest import settings_in


def main(folder: Path, now: dt.datetime, step: str, named: list[str]) -> None:
    estate = Estate.open(settings_in(folder, purge_brake_percent=100), now)
    if step == "land":
        land(estate, list_inbox(estate.settings.inbox), clock=lambda: now)
    elif step == "erase":
        times = [now]
        # Waiting lets the leases of killed processes run out.
        later = Options(
            clock=lambda: times[-1],
            wait=lambda seconds: times.append(times[-1] + dt.timedelta(seconds=600 * seconds)),
        )
        run_erasures(estate, named, later)
    else:
        apply_plan(estate, named[0], clock=lambda: now)
    estate.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), dt.datetime.fromisoformat(sys.argv[2]), sys.argv[3], sys.argv[4:])
