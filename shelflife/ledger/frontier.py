"""What a tree must remember to grow: the roots of the perfect subtrees along its right edge.

A tree of n leaves has one such subtree for each set bit of n, so appending and folding cost O(log n) whatever
the size of the tree (a *compact range* in RFC 9162's successors).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.errors import LedgerBroken
from shelflife.ledger.merkle import EMPTY_ROOT, HASH_BYTES, consistency_path, inclusion_path, node_hash, root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Frontier:
    """The right edge of the tree over the first `size` leaves.

    Args:
        size: number of leaves.
        hashes: roots of the perfect subtrees, leftmost and largest first; one for each set bit of `size`.

    Raises:
        LedgerBroken: the number of hashes does not fit the size.
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count() or any(len(one) != HASH_BYTES for one in self.hashes):
            raise LedgerBroken(
                "The stored edge of the ledger's tree does not fit its size.",
                remedy="Verify the ledger; its checkpoints were altered.",
            )

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the right, joining the subtrees that it completes."""
        node = leaf
        completed = self.size
        while completed & 1:
            node = node_hash(self.hashes.pop(), node)
            completed >>= 1
        self.hashes.append(node)
        self.size += 1

    def extended(self, leaves: Iterable[bytes]) -> Frontier:
        """Return a new frontier with more leaf hashes; this one stays as it is."""
        grown = Frontier(self.size, self.hashes)
        for leaf in leaves:
            grown.append(leaf)
        return grown

    def root(self) -> bytes:
        """Return the tree's root: the subtrees folded from right to left."""
        if not self.hashes:
            return EMPTY_ROOT
        folded = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            folded = node_hash(left, folded)
        return folded

    def subtrees(self) -> dict[tuple[int, int], bytes]:
        """Return the perfect subtrees' roots by the range of leaves (start, stop) that each covers."""
        ranges: dict[tuple[int, int], bytes] = {}
        start = 0
        for hashed in self.hashes:
            stop = start + (1 << ((self.size - start).bit_length() - 1))
            ranges[start, stop] = hashed
            start = stop
        return ranges


class Growth:
    """A tree at some size and the leaves added since: enough to prove any step between the two.

    Args:
        base: the frontier before the leaves.
        leaves: the hashes of the leaves that followed it, in order.
    """

    def __init__(self, base: Frontier, leaves: Sequence[bytes]) -> None:
        self.base = base
        self.leaves = leaves

    @property
    def size(self) -> int:
        """Number of leaves at the end."""
        return self.base.size + len(self.leaves)

    def frontier(self, size: int) -> Frontier:
        """Return the frontier of the tree at a size between start and end."""
        if not self.base.size <= size <= self.size:
            raise IndexError("outside of the known growth")
        return self.base.extended(self.leaves[: size - self.base.size])

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """Return the proof that the tree at the end extends the tree at `old_size` (from start to end)."""
        if old_size == 0:
            return []
        return consistency_path(old_size, self.size, self._subtree_roots(old_size))

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Return the proof that the tree at the end holds the leaf at `index`, one of those added."""
        return inclusion_path(index, self.size, self._subtree_roots(index))

    def _subtree_roots(self, size: int) -> Callable[[int, int], bytes]:
        """Return what gives a subtree's root: left of `size` from its frontier, right of it from the leaves."""
        known = self.frontier(size).subtrees()
        first = self.base.size

        def subtree(start: int, stop: int) -> bytes:
            return known[start, stop] if stop <= size else root(self.leaves[start - first : stop - first])

        return subtree
