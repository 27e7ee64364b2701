"""The outbox: events of ended runs are appended to a file as OpenLineage NDJSON, at least once each.

A run is marked as emitted after its events are on disk. A crash in between repeats them with the same run id, which
consumers take as one run. Nothing leaves the machine: shipping the files is the operator's choice.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.errors import StorageError
from shelflife.lineage.pending import ended_runs, mark_emitted, model_edges, namespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from shelflife.control.database import ControlDatabase

_RUNS_PER_COMMIT = 500
_TAIL_BYTES = 1 << 16


def emit_pending(
    db: ControlDatabase,
    folder: Path,
    now: dt.datetime,
    *,
    schemas: Mapping[str, Mapping[str, str]] | None = None,
) -> int:
    """Append the events of every ended run that was not emitted yet to `folder/events-<UTC day>.ndjson`.

    Args:
        db: the control database.
        folder: where the files go; made when missing.
        now: aware time; its UTC day names the file.
        schemas: column types by dataset (`raw/heart`) for the schema facet, as far as known.

    Returns:
        The number of runs emitted.

    Raises:
        StorageError: the folder cannot be written; the runs stay pending.
    """
    emitted = 0
    with _exclusive(folder):
        while count := _emit_some(db, folder, now, {} if schemas is None else schemas):
            emitted += count
    return emitted


def _emit_some(
    db: ControlDatabase, folder: Path, now: dt.datetime, schemas: Mapping[str, Mapping[str, str]]
) -> int:
    """Emit one portion of the pending runs."""
    with db.read() as conn:
        runs = ended_runs(conn, _RUNS_PER_COMMIT)
        if not runs:
            return 0
        # The client library takes a second to import, so only a process that emits something does.
        from openlineage.client.transport.file import FileConfig, FileTransport  # noqa: PLC0415

        from shelflife.lineage.events import Catalog, run_events  # noqa: PLC0415

        catalog = Catalog(namespace(conn), model_edges(conn), schemas)
    path = folder / f"events-{now.astimezone(dt.UTC):%Y-%m-%d}.ndjson"
    _prepare(path)
    transport = FileTransport(FileConfig(log_file_path=str(path), append=True))
    try:
        for run in runs:
            for event in run_events(run, catalog):
                transport.emit(event)
                reached("lineage.emit.event")
    except RuntimeError:
        # The library's text names the path.
        raise _unwritable() from None
    _sync(path)
    reached("lineage.emit.written")
    with db.commit() as tx:
        mark_emitted(tx.conn, runs)
    return len(runs)


def _prepare(path: Path) -> None:
    """Make the file, readable by its owner only, and cut off a line that a crash left half written."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        start = size
        while start:
            before = max(0, start - _TAIL_BYTES)
            newline = os.pread(descriptor, start - before, before).rfind(b"\n")
            if newline >= 0:
                start = before + newline + 1
                break
            start = before
        if start != size:
            os.ftruncate(descriptor, start)
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Return once the file and its name are on disk."""
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Let one process at a time append, so that lines never mix."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError:
        raise _unwritable() from None


def _unwritable() -> StorageError:
    return StorageError(
        "Lineage events cannot be written.", remedy="Check that the lineage folder is writable and has space."
    )
