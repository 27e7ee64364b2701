"""The mirror: the ledger's entries and checkpoints once more, in a file outside of the control database.

A database that is restored from a backup has forgotten the entries since; without them the ledger would be signed
anew from there, and the witness would rightly call it a fork. The mirror gives them back: `complete` brings an older
ledger to where the mirror is, every page checked against the log's signature.

One line of JSON for each commit, appended after it. A line without its end is what a crash left.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import ledger_checkpoint, ledger_leaf
from shelflife.errors import LedgerBroken, StorageError
from shelflife.ledger.merkle import leaf_hash
from shelflife.ledger.storage import open_row, read_head, write_leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shelflife.ledger.notes import VerifierKey

_TAIL_BYTES = 1 << 16
_REMEDY = "Keep database and mirror as evidence; one of them was altered, or they are of two ledgers."


@dataclass(frozen=True)
class Page:
    """What one append added: the bodies of its leaves, and the checkpoint over the tree that ends with them.

    Attributes:
        start: position of the first leaf.
        leaves: the leaves' bodies.
        note: the checkpoint as the database stores it.
        signed_at: its time, ISO 8601.
    """

    start: int
    leaves: Sequence[str]
    note: str
    signed_at: str

    @property
    def size(self) -> int:
        """Number of leaves of the tree that ends with this page."""
        return self.start + len(self.leaves)


class LedgerMirror:
    """A mirror in one file (mode 0600).

    Args:
        path: the file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def newest(self) -> Page | None:
        """Return the newest whole page; none of an empty mirror. Reads the file's end only.

        Raises:
            LedgerBroken: the last page is damaged.
            StorageError: the file cannot be read.
        """
        with _disk_errors(), self._locked():
            content = self._tail()
        lines = content.split(b"\n")
        return _parse(lines[-2]) if len(lines) > 1 else None

    def pages(self) -> Iterator[Page]:
        """Yield every whole page, oldest first.

        Raises:
            LedgerBroken: a page is damaged.
            StorageError: the file cannot be read.
        """
        with _disk_errors():
            if not self._path.exists():
                return
            with self._path.open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield _parse(line)

    def missing(self, conn: sa.Connection) -> list[Page]:
        """Return the pages that a database has committed, or is about to, and the mirror lacks.

        Raises:
            LedgerBroken: the mirror holds what this database does not: it is older, or its past was altered.
        """
        newest = self.newest()
        size = newest.size if newest else 0
        if newest is not None:
            here = sa.select(ledger_checkpoint.c.note).where(ledger_checkpoint.c.size == size)
            if conn.execute(here).scalar() != newest.note:
                raise LedgerBroken(
                    "The ledger differs from its mirror outside of the database.",
                    remedy="If this database comes from a backup, restore it with `shelflife restore`. "
                    + _REMEDY,
                )
        query = sa.select(ledger_checkpoint).where(ledger_checkpoint.c.size > size)
        found = []
        for row in conn.execute(query.order_by(ledger_checkpoint.c.size)):
            page = Page(size, _bodies(conn, size, row.size), row.note, row.signed_at.isoformat())
            found.append(page)
            size = page.size
        return found

    def write(self, pages: Sequence[Page]) -> None:
        """Append pages and wait until they are on the disk; those that are there already are passed over.

        Raises:
            StorageError: the file cannot be written.
        """
        with _disk_errors(), self._locked():
            content = self._tail()
            lines = content.split(b"\n")
            size = _parse(lines[-2]).size if len(lines) > 1 else 0
            fresh = [page for page in pages if page.size > size]
            if not fresh or fresh[0].start != size:
                return
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                file.truncate(file.seek(-len(lines[-1]), os.SEEK_END))
                file.write(b"".join(json.dumps(asdict(page)).encode() + b"\n" for page in fresh))
                reached("ledger.mirror.written")
                file.flush()
                os.fsync(file.fileno())

    def _tail(self) -> bytes:
        """Return the end of the file: the last whole line at least, and whatever follows it."""
        if not self._path.exists():
            return b""
        with self._path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            wanted = _TAIL_BYTES
            while True:
                file.seek(max(length - wanted, 0))
                content = file.read()
                if content.count(b"\n") > 1 or wanted >= length:
                    return content
                wanted *= 4

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time look at the end and append to it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._path.with_name(f"{self._path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def complete(conn: sa.Connection, mirror: LedgerMirror, log: VerifierKey) -> int:
    """Bring an older ledger to where its mirror is, in a write transaction.

    Args:
        conn: the connection of the transaction.
        mirror: what was mirrored; it may lag behind the database, then nothing is done.
        log: the key that every checkpoint must be signed with.

    Returns:
        The number of entries that were added.

    Raises:
        LedgerBroken: the mirror does not continue this ledger, or a page of it does not check out.
    """
    head = read_head(conn, log)
    tree, start = head.frontier, head.checkpoint.size
    for page in mirror.pages():
        if page.size <= start:
            continue
        if page.start != tree.size:
            raise LedgerBroken("The ledger's mirror does not continue this ledger.", remedy=_REMEDY)
        bodies = [body.encode() for body in page.leaves]
        hashes = [leaf_hash(body) for body in bodies]
        tree = tree.extended(hashes)
        if open_row(page.size, page.note, log).checkpoint.root != tree.root():
            raise LedgerBroken(
                f"The ledger's mirror was altered between {page.start} and {page.size}.", remedy=_REMEDY
            )
        write_leaves(conn, page.start, bodies, hashes)
        signed_at = dt.datetime.fromisoformat(page.signed_at)
        conn.execute(ledger_checkpoint.insert().values(size=page.size, note=page.note, signed_at=signed_at))
    return tree.size - start


def _bodies(conn: sa.Connection, start: int, stop: int) -> list[str]:
    query = sa.select(ledger_leaf.c.body).where(
        ledger_leaf.c.position >= start, ledger_leaf.c.position < stop
    )
    found = list(conn.execute(query.order_by(ledger_leaf.c.position)).scalars())
    if len(found) != stop - start:
        raise LedgerBroken(f"The ledger misses an entry between {start} and {stop - 1}.", remedy=_REMEDY)
    return found


def _parse(line: bytes) -> Page:
    try:
        return Page(**json.loads(line))
    except (ValueError, TypeError):
        raise LedgerBroken("A page of the ledger's mirror is damaged.", remedy=_REMEDY) from None


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn a disk's refusal into one clear error."""
    try:
        yield
    except OSError:
        raise StorageError(
            "The ledger's mirror cannot be used.", remedy="Check that its folder is writable and has space."
        ) from None
