"""A root slot in memory, for tests that make thousands of root keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shelflife.keys.slots import RootKey

if TYPE_CHECKING:
    from datetime import datetime


class MemoryRootSlot:
    """Does what the `RootSlot` protocol says, without a disk."""

    def __init__(self) -> None:
        self._roots: dict[int, RootKey] = {}

    def read(self) -> list[RootKey]:
        return [self._roots[generation] for generation in sorted(self._roots)]

    def put(self, generation: int, key: bytes, now: datetime) -> None:
        assert generation not in self._roots
        self._roots[generation] = RootKey(generation, key, now)

    def retire(self, generation: int, now: datetime) -> None:
        root = self._roots.get(generation)
        if root is not None and root.retired_at is None:
            self._roots[generation] = replace(root, retired_at=now)

    def destroy(self, generation: int) -> None:
        self._roots.pop(generation, None)
