"""Targets: the people of whom nothing may be left, as far as they are still known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from shelflife.subjects.directory import Alias


@dataclass(frozen=True)
class Target:
    """One person, or some streams of one, that must be gone. Held in memory only; never printed or written.

    Attributes:
        pids: by zone, the pseudonyms that the person had there (16 bytes each).
        aliases: the names that sources knew the person by.
        tokens: by copy, the tokens that stood for the person there.
        keys: by zone, the numbers of the keys that were destroyed.
        streams: the streams that were forgotten; the whole person when None.
        tables: the derived tables that rows had to leave; every one when None.
        due: until when unreadable rows may still lie in files; None when they must be gone by now.
    """

    pids: Mapping[str, Sequence[bytes]] = field(default_factory=dict, repr=False)
    aliases: Sequence[Alias] = field(default=(), repr=False)
    tokens: Mapping[str, Sequence[bytes]] = field(default_factory=dict, repr=False)
    keys: Mapping[str, Sequence[int]] = field(default_factory=dict, repr=False)
    streams: frozenset[str] | None = None
    tables: frozenset[str] | None = None
    due: dt.datetime | None = None

    @property
    def whole(self) -> bool:
        """Whether the whole person must be gone, and not only some streams."""
        return self.streams is None

    def may_lie(self, now: dt.datetime) -> bool:
        """Tell whether rows that nothing opens may still lie in files."""
        return self.due is not None and now <= self.due

    def concerns(self, *, stream: str | None = None, table: str | None = None) -> bool:
        """Tell whether a stream, or a derived table, must hold nothing of this person."""
        if stream is not None:
            return self.streams is None or stream in self.streams
        return self.tables is None or table in self.tables

    def pids_in(self, zone: str) -> Sequence[bytes]:
        """Return the pseudonyms of a zone."""
        return self.pids.get(zone, ())
