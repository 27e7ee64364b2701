"""Runs steps in processes of their own, so that a test can kill them: `python -m tests.recovery.worker FOLDER`.

Reads `<step> <crash point or ->` lines, forks for each, and answers with what became of the child. It has imported
everything once and done nothing else, so that a fork is as good as a fresh process and much faster.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import traceback
from pathlib import Path

from shelflife.control.crashpoints import VARIABLE
from shelflife.estate import Estate
from shelflife.recovery.backup import backup
from shelflife.recovery.restore import restore
from tests.lake.conftest import ROOT, settings_in

AT = dt.datetime(2026, 11, 23, 18, 0, tzinfo=dt.UTC)


class Worker:
    """A process that runs steps on the estate in a folder."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.recovery.worker", str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, step: str, crash_at: str | None = None) -> int:
        """Run a step; return 0 when it ended, the negative signal when it was killed."""
        self._process.stdin.write(f"{step} {crash_at or '-'}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


def act(folder: Path, step: str) -> None:
    settings = settings_in(folder)
    if step == "restore":
        restore(settings, folder / "backups", clock=lambda: AT)
    else:
        estate = Estate.open(settings, AT)
        backup(estate, folder / "backups", clock=lambda: AT)
        estate.close()


def serve(folder: Path) -> None:
    for line in sys.stdin:
        step, point = line.split()
        child = os.fork()
        if child == 0:
            if point != "-":
                os.environ[VARIABLE] = point
            try:
                act(folder, step)
            except BaseException:  # noqa: BLE001  whatever it was, the child must not go on reading steps
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
