"""Kill the process at every commit step of landing a sealed upload: samples and replay window are both there, or neither."""

from __future__ import annotations

import shutil
import signal

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import upload_device
from shelflife.control.tables import landed_file, ledger_leaf
from shelflife.estate import Estate
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.status import status
from shelflife.lake.upload_refusals import Refusal
from shelflife.ledger.ledger import verify
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.lake.phones import Phone, ndjson, row
from tests.lake.state import raw_rows
from tests.lake.test_crash import LAND_POINTS, run

pytestmark = pytest.mark.slow

BEFORE_COMMIT = ("land.file_written", "land.before_commit", "land.in_commit")


def state(estate: Estate) -> dict[str, object]:
    with estate.database.read() as conn:
        device = conn.execute(sa.select(upload_device)).one()
        return {
            "rows": sum(rows.height for rows in raw_rows(estate).values()),
            "window": (device.highest_sequence, bytes(device.seen)),
            "files": conn.execute(sa.select(sa.func.count()).select_from(landed_file)).scalar(),
            "ledger": conn.execute(sa.select(sa.func.count()).select_from(ledger_leaf)).scalar(),
            "inbox": len(list_inbox(estate.settings.inbox)),
        }


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A closed estate with two uploads of a phone in its inbox, and what it holds before and after they are landed."""
    folder = tmp_path_factory.mktemp("template")
    estate = Estate.create(settings_in(folder), NOW)
    phone = Phone(estate)
    phone.send("a.upload", ndjson(row()), 3)
    phone.send("b.upload", ndjson(row("2026-11-22T09:00:00Z")), 4, folder="account-9")
    again = phone.seal(ndjson(row("2026-11-22T10:00:00Z")), 4)
    before = state(estate)
    estate.close()
    done = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(folder, done, dirs_exist_ok=True)
    estate = Estate.open(settings_in(done), NOW)
    assert land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW).total("landed") == 2
    after = state(estate)
    estate.close()
    return folder, before, after, again


@pytest.mark.parametrize("point", LAND_POINTS)
def test_a_killed_landing_resumes_to_the_same_end(tmp_path, template, point):
    folder, before, after, again = template
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    assert run(tmp_path, "land", crash_at=point) == -signal.SIGKILL
    estate = Estate.open(settings_in(tmp_path), NOW)
    left = state(estate)
    committed = {name: after[name] for name in ("rows", "window", "files", "ledger")}
    if point in BEFORE_COMMIT:
        assert left == before
    else:
        assert left.items() >= committed.items()
    estate.close()
    assert run(tmp_path, "land") == 0
    estate = Estate.open(settings_in(tmp_path), NOW)
    assert state(estate) == after
    assert status(estate).unregistered == 0
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)
    (estate.settings.inbox / "c.upload").write_bytes(again)
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    assert [file.error for file in report.files] == [Refusal.REPLAYED.value[0]]
    estate.close()
