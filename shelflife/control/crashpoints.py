"""A test seam: named places where a process can be made to die as `kill -9` would.

Every step must survive being killed (design rule 5). A test sets `SHELFLIFE_CRASH_AT` to a point's name in a
child process; the child then kills itself with SIGKILL on reaching it, so that no `finally`, `atexit` or
rollback runs. Without the variable a point costs one dictionary lookup and does nothing.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "SHELFLIFE_CRASH_AT"


def reached(name: str) -> None:
    """Die here if the environment names this point.

    Args:
        name: the point, as `part.step.place`, for example `keys.destroy.root_put`.
    """
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
