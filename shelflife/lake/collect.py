"""Collection: unlink what the catalog no longer stands for.

Collection frees space; it is never what makes data unreadable. A file is collected once its keys are gone (a
replaced derived file) or it never became true (a pending file of a batch that was given up).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.subject_tables import identity_change
from shelflife.control.tables import data_file, lease
from shelflife.errors import StorageError
from shelflife.subjects.joined import BEGUN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from shelflife.estate import Estate


def collect(estate: Estate, now: datetime) -> int:
    """Unlink replaced files that no reader can have open, and mark them collected.

    Their keys are gone already; a file that was replaced while a lease was out is left for a later call, so that a
    reader who has it open can finish. Safe to repeat, safe to kill. Returns how many were unlinked.
    """
    with estate.database.read() as conn:
        oldest = conn.execute(
            sa.select(sa.func.min(lease.c.issued_at)).where(lease.c.expires_at > now)
        ).scalar()
        query = sa.select(data_file.c.file_id, data_file.c.zone, data_file.c.path)
        unread = data_file.c.replaced_at < oldest if oldest is not None else sa.true()
        rows = conn.execute(query.where(data_file.c.state == "replaced", unread)).all()
        # What an identity change still has to overwrite is unlinked by the change itself.
        unfinished = sa.select(identity_change.c.files).where(identity_change.c.state.in_(BEGUN))
        kept = {file_id for files in conn.execute(unfinished).scalars() for file_id in files}
    rows = [row for row in rows if row.file_id not in kept]
    remove(estate, [(row.file_id, row.zone, row.path) for row in rows])
    return len(rows)


def remove(estate: Estate, files: Sequence[tuple[str, str, str]]) -> None:
    """Unlink replaced files, given as (file id, zone, path), and mark them collected."""
    for _, zone, path in files:
        unlink(estate.zone_folder(zone) / path)
    if files:
        with estate.database.commit() as tx:
            for file_id, *_ in files:
                gone = data_file.update().where(
                    data_file.c.file_id == file_id, data_file.c.state == "replaced"
                )
                tx.conn.execute(gone.values(state="collected"))


def unlink(path: Path) -> None:
    """Remove a file and any half-written temporary beside it."""
    try:
        for leftover in (path, *path.parent.glob(f"{path.name}.*"), *path.parent.glob(f".{path.name}*")):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"A file of the estate cannot be removed: {error.strerror}.",
            remedy="Restore write permission on the zone folders, then run it again.",
        ) from None
