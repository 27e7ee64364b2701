"""Who the people of a hold are: sealed under the hold's own key, for counsel, whatever becomes of their identity."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import hold_subject
from shelflife.errors import KeyDestroyed
from shelflife.seal.values import open_value, seal_value
from shelflife.subjects.directory import Alias, aliases_of

if TYPE_CHECKING:
    from shelflife.estate import Estate
    from shelflife.subjects.directory import Subject


@dataclass(frozen=True)
class HeldPerson:
    """One person of a hold.

    Attributes:
        hold_pid: the pseudonym that the person's held rows lie under.
        subject_id: as the estate knew the person.
        aliases: as the estate knew the person when the person was added to the hold.
    """

    hold_pid: bytes = field(repr=False)
    subject_id: bytes = field(repr=False)
    aliases: tuple[Alias, ...] = field(repr=False)


def seal_person(
    estate: Estate, conn: sa.Connection, hold_id: str, key_number: int | None, person: Subject
) -> bytes:
    """Return a person's id and aliases sealed under a hold's key.

    Raises:
        KeyDestroyed: the hold is released, or the person is erased.
    """
    names = [[name.kind, name.value] for name in aliases_of(estate, conn, person)]
    body = json.dumps({"subject": person.subject_id.hex(), "aliases": names}).encode()
    key = hold_key(estate, conn, key_number)
    return seal_value(key, body, _context(hold_id, person.identity_pid))


def open_people(
    estate: Estate, conn: sa.Connection, hold_id: str, key_number: int | None
) -> list[HeldPerson]:
    """Open who the people of a hold are.

    Raises:
        KeyDestroyed: the hold is released.
    """
    key = hold_key(estate, conn, key_number)
    found = []
    for row in conn.execute(sa.select(hold_subject).where(hold_subject.c.hold_id == hold_id)):
        known = json.loads(open_value(key, bytes(row.sealed), _context(hold_id, bytes(row.identity_pid))))
        names = tuple(Alias(kind, value) for kind, value in known["aliases"])
        found.append(HeldPerson(bytes(row.hold_pid), bytes.fromhex(known["subject"]), names))
    return found


def hold_key(estate: Estate, conn: sa.Connection, key_number: int | None) -> bytes:
    """Return the key of a hold.

    Raises:
        KeyDestroyed: the hold is released.
    """
    [key] = estate.trees["identity"].lookup(conn, [key_number]) if key_number is not None else [None]
    if key is None:
        raise KeyDestroyed("The hold's key was destroyed.", remedy="The hold is released; nothing is held.")
    return key


def _context(hold_id: str, identity_pid: bytes) -> tuple[str, str, bytes]:
    return ("hold-subject", hold_id, identity_pid)
