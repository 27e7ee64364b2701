"""A purge with a hold, from plan to release, with the control database on a real PostgreSQL server."""

from __future__ import annotations

import pytest

from shelflife.estate import Estate
from shelflife.lake.derive import derive
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify
from shelflife.retention.apply import apply_plan, plan_purge
from shelflife.retention.plan_file import write_plan
from shelflife.retention.release import release
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.postgresql_server import postgresql_server, postgresql_url
from tests.retention.conftest import OLD, PEOPLE, RECENT, THEN, clock, hold_on, land_rows, rows
from tests.retention.state import held, readable

__all__ = ["postgresql_server", "postgresql_url"]

pytestmark = pytest.mark.server


def test_a_purge_works_on_postgresql(tmp_path, postgresql_url):
    settings = settings_in(tmp_path, control_url=postgresql_url, purge_brake_percent=100)
    estate = Estate.create(settings, NOW)

    def put(content: bytes, account: str, name: str) -> None:
        (settings.inbox / account).mkdir(parents=True, exist_ok=True)
        (settings.inbox / account / name).write_bytes(content)

    land_rows(estate, put, rows(*PEOPLE, days=(OLD,)), THEN)
    land_rows(estate, put, rows(*PEOPLE, days=(RECENT,)), NOW)
    derive(estate, clock=clock, names=["heart_daily"])
    one = hold_on(estate, "ada", streams=["heart"])
    before = readable(estate)
    made = plan_purge(estate, clock=clock)
    done = apply_plan(estate, write_plan(settings, made), clock=clock)
    assert (done.partitions, done.rows, done.rows_preserved) == (3, made.rows_removed, 4)
    after = readable(estate)
    gone = {f"{line.zone}/{line.table_name}/{line.period}" for line in made.remove}
    assert {key: value for key, value in after.items() if key.startswith("raw/")} == {
        key: value for key, value in before.items() if key.startswith("raw/") and key not in gone
    }
    assert held(estate, one.hold_id)["ada", "heart"].height == 3
    assert release(estate, one.hold_id, clock=clock).rows == 4
    assert plan_purge(estate, clock=clock).does_nothing
    assert status(estate).unregistered == 0
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)
    estate.close()
