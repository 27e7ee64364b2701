"""The end of backups, and of what the journal keeps for their sake.

A backup goes when the retention rule for backups says so, or when no root key opens it any more. What a backup leaves
out of reach the journal need not remember: a destruction is forgotten once every backup from before it is noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.config import ZONES
from shelflife.errors import ConfigurationError
from shelflife.estate import root_slot
from shelflife.journal import journal
from shelflife.policy.loading import load_policies
from shelflife.recovery.backup import FILES
from shelflife.recovery.listing import read_listing
from shelflife.recovery.target import Target

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from shelflife.config import Settings
    from shelflife.estate import Estate
    from shelflife.journal.journal import Record
    from shelflife.ledger.entries import JSON
    from shelflife.policy.duration import Duration
    from shelflife.recovery.manifest import Manifest

APPLIES_TO = "backups"


@dataclass(frozen=True)
class BackupStatus:
    """One backup and whether it is still one.

    Attributes:
        opens: whether the root slots still hold the keys of its time.
        due: whether the retention rule wants it gone.
    """

    manifest: Manifest
    opens: bool
    due: bool


@dataclass(frozen=True)
class Expired:
    """What was removed from a folder of backups: names of backups, data files and their bytes."""

    backups: list[str]
    files: int
    bytes: int


def list_backups(estate: Estate, source: Path, now: dt.datetime) -> list[BackupStatus]:
    """Return the backups of a folder, oldest first.

    Raises:
        ConfigurationError: no retention rule applies to backups.
        SealBroken: a manifest was altered.
    """
    keep = _keep(estate.settings)
    target = Target(source.resolve())
    manifests = [target.manifest(name, estate.ledger.verifier_key) for name in target.names()]
    return [
        BackupStatus(one, _opens(estate.settings, one), now.date() > keep.after(one.taken_at.date()))
        for one in manifests
    ]


def expire_backups(estate: Estate, source: Path, now: dt.datetime) -> Expired:
    """Remove the backups that are due or no longer open, and the data files that no other backup names.

    Raises:
        ConfigurationError: no retention rule applies to backups.
        StorageError: a file cannot be removed.
    """
    target = Target(source.resolve())
    with target.alone():
        gone = []
        for one in list_backups(estate, source, now):
            if one.due or not one.opens:
                target.remove(one.manifest.name)
                gone.append(one.manifest.name)
        wanted = {file.sha256 for name in target.names() for file in read_listing(target.part(name, FILES))}
        files, size = target.sweep(wanted)
    if gone:
        entry: dict[str, JSON] = {"type": "backups_expired", "backups": list(gone), "files": files}
        with estate.database.commit() as tx:
            estate.ledger.append(tx, [entry], now)
    return Expired(gone, files, size)


def forget_final(estate: Estate) -> int:
    """Drop the records of the journal that no backup needs any more; return how many.

    Call it after `finalize`, which destroys the root keys whose window is over.
    """
    with estate.database.read() as conn:
        records = journal.read_all(estate, conn)
    through = final_through(records, _root_times(estate.settings))
    return journal.forget(estate.settings, through) if through else 0


def final_through(records: Sequence[Record], made: Mapping[str, Sequence[dt.datetime]]) -> int:
    """Return the newest record that no backup can undo, and so none before it; 0 for none. Pure.

    A backup from before a destruction needs a root key that was made before it. The destruction itself makes one, at
    its own time; a second one of that very time may be the one before.

    Args:
        records: the journal, oldest first.
        made: by zone, when each root key that is still held was made.
    """
    final = [
        record.sequence
        for record in records
        if any(
            made.get(zone)
            and sum(at <= record.destruction.at for at in made[zone]) <= _own(record, made[zone])
            for zone, numbers in record.destruction.keys.items()
            if numbers
        )
    ]
    return max(final, default=0)


def _own(record: Record, made: Sequence[dt.datetime]) -> int:
    """Return 1 when a root key is held that the destruction itself can have made, else 0."""
    return int(record.destruction.at in made)


def _root_times(settings: Settings) -> dict[str, list[dt.datetime]]:
    return {zone: [root.created_at for root in root_slot(settings, zone).read()] for zone in ZONES}


def _opens(settings: Settings, manifest: Manifest) -> bool:
    return all(
        any(root.generation == generation for root in root_slot(settings, zone).read())
        for zone, generation in manifest.generations.items()
    )


def _keep(settings: Settings) -> Duration:
    rules = [
        rule
        for policy in load_policies(settings.policies)
        for rule in policy.rules
        if APPLIES_TO in rule.applies_to
    ]
    if not rules:
        raise ConfigurationError(
            "No retention rule says how long backups are kept.",
            remedy="Add a rule that applies to `backups` to a policy.",
        )
    return min((rule.keep for rule in rules), key=lambda keep: keep.approximate_days())
