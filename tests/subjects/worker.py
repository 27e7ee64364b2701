"""Runs an identity change in a process of its own, so that a test can kill it: `python -m tests.subjects.worker FOLDER ID`."""

from __future__ import annotations

import sys
from pathlib import Path

from shelflife.estate import Estate
from shelflife.identity.stages import run
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.subjects.identity_estates import running

if __name__ == "__main__":
    estate = Estate.open(settings_in(Path(sys.argv[1])), NOW)
    run(estate, sys.argv[2], running())
    estate.close()
