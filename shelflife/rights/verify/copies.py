"""Copies: each one that stands is looked at from outside, by an inspector that shares no code with its adapter."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from shelflife.copies.protocol import EVERY_DATASET
from shelflife.errors import ShelflifeError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from shelflife.copies.protocol import CopyFinding, CopyInspector
    from shelflife.rights.verify.scene import Scene
    from shelflife.rights.verify.survey import CopyRow

STORE = "copies"
_MISSING = "missing_object"
_EXPIRED = "past_its_time_to_live"
_OURS = re.compile(r"[0-9a-f]{32}(\.[a-z0-9]{1,8})?(-wal|-shm|-journal)?")


def check_copies(
    scene: Scene,
    standing: Collection[str],
    open_inspector: Callable[[str], CopyInspector],
    leave_out: Collection[str] = (),
) -> None:
    """Let every copy be inspected, and compare the catalog's objects with what is declared.

    Args:
        scene: the scene.
        standing: names of the copies that are declared, or were and still stand.
        open_inspector: opens the inspector of one.
        leave_out: copies that are known not to be erased yet.
    """
    items: defaultdict[str, list[CopyRow]] = defaultdict(list)
    for item in scene.survey.copies:
        items[item.copy_name].append(item)
        if item.state == "live" and item.copy_name not in standing:
            scene.inspection.found("copy_undeclared", "copy_item")
    for name in sorted(standing):
        if name in leave_out:
            scene.inspection.not_seen(STORE, f"{name}: its erasure is recorded as not done yet")
            continue
        for item in items[name]:
            if item.state == "live" and item.expires_at is not None and item.expires_at < scene.now:
                scene.inspection.found("copy_item_expired", name)
        try:
            _inspect(scene, name, open_inspector(name), items[name])
        except ShelflifeError:
            # Whatever the reason: what could not be looked at is not clean.
            scene.inspection.found("copy_unreachable", name)


def _inspect(scene: Scene, name: str, inspector: CopyInspector, items: Collection[CopyRow]) -> None:
    """Look for whole people first, then for those of whom some streams were forgotten."""
    live = {item.item for item in items if item.state == "live"}
    pending = {item.item for item in items if item.state == "pending"}
    known = live | pending
    scene.inspection.looked(STORE, "copies")
    scene.inspection.looked(STORE, "objects", len(live))
    tokens = {token for target in scene.whole_targets() for token in target.tokens.get(name, ())}
    found = [
        one
        for one in inspector.inspect(tokens, known, scene.now)
        # What is being published now is not there yet.
        if not (one.rule == _MISSING and one.where in pending)
    ]
    for what in getattr(inspector, "unseen", ()):
        scene.inspection.not_seen(STORE, f"{name}: {what}")
    for one in found:
        rule = "copy_item_expired" if one.rule == _EXPIRED else "copy_residue"
        scene.inspection.found(rule, _place(name, one, known))
    _inspect_streams(scene, name, inspector, items, set(found))


def _inspect_streams(
    scene: Scene, name: str, inspector: CopyInspector, items: Collection[CopyRow], before: set[CopyFinding]
) -> None:
    """A person of whom single streams were forgotten may stand in other datasets."""
    datasets = {item.item: item.dataset for item in items if item.state == "live"}
    by_tables: defaultdict[frozenset[str], set[bytes]] = defaultdict(set)
    for target in scene.targets:
        if not target.whole and target.tables:
            by_tables[target.tables].update(target.tokens.get(name, ()))
    for tables, tokens in by_tables.items():
        if not tokens:
            continue
        for one in set(inspector.inspect(tokens, set(datasets), scene.now)) - before:
            dataset = datasets.get(one.where)
            if dataset in tables:
                scene.inspection.found("copy_residue", _place(name, one, datasets))
            elif dataset == EVERY_DATASET:
                scene.inspection.not_seen(
                    STORE, f"{name}: single streams, because one object holds every dataset"
                )


def _place(name: str, one: CopyFinding, known: Collection[str]) -> str:
    """Return where a finding is; an object that we did not name could carry anyone's name."""
    plain = one.where in known or one.where == name or _OURS.fullmatch(one.where)
    where = one.where if plain else "an object that the catalog does not name"
    return f"{name}: {one.rule}: {where}"
