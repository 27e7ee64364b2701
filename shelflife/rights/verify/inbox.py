"""The inbox: nothing waits there of an account that was erased, and nothing that names a target."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from shelflife.rights.verify.contents import Unpacking
from shelflife.rights.verify.control import buried, came_back
from shelflife.subjects.directory import Alias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.rights.verify.needles import Needles
    from shelflife.rights.verify.scene import Scene

STORE = "inbox"
_ACCOUNT = "account"


def check_inbox(scene: Scene, needles: Needles) -> None:
    """Look at every waiting file, hidden ones too: whose folder it is in, and what it holds."""
    folder = scene.settings.inbox
    erased: dict[str, bool] = {}
    for path in _files(folder):
        scene.inspection.looked(STORE, "files")
        parts = path.relative_to(folder).parts
        inode = f"inode {path.lstat().st_ino}"
        for account in parts[:1] if len(parts) > 1 else ():
            if account not in erased:
                erased[account] = _is_erased(scene, account)
            if erased[account]:
                scene.inspection.found("inbox_file_of_erased", inode)
        if needles:
            _check_content(scene, path, parts, needles, inode)


def _is_erased(scene: Scene, account: str) -> bool:
    name = Alias(_ACCOUNT, account)
    return buried(scene, name) is not None and not came_back(scene, name)


def _check_content(scene: Scene, path: Path, parts: tuple[str, ...], needles: Needles, inode: str) -> None:
    unpacking = Unpacking()
    try:
        named = any(needles.in_name(part) for part in parts)
        if named or any(needles.within(piece) for piece in unpacking.of_file(path)):
            scene.inspection.found("target_in_inbox", inode)
    except (FileNotFoundError, PermissionError):
        # It was landed meanwhile, or is nobody's to read: the next verification sees it.
        scene.inspection.not_seen(STORE, "a file that went away or cannot be read")
    if unpacking.cut:
        scene.inspection.not_seen(STORE, f"{inode} unpacks to more than is looked at")


def _files(folder: Path) -> Iterator[Path]:
    for here, _, names in os.walk(folder):
        yield from (Path(here) / name for name in sorted(names))
