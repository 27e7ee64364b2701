"""The same landing and derivation with the control database on a real PostgreSQL server."""

from __future__ import annotations

import pytest

from shelflife.estate import Estate
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.lake.state import derived_rows, raw_rows
from tests.postgresql_server import postgresql_server, postgresql_url

__all__ = ["postgresql_server", "postgresql_url"]

pytestmark = pytest.mark.server


def test_landing_and_derivation_work_on_postgresql(tmp_path, samples, postgresql_url):
    estate = Estate.create(settings_in(tmp_path, control_url=postgresql_url), NOW)
    folder = estate.settings.inbox / "account-1"
    folder.mkdir(parents=True)
    content = (samples / "dexcom_clarity/test_file.csv").read_bytes()
    for name in ("first.csv", "again.csv"):
        (folder / name).write_bytes(content)
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    assert report.total("landed") == 2148
    derive(estate, clock=lambda: NOW)
    estate.close()
    estate = Estate.open(settings_in(tmp_path, control_url=postgresql_url), NOW)
    assert sum(rows.height for rows in raw_rows(estate).values()) == 2148
    assert derived_rows(estate)["glucose_daily"].height == 9
    found = status(estate)
    assert (found.stale, found.unregistered) == ({}, 0)
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)
    estate.close()
