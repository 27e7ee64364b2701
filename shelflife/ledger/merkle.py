"""The Merkle tree of RFC 6962 and RFC 9162, section 2.1: hashes, proofs and their verification.

A leaf hashes as SHA-256(0x00 || data), an inner node as SHA-256(0x01 || left || right); the two prefixes keep a
node from passing for a leaf. All functions are pure and work on 32-byte hashes.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from shelflife.errors import LedgerBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

_REMEDY = "Compare the ledger with a copy that a witness vouches for; treat it as altered until explained."


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf's bytes (RFC 9162, section 2.1.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node from the hashes of its two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of the tree over leaf hashes; SHA-256 of nothing for an empty tree."""
    level = list(hashes)
    while len(level) > 1:
        paired = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        # An odd one out is the root of an incomplete right subtree and rises unchanged.
        level = paired + level[len(level) - len(level) % 2 :]
    return level[0] if level else EMPTY_ROOT


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from a leaf to the root (RFC 9162, section 2.1.3.1), nearest first.

    Raises:
        IndexError: there is no leaf at this index.
    """
    if not 0 <= index < len(hashes):
        raise IndexError("no leaf at this index")
    return inclusion_path(index, len(hashes), lambda start, stop: root(hashes[start:stop]))


def inclusion_path(index: int, size: int, subtree: Callable[[int, int], bytes]) -> list[bytes]:
    """Return an inclusion proof, asking `subtree(start, stop)` for the roots that it needs.

    Every range asked for is either a perfect subtree that ends at or before `index`, or starts after it.
    """
    start, stop = 0, size
    proof: list[bytes] = []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            proof.append(subtree(middle, stop))
            stop = middle
        else:
            proof.append(subtree(start, middle))
            start = middle
    return proof[::-1]


def consistency_proof(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree over the first `old_size` leaves is a prefix (RFC 9162, section 2.1.4.1).

    Empty when the sizes are equal or the old tree is empty.

    Raises:
        IndexError: the old tree is larger than this one.
    """
    return consistency_path(old_size, len(hashes), lambda start, stop: root(hashes[start:stop]))


def consistency_path(old_size: int, size: int, subtree: Callable[[int, int], bytes]) -> list[bytes]:
    """Return a consistency proof, asking `subtree(start, stop)` for the roots that it needs.

    Every range asked for is either a perfect subtree that ends at or before `old_size`, or starts at or after it.
    """
    if not 0 <= old_size <= size:
        raise IndexError("the older tree is not the smaller one")
    if old_size in (0, size):
        return []
    start, stop, whole = 0, size, True
    proof: list[bytes] = []
    while old_size != stop:
        middle = start + _split(stop - start)
        if old_size <= middle:
            proof.append(subtree(middle, stop))
            stop = middle
        else:
            proof.append(subtree(start, middle))
            start, whole = middle, False
    return [*([] if whole else [subtree(start, stop)]), *reversed(proof)]


def _split(count: int) -> int:
    """Return the largest power of two below a count above one: where RFC 9162 divides a tree."""
    return 1 << ((count - 1).bit_length() - 1)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Check that a leaf hash is at an index of the tree with this size and root (RFC 9162, section 2.1.3.2).

    Raises:
        LedgerBroken: the proof does not show it.
    """
    if not 0 <= index < size:
        raise LedgerBroken("The proof is for a position outside the tree.", remedy=_REMEDY)
    position, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise LedgerBroken("The inclusion proof is too long.", remedy=_REMEDY)
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        position, last = position >> 1, last >> 1
    if last != 0 or computed != expected_root:
        raise LedgerBroken("The inclusion proof does not lead to the tree's root.", remedy=_REMEDY)


def verify_consistency(
    old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that one tree is a prefix of another (RFC 9162, section 2.1.4.2).

    Every tree is an extension of the empty one, and of itself; both take an empty proof.

    Raises:
        LedgerBroken: the proof does not show it.
    """
    if old_size in (0, size):
        expected = new_root if old_size else EMPTY_ROOT
        if proof or old_root != expected:
            raise LedgerBroken("Two trees of the same size differ.", remedy=_REMEDY)
        return
    if not 0 < old_size < size or not proof:
        raise LedgerBroken("The consistency proof does not fit the sizes of the trees.", remedy=_REMEDY)
    if _replay(old_size, size, proof, old_root) != (old_root, new_root):
        raise LedgerBroken("The newer tree does not extend the older one.", remedy=_REMEDY)


def _replay(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """Fold a consistency proof into the roots of the older and the newer tree."""
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise LedgerBroken("The consistency proof is too long.", remedy=_REMEDY)
        if position & 1 or position == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise LedgerBroken("The consistency proof is too short.", remedy=_REMEDY)
    return older, newer
