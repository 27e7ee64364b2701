"""Exports as files: whole under their name or not there, whatever happens to the process that writes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from shelflife import durable
from shelflife.control.crashpoints import reached
from shelflife.errors import CommitConflict, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shelflife.rights.export.export import ExportReport

ATTEMPTS = 3


def write_export(path: Path, export: Callable[[BinaryIO], ExportReport]) -> ExportReport:
    """Write an export to a new file that only the user can read.

    It is written under another name in the same folder, and gets its own name once it is whole and on the disk. Where a
    derivation or an erasure overtakes it, it is written again from the start.

    Args:
        path: the file to make.
        export: writes the export to a sink, as `export_subject` does.

    Raises:
        StorageError: the file exists already, or cannot be written.
        CommitConflict: it was overtaken every time.
    """
    if path.exists() or path.is_symlink():
        raise StorageError("The file to export to exists already.", remedy="Name one that does not.")
    partial = path.with_name(f".{path.name}.part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _written(path, partial, export)
        except CommitConflict:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError  # pragma: no cover  the loop returns or raises


def _written(path: Path, partial: Path, export: Callable[[BinaryIO], ExportReport]) -> ExportReport:
    try:
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                report = export(file)
                file.flush()
                os.fsync(file.fileno())
            reached("export.file_written")
            partial.replace(path)
            durable.sync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"The export cannot be written there: {error.strerror}.",
            remedy="Choose a file that does not exist, in a folder that can be written, on a disk with room.",
        ) from None
    return report
