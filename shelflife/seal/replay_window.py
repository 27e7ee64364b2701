"""The anti-replay window of one device: which sequence numbers were seen (RFC 4303, section 3.4.3).

The highest number that was accepted and a bit for each of the 64 up to it. A lower number is refused unseen: whether it
was accepted once is not known any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

WINDOW = 64
SEEN_BYTES = WINDOW // 8
_ALL = (1 << WINDOW) - 1


class Fate(Enum):
    """What is known of a sequence number."""

    NEW = "new"
    SEEN = "seen"
    TOO_OLD = "too old"


@dataclass(frozen=True)
class ReplayWindow:
    """A window; never changed in place.

    Attributes:
        highest: the highest sequence number that was accepted; 0 before the first.
        seen: bit `i` says that `highest - i` was accepted.
    """

    highest: int = 0
    seen: int = 0

    @classmethod
    def stored(cls, highest: int, seen: bytes) -> ReplayWindow:
        """Return the window as it was stored: its bits as 8 bytes, big-endian."""
        return cls(highest, int.from_bytes(seen, "big"))

    @property
    def seen_bytes(self) -> bytes:
        """The bits as 8 bytes, big-endian."""
        return self.seen.to_bytes(SEEN_BYTES, "big")

    def fate(self, sequence: int) -> Fate:
        """Return what is known of a sequence number."""
        behind = self.highest - sequence
        if behind < 0:
            return Fate.NEW
        if behind >= WINDOW:
            return Fate.TOO_OLD
        return Fate.SEEN if self.seen >> behind & 1 else Fate.NEW

    def moved(self, sequence: int) -> ReplayWindow:
        """Return the window after a new sequence number was accepted."""
        ahead = sequence - self.highest
        if ahead <= 0:
            return ReplayWindow(self.highest, self.seen | 1 << -ahead)
        shifted = self.seen << ahead & _ALL if ahead < WINDOW else 0
        return ReplayWindow(sequence, shifted | 1)
