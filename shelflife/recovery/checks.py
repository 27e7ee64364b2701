"""Restore checks: could this backup be restored now, and is everything replayed in an estate that is there.

Both only look. The answer is pass or fail with every reason, so that a schedule can ask each day whether last night's
backup is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import estate as estate_table
from shelflife.errors import ConfigurationError, ShelflifeError
from shelflife.journal import journal
from shelflife.ledger.mirror import LedgerMirror
from shelflife.recovery.backup import FILES
from shelflife.recovery.history import counts_since
from shelflife.recovery.listing import read_listing
from shelflife.recovery.manifest import Part
from shelflife.recovery.placing import obstacles, witnessed
from shelflife.recovery.replayed import alive_though_buried, unreplayed
from shelflife.recovery.target import Target, check_part

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    from shelflife.config import Settings
    from shelflife.estate import Estate
    from shelflife.recovery.manifest import Manifest


@dataclass(frozen=True)
class RestoreCheck:
    """The answer of a restore check.

    Attributes:
        reasons: why it failed, in words and counts; empty when it passed.
        backup: the backup that was looked at, if any.
        taken_at: when that was made.
        replayed: destructions of the journal that a restore of it would replay; None where that cannot be told.
        data_files: data files that were looked at.
        forgotten: what was recorded since, by type of ledger entry: a restore forgets it.
    """

    reasons: list[str] = field(default_factory=list)
    backup: str | None = None
    taken_at: dt.datetime | None = None
    replayed: int | None = None
    data_files: int = 0
    forgotten: Mapping[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.reasons


def restore_check(
    settings: Settings, source: Path, *, name: str | None = None, deep: bool = True
) -> RestoreCheck:
    """Tell whether a backup could be restored with the root slots, journal and witness as they are now.

    Args:
        settings: the estate's settings.
        source: a folder of backups.
        name: which backup; the newest when absent.
        deep: read every data file of the backup and compare its digest; only look at sizes otherwise.

    Raises:
        ConfigurationError: there is no such backup.
    """
    target = Target(source.resolve())
    try:
        manifest = target.choose(witnessed(settings).log, name)
    except ConfigurationError:
        raise
    except ShelflifeError as error:
        return RestoreCheck([error.what])
    reasons = [obstacle.what for obstacle in obstacles(settings, target, manifest)]
    files, damaged = _check_objects(target, manifest, deep=deep)
    if damaged:
        reasons.append(f"{damaged} of {files} data files of the backup are missing or damaged.")
    return RestoreCheck(
        reasons=reasons,
        backup=manifest.name,
        taken_at=manifest.taken_at,
        replayed=_to_replay(settings, manifest),
        data_files=files,
        forgotten=_forgotten(settings, manifest),
    )


def check_estate(estate: Estate) -> RestoreCheck:
    """Tell whether an estate may be served: it is not being restored, and all that was destroyed is gone."""
    with estate.database.read() as conn:
        restoring = conn.execute(sa.select(estate_table.c.restoring)).scalar_one()
        reasons = ["A restore is not finished."] if restoring else []
        try:
            reasons += unreplayed(estate, conn)
            if count := alive_though_buried(estate, conn):
                reasons.append(f"{count} aliases of the erased are known")
        except ShelflifeError as error:
            reasons.append(error.what)
    return RestoreCheck(reasons)


def _check_objects(target: Target, manifest: Manifest, *, deep: bool) -> tuple[int, int]:
    """Return how many data files a backup lists and how many of them are not there, or not whole."""
    try:
        listed = read_listing(target.part(manifest.name, FILES))
    except ShelflifeError:
        return manifest.data_files, manifest.data_files
    damaged = 0
    for file in listed:
        path = target.object(file.sha256)
        try:
            if deep:
                check_part(path, Part(0, file.size, file.sha256))
            else:
                damaged += not path.is_file() or path.stat().st_size != file.size
        except ShelflifeError:
            damaged += 1
    return len(listed), damaged


def _to_replay(settings: Settings, manifest: Manifest) -> int | None:
    try:
        return journal.head(settings).sequence - manifest.journal
    except ShelflifeError:
        return None


def _forgotten(settings: Settings, manifest: Manifest) -> dict[str, int]:
    try:
        return counts_since(LedgerMirror(settings.mirror_file).pages(), manifest.ledger_size)
    except ShelflifeError:
        return {}
