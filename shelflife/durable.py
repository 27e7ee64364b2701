"""Files and folders that are on the disk when the call returns."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")
_WAITING_AT_ONCE = 16


def replace(path: Path, content: bytes) -> None:
    """Put a file (mode 0600) in place so that a crash leaves the old content or the new, whole."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until a folder's entries are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def all_flushed(flush: Callable[[T], None], things: Sequence[T]) -> None:
    """Flush files or folders, several at a time: a file system's journal takes all that wait for it in one write.

    Raises:
        OSError: one of them could not be flushed.
    """
    if len(things) == 1:
        flush(things[0])
        return
    with ThreadPoolExecutor(_WAITING_AT_ONCE) as pool:
        for _ in pool.map(flush, things):
            pass
