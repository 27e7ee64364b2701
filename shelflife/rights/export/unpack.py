"""Opening an export: the sealed file becomes a folder, or nothing does.

Everything is checked before the folder bears its name: the envelope, the signature over the manifest, and each file
against the manifest. A name that would leave the folder is refused, and nothing that exists is written over.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from shelflife.errors import StorageError
from shelflife.rights.export.manifest import (
    MANIFEST,
    SIGNATURE,
    Member,
    check_signature,
    forged,
    is_plain_path,
    members_of,
)
from shelflife.seal.envelope import EnvelopeReader

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from shelflife.ledger.notes import VerifierKey
    from shelflife.seal.envelope_keys import OpenWith

_PIECE = 1 << 20
_LARGEST_MANIFEST = 1 << 24
_METHODS = frozenset((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
# What `zipfile` raises when it meets bytes that are no ZIP.
_BAD_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class Opened:
    """What was unpacked.

    Attributes:
        files: how many files, the manifest and its signature included.
        bytes: their size.
        signer: the key that signed, as text; to be compared with the one that the sender publishes.
        expires_at: when the sealed file expires.
    """

    files: int
    bytes: int
    signer: str
    expires_at: dt.datetime


def open_export(
    source: BinaryIO,
    own: OpenWith,
    target: Path,
    *,
    now: dt.datetime,
    signer: VerifierKey | None = None,
) -> Opened:
    """Unpack an export into a new folder that only the user can read.

    Args:
        source: the sealed file, seekable.
        own: the requester's private key or passphrase.
        target: the folder to make.
        now: the time; an expired export is refused.
        signer: the key that must have signed. Without it the signature only proves that nothing was altered since.

    Raises:
        SealBroken: the file, a member or the signature is not as it was made, or this is not its key.
        AccessDenied: it has expired.
        StorageError: the folder exists already, or cannot be written.
    """
    reader = EnvelopeReader(source, own, now=now)
    try:
        with zipfile.ZipFile(cast("BinaryIO", io.BufferedReader(reader, _PIECE))) as archive:
            members, key = _checked(archive, signer)
            size = _write_new(archive, members, target)
    except _BAD_ZIP:
        raise forged() from None
    return Opened(len(members) + 2, size, str(key), reader.header.expires_at)


def _checked(archive: zipfile.ZipFile, signer: VerifierKey | None) -> tuple[list[Member], VerifierKey]:
    """Return the manifest's members, once the signature is checked and the ZIP holds exactly them."""
    names = [info.filename for info in archive.infolist()]
    plain = all(info.compress_type in _METHODS for info in archive.infolist())
    if not plain or len(set(names)) != len(names) or not all(map(is_plain_path, names)):
        raise forged()
    if any(archive.getinfo(name).file_size > _LARGEST_MANIFEST for name in (MANIFEST, SIGNATURE)):
        raise forged()
    manifest = archive.read(MANIFEST)
    key = check_signature(manifest, archive.read(SIGNATURE).decode(), signer)
    members = members_of(manifest)
    if set(names) != {member.name for member in members} | {MANIFEST, SIGNATURE}:
        raise forged()
    return members, key


def _write_new(archive: zipfile.ZipFile, members: list[Member], target: Path) -> int:
    """Write every file into a hidden folder beside the target, then give it its name."""
    if target.exists() or target.is_symlink():
        raise StorageError("The folder to unpack into exists already.", remedy="Name one that does not.")
    partial = target.with_name(f".{target.name}.part")
    try:
        # What is left of an unpacking that was killed.
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        try:
            size = sum(_write(archive, member, partial) for member in members)
            size += sum(_copy(archive, name, partial / name) for name in (MANIFEST, SIGNATURE))
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise StorageError(
            f"The export cannot be unpacked there: {error.strerror}.",
            remedy="Choose a folder that can be written, on a disk with room.",
        ) from None
    return size


def _write(archive: zipfile.ZipFile, member: Member, folder: Path) -> int:
    path = folder / member.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = _copy(archive, member.name, path, digest, most=member.bytes)
    if size != member.bytes or digest.hexdigest() != member.sha256:
        raise forged()
    return size


def _copy(
    archive: zipfile.ZipFile,
    name: str,
    path: Path,
    digest: hashlib._Hash | None = None,
    *,
    most: int = _LARGEST_MANIFEST,
) -> int:
    """Copy a member into a new file, and stop when it is longer than it may be: a small ZIP can hold a huge one."""
    size = 0
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file, archive.open(name) as content:
        while piece := content.read(_PIECE):
            size += len(piece)
            if size > most:
                raise forged()
            if digest is not None:
                digest.update(piece)
            file.write(piece)
    return size
