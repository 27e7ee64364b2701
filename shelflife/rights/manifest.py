"""The manifest of an erasure: everything that its later steps need, written and sealed before the first key is destroyed.

After the keys are gone nobody could say any more what there was to erase. The manifest lies under the request's own key
and is shredded with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.bulk import chunks
from shelflife.control.tables import request
from shelflife.errors import KeyDestroyed
from shelflife.keys.keyrings import KEYRING_SLOTS, slot_of
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.models import load_models
from shelflife.lake.rewrite import tables_about
from shelflife.rights.requests import request_keys, subjects_of
from shelflife.seal.values import open_value, seal_value
from shelflife.subjects.directory import Alias, known_aliases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.rights.requests import Request

_CONTEXT = "manifest"
_ZONES = ("identity", "raw", "derived")
# Bounds the variables of a statement.
_AT_ONCE = 400


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


def make_manifests(estate: Estate, conn: sa.Connection, asked: Sequence[Request]) -> list[Manifest]:
    """Find out what there is to erase for some requests; each kind of thing is looked up once for all of them.

    Raises:
        KeyDestroyed: a request was closed and who asked was shredded.
    """
    people = subjects_of(estate, conn, [one.request_id for one in asked])
    peppers = {zone: estate.pepper(conn, zone) for zone in _ZONES}
    pids = {
        request_id: {zone: pseudonym(pepper, subject_id) for zone, pepper in peppers.items()}
        for request_id, subject_id in people.items()
    }
    rings = {
        zone: estate.keyrings[zone].numbers(conn, [one[zone] for one in pids.values()])
        for zone in ("identity", "raw")
    }
    names = known_aliases(estate, conn, [one["identity"] for one in pids.values()])
    models = load_models(estate.settings.models)
    found = []
    for one in asked:
        mine, streams = pids[one.request_id], list(one.streams) or None
        found.append(
            Manifest(
                request_id=one.request_id,
                subject_id=people[one.request_id],
                pids=mine,
                aliases=names.get(mine["identity"]) or [],
                streams=streams,
                tables=tables_about(models, streams),
                keys=_keys(rings, mine, streams),
                known=mine["identity"] in names,
            )
        )
    return found


def write_manifests(estate: Estate, tx: Transaction, manifests: Sequence[Manifest]) -> None:
    """Seal manifests into their requests."""
    keys = request_keys(estate, tx.conn, [one.request_id for one in manifests])
    sealed = []
    for one in manifests:
        body = {
            "subject_id": one.subject_id.hex(),
            "pids": {zone: pid.hex() for zone, pid in one.pids.items()},
            "aliases": [[name.kind, name.value] for name in one.aliases],
            "streams": one.streams,
            "tables": one.tables,
            "keys": one.keys,
            "known": one.known,
        }
        content = seal_value(keys[one.request_id], json.dumps(body).encode(), (_CONTEXT, one.request_id))
        sealed.append({"here": one.request_id, "content": content})
    if sealed:
        here = request.c.request_id == sa.bindparam("here")
        tx.conn.execute(request.update().where(here).values(manifest=sa.bindparam("content")), sealed)


def read_manifests(estate: Estate, conn: sa.Connection, request_ids: Sequence[str]) -> list[Manifest]:
    """Open the manifests of some requests; the keys are looked up in one pass.

    Raises:
        KeyDestroyed: one of them was shredded, or never written.
    """
    keys = request_keys(estate, conn, request_ids)
    sealed: dict[str, bytes] = {}
    for chunk in chunks(list(request_ids), _AT_ONCE):
        query = sa.select(request.c.request_id, request.c.manifest).where(request.c.request_id.in_(chunk))
        sealed |= {row.request_id: row.manifest for row in conn.execute(query)}
    return [_opened(request_id, sealed[request_id], keys[request_id]) for request_id in request_ids]


def _opened(request_id: str, sealed: bytes | None, key: bytes) -> Manifest:
    if sealed is None:
        raise KeyDestroyed("This request has no manifest any more.", remedy="See its certificate instead.")
    body = json.loads(open_value(key, bytes(sealed), (_CONTEXT, request_id)))
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


def _keys(
    rings: Mapping[str, Mapping[bytes, int]], pids: dict[str, bytes], streams: Sequence[str] | None
) -> dict[str, list[int]]:
    """Return the numbers of the keys in the person's rings: of the named streams, or all."""
    zones = ("identity", "raw") if streams is None else ("raw",)
    positions = range(KEYRING_SLOTS) if streams is None else [slot_of(stream) for stream in streams]
    found = {}
    for zone in zones:
        ring = rings[zone].get(pids[zone])
        found[zone] = [] if ring is None else [ring + position for position in positions]
    return found
