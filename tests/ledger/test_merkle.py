"""Published vectors of RFC 6962 implementations, and properties of every proof."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import LedgerBroken
from shelflife.ledger.frontier import Frontier, Growth
from shelflife.ledger.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

# The leaves, roots and proofs that the Certificate Transparency reference implementation is tested with.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}

sizes = st.integers(1, 70)


def tree(size: int) -> list[bytes]:
    return [leaf_hash(index.to_bytes(2, "big")) for index in range(size)]


def recursive_root(hashes: list[bytes]) -> bytes:
    """The definition of RFC 9162, section 2.1.1, word for word, as an oracle for the level-by-level one."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(recursive_root(hashes[:split]), recursive_root(hashes[split:]))


def test_known_roots() -> None:
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, expected in enumerate(ROOTS, start=1):
        assert root(HASHES[:size]).hex() == expected
        assert Frontier().extended(HASHES[:size]).root().hex() == expected


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_known_inclusion_proofs(index: int, size: int) -> None:
    proof = inclusion_proof(HASHES[:size], index)
    assert [one.hex() for one in proof] == INCLUSION[index, size]
    verify_inclusion(HASHES[index], index, size, proof, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_known_consistency_proofs(old: int, size: int) -> None:
    proof = consistency_proof(HASHES[:size], old)
    assert [one.hex() for one in proof] == CONSISTENCY[old, size]
    verify_consistency(old, size, proof, bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[size - 1]))


@given(sizes)
def test_root_equals_the_recursive_definition(size: int) -> None:
    assert root(tree(size)) == recursive_root(tree(size)) == Frontier().extended(tree(size)).root()


def mutations(data: st.DataObject, proof: list[bytes]) -> list[bytes]:
    """Another proof than this one: a bit flipped, a hash dropped, repeated, added, or two swapped."""
    at = data.draw(st.integers(0, len(proof)), label="where")
    kind = data.draw(st.sampled_from(["flip", "drop", "repeat", "add", "reverse"]), label="how")
    changed = list(proof)
    if kind == "add" or not proof:
        changed.insert(at, data.draw(st.binary(min_size=32, max_size=32)))
    elif kind == "flip":
        one = bytearray(changed[at % len(proof)])
        one[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
        changed[at % len(proof)] = bytes(one)
    elif kind == "drop":
        del changed[at % len(proof)]
    elif kind == "repeat":
        changed.insert(at, changed[at % len(proof)])
    else:
        changed.reverse()
    return changed


@given(st.data(), sizes)
def test_every_inclusion_proof_verifies_and_no_mutation_does(data: st.DataObject, size: int) -> None:
    hashes = tree(size)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(hashes, index)
    verify_inclusion(hashes[index], index, size, proof, root(hashes))
    changed = mutations(data, proof)
    if changed != proof:
        with pytest.raises(LedgerBroken):
            verify_inclusion(hashes[index], index, size, changed, root(hashes))
    other = data.draw(st.integers(-1, size + 1))
    if other != index:
        with pytest.raises(LedgerBroken):
            verify_inclusion(hashes[index], other, size, proof, root(hashes))
    with pytest.raises(LedgerBroken):
        verify_inclusion(leaf_hash(b"another"), index, size, proof, root(hashes))


@given(st.data(), sizes)
def test_every_consistency_proof_verifies_and_no_mutation_does(data: st.DataObject, size: int) -> None:
    hashes = tree(size)
    old = data.draw(st.integers(0, size))
    proof = consistency_proof(hashes, old)
    old_root, new_root = root(hashes[:old]), root(hashes)
    verify_consistency(old, size, proof, old_root, new_root)
    changed = mutations(data, proof)
    if changed != proof:
        with pytest.raises(LedgerBroken):
            verify_consistency(old, size, changed, old_root, new_root)
    with pytest.raises(LedgerBroken):
        verify_consistency(old, size, proof, leaf_hash(b"another"), new_root)
    if old:
        with pytest.raises(LedgerBroken):
            verify_consistency(old, size, proof, old_root, leaf_hash(b"another"))
        with pytest.raises(LedgerBroken):
            verify_consistency(size + 1, size, proof, old_root, new_root)


@given(st.data(), sizes)
def test_growth_proves_the_same_without_the_leaves_before_it(data: st.DataObject, size: int) -> None:
    hashes = tree(size)
    base = data.draw(st.integers(0, size))
    growth = Growth(Frontier().extended(hashes[:base]), hashes[base:])
    old = data.draw(st.integers(base, size))
    assert growth.consistency_proof(old) == consistency_proof(hashes, old)
    assert growth.frontier(old).root() == root(hashes[:old])
    if base < size:
        index = data.draw(st.integers(base, size - 1))
        assert growth.inclusion_proof(index) == inclusion_proof(hashes, index)


def test_a_node_never_passes_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


def test_a_frontier_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(LedgerBroken):
        Frontier(3, [EMPTY_ROOT])
    with pytest.raises(LedgerBroken):
        Frontier(1, [b"short"])


def test_proofs_outside_of_the_tree_are_refused() -> None:
    with pytest.raises(IndexError):
        inclusion_proof(HASHES, 8)
    with pytest.raises(IndexError):
        consistency_proof(HASHES, 9)
