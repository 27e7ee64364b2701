"""Witnesses: someone outside the database who remembers the newest checkpoint and refuses a history that changed.

Without one, whoever holds the signing key can rewrite the ledger and sign it again. A witness cosigns a checkpoint
only after a proof that it extends the one it cosigned before (c2sp.org/tlog-witness does the same over HTTP).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shelflife import durable
from shelflife.errors import CommitConflict, ConfigurationError, LedgerBroken, StorageError
from shelflife.ledger.checkpoint import Checkpoint, cosign, open_checkpoint, verify_cosignature
from shelflife.ledger.merkle import verify_consistency
from shelflife.ledger.notes import Note, Signature, SignatureType, VerifierKey

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SEED_BYTES = 32
_MISSING = "Restore the witness's folder; what it remembered cannot be made up from the ledger it watches."


@dataclass(frozen=True)
class Witnessed:
    """The newest checkpoint that a witness cosigned, the note that carries it, and when."""

    checkpoint: Checkpoint
    note: Note
    at: dt.datetime


class Witness(Protocol):
    """Whoever watches a ledger from outside."""

    @property
    def verifier_key(self) -> VerifierKey:
        """The key that the witness's cosignatures verify with."""

    def newest(self) -> Witnessed:
        """Return the newest cosigned checkpoint; the empty tree's before the first one.

        Raises:
            LedgerBroken: what the witness remembers is gone or was altered.
        """

    def observe(self, note: Note, old_size: int, proof: Sequence[bytes], now: dt.datetime) -> Note:
        """Cosign a checkpoint that extends the newest one, and remember it.

        Args:
            note: the checkpoint, signed by the log.
            old_size: the size of the checkpoint that the proof starts from.
            proof: RFC 9162 consistency proof from there.
            now: aware time of the cosignature.

        Raises:
            CommitConflict: `old_size` is not the size of the newest checkpoint (any more).
            LedgerBroken: the log did not sign the note, or it does not extend the newest checkpoint.
        """


class FileWitness:
    """A witness that is a folder: best on another disk, another account or another machine.

    Files: `witness.key` (Ed25519 seed, mode 0600), `witness.vkey` and `log.vkey` (public keys), `checkpoint` (newest
    cosigned note) and `lock`.

    Args:
        folder: the witness's folder, made by `create`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path, log: VerifierKey, now: dt.datetime) -> FileWitness:
        """Make a witness for one log, with its own key and a cosigned empty tree; leaves an existing one alone.

        Raises:
            ConfigurationError: the folder's witness watches another log.
            StorageError: the folder cannot be written.
        """
        witness = cls(folder)
        with _disk_errors():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with witness._locked():
                if not (folder / "log.vkey").exists():
                    witness._begin(log, now)
        if witness._read("log.vkey").strip() != str(log):
            raise ConfigurationError(
                "The witness's folder belongs to another ledger.",
                remedy="Give each ledger its own witness folder.",
            )
        return witness

    @property
    def log(self) -> VerifierKey:
        """The key of the one log that this witness watches, pinned when the witness was made."""
        return VerifierKey.parse(self._read("log.vkey"))

    @property
    def verifier_key(self) -> VerifierKey:
        """The key that this witness's cosignatures verify with."""
        return VerifierKey.of(_name(self.log), self._private(), SignatureType.COSIGNATURE)

    def newest(self) -> Witnessed:
        """Return the newest cosigned checkpoint, its signatures checked.

        Raises:
            LedgerBroken: a file of the witness is missing or was altered.
        """
        note = Note.parse(self._read("checkpoint"))
        at = verify_cosignature(note, self.verifier_key)
        checkpoint = Checkpoint.parse(note.text)
        empty = Checkpoint.empty(self.log.name)
        return Witnessed(empty if checkpoint == empty else open_checkpoint(note, self.log), note, at)

    def observe(self, note: Note, old_size: int, proof: Sequence[bytes], now: dt.datetime) -> Note:
        """Cosign a checkpoint that extends the newest one, and remember it on disk before returning.

        Raises:
            CommitConflict: `old_size` is not the size of the newest checkpoint.
            LedgerBroken: the log did not sign the note, or it does not extend the newest checkpoint.
            StorageError: the cosigned checkpoint cannot be written.
        """
        with _disk_errors(), self._locked():
            known = self.newest().checkpoint
            if known.size != old_size:
                raise CommitConflict(
                    "The witness has seen a newer checkpoint.", remedy="Prove from its size."
                )
            seen = open_checkpoint(note, self.log)
            verify_consistency(known.size, seen.size, proof, known.root, seen.root)
            cosigned = Note(note.text, (*note.signatures, self._cosign(note.text, now)))
            self._write("checkpoint", cosigned.render().encode())
        return cosigned

    def _begin(self, log: VerifierKey, now: dt.datetime) -> None:
        """Write key, public keys and the cosigned empty tree; the log's key last, as the mark of a whole witness."""
        private = Ed25519PrivateKey.generate()
        key = VerifierKey.of(_name(log), private, SignatureType.COSIGNATURE)
        text = Checkpoint.empty(log.name).text()
        self._write("witness.key", private.private_bytes_raw())
        self._write("witness.vkey", f"{key}\n".encode())
        self._write("checkpoint", Note(text, (cosign(text, key.name, private, now),)).render().encode())
        self._write("log.vkey", f"{log}\n".encode())

    def _cosign(self, text: str, now: dt.datetime) -> Signature:
        return cosign(text, _name(self.log), self._private(), now)

    def _private(self) -> Ed25519PrivateKey:
        seed = self._bytes("witness.key")
        if len(seed) != _SEED_BYTES:
            raise LedgerBroken("The witness's key file was altered.", remedy=_MISSING)
        return Ed25519PrivateKey.from_private_bytes(seed)

    def _read(self, name: str) -> str:
        try:
            return self._bytes(name).decode()
        except UnicodeDecodeError:
            raise LedgerBroken("A file of the witness was altered.", remedy=_MISSING) from None

    def _bytes(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise LedgerBroken("A file of the witness is missing.", remedy=_MISSING) from None

    def _write(self, name: str, content: bytes) -> None:
        durable.replace(self.folder / name, content)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time compare and replace the checkpoint."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _name(log: VerifierKey) -> str:
    return f"{log.name}/witness"


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn a disk's refusal into one clear error."""
    try:
        yield
    except OSError:
        raise StorageError(
            "The witness's folder cannot be used.", remedy="Check that it exists, is writable and has space."
        ) from None
