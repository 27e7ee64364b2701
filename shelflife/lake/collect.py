"""Collection: unlink what the catalog no longer stands for.

Collection frees space; it is never what makes data unreadable. A file is collected once its keys are gone (a
replaced derived file) or it never became true (a pending file of a batch that was given up).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import data_file
from shelflife.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from shelflife.estate import Estate


def collect(estate: Estate) -> int:
    """Unlink every replaced file and mark it collected; safe to repeat, safe to kill. Returns how many."""
    with estate.database.read() as conn:
        query = sa.select(data_file.c.file_id, data_file.c.zone, data_file.c.path)
        rows = conn.execute(query.where(data_file.c.state == "replaced")).all()
    for row in rows:
        unlink(estate.zone_folder(row.zone) / row.path)
    if rows:
        with estate.database.commit() as tx:
            for row in rows:
                tx.conn.execute(
                    data_file.update().where(data_file.c.file_id == row.file_id).values(state="collected")
                )
    return len(rows)


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
