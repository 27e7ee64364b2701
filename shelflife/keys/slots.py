"""Root slots: where the 32 bytes live whose destruction makes every older copy of a key tree unreadable.

A slot holds one root key per generation of the tree. It never shares storage, and never a backup, with the control
database: whoever holds a copy of both from the same day holds that day's keys.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from shelflife.errors import KeyTreeUnopenable, StorageError
from shelflife.keys import shredding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROOT_KEY_BYTES = 32
_FORMAT = 1


@dataclass(frozen=True)
class RootKey:
    """The root key of one generation of a key tree."""

    generation: int
    key: bytes = field(repr=False)
    created_at: datetime
    retired_at: datetime | None = None


class RootSlot(Protocol):
    """Storage for root keys, able to destroy one for good.

    Every method is atomic and durable when it returns. Retiring or destroying a generation that is not there does
    nothing, so that a step can be repeated after a crash.
    """

    def read(self) -> list[RootKey]:
        """Return every root key that was not destroyed, oldest generation first."""

    def put(self, generation: int, key: bytes, now: datetime) -> None:
        """Add the root key of a new generation."""

    def retire(self, generation: int, now: datetime) -> None:
        """Note that the database has moved past a generation; an earlier note stands."""

    def destroy(self, generation: int) -> None:
        """Destroy a root key so that nothing can bring it back."""


class FileRootSlot:
    """A root slot in one file: mode 0600 in a folder of mode 0700.

    Changes replace the file atomically and overwrite the old one (`shredding`). A lock on `<name>.lock` orders
    processes. The folder must be left out of every backup.

    Args:
        path: the file; its folder is made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(path.name + ".lock")

    def read(self) -> list[RootKey]:
        """Return every root key that was not destroyed, oldest generation first.

        Raises:
            KeyTreeUnopenable: the file is not a root slot of this format.
            StorageError: the file cannot be read.
        """
        with self._locked(exclusive=False):
            roots, unfinished = self._load(), shredding.needs_sweep(self._path)
        if unfinished:
            # A process died while it replaced the file; a destroyed key may still be on the disk.
            with self._locked(exclusive=True):
                shredding.sweep(self._path)
        return roots

    def put(self, generation: int, key: bytes, now: datetime) -> None:
        """Add the root key of a new generation.

        Raises:
            StorageError: the file cannot be written, or the generation has a root key already.
        """
        if len(key) != ROOT_KEY_BYTES:
            raise ValueError("A root key has 32 bytes.")

        def add(roots: list[RootKey]) -> list[RootKey]:
            if any(root.generation == generation for root in roots):
                raise StorageError(
                    "The root slot already holds a key of that generation.",
                    remedy="Check that no two estates share one root slot.",
                )
            return [*roots, RootKey(generation, key, now)]

        self._change(add)

    def retire(self, generation: int, now: datetime) -> None:
        """Note that the database has moved past a generation; an earlier note stands."""

        def note(root: RootKey) -> RootKey:
            due = root.generation == generation and root.retired_at is None
            return replace(root, retired_at=now) if due else root

        self._change(lambda roots: [note(root) for root in roots])

    def destroy(self, generation: int) -> None:
        """Destroy a root key: a file without it takes the place of the old one, which is overwritten."""
        self._change(lambda roots: [root for root in roots if root.generation != generation])

    def _change(self, change: Callable[[list[RootKey]], list[RootKey]]) -> None:
        """Replace the file's roots by what `change` makes of them, alone among all processes."""
        with self._locked(exclusive=True):
            roots = self._load()
            changed = change(roots)
            if changed != roots:
                shredding.replace(self._path, _encode(changed))
            else:
                shredding.sweep(self._path)

    @contextmanager
    def _locked(self, *, exclusive: bool) -> Iterator[None]:
        """Hold the slot's lock, and name what the file system refuses without naming the path."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with shredding.locked(self._lock, exclusive=exclusive):
                yield
        except OSError as error:
            raise StorageError(
                f"The root slot cannot be read or written ({error.strerror}).",
                remedy="Check that the folder of root slots exists and belongs to this user.",
            ) from None

    def _load(self) -> list[RootKey]:
        """Read the roots; a missing file holds none."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        return _decode(content)


def _encode(roots: list[RootKey]) -> bytes:
    """Return the file's content: JSON, oldest generation first."""
    rows = [
        {
            "generation": root.generation,
            "key": root.key.hex(),
            "created_at": root.created_at.isoformat(),
            "retired_at": root.retired_at.isoformat() if root.retired_at else None,
        }
        for root in sorted(roots, key=lambda root: root.generation)
    ]
    return json.dumps({"format": _FORMAT, "roots": rows}, indent=1).encode()


def _decode(content: bytes) -> list[RootKey]:
    """Read the file's content.

    Raises:
        KeyTreeUnopenable: it is not a root slot of this format.
    """
    try:
        return _roots(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError):
        # The cause's text could quote a key.
        raise KeyTreeUnopenable(
            "The root slot's file is damaged or of another version.",
            remedy="Put back the root slot of this estate; without it no key can be opened.",
        ) from None


def _roots(document: dict[str, Any]) -> list[RootKey]:
    """Read the root keys of a document of this format."""
    if document["format"] != _FORMAT:
        raise ValueError
    return [_root(row) for row in document["roots"]]


def _root(row: dict[str, Any]) -> RootKey:
    """Read one root key."""
    key = bytes.fromhex(row["key"])
    if len(key) != ROOT_KEY_BYTES or not isinstance(row["generation"], int):
        raise ValueError
    retired = row["retired_at"]
    return RootKey(
        generation=row["generation"],
        key=key,
        created_at=datetime.fromisoformat(row["created_at"]),
        retired_at=datetime.fromisoformat(retired) if retired else None,
    )
