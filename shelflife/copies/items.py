"""The objects of a copy as an adapter sees them: registered before the first byte, made true in one commit.

An adapter never sees the key tree or the control database. It asks `CopyItems` for a name and a key for each new
object, writes the object, and settles: in one commit the new objects stand for the copy, and the keys of those that
no longer do are destroyed. Only then does it remove what is left of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from shelflife.copies.protocol import Item

State = Literal["pending", "live", "removed"]


@dataclass(frozen=True)
class KeyedItem:
    """An object with the key that it is sealed under.

    Attributes:
        item: its name within the copy's location; 32 random hexadecimal digits and a suffix when made by `register`.
        dataset: the dataset that it holds, or `protocol.EVERY_DATASET`.
        key: 32 bytes; None where the copy is declared to be in clear, or the key was destroyed.
        expires_at: the end of its time to live; None while it is pending.
    """

    item: str
    dataset: str
    key: bytes | None = field(repr=False)
    expires_at: datetime | None = None


class CopyItems(Protocol):
    """The registered objects of one copy."""

    def register(self, dataset: str, now: datetime, *, suffix: str = "") -> KeyedItem:
        """Write down a new object, pending, in a commit of its own, and return its name and key."""

    def live(self) -> list[KeyedItem]:
        """Return the objects that stand for the copy."""

    def states(self, items: Collection[str]) -> Mapping[str, State]:
        """Return the state of those of some objects that are registered."""

    def settle(
        self, items: Sequence[Item], now: datetime, *, keep: Collection[str] = (), fresh: bool
    ) -> None:
        """Make these objects, and of the live ones those to keep, the whole of the copy, in one commit.

        The keys of all others are destroyed in that commit.

        Args:
            items: what was written.
            now: the time.
            keep: names of live objects that stay as they are.
            fresh: the rows are new from the warehouse, so that the time to live starts; otherwise it goes on.

        Raises:
            CommitConflict: one of the objects was given up by another process.
            LeaseExpired: something was erased since the rows were read.
        """

    def give_up(self, now: datetime) -> None:
        """Give up every pending object and destroy its key: what a killed process was writing."""


@dataclass(frozen=True)
class Opening:
    """Everything that an adapter or an inspector is opened with.

    Attributes:
        name: the copy's name.
        location: an absolute folder, or a URL with its secret filled in; never printed.
        datasets: names of the datasets that are declared.
        ttl: the copy's time to live.
        encrypted: whether what is written is sealed under the item's key.
        options: further settings of the kind, as declared.
        items: the copy's registered objects.
    """

    name: str
    location: str = field(repr=False)
    datasets: tuple[str, ...]
    ttl: timedelta
    encrypted: bool
    options: Mapping[str, str | int | bool | list[str]]
    items: CopyItems
