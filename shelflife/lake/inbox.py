"""The inbox: files that wait to be landed, and how each is named without naming a person.

A file lies in a folder named after the account that it belongs to (`inbox/<account>/export.xml`). Formats that
name the person in every row may lie in any folder.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shelflife.errors import StorageError
from shelflife.estate import Secret
from shelflife.seal.upload_header import MAGIC

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import sqlalchemy as sa

    from shelflife.estate import Estate

_READ = 1 << 20
FileState = tuple[int, int, int]
HANDLE_LENGTH = 12


@dataclass(frozen=True)
class InboxFile:
    """One file to land.

    Attributes:
        path: where it lies; may name a person, so it is never printed or recorded.
        account: the account it belongs to; None when nothing says so.
    """

    path: Path = field(repr=False)
    account: str | None = field(default=None, repr=False)


def list_inbox(folder: Path) -> list[InboxFile]:
    """Return the files in an inbox, each with the account that its folder names; hidden ones are left out."""
    if not folder.is_dir():
        return []
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise StorageError(
            f"The inbox cannot be listed: {error.strerror}.", remedy="Grant read permission on the inbox."
        ) from None
    found = []
    for path in paths:
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        found.append(InboxFile(path, relative.parts[0] if len(relative.parts) > 1 else None))
    return found


def digest(estate: Estate, conn: sa.Connection, file: InboxFile) -> bytes:
    """Return the keyed digest of a file's account and content (32 bytes); the same file again has the same one.

    Raises:
        StorageError: the file cannot be read.
    """
    content = hashlib.sha256()
    try:
        with file.path.open("rb") as stream:
            while chunk := stream.read(_READ):
                content.update(chunk)
    except OSError as error:
        raise StorageError(
            f"A file in the inbox cannot be read: {error.strerror}.",
            remedy="Grant the user that runs shelflife read permission, then land again.",
        ) from None
    # Whose a sealed upload is follows from inside of it: in another folder it is the same file.
    account = b"" if is_sealed(file) else (file.account or "").encode()
    message = len(account).to_bytes(4, "big") + account + content.digest()
    return hmac.digest(estate.secret(conn, "identity", Secret.DIGEST), message, "sha256")


def is_sealed(file: InboxFile) -> bool:
    """Tell whether a file is a sealed upload, by its first bytes; one that cannot be read is none."""
    try:
        with file.path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def listing_digest(files: Sequence[InboxFile]) -> str:
    """Return an opaque name for what lies in the inbox now: changes when a file comes, goes or grows."""
    state = hashlib.sha256()
    for file in files:
        facts = file.path.stat()
        state.update(f"{file.path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return state.hexdigest()[:16]


def state_of(file: InboxFile) -> FileState:
    """Return what changes when a file is written to or replaced: inode, size, time of last change.

    Raises:
        StorageError: the file is gone or cannot be looked at.
    """
    try:
        facts = file.path.stat()
    except OSError as error:
        raise StorageError(
            f"A file in the inbox cannot be read: {error.strerror}.",
            remedy="Land again; other files are not affected.",
        ) from None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def discard(file: InboxFile, inbox: Path) -> None:
    """Remove a waiting file whatever it holds, and its account folder when that is left empty."""
    remove(file, state_of(file), inbox)


def remove(file: InboxFile, landed: FileState, inbox: Path) -> None:
    """Remove a landed file, and its account folder when that is left empty; what came in its place since stays."""
    try:
        if state_of(file) != landed:
            return
    except StorageError:
        return  # somebody else took it away: it is landed all the same
    try:
        file.path.unlink(missing_ok=True)
        folder = file.path.parent
        if inbox in folder.parents and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise StorageError(
            f"A landed file cannot be removed from the inbox: {error.strerror}.",
            remedy="Grant write permission on the inbox and land again: it is removed without landing twice.",
        ) from None
