"""What happened since a backup, read from the ledger's mirror. Pure."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from shelflife.errors import KeyTreeUnopenable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shelflife.ledger.entries import JSON
    from shelflife.ledger.mirror import Page
    from shelflife.recovery.manifest import Manifest

RESTORE = "restore"
"""Type of the ledger entry that ends a restore; it names the backup and the size that the ledger had in it."""


def entries_since(pages: Iterable[Page], size: int) -> Iterator[Mapping[str, JSON]]:
    """Yield the ledger entries from a position on."""
    for page in pages:
        if page.size > size:
            for body in page.leaves[max(size - page.start, 0) :]:
                yield json.loads(body)


def counts_since(pages: Iterable[Page], size: int) -> dict[str, int]:
    """Count the entries from a position on by type: what a restore of that size forgets, to be done again."""
    return dict(sorted(Counter(str(entry["type"]) for entry in entries_since(pages, size)).items()))


def check_not_abandoned(manifest: Manifest, pages: Iterable[Page]) -> None:
    """Refuse a backup of a history that a restore has left.

    Key numbers that were given after the point that a restore went back to mean something else in the two histories:
    replaying one's destructions on the other's backup would destroy the keys of the wrong people.

    Raises:
        KeyTreeUnopenable: an older backup was restored after this one was made.
    """
    for entry in entries_since(pages, manifest.ledger_size):
        if entry["type"] != RESTORE or entry.get("backup") == manifest.name:
            continue
        if int(str(entry["backup_ledger_size"])) <= manifest.ledger_size:
            raise KeyTreeUnopenable(
                "The backup belongs to a history that was left when an older backup was restored.",
                remedy="Restore the backup that was restored then, or one that was made since.",
            )
