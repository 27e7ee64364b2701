"""The control database: no row, no cell, no free page and no log of it names a target."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shelflife.control.metadata import metadata
from shelflife.control.subject_tables import alias, consent, subject, tombstone, upload_device
from shelflife.control.tables import hold, hold_subject, keyring, request
from shelflife.rights.verify.contents import pieces
from shelflife.rights.verify.needles import Needles
from shelflife.rights.verify.people import secret
from shelflife.rights.verify.primitives import alias_digest

if TYPE_CHECKING:
    from shelflife.rights.verify.scene import Scene
    from shelflife.rights.verify.targets import Target
    from shelflife.subjects.directory import Alias

STORE = "control"
_ROWS_AT_ONCE = 2_000
# Ciphertext under keys of the tree: a needle in it would be chance.
_CIPHERTEXT = frozenset({("key_page", "blob")})
_SCHEMA_OWN = frozenset({"alembic_version"})
_OF_SOMEBODY = (
    (subject.c.pid, "subject_row"),
    (alias.c.pid, "alias_row"),
    (upload_device.c.pid, "upload_device_row"),
    (consent.c.pid, "consent_row"),
)


def check_control(scene: Scene, needles: Needles) -> None:
    """Look for targets in every row, cell and byte of the control database."""
    known = frozenset(metadata.tables) | _SCHEMA_OWN
    for name in sa.inspect(scene.conn).get_table_names():
        if name not in known:
            scene.inspection.found("unknown_table", "a table of the control database")
    for target in scene.whole_targets():
        _check_rows(scene, target)
    _check_requests(scene)
    if needles:
        split = _Split(scene, needles)
        _check_cells(scene, split)
        _check_bytes(scene, split)


def buried(scene: Scene, name: Alias) -> sa.Row[Any] | None:
    """Return the tombstone of an alias, if it has one."""
    if name not in scene.stones:
        key = secret(scene, "identity", "tombstone")
        digest = b"" if key is None else alias_digest(key, name.kind, name.value)
        query = sa.select(tombstone).where(tombstone.c.alias_mac == digest)
        scene.stones[name] = scene.conn.execute(query).one_or_none()
    return scene.stones[name]


def digest_of(scene: Scene, name: Alias) -> bytes | None:
    """Return the digest that the directory would find an alias by."""
    key = secret(scene, "identity", "alias")
    return None if key is None else alias_digest(key, name.kind, name.value)


def came_back(scene: Scene, name: Alias) -> bool:
    """Tell whether an alias may be known although its owner was erased.

    Either whoever has it registered again, or it passed on, so that the tombstone refuses some periods only.
    """
    stone = buried(scene, name)
    return stone is not None and (stone.registered_again_at is not None or stone.periods is not None)


def searched_texts(scene: Scene) -> frozenset[str]:
    """Return the names that must be nowhere; that of someone who came back on purpose is known again."""
    names = {name for target in scene.whole_targets() for name in target.aliases}
    return frozenset(name.value for name in names if not came_back(scene, name))


def searched_ids(scene: Scene) -> frozenset[bytes]:
    """Return the pseudonyms, tokens and directory digests that must be nowhere."""
    found: set[bytes] = set()
    for target in scene.whole_targets():
        found.update(pid for pids in target.pids.values() for pid in pids)
        found.update(token for tokens in target.tokens.values() for token in tokens)
        for name in target.aliases:
            digest = digest_of(scene, name)
            if digest is not None and not came_back(scene, name):
                found.add(digest)
    return frozenset(found)


def _check_rows(scene: Scene, target: Target) -> None:
    """No row of the directory or of the keyrings is a target's; each of its aliases has a tombstone."""
    for name in target.aliases:
        scene.inspection.looked(STORE, "aliases looked up")
        if buried(scene, name) is None:
            scene.inspection.found("tombstone_missing", "tombstone")
        digest = digest_of(scene, name)
        if digest is not None and not came_back(scene, name) and _has(scene, alias.c.alias_mac, digest):
            scene.inspection.found("alias_row", "alias")
    for pid in target.pids_in("identity"):
        for column, rule in _OF_SOMEBODY:
            if _has(scene, column, pid):
                scene.inspection.found(rule, column.table.name)
    for zone, pids in target.pids.items():
        for pid in pids:
            if _has(scene, keyring.c.pid, pid, keyring.c.zone == zone):
                scene.inspection.found("keyring_row", f"keyring, {zone}")


def _has(scene: Scene, column: sa.Column[Any], value: bytes, *more: sa.ColumnElement[bool]) -> bool:
    return scene.conn.execute(sa.select(sa.literal(1)).where(column == value, *more)).first() is not None


def _check_requests(scene: Scene) -> None:
    """What a closed request had sealed is gone, and so is its key."""
    query = sa.select(request.c.request_id, request.c.sealed, request.c.manifest, request.c.key_number)
    for row in scene.conn.execute(query.where(request.c.closed_at.is_not(None))):
        scene.inspection.looked(STORE, "closed requests")
        kept = row.key_number is not None and scene.key("identity", row.key_number) is not None
        if row.sealed is not None or row.manifest is not None or kept:
            scene.inspection.found("request_not_shredded", f"request {row.request_id}")


class _Split:
    """The needles, apart from those that a hold or a deferred rewrite excuses in one column.

    Attributes:
        everything: what no other cell may hold.
        strict: what not even a cell of these columns, and so no byte of the file, may hold.
        excused: tables and columns in which excused pseudonyms may stand.
    """

    def __init__(self, scene: Scene, everything: Needles) -> None:
        awaiting = {pid for (_, pid), due in scene.survey.awaiting.items() if due >= scene.now}
        texts, ids = searched_texts(scene), searched_ids(scene)
        excused = ids & (awaiting | _held(scene))
        self.excused = frozenset({("awaiting_rewrite", "pid"), ("hold_subject", "identity_pid")})
        self.everything = everything
        self.strict = Needles(texts, ids - excused) if excused else everything

    def of(self, table: str, column: str) -> Needles:
        """Return what a column may not hold."""
        return self.strict if (table, column) in self.excused else self.everything


def _held(scene: Scene) -> set[bytes]:
    """Return the identity-zone pseudonyms that an active hold names."""
    active = sa.select(hold.c.hold_id).where(hold.c.state == "active")
    query = sa.select(hold_subject.c.identity_pid).where(hold_subject.c.hold_id.in_(active))
    return {bytes(pid) for pid in scene.conn.execute(query).scalars()}


def _check_cells(scene: Scene, needles: _Split) -> None:
    """Search every value of every table, many rows at a time."""
    inspector = sa.inspect(scene.conn)
    quote = scene.conn.dialect.identifier_preparer.quote
    for table in inspector.get_table_names():
        place = table if table in metadata.tables else "a table that the schema does not name"
        names = [
            column["name"]
            for column in inspector.get_columns(table)
            if (table, column["name"]) not in _CIPHERTEXT
        ]
        columns = ", ".join(quote(name) for name in names)
        rows = scene.conn.exec_driver_sql(f"SELECT {columns} FROM {quote(table)}")
        while some := rows.fetchmany(_ROWS_AT_ONCE):
            for name, values in zip(names, zip(*some, strict=True), strict=True):
                scene.inspection.looked(STORE, "cells", len(values))
                if _any_in(needles.of(table, name), values):
                    scene.inspection.found("target_in_cell", f"{place}.{name}")


def _any_in(needles: Needles, values: tuple[Any, ...]) -> bool:
    """Search a column's values as one piece, and short names value by value."""
    joined: defaultdict[bool, list[bytes]] = defaultdict(list)
    for value in values:
        if isinstance(value, str):
            joined[True].append(value.encode("utf-8", "replace"))
        elif isinstance(value, bytes | memoryview):
            joined[False].append(bytes(value))
        elif isinstance(value, dict | list):
            joined[True].append(str(value).encode("utf-8", "replace"))
    if any(needles.within(b"\0\n\0".join(parts)) for parts in joined.values()):
        return True
    return bool(needles.short) and any(isinstance(value, str) and value in needles.short for value in values)


def _check_bytes(scene: Scene, needles: _Split) -> None:
    """Search the file of a SQLite database, free pages included, and its write-ahead log."""
    prefix = "sqlite:///"
    if not scene.settings.database_url.startswith(prefix):
        scene.inspection.not_seen(STORE, "the database server's files and logs")
        return
    database = scene.settings.database_url.removeprefix(prefix)
    rules = {
        "": "target_in_database_bytes",
        "-wal": "target_in_write_ahead_log",
        "-journal": "target_in_write_ahead_log",
    }
    for ending, rule in rules.items():
        path = Path(database + ending)
        if path.is_file():
            scene.inspection.looked(STORE, "bytes", path.stat().st_size)
            if any(needles.strict.within(piece) for piece in pieces(path)):
                scene.inspection.found(rule, "control.db" + ending)
