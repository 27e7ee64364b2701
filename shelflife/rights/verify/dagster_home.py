"""Dagster's own storage: it keeps what it is told for ever, so every file and every cell of it is looked at.

What user code hands to Dagster ends up in run bodies, tags, event logs, sensor ticks, captured output and, with the
default IO manager, in pickles. Cells can be compressed.
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

import yaml

from shelflife.rights.verify.contents import Unpacking, cells, is_sqlite
from shelflife.rights.verify.places import opaque
from shelflife.rights.verify.storage import Listed, listing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shelflife.rights.verify.needles import Needles
    from shelflife.rights.verify.scene import Scene

STORE = "dagster"
_SETTINGS = "dagster.yaml"
_ELSEWHERE = ("storage", "run_storage", "event_log_storage", "schedule_storage", "local_artifact_storage")
_CAPTURED = frozenset({".out", ".err"})
_WORDS = frozenset({"schedules", "history", "runs", "storage", "compute_logs", _SETTINGS, "workspace.yaml"})

# A name of two letters and more, a host with a dot, and a top-level domain of letters.
_ADDRESS = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._%+-]{1,63}@(?:[A-Za-z0-9-]{2,63}\.)+[A-Za-z]{2,24}")


def check_dagster_home(scene: Scene, home: Path, needles: Needles) -> None:
    """Search a DAGSTER_HOME: names, bytes and decoded cells.

    Args:
        scene: the scene.
        home: the folder.
        needles: what must be nowhere.
    """
    shapes = _shapes(scene)
    for one in listing(home):
        place = opaque(one.relative, one.facts, _WORDS)
        if needles.in_name(one.relative.name):
            scene.inspection.found("target_in_dagster_name", place)
        if one.plain:
            scene.inspection.looked(STORE, "files")
            try:
                _check_file(scene, one, place, needles, shapes)
            except FileNotFoundError:
                continue
    _check_settings(scene, home / _SETTINGS)


def _check_file(
    scene: Scene, one: Listed, place: str, needles: Needles, shapes: dict[str, re.Pattern[bytes]]
) -> None:
    unpacking = Unpacking()
    is_database = is_sqlite(one.path)
    if one.path.suffix in _CAPTURED and one.facts.st_size:
        scene.inspection.found("dagster_output", place)
    if one.relative.parts[0] == "storage" and _is_pickle(one.path):
        scene.inspection.found("dagster_pickle", place)
    for piece in unpacking.of_file(one.path):
        if needles and needles.within(piece):
            scene.inspection.found("target_in_dagster_file", place)
        if not is_database and one.relative.name != _SETTINGS:
            _check_shapes(scene, piece, place, shapes)
    if is_database:
        _check_cells(scene, one.path, place, needles, shapes)
    if unpacking.cut:
        scene.inspection.not_seen(STORE, f"{place} unpacks to more than is looked at")


def _check_cells(
    scene: Scene, path: Path, place: str, needles: Needles, shapes: dict[str, re.Pattern[bytes]]
) -> None:
    try:
        for table, column, value in cells(path):
            scene.inspection.looked(STORE, "cells")
            for piece in _texts(value):
                if needles and (needles.is_cell(value) or needles.within(piece)):
                    scene.inspection.found("target_in_dagster_cell", f"{place}: {table}.{column}")
                _check_shapes(scene, piece, f"{place}: {table}.{column}", shapes)
    except sqlite3.Error:
        scene.inspection.not_seen(STORE, f"{place} cannot be read as a database")


def _texts(value: object) -> Iterator[bytes]:
    """Yield a cell as bytes, and what is packed in it."""
    if isinstance(value, str):
        yield value.encode("utf-8", "replace")
    elif isinstance(value, bytes):
        yield from Unpacking().of_bytes(value)


def _shapes(scene: Scene) -> dict[str, re.Pattern[bytes]]:
    """Return the shapes that must be in no text: an e-mail address; a path below the inbox, which names an account."""
    inbox = re.escape(str(scene.settings.inbox).encode())
    return {"dagster_address": _ADDRESS, "dagster_inbox_path": re.compile(inbox + rb"/[^\s\"'\\/]")}


def _check_shapes(scene: Scene, piece: bytes, place: str, shapes: dict[str, re.Pattern[bytes]]) -> None:
    """Search a text for shapes; arbitrary bytes can look like anything and are left out."""
    if not _is_text(piece):
        return
    for rule, shape in shapes.items():
        if shape.search(piece):
            scene.inspection.found(rule, place)


def _is_text(piece: bytes) -> bool:
    try:
        # The end of a piece can cut a character in two.
        piece[:-3].decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_pickle(path: Path) -> bool:
    """Tell whether a file begins with the opcode of pickle protocol 2 or later and its number."""
    with path.open("rb") as file:
        head = file.read(2)
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _check_settings(scene: Scene, path: Path) -> None:
    """Say so when Dagster keeps its records somewhere else."""
    try:
        configured = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return
    except (OSError, ValueError, yaml.YAMLError):
        scene.inspection.not_seen(STORE, "its settings cannot be read, so that its storage may lie elsewhere")
        return
    if any(name in configured for name in _ELSEWHERE):
        scene.inspection.not_seen(STORE, "its settings name another storage than this folder")
