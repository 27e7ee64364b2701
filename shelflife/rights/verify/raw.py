"""The raw zone: every sealed row belongs to someone, opens for them alone, and stands for none of the targets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shelflife.rights.verify.blocks import (
    Samples,
    SealedRow,
    columns_of,
    file_context,
    open_row,
    read_rows,
    samples_of,
)
from shelflife.rights.verify.primitives import ZERO_KEY, locator_owners
from shelflife.rights.verify.scene import DaysSeen
from shelflife.rights.verify.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from shelflife.rights.verify.scene import Scene
    from shelflife.rights.verify.storage import Listed
    from shelflife.rights.verify.survey import FileRow, PartitionRow
    from shelflife.rights.verify.targets import Target

RAW = "raw"
POSITIONS = {
    name: position
    for position, name in enumerate(
        ("heart", "sleep", "glucose", "activity", "body", "respiration", "unclassified", "profile")
    )
}
"""Where in a keyring the key of each stream is; part of the stored format."""

_OVERWRITTEN = bytes(16)


@dataclass
class _Sealed:
    """A sealed file that is looked at, with what opens it."""

    file: FileRow
    home: PartitionRow
    partition_key: bytes = field(repr=False)
    shared: bytes = field(repr=False)
    samples: int = 0
    closed: int = 0


def check_raw(scene: Scene) -> None:
    """Read every sealed file that the catalog knows and that lies there, live or not."""
    gone = _target_pids(scene)
    for file in scene.survey.files:
        home = scene.survey.partition_of(file)
        if file.zone == RAW and file.state in ("live", "replaced"):
            key = scene.key(RAW, home.key_number)
            path = scene.settings.zone_folder(RAW) / file.path
            if key is not None:
                _check_file(scene, _Sealed(file, home, key, file_context(home, file.file_id)), path, gone)


def check_strangers(scene: Scene, listed: Iterable[Listed]) -> None:
    """Look for targets in sealed files of the raw zone that the catalog does not know, under every partition key."""
    registered = {f"zones/{file.zone}/{file.path}" for file in scene.survey.files}
    pids = frozenset(pid for target in scene.targets for pid in target.pids_in(RAW))
    for one in listed:
        relative = str(one.relative)
        if not (one.plain and relative.startswith(f"zones/{RAW}/") and relative not in registered):
            continue
        rows = _rows(one.path)
        if rows is None:
            continue
        joined = b"".join(row.locator for row in rows)
        for home in scene.survey.partitions.values():
            key = scene.key(RAW, home.key_number) if home.zone == RAW else None
            if key is not None and not pids.isdisjoint(locator_owners(key, joined)):
                scene.inspection.found("block_of_target", f"unregistered, inode {one.facts.st_ino}")


def _check_file(scene: Scene, sealed: _Sealed, path: Path, gone: Mapping[bytes, list[Target]]) -> None:
    rows = _rows(path)
    if rows is None:
        if path.is_file():
            scene.inspection.found("raw_file_unsealed", place_of(sealed.file))
        return
    scene.inspection.looked(RAW, "files")
    scene.inspection.looked(RAW, "sealed rows", len(rows))
    owners = locator_owners(sealed.partition_key, b"".join(row.locator for row in rows))
    for row, owner in zip(rows, owners, strict=True):
        if row.locator == _OVERWRITTEN:
            sealed.closed += 1
            scene.inspection.looked(RAW, "overwritten rows")
        else:
            _check_row(scene, sealed, row, owner, gone.get(owner, []))
    scene.inspection.looked(RAW, "decoded samples", sealed.samples)
    if sealed.file.state == "live" and not sealed.closed and sealed.samples != sealed.file.samples:
        scene.inspection.found("raw_rows_differ", place_of(sealed.file))


def _check_row(scene: Scene, sealed: _Sealed, row: SealedRow, owner: bytes, people: Sequence[Target]) -> None:
    """Open a row with the key of whoever it stands for, if there is one."""
    stream = sealed.home.stream or ""
    targets = [target for target in people if target.concerns(stream=stream)]
    ring = scene.survey.rings.get(RAW, {}).get(owner)
    key = None if ring is None else scene.key(RAW, ring + POSITIONS[stream])
    plain = open_row(row, sealed.shared, sealed.partition_key, ZERO_KEY if key is None else key)
    scene.inspection.looked(RAW, "keys tried")
    if targets:
        _found_target(scene, sealed, targets, opens=plain is not None)
    if plain is None:
        sealed.closed += 1
        if key is not None:
            scene.inspection.found("block_broken", place_of(sealed.file))
        elif not targets:
            _found_left(scene, sealed)
        return
    if key is None:
        scene.inspection.found("block_broken", place_of(sealed.file))
    samples = samples_of(plain, columns_of(sealed.home.table_name))
    if samples is None:
        scene.inspection.found("block_broken", place_of(sealed.file))
    else:
        sealed.samples += samples.count
        _note_days(scene, sealed.home, samples)


def _found_target(scene: Scene, sealed: _Sealed, targets: Sequence[Target], *, opens: bool) -> None:
    if opens:
        scene.inspection.found("block_of_target_opens", place_of(sealed.file))
    elif all(target.may_lie(scene.now) for target in targets):
        scene.inspection.looked(RAW, "rows that await overwriting")
    else:
        scene.inspection.found("block_of_target", place_of(sealed.file))


def _found_left(scene: Scene, sealed: _Sealed) -> None:
    """A row that lost its keys may lie there until the physical deadline of the erasure behind it."""
    if scene.survey.may_await_overwriting(scene.now):
        scene.inspection.looked(RAW, "rows that await overwriting")
    else:
        scene.inspection.found("block_left", place_of(sealed.file))


def _note_days(scene: Scene, home: PartitionRow, samples: Samples) -> None:
    if samples.earliest is None or samples.latest is None:
        return
    seen = scene.days.setdefault(home.partition_id, DaysSeen(samples.earliest, samples.latest))
    seen.earliest = min(seen.earliest, samples.earliest)
    seen.latest = max(seen.latest, samples.latest)
    scene.inspection.saw_day(f"{RAW}/{home.table_name}", samples.earliest)


def _target_pids(scene: Scene) -> Mapping[bytes, list[Target]]:
    """Return the targets by their raw-zone pseudonyms."""
    found: defaultdict[bytes, list[Target]] = defaultdict(list)
    for target in scene.targets:
        for pid in target.pids_in(RAW):
            found[pid].append(target)
    return found


def _rows(path: Path) -> list[SealedRow] | None:
    try:
        return read_rows(path)
    except FileNotFoundError:
        return None
