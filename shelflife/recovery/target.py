"""Where backups lie: a folder with one folder for each backup, and data files that they share by digest.

backups/<name>/<table>.arrow, files.arrow, manifest.note      the manifest is written last: without it, no backup
objects/<first two digits>/<SHA-256>                          data files, once whatever the number of backups
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife import durable
from shelflife.control.crashpoints import reached
from shelflife.errors import ConfigurationError, SealBroken, StorageError
from shelflife.keys.shredding import locked
from shelflife.recovery.manifest import NAME, Manifest, Part, open_manifest
from shelflife.seal.files import stored, write_atomically

if TYPE_CHECKING:
    import io
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from shelflife.ledger.notes import Note, VerifierKey

_MANIFEST = "manifest.note"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Target:
    """A folder of backups."""

    folder: Path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other backups and expiries of this folder out for the block; its folder is made when missing.

        Raises:
            StorageError: the folder cannot be used.
        """
        with disk_errors():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self.folder / "backup.lock", exclusive=True):
                yield

    def part(self, name: str, part: str) -> Path:
        """Return where a file of a backup lies."""
        return self.folder / "backups" / name / f"{part}.arrow"

    def object(self, sha256: bytes) -> Path:
        """Return where a data file of a digest lies."""
        return self.folder / "objects" / sha256.hex()[:2] / sha256.hex()

    def begin(self, name: str) -> None:
        """Make the folder of a new backup."""
        self.part(name, "x").parent.mkdir(mode=0o700, parents=True)

    def finish(self, name: str, manifest: Note) -> None:
        """Write the manifest, which makes the backup whole."""
        durable.replace(self.folder / "backups" / name / _MANIFEST, manifest.render().encode())

    def names(self) -> list[str]:
        """Return the names of whole backups, oldest first."""
        found = (self.folder / "backups").glob(f"*/{_MANIFEST}")
        return sorted(path.parent.name for path in found if NAME.fullmatch(path.parent.name))

    def manifest(self, name: str, key: VerifierKey) -> Manifest:
        """Return the manifest of a backup.

        Raises:
            SealBroken: it was altered, moved to another name, or belongs to another estate.
            StorageError: it cannot be read.
        """
        with stored(self.folder / "backups" / name / _MANIFEST) as file:
            found = open_manifest(file.read().decode("utf-8", "replace"), key)
        if found.name != name:
            raise _moved()
        return found

    def choose(self, key: VerifierKey, name: str | None) -> Manifest:
        """Return the manifest of a backup by name, or of the newest one.

        Raises:
            ConfigurationError: there is none.
        """
        known = self.names()
        if not known or (name is not None and name not in known):
            raise ConfigurationError(
                "There is no such backup here.", remedy="Name a folder that `shelflife backup` wrote to."
            )
        return self.manifest(name or known[-1], key)

    def add_object(self, source: Path) -> bytes:
        """Copy a data file in; return its digest.

        Raises:
            FileNotFoundError: it is not there (any more).
            StorageError: it cannot be copied.
        """
        arriving = self.folder / "objects" / "arriving"
        arriving.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with source.open("rb") as file:
            digest = write_atomically(arriving, lambda sink: copy(file, sink), 0).sha256
        reached("backup.object.copied")
        final = self.object(digest)
        with disk_errors():
            final.parent.mkdir(mode=0o700, exist_ok=True)
            arriving.replace(final)
            durable.sync_folder(final.parent)
        return digest

    def remove(self, name: str) -> None:
        """Remove a backup; its manifest first, so that what is left is not taken for a backup."""
        with disk_errors():
            (self.folder / "backups" / name / _MANIFEST).unlink(missing_ok=True)
            reached("backup.expire.unmade")
            shutil.rmtree(self.folder / "backups" / name)

    def sweep(self, keep: Collection[bytes]) -> tuple[int, int]:
        """Remove half-written backups and the data files that no backup names. Returns (files, bytes)."""
        count = size = 0
        with disk_errors():
            whole = set(self.names())
            for folder in (self.folder / "backups").glob("*"):
                if folder.name not in whole:
                    shutil.rmtree(folder)
            wanted = {self.object(digest) for digest in keep}
            for path in (self.folder / "objects").rglob("*"):
                if path.is_file() and path not in wanted:
                    count, size = count + 1, size + path.stat().st_size
                    path.unlink()
        return count, size


def check_part(path: Path, part: Part) -> None:
    """Make sure that a file of a backup is what its manifest says.

    Raises:
        SealBroken: it is another one.
        StorageError: it cannot be read.
    """
    with stored(path) as file:
        if path.stat().st_size != part.size or hashlib.file_digest(file, "sha256").digest() != part.sha256:
            raise SealBroken(
                "A file of the backup is damaged: it differs from the signed manifest.",
                remedy="Restore another backup.",
            )


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a disk's refusal into one clear error."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The folder of backups cannot be used ({error.strerror}).",
            remedy="Check that it exists, is writable and has space.",
        ) from None


def copy(source: io.BufferedIOBase, sink: io.RawIOBase, sha256: bytes | None = None) -> None:
    """Copy a file piece by piece.

    Raises:
        SealBroken: its digest is not `sha256`.
    """
    found = hashlib.sha256()
    while block := source.read(_BLOCK):
        found.update(block)
        sink.write(block)
    if sha256 is not None and found.digest() != sha256:
        raise SealBroken("A data file of the backup is damaged.", remedy="Restore another backup.")


def _moved() -> SealBroken:
    return SealBroken(
        "A backup's manifest belongs to another backup.", remedy="Put every backup's folder back as it was."
    )
