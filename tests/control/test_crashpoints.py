from __future__ import annotations

import os
import signal
import subprocess
import sys

from shelflife.control.crashpoints import VARIABLE, reached

SCRIPT = "from shelflife.control.crashpoints import reached\ntry:\n    reached('a.b')\nfinally:\n    print('alive')"


def _run(point: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {VARIABLE: point}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )


def test_a_named_point_kills_at_once() -> None:
    result = _run("a.b")
    assert result.returncode == -signal.SIGKILL
    assert result.stdout == ""


def test_another_point_does_nothing() -> None:
    assert _run("a.c").stdout == "alive\n"
    reached("a.b")
