"""Who the estate still knows: pseudonyms of the living, opened with keys that are there, without the directory's code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.subject_tables import alias, consent, subject, upload_device
from shelflife.rights.verify.key_pages import number_of
from shelflife.rights.verify.primitives import mac, opened_value
from shelflife.rights.verify.raw import POSITIONS

if TYPE_CHECKING:
    from shelflife.rights.verify.scene import Scene

IDENTITY = "identity"
_SECRETS = {"pepper": 0, "alias": 1, "tombstone": 2, "copies": 8}
PID_BYTES = 16
_OWNED = (
    (alias.c.pid, "alias_of_nobody"),
    (upload_device.c.pid, "upload_device_of_nobody"),
    (consent.c.pid, "consent_of_nobody"),
)


@dataclass(frozen=True)
class Living:
    """The people whom the directory knows.

    Attributes:
        derived: pseudonyms of the derived zone.
        without: by stream, those of them whose key for it is gone.
    """

    derived: frozenset[bytes] = field(repr=False)
    without: dict[str, frozenset[bytes]] = field(repr=False)


def secret(scene: Scene, zone: str, name: str) -> bytes | None:
    """Return one of the estate's own secrets; None when its key is gone."""
    return scene.key(zone, number_of("secret", _SECRETS[name]))


def living(scene: Scene) -> Living:
    """Open every subject id and compute who it is elsewhere; a row that does not open is a finding."""
    rings = scene.survey.rings.get(IDENTITY, {})
    raw_pepper, derived_pepper = secret(scene, "raw", "pepper"), secret(scene, "derived", "pepper")
    derived: set[bytes] = set()
    without: dict[str, set[bytes]] = {stream: set() for stream in POSITIONS}
    for row in scene.conn.execute(sa.select(subject.c.pid, subject.c.sealed_id)):
        pid = bytes(row.pid)
        subject_id = _subject_id(scene, rings.get(pid), pid, bytes(row.sealed_id))
        if subject_id is None or raw_pepper is None or derived_pepper is None:
            scene.inspection.found("subject_without_key", "subject")
            continue
        known = mac(derived_pepper, subject_id)[:PID_BYTES]
        derived.add(known)
        ring = scene.survey.rings.get("raw", {}).get(mac(raw_pepper, subject_id)[:PID_BYTES])
        for stream in forgotten(scene, ring):
            without[stream].add(known)
    scene.inspection.looked("control", "people", len(derived))
    return Living(frozenset(derived), {stream: frozenset(pids) for stream, pids in without.items()})


def check_aliases(scene: Scene) -> None:
    """An alias, a device or a decision whose subject has no key belongs to nobody."""
    rings = scene.survey.rings.get(IDENTITY, {})
    for column, rule in _OWNED:
        for pid in scene.conn.execute(sa.select(column)).scalars():
            ring = rings.get(bytes(pid))
            if ring is None or scene.key(IDENTITY, ring + POSITIONS["profile"]) is None:
                scene.inspection.found(rule, column.table.name)


def forgotten(scene: Scene, ring: int | None) -> list[str]:
    """Return the streams whose key is gone from a raw keyring."""
    tree = scene.keys.get("raw")
    return [
        stream
        for stream, position in POSITIONS.items()
        if ring is None or tree is None or not tree.holds(ring + position)
    ]


def _subject_id(scene: Scene, ring: int | None, pid: bytes, sealed: bytes) -> bytes | None:
    key = None if ring is None else scene.key(IDENTITY, ring + POSITIONS["profile"])
    return None if key is None else opened_value(key, sealed, ("subject-id", pid))
