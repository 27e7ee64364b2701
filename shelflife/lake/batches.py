"""Landing batches: who is landing what, and what becomes of a batch whose process died.

A batch holds an advisory lock on a file of its own for as long as its process lives. The kernel drops the lock
with the process, so "is it dead?" needs no heartbeat; a batch of another host is given up after a day.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import batch, data_file
from shelflife.errors import CommitConflict
from shelflife.lake.collect import collect, remove

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from shelflife.estate import Estate

FOREIGN_BATCH_LIFE = timedelta(days=1)


@dataclass(frozen=True)
class Batch:
    """One landing commit in the making."""

    batch_id: str
    started_at: datetime


@contextmanager
def open_batch(estate: Estate, now: datetime) -> Iterator[Batch]:
    """Open a batch for the life of the block; whatever leaves the block uncommitted is given up."""
    made = Batch(uuid.uuid4().hex, now)
    with _locked(_lock_path(estate, made.batch_id)):
        with estate.database.commit() as tx:
            tx.conn.execute(
                batch.insert().values(
                    batch_id=made.batch_id, state="open", host=socket.gethostname(), started_at=now
                )
            )
        try:
            yield made
        finally:
            # When another process keeps the database busy, whoever starts next gives the batch up instead.
            with suppress(CommitConflict):
                _give_up(estate, [made.batch_id], now)


def give_up_dead(estate: Estate, now: datetime) -> int:
    """Give up every open batch whose process is gone, and unlink what it left. Returns how many there were."""
    with estate.database.read() as conn:
        query = sa.select(batch.c.batch_id, batch.c.host, batch.c.started_at).where(batch.c.state == "open")
        open_batches = conn.execute(query).all()
    dead = [
        row.batch_id
        for row in open_batches
        if (row.host == socket.gethostname() and _is_free(_lock_path(estate, row.batch_id)))
        or (row.host != socket.gethostname() and now - row.started_at > FOREIGN_BATCH_LIFE)
    ]
    if dead:
        _give_up(estate, dead, now)
    _sweep_locks(estate)
    collect(estate, now)
    return len(dead)


def _give_up(estate: Estate, batch_ids: list[str], now: datetime) -> None:
    """Turn the open ones among these batches into abandoned ones; committed batches are left alone.

    The keys of their pending files are destroyed, so that a copy of one is noise; nobody can have such a file open,
    so they are unlinked at once.
    """
    with estate.database.commit() as tx:
        still_open = sa.select(batch.c.batch_id).where(
            batch.c.batch_id.in_(batch_ids), batch.c.state == "open"
        )
        abandoned = list(tx.conn.execute(still_open).scalars())
        if not abandoned:
            return
        pending = data_file.c.batch_id.in_(abandoned) & (data_file.c.state == "pending")
        columns = (data_file.c.file_id, data_file.c.zone, data_file.c.path, data_file.c.key_number)
        files = tx.conn.execute(sa.select(*columns).where(pending)).all()
        tx.conn.execute(data_file.update().where(pending).values(state="replaced", replaced_at=now))
        tx.conn.execute(batch.update().where(batch.c.batch_id.in_(abandoned)).values(state="abandoned"))
        for zone in sorted({file.zone for file in files}):
            numbers = [f.key_number for f in files if f.zone == zone and f.key_number is not None]
            if numbers:
                estate.trees[zone].destroy(tx, numbers, now)
    remove(estate, [(file.file_id, file.zone, file.path) for file in files])


def _sweep_locks(estate: Estate) -> None:
    """Remove the lock files that killed processes left; those of batches that are open, or not yet known, stay."""
    left = {path.stem: path for path in _lock_path(estate, "").parent.glob("*.lock")}
    with estate.database.read() as conn:
        query = sa.select(batch.c.batch_id).where(batch.c.batch_id.in_(list(left)), batch.c.state != "open")
        for batch_id in conn.execute(query).scalars():
            left[batch_id].unlink(missing_ok=True)


def _lock_path(estate: Estate, batch_id: str) -> Path:
    return estate.settings.home / "locks" / f"{batch_id}.lock"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _is_free(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
