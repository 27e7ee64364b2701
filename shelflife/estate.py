"""The estate: one object that holds the open control database, the key trees, the ledger and the settings.

Everything above this module takes an `Estate`; nothing above it opens a database or a root slot itself.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.config import ZONES
from shelflife.control.database import ControlDatabase
from shelflife.control.tables import erasure_epoch, estate
from shelflife.errors import ConfigurationError, KeyDestroyed, RestoreIncomplete, StorageError
from shelflife.keys.keyrings import Keyrings
from shelflife.keys.slots import FileRootSlot
from shelflife.keys.tree import KEYS_A_KIND, KeyKind, KeyTree
from shelflife.ledger.ledger import Ledger
from shelflife.ledger.mirror import LedgerMirror
from shelflife.ledger.witness import FileWitness

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from shelflife.config import Settings, Zone
    from shelflife.control.database import Transaction

LEDGER_ORIGIN = "shelflife.local/ledger"


class Secret(IntEnum):
    """The estate's own long-lived secrets, in the order in which a zone's tree holds them."""

    PEPPER = 0
    ALIAS = 1
    TOMBSTONE = 2
    DIGEST = 3
    LEDGER = 4
    AUDIT = 5
    ATTRIBUTES = 6
    JOURNAL = 7
    COPIES = 8
    UPLOADS = 9


@dataclass
class Estate:
    """An open estate.

    Attributes:
        settings: where it lives and its limits.
        database: the control database.
        trees: one key tree a zone.
        keyrings: the keyrings of each zone.
        ledger: the append-only record.
        witness: what keeps the ledger's newest checkpoint outside the database.
    """

    settings: Settings
    database: ControlDatabase
    trees: dict[Zone, KeyTree]
    keyrings: dict[Zone, Keyrings]
    ledger: Ledger
    witness: FileWitness
    _secrets: dict[tuple[Zone, Secret], bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def create(cls, settings: Settings, now: datetime) -> Estate:
        """Make an estate where there is none, and open it; an existing one is opened as it is.

        Raises:
            ConfigurationError: there was an estate whose control database is gone.
            StorageError: a folder cannot be made or written.
        """
        os.umask(0o077)
        for folder in _folders(settings):
            _make_private(folder)
        database = ControlDatabase.create(settings.database_url)
        trees = _trees(settings)
        with database.commit() as tx:
            if tx.conn.execute(sa.select(estate.c.estate_id)).scalar() is None:
                _check_nothing_lost(settings)
                for zone, tree in trees.items():
                    tree.create(tx, now)
                    tree.insert(tx, KeyKind.SECRET, len(Secret) if zone == "identity" else 1)
                tx.conn.execute(estate.insert().values(id=1, estate_id=uuid.uuid4().hex, created_at=now))
                if tx.conn.execute(sa.select(erasure_epoch.c.value)).scalar() is None:
                    tx.conn.execute(erasure_epoch.insert().values(id=1, value=1))
            _add_new_secrets(tx, trees["identity"])
        with database.read() as conn:
            ledger = Ledger.from_seed(LEDGER_ORIGIN, _secret(trees["identity"], conn, Secret.LEDGER))
        FileWitness.create(settings.witness_folder, ledger.verifier_key, now)
        database.close()
        return cls.open(settings, now)

    @classmethod
    def open(cls, settings: Settings, now: datetime, *, while_restoring: bool = False) -> Estate:
        """Open an estate and bring root slots and database together after a crash.

        Args:
            settings: where it lives.
            now: the time.
            while_restoring: the caller is the restore itself, or only looks and serves nothing.

        Raises:
            ConfigurationError: there is no estate here, or its schema is of another version.
            KeyTreeUnopenable: the control database is older than every root key still held.
            RestoreIncomplete: a backup was put back and the destructions since are not all replayed.
        """
        os.umask(0o077)
        database = ControlDatabase.open(settings.database_url)
        trees = _trees(settings)
        with database.commit() as tx:
            restoring = tx.conn.execute(sa.select(estate.c.restoring)).scalar()
            if restoring is None:
                raise ConfigurationError("There is no estate here.", remedy="Run `shelflife init`.")
            if restoring and not while_restoring:
                raise RestoreIncomplete(
                    "A backup was put back, and the destructions since it was made are not all replayed.",
                    remedy="Run the same `shelflife restore` again; it goes on where it stopped.",
                )
            for tree in trees.values():
                if not tree.is_reconciled(tx.conn):
                    tree.recover(tx, now, restored=restoring)
        with database.read() as conn:
            seed = _secret(trees["identity"], conn, Secret.LEDGER)
        keyrings = {zone: Keyrings(zone, tree) for zone, tree in trees.items()}
        witness = FileWitness(settings.witness_folder)
        ledger = Ledger.from_seed(LEDGER_ORIGIN, seed, witness, LedgerMirror(settings.mirror_file))
        return cls(settings, database, trees, keyrings, ledger, witness)

    def secret(self, conn: sa.Connection, zone: Zone, name: Secret) -> bytes:
        """Return one of the estate's own secrets (32 bytes)."""
        if (zone, name) not in self._secrets:
            self._secrets[zone, name] = _secret(self.trees[zone], conn, name)
        return self._secrets[zone, name]

    def pepper(self, conn: sa.Connection, zone: Zone) -> bytes:
        """Return the secret that makes a zone's pseudonyms unlike every other zone's (32 bytes)."""
        return self.secret(conn, zone, Secret.PEPPER)

    def zone_folder(self, zone: Zone) -> Path:
        """Return a zone's storage folder."""
        return self.settings.zone_folder(zone)

    def close(self) -> None:
        """Close the control database and forget the secrets."""
        self._secrets.clear()
        self.database.close()


def root_slot(settings: Settings, zone: Zone) -> FileRootSlot:
    """Return where the root keys of a zone's key tree are."""
    return FileRootSlot(settings.root_slot_folder / f"{zone}.root")


def _trees(settings: Settings) -> dict[Zone, KeyTree]:
    return {zone: KeyTree(zone, root_slot(settings, zone)) for zone in ZONES}


def _check_nothing_lost(settings: Settings) -> None:
    """Refuse to begin a new estate over the root keys of one whose control database is gone.

    The witness's copy of the ledger's key is written once an estate exists, so that a first attempt can be repeated.
    """
    if (settings.witness_folder / "log.vkey").exists():
        raise ConfigurationError(
            "There was an estate here, and its control database is gone.",
            remedy="Restore it with `shelflife restore`; to begin anew, name another `home` and control database.",
        )


def _folders(settings: Settings) -> list[Path]:
    zones = [settings.zone_folder(zone) for zone in ZONES]
    return [
        settings.home,
        settings.root_slot_folder,
        settings.witness_folder,
        settings.lineage_folder,
        settings.journal_folder,
        *zones,
    ]


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise StorageError(
            f"A folder of the estate cannot be made: {error.strerror}.",
            remedy="Give the user that runs shelflife a writable `home` (shelflife.yaml).",
        ) from None


def _add_new_secrets(tx: Transaction, identity: KeyTree) -> None:
    """Make the secrets that an estate of an earlier version does not have yet."""
    numbers = [KeyKind.SECRET * KEYS_A_KIND + name for name in Secret]
    missing = sum(key is None for key in identity.lookup(tx.conn, numbers))
    if missing:
        identity.insert(tx, KeyKind.SECRET, missing)


def _secret(tree: KeyTree, conn: sa.Connection, name: Secret) -> bytes:
    key = tree.lookup(conn, [KeyKind.SECRET * KEYS_A_KIND + name])[0]
    if key is None:
        raise KeyDestroyed(
            "A secret of the estate is missing from its key tree.", remedy="Restore the estate from a backup."
        )
    return key
