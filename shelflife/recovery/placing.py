"""The first step of a restore: is this backup one that can be restored here, and its tables put in place.

The tables, the mark that the estate is being restored, and which backup they come from are one commit: there is no
moment at which a restored database could be taken for a living one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.config import ZONES
from shelflife.control.crashpoints import reached
from shelflife.control.database import ControlDatabase
from shelflife.control.metadata import REVISION
from shelflife.control.tables import estate as estate_table
from shelflife.control.tables import lineage_run
from shelflife.errors import (
    ConfigurationError,
    KeyTreeUnopenable,
    LedgerBroken,
    RestoreIncomplete,
    SealBroken,
    ShelflifeError,
    StorageError,
)
from shelflife.estate import root_slot
from shelflife.journal import journal
from shelflife.ledger.mirror import LedgerMirror
from shelflife.ledger.witness import FileWitness
from shelflife.lineage import record as lineage
from shelflife.recovery.backup import FILES
from shelflife.recovery.dump import all_tables, load_table
from shelflife.recovery.history import RESTORE, check_not_abandoned
from shelflife.recovery.target import check_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from shelflife.config import Settings
    from shelflife.recovery.manifest import Manifest
    from shelflife.recovery.target import Target


def obstacles(settings: Settings, target: Target, manifest: Manifest) -> Iterator[ShelflifeError]:
    """Yield every reason why a backup cannot be restored here; reads it whole but for its data files."""
    checks: tuple[Callable[[], None], ...] = (
        lambda: _check_revision(manifest),
        lambda: _check_parts(target, manifest),
        lambda: _check_roots(settings, manifest),
        lambda: _check_journal(settings, manifest),
        lambda: _check_ledger(settings, manifest),
    )
    for check in checks:
        try:
            check()
        except ShelflifeError as error:
            yield error


def place(settings: Settings, target: Target, manifest: Manifest, now: datetime) -> str:
    """Put a backup's control database in place, marked as being restored; go on when that was done before.

    Returns:
        The id of the restore's lineage run.

    Raises:
        ConfigurationError: a living control database is in the way.
        RestoreIncomplete: another backup is being restored here.
        StorageError: something that is no control database is in the way.
    """
    try:
        database = ControlDatabase.create(settings.database_url)
    except sa.exc.DatabaseError:
        raise StorageError(
            "What lies where the control database belongs cannot be read as one.",
            remedy="Move it away, with the files of the same name and -wal and -shm, then restore again.",
        ) from None
    try:
        with database.commit() as tx:
            run = _begun(tx.conn, manifest)
            if run is None:
                for table in all_tables():
                    load_table(tx.conn, table, target.part(manifest.name, table.name))
                    reached("restore.table_loaded")
                tx.conn.execute(estate_table.update().values(restoring=True))
                facts = {"backup": _id(manifest)}
                run = lineage.start_run(tx, RESTORE, RESTORE, now, facts=facts)
    finally:
        database.close()
    reached("restore.placed")
    return run


def witnessed(settings: Settings) -> FileWitness:
    """Return the ledger's witness, which must have outlived the control database.

    Raises:
        LedgerBroken: it is gone.
    """
    witness = FileWitness(settings.witness_folder)
    witness.newest()
    return witness


def _begun(conn: sa.Connection, manifest: Manifest) -> str | None:
    """Return the lineage run of the restore that was begun with this backup; None where there is no estate."""
    restoring = conn.execute(sa.select(estate_table.c.restoring)).scalar()
    if restoring is None:
        return None
    if not restoring:
        raise ConfigurationError(
            "A control database is in place; a restore never writes over one.",
            remedy="Move it away first, with its -wal and -shm files, if it is really lost.",
        )
    query = sa.select(lineage_run).where(
        lineage_run.c.kind == RESTORE, lineage_run.c.state == lineage.RUNNING
    )
    for run in conn.execute(query):
        if run.facts.get("backup") == _id(manifest):
            return str(run.run_id)
    raise RestoreIncomplete(
        "Another backup is being restored here.",
        remedy="Finish that restore; or move the control database away and begin with this one.",
    )


def _check_revision(manifest: Manifest) -> None:
    if manifest.revision != REVISION:
        raise ConfigurationError(
            "The backup's schema is not the one that this version needs.",
            remedy="Restore it with the version of shelflife that made it, then upgrade with `shelflife init`.",
        )


def _check_parts(target: Target, manifest: Manifest) -> None:
    names = {table.name for table in all_tables()}
    if manifest.revision == REVISION and set(manifest.tables) != names:
        raise SealBroken("The backup lacks a table.", remedy="Restore another backup.")
    for name, part in manifest.tables.items():
        check_part(target.part(manifest.name, name), part)
    check_part(target.part(manifest.name, FILES), manifest.files)


def _check_roots(settings: Settings, manifest: Manifest) -> None:
    for zone in ZONES:
        roots = root_slot(settings, zone).read()
        if not roots:
            raise KeyTreeUnopenable(
                "The root slots are empty: without them no key of any backup opens.",
                remedy="Put back the folder of root slots of this estate.",
            )
        if all(root.generation != manifest.generations[zone] for root in roots):
            raise KeyTreeUnopenable(
                "The backup is older than the finality window: the root key of its time is destroyed.",
                remedy="Restore a newer backup. What this one would bring back is final and cannot be.",
            )


def _check_journal(settings: Settings, manifest: Manifest) -> None:
    """Make sure that everything since the backup can be replayed."""
    if journal.check(settings).sequence < manifest.journal:
        raise LedgerBroken(
            "The journal of destructions holds fewer records than the backup has seen.",
            remedy="Put back the journal of this estate; without it erased people would come back.",
        )
    journal.check_holds_since(settings, manifest.journal)


def _check_ledger(settings: Settings, manifest: Manifest) -> None:
    """Make sure that the ledger can be completed to where the witness is."""
    mirror = LedgerMirror(settings.mirror_file)
    newest = mirror.newest()
    size = newest.size if newest else 0
    if size < max(witnessed(settings).newest().checkpoint.size, manifest.ledger_size):
        raise LedgerBroken(
            "The ledger's mirror ends before what the witness or the backup has seen.",
            remedy="Put back the mirror, which lies beside the journal of destructions.",
        )
    check_not_abandoned(manifest, mirror.pages())


def _id(manifest: Manifest) -> str:
    return hashlib.sha256(manifest.text().encode()).hexdigest()
