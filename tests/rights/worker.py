"""Runs one step in a process of its own, so that a test can kill it: `python -m tests.rights.worker FOLDER STEP [ID]`."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

from shelflife.estate import Estate
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.rights.erasure import Options, run_erasures
from shelflife.rights.finality import finalize, finish_deferred
from tests.conftest import NOW
from tests.lake.conftest import settings_in

LATER = dt.timedelta(days=8)


def main(folder: Path, step: str, request_ids: list[str]) -> None:
    estate = Estate.open(settings_in(folder), NOW)
    if step == "land":
        print(land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW).total("landed"))  # noqa: T201
    elif step == "finalize":
        finalize(estate, clock=lambda: NOW + LATER)
    elif step == "finish":
        finish_deferred(estate, Options(clock=lambda: NOW))
    else:
        run_erasures(estate, request_ids, Options(clock=lambda: NOW, batched=step == "erase-batched"))
    estate.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
