"""The manifest of an erasure: everything that its later steps need, written and sealed before the first key is destroyed.

After the keys are gone nobody could say any more what there was to erase. The manifest lies under the request's own key
and is shredded with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import request, subject
from shelflife.errors import KeyDestroyed
from shelflife.keys.keyrings import KEYRING_SLOTS, slot_of
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.models import load_models
from shelflife.lake.rewrite import tables_about
from shelflife.rights.requests import get, request_key, subject_of
from shelflife.seal.values import open_value, seal_value
from shelflife.subjects.directory import Alias, aliases_of, by_identity_pid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate

_CONTEXT = "manifest"


@dataclass(frozen=True)
class Manifest:
    """What one erasure is about; never printed, never written in clear.

    Attributes:
        subject_id: the person (16 bytes).
        pids: the person's pseudonyms by zone.
        aliases: every alias that the person is reached through.
        streams: the streams to erase; none for the whole person.
        tables: derived tables that hold rows of the person.
        keys: by zone, the numbers of the keys that the erasure destroys.
        known: whether the directory still had the person when the manifest was written.
    """

    request_id: str
    subject_id: bytes = field(repr=False)
    pids: dict[str, bytes] = field(repr=False)
    aliases: list[Alias] = field(repr=False)
    streams: list[str] | None
    tables: list[str]
    keys: dict[str, list[int]]
    known: bool

    @property
    def whole_person(self) -> bool:
        """Whether everything is erased."""
        return self.streams is None


def make_manifest(estate: Estate, conn: sa.Connection, request_id: str) -> Manifest:
    """Find out what there is to erase for a request.

    Raises:
        KeyDestroyed: the request was closed and who asked was shredded.
    """
    asked = get(estate, request_id)
    subject_id = subject_of(estate, conn, request_id)
    zones = ("identity", "raw", "derived")
    pids = {zone: pseudonym(estate.pepper(conn, zone), subject_id) for zone in zones}
    here = sa.select(subject.c.pid).where(subject.c.pid == pids["identity"])
    known = conn.execute(here).scalar() is not None
    streams = list(asked.streams) or None
    models = load_models(estate.settings.models)
    return Manifest(
        request_id=request_id,
        subject_id=subject_id,
        pids=pids,
        aliases=_aliases(estate, conn, pids["identity"]) if known else [],
        streams=streams,
        tables=tables_about(models, streams),
        keys=_keys(estate, conn, pids, streams),
        known=known,
    )


def write_manifest(estate: Estate, tx: Transaction, manifest: Manifest) -> None:
    """Seal a manifest into its request."""
    body = {
        "subject_id": manifest.subject_id.hex(),
        "pids": {zone: pid.hex() for zone, pid in manifest.pids.items()},
        "aliases": [[name.kind, name.value] for name in manifest.aliases],
        "streams": manifest.streams,
        "tables": manifest.tables,
        "keys": manifest.keys,
        "known": manifest.known,
    }
    key = request_key(estate, tx.conn, manifest.request_id)
    sealed = seal_value(key, json.dumps(body).encode(), (_CONTEXT, manifest.request_id))
    here = request.c.request_id == manifest.request_id
    tx.conn.execute(request.update().where(here).values(manifest=sealed))


def read_manifest(estate: Estate, conn: sa.Connection, request_id: str) -> Manifest:
    """Open the manifest of a request.

    Raises:
        KeyDestroyed: it was shredded, or never written.
    """
    query = sa.select(request.c.manifest).where(request.c.request_id == request_id)
    sealed = conn.execute(query).scalar()
    if sealed is None:
        raise KeyDestroyed("This request has no manifest any more.", remedy="See its certificate instead.")
    body = json.loads(
        open_value(request_key(estate, conn, request_id), bytes(sealed), (_CONTEXT, request_id))
    )
    return Manifest(
        request_id=request_id,
        subject_id=bytes.fromhex(body["subject_id"]),
        pids={zone: bytes.fromhex(pid) for zone, pid in body["pids"].items()},
        aliases=[Alias(kind, value) for kind, value in body["aliases"]],
        streams=body["streams"],
        tables=body["tables"],
        keys=body["keys"],
        known=body["known"],
    )


def _aliases(estate: Estate, conn: sa.Connection, identity_pid: bytes) -> list[Alias]:
    try:
        person = by_identity_pid(estate, conn, [identity_pid])[identity_pid]
        return aliases_of(estate, conn, person)
    except KeyDestroyed:
        return []


def _keys(
    estate: Estate, conn: sa.Connection, pids: dict[str, bytes], streams: Sequence[str] | None
) -> dict[str, list[int]]:
    """Return the numbers of the keys in the person's rings: of the named streams, or all."""
    zones = ("identity", "raw") if streams is None else ("raw",)
    positions = range(KEYRING_SLOTS) if streams is None else [slot_of(stream) for stream in streams]
    found = {}
    for zone in zones:
        ring = estate.keyrings[zone].numbers(conn, [pids[zone]]).get(pids[zone])
        found[zone] = [] if ring is None else [ring + position for position in positions]
    return found
