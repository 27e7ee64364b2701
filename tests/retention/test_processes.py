"""A purge while another process lands rows for the very days that expire: every row is landed and gone, or refused."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa

from shelflife.control.tables import landed_file, partition
from shelflife.estate import Estate
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.retention.conftest import rows
from tests.retention.state import landed

pytestmark = pytest.mark.slow
DAYS = tuple(f"2024-10-{day:02d}" for day in range(1, 6))


def start(folder, step):
    command = [sys.executable, "-m", "tests.retention.worker", str(folder), step]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process) -> int:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return int(out)


def test_a_purge_and_a_landing_at_once_lose_no_recent_row_and_keep_no_old_one(tmp_path):
    settings = settings_in(tmp_path, purge_brake_percent=100)
    estate = Estate.create(settings, NOW)
    folder = settings.inbox / "x"
    for number in range(3):
        folder.mkdir(parents=True, exist_ok=True)
        content = rows("p0", "p1", "p2", days=(*DAYS, "2026-11-20"), value=50 + 10 * number)
        (folder / f"part-{number}.ndjson").write_bytes(content)
        if number == 0:
            # The days that expire hold something before both begin.
            land(estate, list_inbox(settings.inbox), clock=lambda: NOW)
    estate.close()
    landing, purging = start(tmp_path, "land"), start(tmp_path, "purge")
    finish(landing)
    finish(purging)
    # Whatever landed after the purge's last look is due by now.
    finish(start(tmp_path, "purge"))
    estate = Estate.open(settings, NOW)
    left = landed(estate)
    assert {period for table, period in left if table == "heart"} == {"2026-11-20"}
    # Three readings of three people from each of three files.
    assert left["heart", "2026-11-20"].height == 27
    with estate.database.read() as conn:
        counted = conn.execute(sa.select(landed_file)).all()
        old = (partition.c.table_name == "heart") & partition.c.period.in_(DAYS)
        states = set(conn.execute(sa.select(partition.c.state).where(old)).scalars())
        verify(conn, estate.ledger.verifier_key, estate.witness)
    assert states == {"destroyed"}
    assert len(counted) == 3
    assert all(
        row.samples_in == row.landed + row.duplicates + row.quarantined + row.refused for row in counted
    )
    assert status(estate).unregistered == 0
    estate.close()
