"""What stands for each copy now, in counts and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa

from shelflife.control.tables import copy_item
from shelflife.copies.registry import load_declarations
from shelflife.copies.remembered import standing

if TYPE_CHECKING:
    from datetime import datetime

    from shelflife.estate import Estate


@dataclass(frozen=True)
class CopyStatus:
    """One copy: what is declared and what stands.

    Attributes:
        state: `live`, `expired` (its time to live is over and it was not removed yet), `absent` (never published, or
            removed), `withdrawn` (still standing, no longer declared).
    """

    name: str
    kind: str
    state: Literal["live", "expired", "absent", "withdrawn"]
    items: int
    rows: int
    bytes: int
    published_at: datetime | None
    expires_at: datetime | None
    owner: str
    purpose: str


def list_copies(estate: Estate, now: datetime) -> list[CopyStatus]:
    """Return every declared copy and every withdrawn one that still stands, by name.

    Raises:
        ConfigurationError: the declarations are wrong.
    """
    declared = load_declarations(estate.settings)
    query = sa.select(copy_item).where(copy_item.c.state == "live")
    with estate.database.read() as conn:
        rows = conn.execute(query).all()
    found = []
    for name, declaration in sorted(standing(estate.settings).items()):
        mine = [row for row in rows if row.copy_name == name]
        ends = [row.expires_at for row in mine if row.expires_at is not None]
        found.append(
            CopyStatus(
                name=name,
                kind=declaration.kind,
                state=_state(
                    declared=name in declared, standing=bool(mine), end=min(ends, default=None), now=now
                ),
                items=len(mine),
                rows=sum(row.rows for row in mine),
                bytes=sum(row.bytes for row in mine),
                published_at=max((row.published_at for row in mine), default=None),
                expires_at=min(ends, default=None),
                owner=declaration.owner,
                purpose=declaration.purpose,
            )
        )
    return found


def _state(
    *, declared: bool, standing: bool, end: datetime | None, now: datetime
) -> Literal["live", "expired", "absent", "withdrawn"]:
    if not declared:
        return "withdrawn"
    if not standing:
        return "absent"
    return "expired" if end is not None and end <= now else "live"
