"""Checkpoints: a signed statement of how large the ledger is and what its root hash is.

Format: c2sp.org/tlog-checkpoint v1.0 (a note whose text is origin, size and root, one a line, no extension lines)
and c2sp.org/tlog-cosignature for the witness's Ed25519 cosignature.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.errors import LedgerBroken
from shelflife.ledger.merkle import EMPTY_ROOT, HASH_BYTES
from shelflife.ledger.notes import Note, Signature, SignatureType, VerifierKey, decode, encode, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_TIMESTAMP_BYTES = 8
_REMEDY = "Fetch the checkpoint again from where it was published; do not trust this copy."


@dataclass(frozen=True)
class Checkpoint:
    """The head of the log named `origin`: its number of leaves and its 32-byte root."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def empty(cls, origin: str) -> Checkpoint:
        """Return the head of a log that holds nothing yet."""
        return cls(origin, 0, EMPTY_ROOT)

    def text(self) -> str:
        """Return the note text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note text; extension lines are refused, since none of ours has any.

        Raises:
            LedgerBroken: the text is not a checkpoint.
        """
        lines = text.split("\n")
        if len(lines) != 4 or not lines[0] or lines[3] or not _SIZE.fullmatch(lines[1]):
            raise LedgerBroken("A checkpoint is malformed.", remedy=_REMEDY)
        root = decode(lines[2])
        if len(root) != HASH_BYTES:
            raise LedgerBroken("A checkpoint's root hash has the wrong length.", remedy=_REMEDY)
        return cls(lines[0], int(lines[1]), root)


def sign_checkpoint(checkpoint: Checkpoint, private: Ed25519PrivateKey) -> Note:
    """Return a checkpoint as a note signed by its log, whose key name is the origin."""
    text = checkpoint.text()
    return Note(text, (sign(text, checkpoint.origin, private),))


def open_checkpoint(note: Note, log: VerifierKey) -> Checkpoint:
    """Return the checkpoint in a note once the log's signature on it is checked.

    Raises:
        LedgerBroken: the note is of another log, unsigned by this key, altered or malformed.
    """
    signature = note.signed_by(log.name, log.key_id)
    if signature is None:
        raise LedgerBroken("A checkpoint is not signed by the ledger's key.", remedy=_REMEDY)
    if not log.verifies(note.text.encode(), signature.value):
        raise LedgerBroken("The ledger's signature on a checkpoint does not verify.", remedy=_REMEDY)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != log.name:
        raise LedgerBroken("A checkpoint is of another ledger.", remedy=_REMEDY)
    return checkpoint


def cosign(text: str, name: str, private: Ed25519PrivateKey, now: dt.datetime) -> Signature:
    """Return a witness's timestamped Ed25519 cosignature (type 0x04) of a checkpoint's text."""
    key = VerifierKey.of(name, private, SignatureType.COSIGNATURE)
    seconds = int(now.timestamp())
    signed = private.sign(_cosigned_message(text, seconds))
    return Signature(name, key.key_id, seconds.to_bytes(_TIMESTAMP_BYTES, "big") + signed)


def verify_cosignature(note: Note, witness: VerifierKey) -> dt.datetime:
    """Return when a witness cosigned a note, once its cosignature is checked.

    Raises:
        LedgerBroken: there is no cosignature of this witness, or it does not verify.
    """
    signature = note.signed_by(witness.name, witness.key_id)
    if signature is None or witness.kind is not SignatureType.COSIGNATURE:
        raise LedgerBroken("A checkpoint carries no cosignature of the witness.", remedy=_REMEDY)
    seconds = int.from_bytes(signature.value[:_TIMESTAMP_BYTES], "big")
    if not witness.verifies(_cosigned_message(note.text, seconds), signature.value[_TIMESTAMP_BYTES:]):
        raise LedgerBroken("The witness's cosignature does not verify.", remedy=_REMEDY)
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


def _cosigned_message(text: str, seconds: int) -> bytes:
    """Return the bytes that a v1 cosignature covers."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
