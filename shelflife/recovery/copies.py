"""Copies after a restore: emptied, since the restored catalog no longer knows what lies in them, and for whom.

A copy can always be published again. What cannot be known is whether somebody who was erased since the backup is still
in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.copies.locking import copy_lock
from shelflife.copies.registry import open_adapter
from shelflife.copies.remembered import standing
from shelflife.errors import ShelflifeError

if TYPE_CHECKING:
    from datetime import datetime

    from shelflife.copies.declarations import CopyDeclaration
    from shelflife.estate import Estate


def empty_copies(estate: Estate, now: datetime) -> tuple[list[str], list[str]]:
    """Empty every copy that stands, whatever is registered in it.

    Returns:
        The names of the copies that are empty now, and of those that failed or did not answer.

    Raises:
        ConfigurationError: the declarations themselves cannot be read.
    """
    emptied, left = [], []
    for name, declaration in sorted(standing(estate.settings).items()):
        try:
            _empty(estate, declaration, now)
        except ShelflifeError:
            left.append(name)
        else:
            emptied.append(name)
    return emptied, left


def _empty(estate: Estate, declaration: CopyDeclaration, now: datetime) -> None:
    with copy_lock(estate, declaration.name):
        adapter = open_adapter(estate, declaration)
        adapter.publish([], now)
        if strays := adapter.inventory():
            adapter.discard(strays)
