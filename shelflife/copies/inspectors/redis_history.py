"""What a Redis or Valkey server wrote to its disk: every snapshot, append-only file and leftover in its folder, decoded.

Compression hides content from a plain search, so each file is read as what it is. Files that the server no longer
knows (of a killed child, of an append-only file that was switched off) are read like the others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shelflife.copies.aof_reading import strings_of_history
from shelflife.copies.inspectors.folders import PERSON, UNREADABLE
from shelflife.copies.rdb_reading import MAGICS
from shelflife.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from shelflife.copies.inspectors.token_search import TokenSearch

_SUFFIXES = (".rdb", ".aof")
_LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
_PROGRAMS = ("redis", "valkey")
_PATIENCE, _PAUSE = 60.0, 0.05


@dataclass(frozen=True)
class History:
    """Where a server's files can be read from here.

    Attributes:
        folder: its folder.
        append_only: the name of the folder or file of its append-only file.
        snapshot: the name of its snapshot.
    """

    folder: Path
    append_only: str
    snapshot: str

    def findings(self, search: TokenSearch) -> Iterator[tuple[str, str]]:
        """Yield a rule and a file's name for each file that holds somebody, or that does not open."""
        for path in self._files():
            name = path.relative_to(self.folder).as_posix()
            try:
                with path.open("rb") as file:
                    yield from ((PERSON, name) for _ in range(search.is_in_any(strings_of_history(file))))
            except FileNotFoundError:
                continue
            except (SourceError, OSError):
                yield UNREADABLE, name
                yield from ((PERSON, name) for _ in range(search.is_in(_as_it_lies(path))))

    def _files(self) -> Iterator[Path]:
        named = {self.snapshot, self.append_only}
        for path in sorted(self.folder.iterdir()):
            if path.is_dir() and path.name == self.append_only:
                yield from (inner for inner in sorted(path.iterdir()) if not inner.name.endswith(".manifest"))
            elif path.is_file() and (path.name in named or path.suffix in _SUFFIXES or _is_snapshot(path)):
                yield path


def history_of(server: redis.Redis, address: str, folder: str | None) -> History | None:
    """Find a server's files.

    Args:
        server: a connection.
        address: its URL.
        folder: where its folder is said to be readable from here; without it, a server on this machine is asked.

    Returns:
        None where they cannot be reached: another machine, another user's folder, a server that does not tell.
    """
    from redis.exceptions import ResponseError  # noqa: PLC0415  an optional library

    try:
        told = {
            name: _setting(server, name) for name in ("dir", "dbfilename", "appenddirname", "appendfilename")
        }
    except ResponseError:
        told = {}
    place = folder or (told.get("dir") if _is_here(server, address, told.get("dir", "")) else None)
    if not place:
        return None
    append_only = told.get("appenddirname") or told.get("appendfilename") or "appendonlydir"
    found = History(Path(place), append_only, told.get("dbfilename") or "dump.rdb")
    try:
        list(found.folder.iterdir())
    except OSError:
        return None
    _let_finish(server)
    return found


def _let_finish(server: redis.Redis) -> None:
    """Wait for a snapshot or rewrite under way: its file is not whole yet."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        state = server.info("persistence")
        if not int(state["rdb_bgsave_in_progress"]) and not int(state["aof_rewrite_in_progress"]):
            return
        time.sleep(_PAUSE)


def _is_here(server: redis.Redis, address: str, folder: str) -> bool:
    """Tell whether the server runs on this machine: the same path elsewhere would be another server's folder."""
    url = urlsplit(address)
    if url.scheme != "unix" and url.hostname not in _LOCAL_HOSTS:
        return False
    process = Path("/proc") / str(server.info("server").get("process_id", ""))
    try:
        if not (process / "comm").read_text().startswith(_PROGRAMS):
            return False
        return (process / "cwd").resolve(strict=True) == Path(folder).resolve(strict=True)
    except PermissionError:
        return True
    except OSError:
        return False


def _setting(server: redis.Redis, name: str) -> str:
    found = server.config_get(name)
    return str(found.get(name, ""))


def _is_snapshot(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(6).startswith(MAGICS)
    except OSError:
        return False


def _as_it_lies(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
