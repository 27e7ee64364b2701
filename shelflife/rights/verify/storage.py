"""Storage: every file under `home` is one that the catalog or a rule expects, whole, and closed to others."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from shelflife.rights.verify.contents import PIECE, Unpacking
from shelflife.rights.verify.places import EXPORT, HALF_REPLACED_SLOT, HALF_WRITTEN, PLAN, is_expected, opaque

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from shelflife.rights.verify.needles import Needles
    from shelflife.rights.verify.scene import Scene
    from shelflife.rights.verify.survey import FileRow

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
STORE = "storage"


@dataclass(frozen=True)
class Listed:
    """One thing that lies under `home`.

    Attributes:
        path: where it lies; may name a person, so it is never printed.
        relative: the path relative to `home`.
        facts: mode, size and inode; links are not followed.
    """

    path: Path = field(repr=False)
    relative: PurePosixPath = field(repr=False)
    facts: os.stat_result

    @property
    def plain(self) -> bool:
        """Whether it is a file with content of its own."""
        return stat.S_ISREG(self.facts.st_mode)


def listing(home: Path, leave_out: Collection[Path] = (), *, as_if_in: str = "") -> list[Listed]:
    """List everything under a folder, hidden things too, without following links.

    Args:
        home: the folder.
        leave_out: folders below it that are looked at by other parts.
        as_if_in: what the relative paths begin with, for a folder of the estate that lies elsewhere.
    """
    found = _walk(home, frozenset(leave_out), PurePosixPath(as_if_in))
    return sorted(found, key=lambda one: str(one.relative))


def check_storage(
    scene: Scene,
    listed: list[Listed],
    needles: Needles,
    deadline_days: Callable[[str], int],
    elsewhere: Collection[Path] = (),
) -> None:
    """Compare what lies under `home` with what should.

    Args:
        scene: the scene, whose catalog is no older than the listing.
        listed: what lies there.
        needles: what no name and no content may hold.
        deadline_days: the physical deadline of a retention class, in days.
        elsewhere: folders whose files are compared with the catalog by another part: those of copies.
    """
    registered = {f"zones/{file.zone}/{file.path}": file for file in scene.survey.files}
    names = frozenset(file.table_name for file in scene.survey.files)
    there: dict[str, Listed] = {}
    _check_home(scene)
    for one in listed:
        _check_entry(scene, one, needles, names)
        if not one.plain:
            continue
        scene.inspection.looked(STORE, "files")
        scene.inspection.looked(STORE, "bytes", one.facts.st_size)
        relative = str(one.relative)
        if relative in registered:
            there[registered[relative].file_id] = one
        elif not _is_export(scene, relative):
            _check_stranger(scene, one, needles, names, elsewhere)
    _check_registered(scene, there, deadline_days)


def _check_home(scene: Scene) -> None:
    if scene.settings.home.stat().st_mode & _OTHERS:
        scene.inspection.found("open_permissions", "home")


def _check_entry(scene: Scene, one: Listed, needles: Needles, names: frozenset[str]) -> None:
    """Check what holds for files and folders alike: kind, permissions, name."""
    place = opaque(one.relative, one.facts, names)
    mode = one.facts.st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        scene.inspection.found("not_a_plain_file", place)
    elif mode & _OTHERS:
        scene.inspection.found("open_permissions", place)
    if needles.in_name(one.relative.name):
        scene.inspection.found("target_in_name", place)


def _check_stranger(
    scene: Scene, one: Listed, needles: Needles, names: frozenset[str], elsewhere: Collection[Path]
) -> None:
    """Check a file that no catalog row stands for, and search it unless that is done elsewhere."""
    place = opaque(one.relative, one.facts, names)
    try:
        rule = _broken_rule(scene, one, elsewhere)
        if rule is not None:
            scene.inspection.found(rule, place)
        if needles and not _is_database(scene, one.path):
            _search(scene, one.path, place, needles)
    except FileNotFoundError:
        # It was in the way of somebody's work and went away with it.
        return


def _broken_rule(scene: Scene, one: Listed, elsewhere: Collection[Path]) -> str | None:
    """Return the rule that a file's being there breaks; None when a rule expects it."""
    relative = str(one.relative)
    if HALF_REPLACED_SLOT.fullmatch(relative):
        return "root_slot_leftover"
    plan = PLAN.fullmatch(relative)
    if plan is not None and hashlib.sha256(one.path.read_bytes()).hexdigest() != plan["sha256"]:
        return "plan_edited"
    half = HALF_WRITTEN.fullmatch(one.relative.name)
    if half is not None:
        return None if _is_being_written(scene, half["file_id"]) else "half_written_file"
    known = is_expected(one.relative) or _is_database(scene, one.path) or _is_of(one.path, elsewhere)
    return None if known else "unregistered_file"


def _search(scene: Scene, path: Path, place: str, needles: Needles) -> None:
    unpacking = Unpacking()
    if any(needles.within(piece) for piece in unpacking.of_file(path)):
        scene.inspection.found("target_in_file", place)
    if unpacking.cut:
        scene.inspection.not_seen(STORE, f"{place} unpacks to more than is looked at")


def _is_export(scene: Scene, relative: str) -> bool:
    """Tell whether this is a package that waits for whoever asked: ciphertext that nobody else opens."""
    export = EXPORT.fullmatch(relative)
    return export is not None and export["request_id"] in scene.survey.exports


def _is_of(path: Path, folders: Collection[Path]) -> bool:
    return any(folder in path.parents for folder in folders)


def _is_being_written(scene: Scene, file_id: str | None) -> bool:
    pending = (file for file in scene.survey.files if file.file_id == file_id and file.state == "pending")
    return any(file.batch_id in scene.survey.open_batches for file in pending)


def _is_database(scene: Scene, path: Path) -> bool:
    prefix = "sqlite:///"
    url = scene.settings.database_url
    database = url.removeprefix(prefix) if url.startswith(prefix) else None
    return database is not None and str(path) in {
        f"{database}{ending}" for ending in ("", "-wal", "-shm", "-journal")
    }


def _check_registered(scene: Scene, there: dict[str, Listed], deadline_days: Callable[[str], int]) -> None:
    """Check every file of the catalog, by what its state says about it."""
    by_state: defaultdict[str, list[FileRow]] = defaultdict(list)
    for file in scene.survey.files:
        by_state[file.state].append(file)
    for file in by_state["live"]:
        _check_live(scene, file)
    for file in by_state["pending"]:
        ended = file.batch_id is not None and file.batch_id not in scene.survey.open_batches
        if ended and file.file_id in there:
            scene.inspection.found("half_written_file", place_of(file))
    for file in by_state["replaced"]:
        if file.file_id in there:
            _check_replaced(scene, file, deadline_days)
    for file in by_state["collected"]:
        if file.file_id in there:
            scene.inspection.found("collected_file_present", place_of(file))


def _check_live(scene: Scene, file: FileRow) -> None:
    """A live file is there and is, byte for byte, what the catalog says."""
    if scene.survey.partition_of(file).state != "open":
        scene.inspection.found("live_file_of_destroyed_partition", place_of(file))
        return
    path = scene.settings.zone_folder(file.zone) / file.path
    scene.inspection.looked(STORE, "live files")
    if not file.sha256 and scene.survey.may_await_overwriting(scene.now):
        # Its rows are being overwritten, and its digest is written down after that.
        scene.inspection.looked(STORE, "files being overwritten")
        return
    if _is_as_registered(path, file):
        return
    # The catalog may have moved on since the snapshot: what counts is what it says now.
    now = scene.again(file)
    if now is None or now.state != "live" or _is_as_registered(path, now):
        return
    scene.inspection.found("altered_file" if path.is_file() else "missing_file", place_of(file))


def _is_as_registered(path: Path, file: FileRow) -> bool:
    content, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while block := stream.read(PIECE):
                content.update(block)
                size += len(block)
    except OSError:
        return False
    return (size, content.digest()) == (file.size, bytes(file.sha256))


def _check_replaced(scene: Scene, file: FileRow, deadline_days: Callable[[str], int]) -> None:
    """A replaced file may lie there as noise until its physical deadline, or while a reader may have it open."""
    since = file.replaced_at
    leased = (
        scene.survey.oldest_lease is not None and since is not None and since >= scene.survey.oldest_lease
    )
    if leased:
        return
    home = scene.survey.partition_of(file)
    number, zone = (home.key_number, home.zone) if file.key_number is None else (file.key_number, file.zone)
    tree = scene.keys.get(zone)
    if tree is not None and number is not None and tree.holds(number):
        scene.inspection.found("replaced_file_readable", place_of(file))
    elif since is None or (scene.now - since).days > deadline_days(home.retention_class):
        scene.inspection.found("replaced_file_overdue", place_of(file))


def place_of(file: FileRow) -> str:
    """Return where a registered file lies: zone, table and its random id."""
    return f"{file.zone}/{file.table_name} {file.file_id}"


def _walk(folder: Path, leave_out: frozenset[Path], relative: PurePosixPath) -> Iterator[Listed]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        path = Path(entry.path)
        if path in leave_out:
            continue
        try:
            facts = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield Listed(path, relative / entry.name, facts)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, leave_out, relative / entry.name)
