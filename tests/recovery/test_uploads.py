"""What was destroyed of landing keys and devices since a backup is destroyed again when it is put back."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import landing_key, upload_device
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.upload_refusals import Refusal
from shelflife.recovery.backup import backup
from shelflife.recovery.checks import check_estate
from shelflife.recovery.restore import restore
from shelflife.subjects import devices
from shelflife.subjects.landing_keys import private_key, retire, rotate
from tests.lake.phones import Phone, ndjson, row
from tests.recovery.conftest import lose, residue
from tests.rights.conftest import erase

pytestmark = pytest.mark.slow


def states(estate, table: sa.Table) -> list[str]:
    with estate.database.read() as conn:
        return sorted(conn.execute(sa.select(table.c.state)).scalars())


def test_keys_and_devices_stay_as_dead_as_they_were(filled, settings, tmp_path, clock, reopen):
    ada, bob, eve = Phone(filled, "ada"), Phone(filled, "bob"), Phone(filled, "eve")
    first = eve.landing_key
    rotate(filled, grace=dt.timedelta(days=9), clock=clock)
    eve.send("1.upload", ndjson(row("2026-11-05T08:00:00Z")))
    land(filled, list_inbox(settings.inbox), clock=clock)
    backup(filled, tmp_path / "later", clock=clock)
    clock.forward(hours=1)
    retire(filled, first.key_id.hex(), clock=clock)
    devices.revoke(filled, bob.device_id, clock=clock)
    erase(filled, "ada", clock)
    after = eve.seal(ndjson(row("2026-11-06T08:00:00Z")), 2)
    lose(filled)
    clock.forward(hours=1)
    restore(settings, tmp_path / "later", clock=clock)

    estate = reopen(settings)
    assert states(estate, landing_key) == ["current", "retired"]
    assert states(estate, upload_device) == ["active", "revoked"]
    with estate.database.read() as conn:
        assert private_key(estate, conn, first.key_id.hex())[1] is None
        assert devices.find_device(estate, conn, ada.device_id) is None
    assert residue(estate, clock) == []
    assert check_estate(estate).passed
    for name, sealed in (("a", after), ("b", bob.seal(to=bob.landing_key))):
        (settings.inbox / f"{name}.upload").write_bytes(sealed)
    report = land(estate, list_inbox(settings.inbox), clock=clock)
    assert {file.error for file in report.files} == {Refusal.STALE_KEY.value[0]}
    for path in settings.inbox.glob("*.upload"):
        path.unlink()
    bob.estate = eve.estate = estate
    bob.landing_key = eve.landing_key = eve.current()
    # What eve sent before the backup is remembered, and what she sends next lands.
    bob.send("b.upload")
    eve.send("c.upload", sequence=1)
    eve.send("d.upload", ndjson(row("2026-11-07T08:00:00Z")), 2)
    report = land(estate, list_inbox(settings.inbox), clock=clock)
    assert sorted(str(file.error) for file in report.files) == sorted(
        ["None", Refusal.REVOKED.value[0], Refusal.REPLAYED.value[0]]
    )
