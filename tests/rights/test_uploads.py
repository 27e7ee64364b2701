"""The device of somebody who is erased goes with them, and what it still sends is refused by arrival."""

from __future__ import annotations

import sqlalchemy as sa

from shelflife.control.subject_tables import tombstone, upload_device
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.rights.request_states import State
from shelflife.rights.requests import get
from shelflife.subjects.directory import Alias
from shelflife.subjects.tombstones import register_again
from tests.lake.phones import Phone, ndjson, row
from tests.rights.conftest import erase


def devices_left(estate) -> int:
    with estate.database.read() as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(upload_device)).scalar_one()


def landed(estate, clock):
    return land(estate, list_inbox(estate.settings.inbox), clock=clock)


def test_a_device_goes_with_its_owner(filled, clock):
    ada, bob = Phone(filled, "ada"), Phone(filled, "bob")
    ada.send("1.upload", ndjson(row("2026-11-05T08:00:00Z")))
    assert landed(filled, clock).total("landed") == 1
    # Sealed before the erasure, on its way while it runs.
    late = ada.seal(ndjson(row("2026-11-06T08:00:00Z"), row("2026-11-06T08:00:05Z")), 2)
    request_id = erase(filled, "ada", clock)
    assert get(filled, request_id).state is State.CERTIFIED
    assert devices_left(filled) == 1
    with filled.database.read() as conn:
        # The account and the upload pseudonym.
        assert conn.execute(sa.select(sa.func.count()).select_from(tombstone)).scalar_one() == 2
    (filled.settings.inbox / "late.upload").write_bytes(late)
    report = landed(filled, clock)
    assert report.reasons() == {"erased": 2}
    assert not list_inbox(filled.settings.inbox)
    bob.send("2.upload", ndjson(row("2026-11-05T08:00:00Z")))
    assert landed(filled, clock).total("landed") == 1


def test_who_comes_back_registers_a_device_anew(filled, clock):
    before = Phone(filled, "ada")
    late = before.seal(ndjson(row("2026-11-06T08:00:00Z")))
    erase(filled, "ada", clock)
    with filled.database.commit() as tx:
        register_again(filled, tx, Alias("account", "ada"), clock())
    after = Phone(filled, "ada")
    assert after.token[1:17] != before.token[1:17]
    after.send("new.upload", ndjson(row("2026-11-23T11:00:00Z")))
    assert landed(filled, clock).total("landed") == 1
    (filled.settings.inbox / "late.upload").write_bytes(late)
    assert landed(filled, clock).reasons() == {"erased": 1}
