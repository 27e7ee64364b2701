"""The key trees: whole, holding no key that was destroyed and none that nothing names."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from shelflife.config import ZONES
from shelflife.errors import ConfigurationError
from shelflife.rights.verify.contents import opened_read_only
from shelflife.rights.verify.key_pages import SLOTS, number_of, open_tree, stored_generation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from shelflife.rights.verify.key_pages import Root, ZoneKeys
    from shelflife.rights.verify.scene import Scene

STORE = "keys"
RING_SLOTS = 8
COPY_ZONE = "analytics"
"""The zone whose tree holds the keys of copies' objects."""

_A_DAY = dt.timedelta(days=1)
_GONE = {
    "destroyed": "key_of_destroyed_partition",
    "replaced": "key_of_replaced_file",
    "removed": "key_of_removed_copy",
}


def check_keys(scene: Scene) -> None:
    """Compare every key that is there with everything that names one."""
    for zone in ZONES:
        _check_roots(scene, zone)
    for zone, tree in scene.keys.items():
        scene.inspection.looked(STORE, "pages", tree.pages)
        for rule, places in (("closed", tree.closed), ("missing", tree.missing), ("stray", tree.stray)):
            for level, number in places:
                scene.inspection.found(f"key_page_{rule}", f"{zone}, level {level}, page {number}")
    _check_targets(scene)
    _check_gone(scene)
    _check_needed(scene)
    _check_landing_keys(scene)
    _check_unnamed(scene)


def is_final(scene: Scene) -> bool:
    """Tell whether every root slot holds the living root key alone: no older copy of the database opens."""
    return all(len(roots) == 1 for roots in scene.roots.values())


def check_old_database(scene: Scene, path: Path) -> None:
    """Open an older copy of the control database with the root keys that are there today.

    Raises:
        ConfigurationError: the file is no control database.
    """
    try:
        with closing(opened_read_only(path)) as connection:
            trees = [(zone, _old_tree(connection, zone, scene.roots[zone])) for zone in ZONES]
    except sqlite3.Error:
        raise ConfigurationError(
            "The older database is not a control database of this kind.",
            remedy="Name a SQLite file that `shelflife` made; a dump of a server cannot be opened here.",
        ) from None
    for zone, tree in trees:
        if tree is not None:
            scene.inspection.looked(STORE, "pages of an older copy", tree.pages)
            _compare(scene, zone, tree)


def _compare(scene: Scene, zone: str, old: ZoneKeys) -> None:
    """A key that an older copy opens and that is not there any more was destroyed for nothing."""
    living = scene.keys.get(zone)
    lost = sum(living is None or not living.holds(number) for number in old.numbers())
    if lost:
        scene.inspection.found("old_copy_opens", f"{zone}, {lost} keys")


def _old_tree(connection: sqlite3.Connection, zone: str, roots: list[Root]) -> ZoneKeys | None:
    """Open a zone's tree in an older copy; None when no root key that is left belongs to it."""
    row = connection.execute("SELECT generation FROM key_tree WHERE zone = ?", (zone,)).fetchone()
    root = next((root for root in roots if row is not None and root.generation == row[0]), None)
    if root is None:
        return None
    pages = connection.execute(
        "SELECT level, number, blob FROM key_page WHERE zone = ? ORDER BY level DESC, number", (zone,)
    )
    return open_tree(zone, root.key, pages, lambda _: None)


def _check_roots(scene: Scene, zone: str) -> None:
    roots = scene.roots[zone]
    generation = stored_generation(scene.conn, zone)
    scene.inspection.looked(STORE, "root keys", len(roots))
    if zone not in scene.keys:
        scene.inspection.found("root_key_missing", zone)
    elif [root.generation for root in roots if root.retired_at is None] != [generation]:
        scene.inspection.found("root_keys_unreconciled", zone)
    window = dt.timedelta(days=scene.settings.finality_window_days) + _A_DAY
    if any(root.retired_at is not None and root.retired_at + window < scene.now for root in roots):
        scene.inspection.found("root_key_overdue", zone)


def _check_targets(scene: Scene) -> None:
    for target in scene.targets:
        for zone, numbers in target.keys.items():
            tree = scene.keys.get(zone)
            scene.inspection.looked(STORE, "destroyed keys looked up", len(numbers))
            left = sum(tree is None or tree.holds(number) for number in numbers)
            if left:
                scene.inspection.found("key_not_destroyed", f"{zone}, {left} of {len(numbers)} keys")


def _check_gone(scene: Scene) -> None:
    """The keys of what the catalog calls destroyed, replaced or removed are gone."""
    for state, zone, number, place in _ended(scene):
        scene.inspection.looked(STORE, "destroyed keys looked up")
        if number is not None and zone in scene.keys and scene.keys[zone].holds(number):
            scene.inspection.found(_GONE[state], place)


def _ended(scene: Scene) -> Iterator[tuple[str, str, int | None, str]]:
    for home in scene.survey.partitions.values():
        if home.state == "destroyed":
            yield (
                "destroyed",
                home.zone,
                home.key_number,
                f"{home.zone}/{home.table_name} {home.partition_id}",
            )
    for file in scene.survey.files:
        if file.state in ("replaced", "collected"):
            yield "replaced", file.zone, file.key_number, f"{file.zone}/{file.table_name} {file.file_id}"
    for item in scene.survey.copies:
        if item.state == "removed":
            yield "removed", COPY_ZONE, item.key_number, f"copy {item.copy_name}"


def _check_needed(scene: Scene) -> None:
    """What is live and says that it has a key has one: a destruction took nobody else's."""
    for zone, number, place in _needed(scene):
        if zone in scene.keys and not scene.keys[zone].holds(number):
            scene.inspection.found("key_lost", place)


def _needed(scene: Scene) -> Iterator[tuple[str, int, str]]:
    open_homes = {home.partition_id for home in scene.survey.partitions.values() if home.state == "open"}
    for home in scene.survey.partitions.values():
        if home.state == "open" and home.key_number is not None:
            yield home.zone, home.key_number, f"{home.zone}/{home.table_name} {home.partition_id}"
    for file in scene.survey.files:
        if file.state == "live" and file.key_number is not None and file.partition_id in open_homes:
            yield file.zone, file.key_number, f"{file.zone}/{file.table_name} {file.file_id}"
    for item in scene.survey.copies:
        if item.state == "live" and item.key_number is not None:
            yield COPY_ZONE, item.key_number, f"copy {item.copy_name}"
    for number in sorted(scene.survey.hold_keys):
        yield "identity", number, "hold"
    for key in scene.survey.landing_keys:
        yield "identity", key.key_number, f"landing key {key.key_id}"


def _check_landing_keys(scene: Scene) -> None:
    """A key that nothing is accepted under any more still opens what was recorded on its way."""
    for key in scene.survey.landing_keys:
        scene.inspection.looked(STORE, "landing keys")
        if key.accepted_until is not None and key.accepted_until + _A_DAY < scene.now:
            scene.inspection.found("landing_key_overdue", key.key_id)


def _check_unnamed(scene: Scene) -> None:
    """Every key is named by a row: one that is not was left behind when its row went."""
    for zone, tree in scene.keys.items():
        scene.inspection.looked(STORE, "keys", sum(int(leaf.sum()) for leaf in tree.occupied.values()))
        named = _by_leaf(_named(scene, zone))
        for leaf, occupied in tree.occupied.items():
            known = named.get(leaf, np.zeros(SLOTS, np.bool_))
            count = int((occupied & ~known).sum())
            if count:
                scene.inspection.found("key_unnamed", f"{zone}, leaf {leaf}, {count} keys")


def _named(scene: Scene, zone: str) -> Iterator[int]:
    """Yield the number of every key that a row names."""
    for ring in scene.survey.rings.get(zone, {}).values():
        yield from range(ring, ring + RING_SLOTS)
    for home in scene.survey.partitions.values():
        if home.zone == zone and home.key_number is not None:
            yield home.key_number
    for file in scene.survey.files:
        if file.zone == zone and file.key_number is not None:
            yield file.key_number
    if zone == COPY_ZONE:
        yield from (item.key_number for item in scene.survey.copies if item.key_number is not None)
    if zone == "identity":
        yield from scene.survey.request_keys | scene.survey.hold_keys
        yield from (key.key_number for key in scene.survey.landing_keys)
    yield from range(number_of("secret", 0), number_of("secret", SLOTS))


def _by_leaf(numbers: Iterable[int]) -> dict[int, np.ndarray]:
    found: defaultdict[int, np.ndarray] = defaultdict(lambda: np.zeros(SLOTS, np.bool_))
    for number in numbers:
        found[number // SLOTS][number % SLOTS] = True
    return dict(found)
