"""What a restore did, in counts and names of copies."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from shelflife.lake.rewrite import Rewritten
from shelflife.lake.scrub import Scrubbed
from shelflife.recovery.physical import Fetched
from shelflife.recovery.replay import Replayed

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


@dataclass(frozen=True)
class RestoreReport:
    """What a restore did. After a killed attempt, only what the last one still had to do.

    Attributes:
        backup: name of the backup.
        taken_at: when it was made.
        ledger_entries: entries that the ledger got back from its mirror.
        forgotten: what was recorded since the backup, by type of entry; what of it landed is to be sent again.
        destructions: records of the journal that were replayed.
        replayed: what they took away.
        requests: requests that came back from the journal.
        files: what became of the data files.
        rewritten: what was rewritten without erased people.
        scrubbed: what was overwritten of erased people.
        rows_held: rows that were set aside again for holds.
        cohorts_retired: cohort files to be derived again.
        unregistered: files of the lost database, removed; exports among them.
        copies_emptied: copies to be published again.
        copies_left: copies that failed or did not answer: empty them before anybody reads them.
    """

    backup: str
    taken_at: dt.datetime
    ledger_entries: int = 0
    forgotten: Mapping[str, int] = field(default_factory=dict)
    destructions: int = 0
    replayed: Replayed = field(default_factory=Replayed)
    requests: int = 0
    files: Fetched = field(default_factory=Fetched)
    rewritten: Rewritten = field(default_factory=Rewritten)
    scrubbed: Scrubbed = field(default_factory=Scrubbed)
    rows_held: int = 0
    cohorts_retired: int = 0
    unregistered: int = 0
    copies_emptied: list[str] = field(default_factory=list)
    copies_left: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON values."""
        return asdict(self)
