"""Verification of the whole ledger: every leaf, every checkpoint, and what the witness remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from shelflife.errors import LedgerBroken
from shelflife.ledger.frontier import Frontier
from shelflife.ledger.merkle import leaf_hash
from shelflife.ledger.storage import all_checkpoints, all_leaves, open_row

if TYPE_CHECKING:
    import datetime as dt

    import sqlalchemy as sa

    from shelflife.ledger.notes import VerifierKey
    from shelflife.ledger.witness import Witness, Witnessed


@dataclass(frozen=True)
class LedgerReport:
    """What a whole ledger that checks out amounts to.

    Attributes:
        size: number of entries.
        root: 32-byte root hash.
        checkpoints: number of signed checkpoints.
        witnessed_size: entries that the witness vouches for; none without a witness.
        witnessed_at: when it did.
    """

    size: int
    root: bytes
    checkpoints: int
    witnessed_size: int | None = None
    witnessed_at: dt.datetime | None = None

    @property
    def unwitnessed(self) -> int:
        """Entries that no witness vouches for yet."""
        return self.size - (self.witnessed_size or 0)


def verify(conn: sa.Connection, public_key: VerifierKey, witness: Witness | None = None) -> LedgerReport:
    """Recompute the whole tree from the entries' text and check everything that is signed against it.

    Args:
        conn: a connection with one consistent view.
        public_key: the log's verifier key; its name is the log's origin.
        witness: who remembers the newest checkpoint; without one, a history rewritten with a stolen signing key
            passes.

    Raises:
        LedgerBroken: names the first position that does not check out.
    """
    watch = _Watch(witness.newest() if witness else None)
    checkpoints = all_checkpoints(conn)
    tree = Frontier()
    seen, signed = 0, 0
    upcoming = next(checkpoints, None)
    for position, body, stored in all_leaves(conn):
        if position != tree.size:
            _broken(tree.size, "is missing")
        hashed = leaf_hash(body.encode())
        if hashed != stored:
            _broken(position, "was altered")
        tree.append(hashed)
        watch.compare(tree)
        if upcoming is not None and upcoming[0] == tree.size:
            _compare(tree, upcoming, public_key, signed)
            seen, signed = seen + 1, tree.size
            upcoming = next(checkpoints, None)
    if upcoming is not None:
        _broken(tree.size, "is missing though a checkpoint covers it")
    if signed != tree.size:
        _broken(signed, "is covered by no signed checkpoint")
    watch.close(tree)
    return LedgerReport(tree.size, tree.root(), seen, *watch.outcome())


class _Watch:
    """The comparison of the growing tree with the one checkpoint that the witness remembers."""

    def __init__(self, witnessed: Witnessed | None) -> None:
        self._witnessed = witnessed

    def compare(self, tree: Frontier) -> None:
        """Compare the roots when the tree has the witness's size."""
        known = self._witnessed
        if known is None or known.checkpoint.size != tree.size:
            return
        if known.checkpoint.root != tree.root():
            _broken(tree.size - 1, "or one before it differs from what the witness cosigned")

    def close(self, tree: Frontier) -> None:
        """Refuse a tree that is smaller than the one that the witness saw."""
        if self._witnessed is not None and self._witnessed.checkpoint.size > tree.size:
            _broken(tree.size, "is missing though the witness cosigned it")

    def outcome(self) -> tuple[int | None, dt.datetime | None]:
        """Return the witness's size and time."""
        known = self._witnessed
        return (known.checkpoint.size, known.at) if known else (None, None)


def _compare(tree: Frontier, row: tuple[int, str], public_key: VerifierKey, signed: int) -> None:
    """Compare the tree with a stored checkpoint of its size; the one before it ended at `signed`."""
    try:
        checkpoint = open_row(*row, public_key).checkpoint
    except LedgerBroken as error:
        raise LedgerBroken(
            f"The checkpoint after position {tree.size - 1} does not check out: {error.what}",
            remedy=error.remedy,
        ) from None
    if checkpoint.root != tree.root():
        _broken(signed, f"or one up to {tree.size - 1} was altered")


def _broken(position: int, what: str) -> NoReturn:
    raise LedgerBroken(
        f"The ledger is broken: position {position} {what}.",
        remedy="Keep this database as evidence, and restore the ledger from a copy that the witness vouches for.",
    )
