"""Steps of a benchmark, each in a process of its own, measured from the inside."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.erase_peers.peer import Rows, peer_class
from benchmarks.erase_peers.residue import report, search

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 4096
NOBODY = "00000000-0000-4000-8000-000000000000"


def in_child(step: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function of this module in a new process and return what it returns.

    Raises:
        RuntimeError: the step failed; an error of whatever kind comes back as its text.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_told, step, *arguments).result()


def _told(step: Callable[..., Any], *arguments: Any) -> Any:
    """Run a step; not every tool's error survives the way back to the other process."""
    try:
        return step(*arguments)
    except Exception:  # noqa: BLE001  whatever a tool raises
        raise RuntimeError(traceback.format_exc()) from None


def measured(work: Callable[[], Any]) -> dict[str, float]:
    """Return what a piece of work takes.

    Returns:
        `seconds` on the clock, `cpu` seconds of all threads, `written` bytes (what write calls passed on, so that what
        is removed again counts too) and `peak_mib`, the most memory that the whole process had resident meanwhile.
    """
    # Linux: from here on the peak is counted anew, from what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    written, cpu, began = _written(), _cpu(), time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "cpu": _cpu() - cpu,
        "written": _written() - written,
        "peak_mib": _status("VmHWM:") >> 10,
    }


def load(name: str, folder: Path, rows: Rows) -> dict[str, float]:
    """Store the rows with a peer."""
    peer = peer_class(name)(folder)
    return measured(lambda: peer.load(rows)) | {"bytes": size_of(folder)}


def erase(name: str, folder: Path, loaded: Path, ids: list[str]) -> dict[str, Any]:
    """Erase people and clean up.

    Returns:
        Both steps' figures; `readable`, the rows of these people that an ordinary reader gets in between;
        `changed`, the bytes of blocks that are not those of `loaded`; `others`, everyone's rows afterwards; `bytes`,
        the size of the folder afterwards; what a peer says of itself.
    """
    peer = peer_class(name)(folder)
    # What the loading of the rows left to be written is not this step's.
    os.sync()
    steps: dict[str, Any] = {}
    if hasattr(peer, "ask"):
        steps["ask"] = measured(lambda: peer.ask(ids))
    steps["erase"] = measured(lambda: peer.erase(ids))
    steps["readable"] = peer.count(ids)[0]
    steps["finish"] = measured(peer.finish)
    steps["changed"] = changed(folder, loaded)
    if hasattr(peer, "prove"):
        steps["prove"] = measured(peer.prove)
    return steps | {
        "others": peer.count(ids)[1],
        "bytes": size_of(folder),
        "details": getattr(peer, "details", {}),
    }


def expire(name: str, folder: Path, day: str) -> dict[str, Any]:
    """Expire one day and clean up; the same figures as of `erase`."""
    peer = peer_class(name)(folder)
    os.sync()
    steps: dict[str, Any] = {"erase": measured(lambda: peer.expire(day)), "finish": measured(peer.finish)}
    return steps | {"others": peer.count([NOBODY])[1], "bytes": size_of(folder)}


def residue(name: str, folder: Path, ids: list[str]) -> dict[str, Any]:
    """Search everything that a peer left."""
    return report(search(folder, ids, peer_class(name)(folder)), ids)


def old_copy(name: str, folder: Path, loaded: Path, ids: list[str]) -> float:
    """Return the share of people in a copy of the data files from before, opened with the keys of afterwards.

    Where there are no keys, such a copy is simply what was there before.
    """
    cls, mixed = peer_class(name), folder.parent / "old_copy"
    if not hasattr(cls, "keys"):
        return 1.0
    shutil.copytree(loaded, mixed, symlinks=True)
    for entry in cls.keys:
        _take_over(folder / entry, mixed / entry)
    found = search(mixed, ids, cls(mixed))
    shutil.rmtree(mixed)
    return len(found.rows) / len(ids)


def from_backup(name: str, folder: Path, loaded: Path, ids: list[str]) -> dict[str, float]:
    """Return the share of people in a whole backup from before, with what is kept apart from backups."""
    peer = peer_class(name)(folder)
    return peer.from_backup(ids, loaded) if hasattr(peer, "from_backup") else {"within": 1.0, "after": 1.0}


def _take_over(source: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copyfile(source, target)


def changed(folder: Path, before: Path) -> int:
    """Return the bytes of all blocks that are not what they were: what is written through a mapping shows here only."""
    found = 0
    for path in (path for path in folder.rglob("*") if path.is_file()):
        now, old = path.read_bytes(), before / path.relative_to(folder)
        then = old.read_bytes() if old.is_file() else b""
        found += sum(
            len(now[start : start + BLOCK])
            for start in range(0, len(now), BLOCK)
            if now[start : start + BLOCK] != then[start : start + BLOCK]
        )
    return found


def size_of(folder: Path) -> int:
    """Return the bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _status(field: str) -> int:
    return int(Path("/proc/self/status").read_text().partition(field)[2].split()[0])


def _written() -> int:
    return int(Path("/proc/self/io").read_text().partition("wchar:")[2].split()[0])


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
