"""What follows the commit of a purge: copies, rewrites and files. None of it makes anything unreadable; all can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import awaiting_rewrite, copy_item, data_file
from shelflife.copies.publish import publish as publish_copies
from shelflife.copies.reconciling import expire_copies
from shelflife.copies.registry import load_declarations
from shelflife.errors import CopyUnreachable
from shelflife.lake.collect import collect
from shelflife.lake.rewrite import rewrite_without
from shelflife.retention.reading import REWRITE_MARGIN

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from shelflife.estate import Estate
    from shelflife.retention.stages import ExpireCopyItems, RefreshCopies, RewriteErased


def expire_copy_items(estate: Estate, stage: ExpireCopyItems, clock: Callable[[], dt.datetime]) -> int:
    """Let every copy remove what is past its time to live. Returns how many objects went.

    Raises:
        CopyUnreachable: one of them did not; the others are done.
    """
    gone = sum(expire_copies(estate, clock).values())
    wanted = {(one.copy_name, one.item) for one in stage.items}
    late = (copy_item.c.state == "live") & (copy_item.c.expires_at <= clock())
    query = sa.select(copy_item.c.copy_name, copy_item.c.item).where(late)
    with estate.database.read() as conn:
        left = {row.copy_name for row in conn.execute(query) if (row.copy_name, row.item) in wanted}
    if left:
        raise _unreachable(left)
    return gone


def refresh_copies(estate: Estate, stage: RefreshCopies, clock: Callable[[], dt.datetime]) -> int:
    """Publish copies again that were made from what expired. Returns how many.

    Raises:
        CopyUnreachable: one of them could not be; the others are done.
    """
    declared = load_declarations(estate.settings)
    names = [name for name in stage.copies if name in declared]
    # Without a name every copy would be published.
    copies = publish_copies(estate, names, clock=clock).copies if names else []
    left = {one.copy for one in copies if one.state == "failed"}
    withdrawn = copy_item.c.copy_name.in_(set(stage.copies) - set(declared)) & (copy_item.c.state == "live")
    with estate.database.read() as conn:
        left |= set(conn.execute(sa.select(copy_item.c.copy_name).where(withdrawn)).scalars())
    if left:
        raise _unreachable(left)
    return len(copies)


def rewrite_erased(estate: Estate, stage: RewriteErased, clock: Callable[[], dt.datetime]) -> int:
    """Rewrite derived files without the erased people whose deadline is near. Returns how many files."""
    due = awaiting_rewrite.c.due_at <= clock() + REWRITE_MARGIN
    with estate.database.read() as conn:
        rows = conn.execute(
            sa.select(awaiting_rewrite).where(awaiting_rewrite.c.table_name.in_(stage.tables), due)
        ).all()
    gone: dict[str, set[bytes]] = {}
    for row in rows:
        gone.setdefault(row.table_name, set()).add(bytes(row.pid))
    return rewrite_without(estate, gone, clock=clock).files


def collect_files(estate: Estate, now: dt.datetime) -> tuple[int, int]:
    """Unlink files whose keys are gone. Returns how many went, and how many wait for a reader's lease to end."""
    unlinked = collect(estate, now)
    reached("purge.collected")
    waiting = sa.select(sa.func.count()).select_from(data_file).where(data_file.c.state == "replaced")
    with estate.database.read() as conn:
        return unlinked, int(conn.execute(waiting).scalar_one())


def _unreachable(names: set[str]) -> CopyUnreachable:
    return CopyUnreachable(
        f"These copies still hold what expired: {', '.join(sorted(names))}.",
        remedy="Apply the same plan again when they answer; `shelflife copy reconcile` empties withdrawn ones.",
    )
