"""Offline proofs that an entry is in the ledger, in the one-file format c2sp.org/tlog-proof.

A proof goes with a certificate: whoever has it, the entry's text and the log's public key can check it years later
without this software's database.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shelflife.errors import LedgerBroken
from shelflife.ledger.checkpoint import Checkpoint, open_checkpoint
from shelflife.ledger.merkle import leaf_hash, verify_inclusion
from shelflife.ledger.notes import Note, VerifierKey, decode, encode
from shelflife.ledger.storage import first_head_over, read_growth

if TYPE_CHECKING:
    import sqlalchemy as sa

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_REMEDY = "Ask for the proof again; do not trust this copy."


def prove(conn: sa.Connection, log: VerifierKey, position: int, note: Note | None = None) -> str:
    """Return the proof file that the ledger holds the entry at a position.

    Args:
        conn: a connection to the control database.
        log: the log's verifier key.
        position: the entry's position.
        note: the checkpoint to prove against, such as the one that the witness cosigned; the first checkpoint that
            covers the entry when absent, which costs least.

    Raises:
        LedgerBroken: no signed checkpoint covers the position, or the ledger was altered.
    """
    if note is None:
        head = first_head_over(conn, log, position)
        note = head.note if head else None
    size = open_checkpoint(note, log).size if note else 0
    if note is None or not 0 <= position < size:
        raise LedgerBroken(
            "No checkpoint covers this position.", remedy="Ask for an entry that was committed."
        )
    hashes = read_growth(conn, log, position, size).inclusion_proof(position)
    lines = [_HEADER, f"index {position}", *map(encode, hashes)]
    return "\n".join(lines) + "\n\n" + note.render()


def verify_proof(proof: str, body: bytes, log: VerifierKey) -> tuple[int, Checkpoint]:
    """Check a proof file for an entry's bytes.

    Returns:
        The entry's position and the checkpoint that covers it. Cosignatures on the checkpoint are the caller's to check
        (`checkpoint.verify_cosignature`).

    Raises:
        LedgerBroken: the proof is malformed, not signed by the log, or does not show this entry.
    """
    head, separator, rest = proof.partition("\n\n")
    lines = head.split("\n")
    index = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
    if lines[0] != _HEADER or not separator or index is None:
        raise LedgerBroken("A proof file is malformed.", remedy=_REMEDY)
    checkpoint = open_checkpoint(Note.parse(rest), log)
    position = int(index[1])
    hashes = [decode(line) for line in lines[2:]]
    verify_inclusion(leaf_hash(body), position, checkpoint.size, hashes, checkpoint.root)
    return position, checkpoint
