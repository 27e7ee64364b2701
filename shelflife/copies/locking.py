"""One process at a time changes a copy; the kernel drops the lock with the process (ADR 5)."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shelflife.errors import CommitConflict, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shelflife.estate import Estate

PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.05


@contextmanager
def copy_lock(estate: Estate, name: str, *, patience: float | None = None) -> Iterator[None]:
    """Hold the lock of a copy for the life of the block.

    Args:
        estate: the estate.
        name: the copy.
        patience: seconds to wait for the process that holds it; `PATIENCE_SECONDS` when absent.

    Raises:
        CommitConflict: another process kept it.
        StorageError: the lock file cannot be made.
    """
    handle = _opened(estate.settings.home / "locks" / "copies" / name)
    try:
        _wait(handle, PATIENCE_SECONDS if patience is None else patience)
        yield
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StorageError(
            f"The lock of a copy cannot be made: {error.strerror}.",
            remedy="Restore write permission on `home`.",
        ) from None


def _wait(handle: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise CommitConflict(
                    "Another process is changing the copy.", remedy="Try again when it is done."
                ) from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return
