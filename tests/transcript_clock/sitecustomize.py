"""Loaded at start-up by the processes whose output a page shows: the command line's clock stands at a fixed time."""

from __future__ import annotations

import datetime as dt
import os

if "SHELFLIFE_TRANSCRIPT_TIME" in os.environ:
    from shelflife.cli import console

    console.clock = lambda: dt.datetime.fromisoformat(os.environ["SHELFLIFE_TRANSCRIPT_TIME"])
