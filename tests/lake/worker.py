"""Runs one step in a process of its own, so that a test can kill it: `python -m tests.lake.worker FOLDER STEP`."""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path

from shelflife.estate import Estate
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from tests.lake.conftest import settings_in

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def main(folder: Path, step: str) -> None:
    elsewhere = os.environ.get("SHELFLIFE_TEST_INBOX")
    estate = Estate.open(settings_in(folder, **({"inbox": Path(elsewhere)} if elsewhere else {})), NOW)
    if step == "land":
        report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
        print(report.total("landed"), report.total("duplicates"))  # noqa: T201
    else:
        print(derive(estate, clock=lambda: NOW).rows)  # noqa: T201
    estate.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
