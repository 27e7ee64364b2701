"""Copies that are files in a folder of the estate: what their adapters share.

An object is never changed in place. Publishing and erasing write new files under new keys, read them back, settle
(one commit: the new files stand for the copy, the old ones' keys are destroyed), and only then wipe the old files.
Killed before the commit, the old files stand and the new ones are given up by the next call; killed after it, the
next call wipes what is left. In-place deletion leaves what was deleted in free pages, logs and row groups.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from shelflife.control.crashpoints import reached
from shelflife.copies.datasets import in_one_form, of_person, same, without
from shelflife.copies.protocol import Capabilities, Erased, Item
from shelflife.copies.wiping import wipe
from shelflife.errors import SealBroken, StorageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    import pyarrow as pa

    from shelflife.copies.items import KeyedItem, Opening
    from shelflife.copies.protocol import Dataset
    from shelflife.seal.files import WrittenFile

_OWNER = re.compile(r"\.?([0-9a-f]{32}\.[a-z]+)")


class FileCopy(ABC):
    """One copy in a folder; subclasses say how datasets become a file and are read from it."""

    suffix: ClassVar[str]

    def __init__(self, opening: Opening) -> None:
        self.name = opening.name
        self.folder = Path(opening.location)
        self.encrypted = opening.encrypted
        self.items = opening.items

    @abstractmethod
    def packs(self, datasets: Sequence[Dataset]) -> list[tuple[str, list[Dataset]]]:
        """Return what each file holds: the dataset that its item is called by, and the datasets."""

    @abstractmethod
    def write(self, item: KeyedItem, path: Path, datasets: Sequence[Dataset]) -> WrittenFile:
        """Write datasets as a new file that appears whole or not at all."""

    @abstractmethod
    def read(self, item: KeyedItem, path: Path) -> list[Dataset]:
        """Return the datasets of a file, decoded.

        Raises:
            SealBroken: the file does not open.
        """

    def capabilities(self) -> Capabilities:
        """Files can be listed and rewritten; they do not go away by themselves."""
        return Capabilities(erases=True, exports=True, lists=True, expires=False, encrypted=self.encrypted)

    def publish(self, datasets: Sequence[Dataset], now: datetime) -> list[Item]:
        """Make the copy hold exactly these datasets, in new files."""
        self.recover(now)
        try:
            made = [
                self._made(label, held, now)
                for label, held in self.packs([in_one_form(one) for one in datasets])
            ]
            self.items.settle(made, now, fresh=True)
        except Exception:
            self.recover(now)
            raise
        self.sweep()
        return made

    def erase(
        self, tokens: Collection[bytes], now: datetime, *, datasets: Collection[str] | None = None
    ) -> Erased:
        """Write the files that hold these people anew without them, under new keys, and wipe the old ones."""
        self.recover(now)
        kept, made, removed = [], [], 0
        try:
            for item in self.items.live():
                held = self._held(item)
                left = [without(one, tokens, datasets) for one in held]
                gone = sum(one.rows.num_rows for one in held) - sum(one.rows.num_rows for one in left)
                if gone == 0:
                    kept.append(item.item)
                    continue
                removed += gone
                made.append(self._made(item.dataset, left, now))
            if not made:
                return Erased("already_absent")
            self.items.settle(made, now, keep=kept, fresh=False)
        except Exception:
            self.recover(now)
            raise
        self.sweep()
        return Erased("deleted", removed, items=made)

    def export(self, token: bytes) -> dict[str, pa.Table]:
        """Return one person's rows, by dataset; datasets without a row of theirs are left out."""
        found: dict[str, pa.Table] = {}
        for item in self.items.live():
            for dataset in self._held(item):
                rows = of_person(dataset, token)
                if rows.num_rows:
                    found[dataset.name] = rows
        return dict(sorted(found.items()))

    def expire(self, now: datetime) -> list[str]:
        """Remove the files that are past their time to live."""
        self.recover(now)
        live = self.items.live()
        due = [item.item for item in live if item.expires_at is not None and item.expires_at <= now]
        if due:
            self.items.settle([], now, keep=[one.item for one in live if one.item not in due], fresh=False)
            self.sweep()
        return due

    def inventory(self) -> list[str]:
        """Return every file in the folder, as paths relative to it."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self._files())

    def discard(self, objects: Collection[str]) -> list[str]:
        """Wipe files of the folder."""
        here = set(self.inventory())
        gone = sorted(here & set(objects))
        for name in gone:
            wipe(self.folder / name)
        return gone

    def recover(self, now: datetime) -> None:
        """Give up and wipe what a killed process left; the caller holds the copy's lock."""
        self.items.give_up(now)
        self.sweep()

    def sweep(self) -> None:
        """Wipe the files, and what lies beside them, of objects that no longer stand for the copy."""
        owners = {name: _owner(name) for name in self.inventory()}
        states = self.items.states([owner for owner in owners.values() if owner is not None])
        for name, owner in sorted(owners.items()):
            if owner is not None and states.get(owner) == "removed":
                wipe(self.folder / name)
                reached("copies.file.wiped")

    def _made(self, label: str, datasets: Sequence[Dataset], now: datetime) -> Item:
        item = self.items.register(label, now, suffix=self.suffix)
        reached("copies.file.registered")
        path = self.folder / item.item
        _make_folder(self.folder)
        written = self.write(item, path, datasets)
        reached("copies.file.written")
        _check_same(datasets, self.read(item, path))
        return Item(item.item, label, written.rows, written.bytes, written.sha256)

    def _held(self, item: KeyedItem) -> list[Dataset]:
        """Return what a live file holds; nothing when the file is gone."""
        path = self.folder / item.item
        if not path.is_file():
            return []
        if self.encrypted and item.key is None:
            raise SealBroken("A copy's key is gone.", remedy="Publish the copy again.")
        return self.read(item, path)

    def _files(self) -> Iterator[Path]:
        return (path for path in self.folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _check_same(meant: Sequence[Dataset], found: Sequence[Dataset]) -> None:
    """Make sure that a file gives back exactly what was put into it.

    Raises:
        StorageError: it does not.
    """
    if not same(meant, found):
        raise StorageError(
            "A copy's new file does not give back what was written; the former one still stands.",
            remedy="Check the disk, then run it again.",
        )


def _owner(name: str) -> str | None:
    """Return the item that a file is, or lies beside (`.<item>.part`, `<item>-wal`, `<item>.wal`)."""
    found = _OWNER.match(name)
    return found[1] if found else None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"A copy's folder cannot be made: {error.strerror}.",
            remedy="Restore write permission on the copy's location.",
        ) from None
