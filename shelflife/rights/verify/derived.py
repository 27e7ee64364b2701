"""Derived and analytics files: everything that opens is decoded, whether or not the catalog lists it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.lake.models import load_models
from shelflife.rights.verify.key_pages import KEYS_A_KIND, KINDS
from shelflife.rights.verify.parquet import ENCRYPTED, PLAINTEXT, TryingKeys, magic_of, read_encrypted
from shelflife.rights.verify.places import opaque
from shelflife.rights.verify.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shelflife.rights.verify.needles import Needles
    from shelflife.rights.verify.people import Living
    from shelflife.rights.verify.scene import Scene
    from shelflife.rights.verify.storage import Listed
    from shelflife.rights.verify.survey import FileRow

DERIVED = "derived"
_ZONES = (DERIVED, "analytics")
_PID = "pid"


@dataclass(frozen=True)
class _Found:
    """A file that lies in one of the zones, with the catalog's row for it if there is one."""

    listed: Listed
    zone: str
    row: FileRow | None

    @property
    def place(self) -> str:
        if self.row is not None:
            return place_of(self.row)
        return opaque(PurePosixPath(*self.listed.relative.parts[1:]), self.listed.facts)


def check_derived(scene: Scene, listed: Iterable[Listed], people: Living, needles: Needles) -> None:
    """Decode every file of the derived and analytics zones that a key opens, and judge its rows.

    Args:
        scene: the scene.
        listed: everything that lies under `home`.
        people: whom the directory knows.
        needles: what no text or blob of a row may hold.
    """
    streams = {name: model.reads for name, model in load_models(scene.settings.models).items()}
    for found in _files(scene, listed):
        _check_file(scene, found, people, needles, streams)
    for (table, _), due in scene.survey.awaiting.items():
        scene.inspection.looked(DERIVED, "people who await a rewrite")
        if due < scene.now:
            scene.inspection.found("rewrite_overdue", table)


def _files(scene: Scene, listed: Iterable[Listed]) -> Iterator[_Found]:
    registered = {f"zones/{file.zone}/{file.path}": file for file in scene.survey.files}
    for one in listed:
        for zone in _ZONES:
            if one.plain and one.relative.parts[:2] == ("zones", zone):
                yield _Found(one, zone, registered.get(str(one.relative)))


def _check_file(
    scene: Scene, found: _Found, people: Living, needles: Needles, streams: Mapping[str, Sequence[str]]
) -> None:
    try:
        magic = magic_of(found.listed.path)
    except FileNotFoundError:
        return
    if magic == PLAINTEXT:
        scene.inspection.found("derived_file_plaintext", found.place)
    keys = TryingKeys(lambda file_id: _candidates(scene, found, file_id))
    table = read_encrypted(found.listed.path, keys) if magic == ENCRYPTED else None
    scene.inspection.looked(DERIVED, "files")
    scene.inspection.looked(DERIVED, "keys tried", keys.tried)
    live = found.row is not None and found.row.state == "live"
    if table is None:
        if live:
            scene.inspection.found("derived_file_closed", found.place)
        return
    if not live and not (found.row is not None and found.row.state == "pending"):
        scene.inspection.found("replaced_file_opens", found.place)
    if found.row is not None and live and table.num_rows != found.row.samples:
        scene.inspection.found("derived_rows_differ", found.place)
    _check_rows(scene, found, table, people, needles, streams)


def _candidates(scene: Scene, found: _Found, file_id: str) -> Iterator[bytes]:
    """Yield the key that the catalog names for the file, then every file key of the zone."""
    tree = scene.keys.get(found.zone)
    if tree is None:
        return
    row = scene.survey.by_id.get(file_id)
    first = KINDS["file"] * KEYS_A_KIND
    numbers = [] if row is None or row.key_number is None else [row.key_number]
    for number in (*numbers, *(one for one in tree.numbers() if first <= one < first + KEYS_A_KIND)):
        key = tree.key(number)
        if key is not None:
            yield key


def _check_rows(
    scene: Scene,
    found: _Found,
    table: pa.Table,
    people: Living,
    needles: Needles,
    streams: Mapping[str, Sequence[str]],
) -> None:
    """Judge decoded rows: whose they are, what they say, how old they are."""
    scene.inspection.looked(DERIVED, "decoded rows", table.num_rows)
    name = found.row.table_name if found.row is not None else None
    if _PID in table.schema.names and found.zone == DERIVED:
        _check_people(scene, found, table, name, people, streams.get(name or "", ()))
    for column, values in zip(table.schema.names, table.columns, strict=True):
        if pa.types.is_date(values.type) and table.num_rows and name is not None:
            oldest = pc.min(values).as_py()
            if oldest is not None:
                scene.inspection.saw_day(f"{found.zone}/{name}", oldest)
        if needles and column != _PID and any(needles.is_cell(value) for value in _words(values)):
            scene.inspection.found("derived_row_of_target", found.place)


def _check_people(
    scene: Scene, found: _Found, table: pa.Table, name: str | None, people: Living, reads: Sequence[str]
) -> None:
    present = {bytes(pid) for pid in table.column(_PID).unique().to_pylist() if pid is not None}
    awaiting = {pid for (of, pid), due in scene.survey.awaiting.items() if of == name and due >= scene.now}
    concerned = [target for target in scene.targets if name is None or target.concerns(table=name)]
    targets = {pid for target in concerned for pid in target.pids_in(DERIVED)}
    # Whoever must be gone by now is looked for even where a rewrite is still noted as awaited.
    gone = {pid for target in concerned if not target.may_lie(scene.now) for pid in target.pids_in(DERIVED)}
    if (present & targets) - (awaiting - gone):
        scene.inspection.found("derived_row_of_target", found.place)
    strangers = present - people.derived - awaiting - targets
    if strangers:
        scene.inspection.found("derived_row_of_nobody", found.place)
    if reads and _all_forgotten(present, people, reads) - awaiting - targets:
        scene.inspection.found("derived_row_of_forgotten_stream", found.place)
    scene.inspection.looked(DERIVED, "people whose rows await a rewrite", len(present & awaiting))


def _all_forgotten(present: set[bytes], people: Living, reads: Sequence[str]) -> set[bytes]:
    """Return the people of whom no stream that the table is computed from is left."""
    gone = set(present)
    for stream in reads:
        gone &= people.without.get(stream, frozenset())
    return gone


def _words(values: pa.ChunkedArray) -> list[object]:
    """Return the distinct texts and blobs of a column; none of a column of numbers or dates."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind)):
        return []
    return [value for value in pc.unique(values).to_pylist() if value is not None]
