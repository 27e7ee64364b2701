"""SipHash-2-4 with 128-bit output over many short messages at once (Aumasson and Bernstein, 2012)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_State = list["NDArray[np.uint64]"]
_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def siphash128(key: bytes, words: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Return the 128-bit SipHash-2-4 of one message a row.

    Args:
        key: 16 bytes.
        words: the messages by column; word `i` of row `r` is `words[i][r]`, little endian.

    Returns:
        Array of shape (rows, 2): the 16 bytes of each digest.
    """
    low, high = np.frombuffer(key, "<u8", count=2)
    state = [np.full(len(words[0]), start, np.uint64) for start in _START]
    for lane, part in enumerate((low, high, low, high)):
        state[lane] ^= part
    state[1] ^= np.uint64(0xEE)
    for word in words:
        _absorb(state, word)
    _absorb(state, np.full(len(words[0]), (len(words) * 8 % 256) << 56, np.uint64))
    return np.stack([_finish(state, 2, 0xEE), _finish(state, 1, 0xDD)], axis=1)


def _absorb(state: _State, word: NDArray[np.uint64]) -> None:
    state[3] ^= word
    _round(state)
    _round(state)
    state[0] ^= word


def _finish(state: _State, lane: int, marker: int) -> NDArray[np.uint64]:
    state[lane] ^= np.uint64(marker)
    for _ in range(4):
        _round(state)
    digest: NDArray[np.uint64] = state[0] ^ state[1] ^ state[2] ^ state[3]
    return digest


def _rotate(lane: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    rotated: NDArray[np.uint64] = (lane << np.uint64(bits)) | (lane >> np.uint64(64 - bits))
    return rotated


def _round(state: _State) -> None:
    v0, v1, v2, v3 = state
    v0 += v1
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 += v3
    v3 = _rotate(v3, 16) ^ v2
    v0 += v3
    v3 = _rotate(v3, 21) ^ v0
    v2 += v1
    v1 = _rotate(v1, 17) ^ v2
    v2 = _rotate(v2, 32)
    state[:] = [v0, v1, v2, v3]
