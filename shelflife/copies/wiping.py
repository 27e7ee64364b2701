"""Wiping files: overwritten, flushed, unlinked. A second line: what held people's data is ciphertext without a key by then.

A journalling or copy-on-write file system and a flash disk may keep former blocks all the same (NIST SP 800-88 r2);
that is why the key goes first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shelflife import durable
from shelflife.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20


def wipe(path: Path) -> None:
    """Overwrite a file with random bytes, flush it, unlink it, flush its folder; nothing to do when it is gone.

    Raises:
        StorageError: the file cannot be written or unlinked.
    """
    try:
        _overwrite(path)
        path.unlink(missing_ok=True)
        durable.sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(
            f"A file of a copy cannot be removed: {error.strerror}.",
            remedy="Restore write permission on the copy's folder, then run it again.",
        ) from None


def _overwrite(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        return
    with path.open("r+b", buffering=0) as file:
        left = path.stat().st_size
        while left > 0:
            left -= file.write(os.urandom(min(left, _CHUNK))) or 0
        os.fsync(file.fileno())
