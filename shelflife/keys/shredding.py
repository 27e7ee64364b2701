"""Small secret files: replaced atomically, and overwritten before their blocks go back to the file system.

Overwriting reaches the blocks of a file system that writes in place. Journals, snapshots and flash translation
layers may keep older blocks; a root slot on such storage needs full-disk encryption below it, or an HSM.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shelflife import durable
from shelflife.control.crashpoints import reached

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold a lock on a side file, shared by readers and alone by a writer, across processes and threads."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def alone(home: Path, name: str) -> Iterator[None]:
    """Hold one of an estate's locks; another process waits, and then finds less to do.

    Args:
        home: the estate's folder.
        name: what only one process does at a time; `erasure` is also for changes of identity and for restores.
    """
    folder = home / "locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder / f"{name}.lock", exclusive=True):
        yield


def replace(path: Path, content: bytes) -> None:
    """Replace a file's content atomically and durably, then overwrite what it held before.

    The caller holds the exclusive lock. A second name keeps the old file reachable across the rename, so that
    `sweep` can finish the overwriting after a crash.
    """
    sweep(path)
    fresh, former = _fresh(path), _former(path)
    _write_new(fresh, content)
    reached("keys.slot.written")
    if path.exists():
        os.link(path, former)
    reached("keys.slot.linked")
    fresh.rename(path)
    durable.sync_folder(path.parent)
    reached("keys.slot.renamed")
    if former.exists():
        _shred(former)


def sweep(path: Path) -> None:
    """Finish what a crash inside `replace` left behind. The caller holds the exclusive lock."""
    fresh, former = _fresh(path), _former(path)
    if former.exists():
        if path.exists() and path.samefile(former):
            # The crash came before the rename: the second name is that of the file in use.
            former.unlink()
        else:
            _shred(former)
    if fresh.exists():
        _shred(fresh)


def needs_sweep(path: Path) -> bool:
    """Tell whether a crash left a file behind that still holds secrets."""
    return _fresh(path).exists() or _former(path).exists()


def _fresh(path: Path) -> Path:
    return path.with_name(path.name + ".fresh")


def _former(path: Path) -> Path:
    return path.with_name(path.name + ".former")


def _write_new(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, and wait until it is on the disk."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _shred(path: Path) -> None:
    """Overwrite a file with random bytes, wait until they are on the disk, and unlink it."""
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    durable.sync_folder(path.parent)
