"""A sealed upload lands through Dagster like every other file, and leaves nothing of itself there."""

import datetime as dt

from tests.dagster.conftest import ACCOUNTS, MARKS, PULSE, failures
from tests.dagster.inbox_files import apple_export
from tests.lake.phones import Phone

pytestmark = MARKS
LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


def test_a_sealed_upload_lands_through_dagster(warehouse):
    with warehouse.estate() as estate:
        phone = Phone(estate, ACCOUNTS[0])
        token = phone.scope(samples_until=LATER, expires_at=LATER)
        phone.send("a.upload", apple_export("heart", [61, PULSE, 62], "2026-11-02"), token=token)
    landed = warehouse.run("land_inbox", "2026-11-02")
    assert landed.success, failures(landed)
    assert not any(warehouse.inbox.rglob("*.upload"))
    with warehouse.estate() as estate, estate.database.read() as conn:
        assert conn.exec_driver_sql("SELECT landed FROM landed_file").scalar() == 3
        assert conn.exec_driver_sql("SELECT highest_sequence FROM upload_device").scalar() == 1
    assert warehouse.leaks() == []
