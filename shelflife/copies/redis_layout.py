"""The keys of a Redis copy, all behind the copy's name.

    <copy>:<item>:<token, hex>   one person's rows of the dataset that the item holds
    <copy>:<item>:table          a whole dataset that is about no single person; of others, the columns
    <copy>:tag:<token, hex>      the set of one person's keys
    <copy>:current               the item of each dataset, for readers

Every key has a time to live. An item is one publication of one dataset: 32 random hexadecimal digits.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_TOKEN = re.compile(rb"(?=([0-9a-f]{32}))")
_ITEM = re.compile(rb"([0-9a-f]{32}):(?:[0-9a-f]{32}|table)")
_TAG = re.compile(rb"tag:[0-9a-f]{32}")


@dataclass(frozen=True)
class Layout:
    """Names the keys of one copy.

    Attributes:
        copy: the copy's name; has no character that means something to SCAN, and no colon.
    """

    copy: str

    @property
    def prefix(self) -> bytes:
        """What every key of the copy begins with."""
        return f"{self.copy}:".encode()

    @property
    def pattern(self) -> bytes:
        """What SCAN finds every key of the copy by."""
        return self.prefix + b"*"

    @property
    def current(self) -> bytes:
        """The key that tells readers the item of each dataset."""
        return f"{self.copy}:current".encode()

    def rows(self, item: str, token: bytes) -> bytes:
        """The key of one person's rows."""
        return f"{self.copy}:{item}:{token.hex()}".encode()

    def table(self, item: str) -> bytes:
        """The key of what is about no single person."""
        return f"{self.copy}:{item}:table".encode()

    def tag(self, token: bytes) -> bytes:
        """The key of the set of one person's keys."""
        return f"{self.copy}:tag:{token.hex()}".encode()

    def tag_of(self, key: bytes) -> bytes:
        """The key of the set that lists a key of a person's rows."""
        return self.prefix + b"tag:" + key.rpartition(b":")[2]

    def item(self, key: bytes) -> str | None:
        """Return the item that a key belongs to; None for tags and the readers' table of contents.

        A key that nobody here writes is an item of its own under a digest, because its name may name a person.
        """
        name = key.removeprefix(self.prefix)
        found = _ITEM.fullmatch(name)
        if found:
            return found[1].decode()
        if key == self.current or _TAG.fullmatch(name):
            return None
        return f"unknown-{hashlib.sha256(key).hexdigest()[:32]}"

    def named(self, key: bytes, tokens: Collection[bytes]) -> bytes | None:
        """Return which of some people a key of this copy names, wherever in it and whoever wrote it."""
        if not key.startswith(self.prefix):
            return None
        for found in _TOKEN.finditer(key.lower(), len(self.prefix)):
            token = bytes.fromhex(found[1].decode())
            if token in tokens:
                return token
        return None
