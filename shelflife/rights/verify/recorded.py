"""The journal of destructions: what it says was destroyed is gone, whoever asked and however long ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shelflife.control.subject_tables import alias, consent, subject, tombstone, upload_device
from shelflife.control.tables import keyring, partition
from shelflife.errors import ShelflifeError
from shelflife.estate import Secret
from shelflife.journal.journal import mark, read_all
from shelflife.rights.verify.primitives import alias_digest
from shelflife.rights.verify.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shelflife.estate import Estate
    from shelflife.journal.destruction import Destruction
    from shelflife.rights.verify.scene import Scene
    from shelflife.subjects.directory import Alias

STORE = "ledger"


def destructions(estate: Estate, conn: sa.Connection) -> list[Destruction]:
    """Return every destruction that the journal holds and that this database has committed, oldest first.

    Raises:
        LedgerBroken: the journal was cut, altered, or belongs to another estate.
        RestoreIncomplete: the control database is older than the journal.
    """
    settings = estate.settings
    traces = (settings.journal_folder / "destructions.journal", settings.witness_folder / "journal.note")
    if not any(trace.exists() for trace in traces):
        return []
    committed = mark(conn)
    return [one.destruction for one in read_all(estate, conn) if one.sequence <= committed]


def check_recorded(scene: Scene, estate: Estate) -> None:
    """Look up every key and row that the journal says is gone."""
    try:
        found = destructions(estate, scene.conn)
    except ShelflifeError:
        scene.inspection.found("journal_broken", "journal")
        return
    for one in found:
        scene.inspection.looked(STORE, "recorded destructions")
        _check_keys(scene, one)
        for place in _rows_left(scene.conn, one):
            scene.inspection.found("row_of_recorded_destruction", f"{place}, {one.kind} {one.record_id}")


def targets_from_alias(estate: Estate, names: Sequence[Alias]) -> list[Target]:
    """Return targets for people of whom only aliases are known, as when an auditor asks about someone erased.

    As long as the journal keeps the destruction that buried an alias, the person's pseudonyms and key numbers are
    found there. Once it is forgotten, the search is for the alias alone: what a block, a key or a row that belongs to
    nobody says about the estate is found without knowing whose it was.

    Raises:
        LedgerBroken: the journal was cut or altered.
    """
    with estate.database.read() as conn:
        secret = estate.secret(conn, "identity", Secret.TOMBSTONE)
        known = destructions(estate, conn)
    return [_target(name, alias_digest(secret, name.kind, name.value), known) for name in names]


def recorded_targets(estate: Estate, conn: sa.Connection) -> list[Target]:
    """Return a target for each erasure that the journal holds: what was erased long ago is looked for again."""
    return [_of(one) for one in destructions(estate, conn) if one.kind == "erasure"]


def _target(name: Alias, digest: bytes, known: Sequence[Destruction]) -> Target:
    for one in reversed(known):
        if any(stone.alias_mac == digest for stone in one.tombstones):
            return _of(one, (name,))
    return Target(aliases=(name,))


def _of(one: Destruction, names: Sequence[Alias] = ()) -> Target:
    pids = {zone: tuple(pids) for zone, pids in one.keyrings.items()}
    if one.subjects:
        pids["identity"] = tuple(one.subjects)
    if one.awaiting:
        pids["derived"] = tuple({row.pid for row in one.awaiting})
    return Target(
        pids=pids,
        aliases=tuple(names),
        keys={zone: tuple(numbers) for zone, numbers in one.keys.items()},
        streams=None if one.streams is None else frozenset(one.streams),
        tables=frozenset(row.table_name for row in one.awaiting),
        due=max((row.due_at for row in one.awaiting), default=None),
    )


def _check_keys(scene: Scene, one: Destruction) -> None:
    for zone, numbers in one.keys.items():
        tree = scene.keys.get(zone)
        scene.inspection.looked("keys", "destroyed keys looked up", len(numbers))
        left = sum(tree is None or tree.holds(number) for number in numbers)
        if left:
            scene.inspection.found(
                "key_of_recorded_destruction",
                f"{zone}, {left} of {len(numbers)} keys, {one.kind} {one.record_id}",
            )


def _rows_left(conn: sa.Connection, one: Destruction) -> Iterator[str]:
    """Yield the tables that still have a row that a destruction took away."""
    if any(_has(conn, subject.c.pid, pid) for pid in one.subjects):
        yield "subject"
    if any(_has(conn, upload_device.c.pid, pid) for pid in one.subjects) or any(
        _has(conn, upload_device.c.device_mac, mac, upload_device.c.state == "active")
        for mac in one.revoked_devices
    ):
        yield "upload_device"
    if any(_has(conn, consent.c.pid, pid) for pid in one.subjects):
        yield "consent"
    if any(
        _has(conn, keyring.c.pid, pid, keyring.c.zone == zone)
        for zone, pids in one.keyrings.items()
        for pid in pids
    ):
        yield "keyring"
    stones = [_stone(conn, stone.alias_mac) for stone in one.tombstones]
    if None in stones:
        yield "tombstone, which is missing"
    returned = any(
        stone is not None and (stone.registered_again_at is not None or stone.periods is not None)
        for stone in stones
    )
    # Whoever came back on purpose has the same alias again.
    if not returned and any(_has(conn, alias.c.alias_mac, digest) for digest in one.alias_macs):
        yield "alias"
    if any(
        _has(conn, partition.c.partition_id, home.partition_id, partition.c.state == "open")
        for home in one.partitions
    ):
        yield "partition"


def _stone(conn: sa.Connection, digest: bytes) -> sa.Row[Any] | None:
    return conn.execute(sa.select(tombstone).where(tombstone.c.alias_mac == digest)).one_or_none()


def _has(conn: sa.Connection, column: sa.Column[Any], value: object, *more: sa.ColumnElement[bool]) -> bool:
    return conn.execute(sa.select(sa.literal(1)).where(column == value, *more)).first() is not None
