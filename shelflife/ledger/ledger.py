"""The append-only ledger of what was done, kept in the control database and signed at every commit.

Entries are appended in the caller's transaction, so that what was done and its record become true together or not
at all. Each append signs a checkpoint of the tree; after the commit, the mirror keeps it and the witness cosigns it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shelflife.errors import CommitConflict, LedgerBroken, StorageError
from shelflife.ledger.checkpoint import Checkpoint, sign_checkpoint
from shelflife.ledger.entries import JSON, entry_bytes
from shelflife.ledger.frontier import Growth
from shelflife.ledger.merkle import leaf_hash
from shelflife.ledger.notes import Note, VerifierKey, sign
from shelflife.ledger.storage import leaf_count, read_growth, read_head, write_checkpoint, write_leaves
from shelflife.ledger.verification import LedgerReport, verify

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from shelflife.control.database import Transaction
    from shelflife.ledger.mirror import LedgerMirror, Page
    from shelflife.ledger.storage import Head
    from shelflife.ledger.witness import Witness

__all__ = ["JSON", "Ledger", "LedgerReport", "verify"]

# Each retry means that another process showed the witness a newer checkpoint in between.
_WITNESS_ATTEMPTS = 8
_log = logging.getLogger(__name__)


class Ledger:
    """One signed log.

    Args:
        origin: the log's name, a schema-less URL such as `example.com/estate`; it is also the signing key's name.
        signing_key: Ed25519 key of the checkpoints.
        witness: who cosigns them after each commit.
        mirror: what keeps the entries outside of the database, for a database that is restored.

    Raises:
        ConfigurationError: the origin is no valid key name.
    """

    def __init__(
        self,
        origin: str,
        signing_key: Ed25519PrivateKey,
        witness: Witness | None = None,
        mirror: LedgerMirror | None = None,
    ) -> None:
        self.origin = origin
        self.verifier_key = VerifierKey.of(origin, signing_key)
        self.witness = witness
        self.mirror = mirror
        self._signing_key = signing_key

    @classmethod
    def from_seed(
        cls, origin: str, seed: bytes, witness: Witness | None = None, mirror: LedgerMirror | None = None
    ) -> Ledger:
        """Return the ledger whose signing key is a 32-byte Ed25519 seed (RFC 8032, section 5.1.5)."""
        return cls(origin, Ed25519PrivateKey.from_private_bytes(seed), witness, mirror)

    def append(self, tx: Transaction, entries: Sequence[Mapping[str, JSON]], now: dt.datetime) -> range:
        """Append entries in the caller's transaction and sign a checkpoint over them.

        Costs O(log n) plus the entries. Nothing is signed on top of a ledger that does not fit its newest checkpoint
        or its witness.

        Args:
            tx: the write transaction; writers queue, so positions have no gaps.
            entries: each an object with a text `type`; see `entries.entry_bytes` for what a value may be.
            now: aware time of the commit, which becomes `at` in entries that have none.

        Returns:
            The entries' positions, in order; empty for no entries.

        Raises:
            ConfigurationError: an entry is not plain JSON or too large.
            LedgerBroken: the ledger was altered before.
        """
        bodies = [entry_bytes(entry, now) for entry in entries]
        head = self._sound_head(tx.conn)
        size = head.checkpoint.size
        if not bodies:
            return range(size, size)
        hashes = [leaf_hash(body) for body in bodies]
        witnessed = self._witnessed_growth(tx.conn, size)
        tree = head.frontier.extended(hashes)
        note = sign_checkpoint(Checkpoint(self.origin, tree.size, tree.root()), self._signing_key)
        write_leaves(tx.conn, size, bodies, hashes)
        write_checkpoint(tx.conn, note, tree, now)
        pages = self.mirror.missing(tx.conn) if self.mirror else []
        growth = Growth(witnessed.base, [*witnessed.leaves, *hashes]) if witnessed is not None else None
        tx.after_commit(lambda: self._publish_or_lag(note, pages, growth, now))
        return range(size, tree.size)

    def sign(self, text: str) -> Note:
        """Return a text as a note that is signed with the ledger's key (c2sp.org/signed-note).

        Args:
            text: lines, the last one ended.
        """
        return Note(text, (sign(text, self.origin, self._signing_key),))

    def size(self, conn: sa.Connection) -> int:
        """Return the number of entries under the newest checkpoint."""
        return read_head(conn, self.verifier_key).checkpoint.size

    def newest_note(self, conn: sa.Connection) -> Note | None:
        """Return the newest signed checkpoint as it is published; none before the first entry."""
        return read_head(conn, self.verifier_key).note

    def catch_up(self, conn: sa.Connection, now: dt.datetime) -> int:
        """Show mirror and witness what they missed when a process died right after a commit.

        Every append does so too; this is for a ledger that is not about to grow.

        Returns:
            The number of entries that the witness had missed.

        Raises:
            LedgerBroken: the ledger does not extend what the witness cosigned, or differs from its mirror.
        """
        head = self._sound_head(conn)
        if self.mirror is not None:
            self.mirror.write(self.mirror.missing(conn))
        growth = self._witnessed_growth(conn, head.checkpoint.size)
        if growth is None or head.note is None or not growth.leaves:
            return 0
        self._show(head.note, growth, now)
        return len(growth.leaves)

    def _sound_head(self, conn: sa.Connection) -> Head:
        """Return the newest checkpoint, provided that the entries end where it says."""
        head = read_head(conn, self.verifier_key)
        if leaf_count(conn) != head.checkpoint.size:
            raise LedgerBroken(
                "The ledger's entries do not end where its newest checkpoint says.",
                remedy="Verify the ledger; entries were removed or added outside of it.",
            )
        return head

    def _witnessed_growth(self, conn: sa.Connection, size: int) -> Growth | None:
        """Return the growth since the witness's checkpoint, provided that the ledger extends that one."""
        if self.witness is None:
            return None
        known = self.witness.newest().checkpoint
        remedy = "Keep this database as evidence: it is older than what the witness saw, or was rewritten."
        if known.size > size:
            raise LedgerBroken("The witness cosigned more entries than the ledger holds.", remedy=remedy)
        growth = read_growth(conn, self.verifier_key, known.size, size)
        base = growth.frontier(known.size)
        if base.root() != known.root:
            raise LedgerBroken("The ledger's past differs from what the witness cosigned.", remedy=remedy)
        return Growth(base, growth.leaves[known.size - growth.base.size :])

    def _publish_or_lag(
        self, note: Note, pages: Sequence[Page], growth: Growth | None, now: dt.datetime
    ) -> None:
        """Mirror a committed checkpoint, then show it to the witness; what fails is made up for at the next append.

        In this order the mirror never lags behind the witness, and a restored ledger can always be completed.
        """
        try:
            if self.mirror is not None:
                self.mirror.write(pages)
            if growth is not None:
                self._show(note, growth, now)
        except (StorageError, CommitConflict) as error:
            _log.warning("The ledger's mirror or witness lags behind: %s", error.what)

    def _show(self, note: Note, growth: Growth, now: dt.datetime) -> None:
        """Show a checkpoint to the witness, from whatever size it has by now."""
        if self.witness is None:
            return
        for attempt in range(_WITNESS_ATTEMPTS):
            known = self.witness.newest().checkpoint.size
            if known >= growth.size:
                return
            try:
                self.witness.observe(note, known, growth.consistency_proof(known), now)
            except CommitConflict:
                if attempt == _WITNESS_ATTEMPTS - 1:
                    raise
            else:
                return
