"""Looks for many people's tokens in much content at once: raw, in hexadecimal, as UUID and in base64."""

from __future__ import annotations

import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from shelflife.copies.inspectors.folders import forms

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_HEAD = 4
_TOGETHER = 1 << 20
_SEPARATOR = b"\0\0\0\0"


class TokenSearch:
    """Finds whether any of some tokens stands in content; its cost hardly depends on how many there are.

    Args:
        tokens: 16 bytes each.
    """

    def __init__(self, tokens: Collection[bytes]) -> None:
        self._needles: defaultdict[int, list[bytes]] = defaultdict(list)
        for token in tokens:
            for form in (*forms(token), str(uuid.UUID(bytes=token)).encode()):
                self._needles[int.from_bytes(form[:_HEAD], "little")].append(form)
        self._heads = np.array(sorted(self._needles), dtype=np.uint32)
        self._starts = np.zeros(1 << 16, dtype=bool)
        self._starts[self._heads & 0xFFFF] = True

    def is_in(self, content: bytes) -> bool:
        """Tell whether a token stands in some bytes."""
        if len(content) < _HEAD or not len(self._heads):
            return False
        octets = np.frombuffer(content, dtype=np.uint8)
        pairs = octets[:-1].astype(np.uint16) | (octets[1:].astype(np.uint16) << 8)
        places = np.flatnonzero(self._starts[pairs[:-2]])
        heads = pairs[places].astype(np.uint32) | (pairs[places + 2].astype(np.uint32) << 16)
        nearest = self._heads[np.minimum(np.searchsorted(self._heads, heads), len(self._heads) - 1)]
        hits = nearest == heads
        return any(
            content.startswith(needle, place)
            for place, head in zip(places[hits].tolist(), heads[hits].tolist(), strict=True)
            for needle in self._needles[head]
        )

    def is_in_any(self, pieces: Iterable[bytes]) -> bool:
        """Tell whether a token stands in any of many pieces; all of them are read."""
        return any([self.is_in(content) for content in _together(pieces)])  # noqa: C419  every piece is decoded


def _together(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces, so that the cost of a call is that of its bytes."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _TOGETHER:
            yield _SEPARATOR.join(waiting)
            waiting, size = [], 0
    yield _SEPARATOR.join(waiting)
