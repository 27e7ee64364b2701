"""Landing keys follow one another, and a retired one opens nothing: not here, and past finality in no backup."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import landing_key
from shelflife.control.tables import ledger_leaf
from shelflife.errors import ConfigurationError, KeyTreeUnopenable
from shelflife.estate import Estate
from shelflife.journal.journal import read_all
from shelflife.seal.upload_envelope import open_upload
from shelflife.subjects.landing_keys import current_key, landing_keys, private_key, retire, rotate
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.lake.phones import DAY, Phone


def clock():
    return NOW


def state(estate) -> list[tuple[str, bool]]:
    with estate.database.read() as conn:
        return [
            (one.state, private_key(estate, conn, one.key_id)[1] is not None) for one in landing_keys(conn)
        ]


def test_each_new_key_moves_the_others_on(estate):
    with estate.database.read() as conn, pytest.raises(ConfigurationError, match="no landing key"):
        current_key(conn)
    first = rotate(estate, grace=2 * DAY, clock=clock)
    second = rotate(estate, grace=2 * DAY, clock=lambda: NOW + DAY)
    assert state(estate) == [("current", True), ("previous", True)]
    with estate.database.read() as conn:
        assert current_key(conn) == second
        known, _ = private_key(estate, conn, first.key_id)
    assert known.accepted_until == NOW + 3 * DAY
    assert known.accepted(NOW + 3 * DAY - dt.timedelta(seconds=1))
    assert not known.accepted(NOW + 3 * DAY)
    # Another rotation leaves the grace time of the first as it was promised, and ends it when it is over.
    rotate(estate, grace=9 * DAY, clock=lambda: NOW + 2 * DAY)
    assert state(estate) == [("current", True), ("previous", True), ("previous", True)]
    rotate(estate, grace=9 * DAY, clock=lambda: NOW + 3 * DAY)
    assert [one for one, _ in state(estate)] == ["current", "previous", "previous", "retired"]
    assert state(estate)[-1] == ("retired", False)


def test_retiring_is_repeatable_and_written_ahead(estate):
    first = rotate(estate, grace=DAY, clock=clock)
    rotate(estate, grace=DAY, clock=clock)
    assert retire(estate, clock=clock) == 0
    assert retire(estate, clock=lambda: NOW + DAY) == 1
    assert retire(estate, clock=lambda: NOW + DAY) == 0
    assert retire(estate, first.key_id, clock=clock) == 0
    with estate.database.read() as conn:
        [gone] = [one.destruction for one in read_all(estate, conn)]
        bodies = list(conn.execute(sa.select(ledger_leaf.c.body)).scalars())
    assert (gone.kind, gone.record_id, len(gone.keys["identity"])) == ("landing_key", first.key_id, 1)
    assert sum("landing_key_rotated" in body for body in bodies) == 2
    assert sum("landing_key_retired" in body for body in bodies) == 1


def test_errors_name_the_remedy(estate):
    with pytest.raises(ConfigurationError, match="of this id"):
        retire(estate, "nothing", clock=clock)
    with pytest.raises(ConfigurationError, match="grace"):
        rotate(estate, grace=-DAY, clock=clock)
    with estate.database.read() as conn:
        assert private_key(estate, conn, "nothing") is None


def test_an_older_copy_of_the_database_opens_a_retired_key_only_until_finality(estate, settings, tmp_path):
    """Within the window a backup still has it, as every destruction; afterwards nobody reads what was recorded."""
    phone = Phone(estate)
    shutil.copytree(settings.home, tmp_path / "older" / "estate")
    retire(estate, phone.landing_key.key_id.hex(), clock=clock)
    for zone in estate.trees:
        shutil.copy(settings.root_slot_folder / f"{zone}.root", tmp_path / "older" / "estate" / "roots")
    older = settings_in(tmp_path / "older")

    def opened() -> str:
        with pytest.raises(KeyTreeUnopenable) as raised:
            Estate.open(older, NOW)
        return raised.value.what

    assert "older copy" in opened()
    with estate.database.commit() as tx:
        estate.trees["identity"].finalize(tx, NOW + 8 * DAY, dt.timedelta(days=7))
    shutil.copy(settings.root_slot_folder / "identity.root", tmp_path / "older" / "estate" / "roots")
    assert "no key for this key database" in opened()


def test_the_private_key_is_sealed_where_it_lies(estate, settings):
    phone = Phone(estate)
    with estate.database.read() as conn:
        known, own = private_key(estate, conn, phone.landing_key.key_id.hex())
        row = conn.execute(sa.select(landing_key)).one()
    assert open_upload(phone.seal(), own).sequence == 1
    assert own.raw not in bytes(row.sealed)
    assert own.raw[:32] not in b"".join(
        path.read_bytes() for path in settings.home.rglob("*") if path.is_file()
    )
    assert known.public == own.public_key()


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    ["landing_key.in_commit", "journal.record.marked", "keys.destroy.root_put", "keys.destroy.committed"],
)
def test_a_killed_retirement_resumes_to_the_same_end(estate, settings, tmp_path, point):
    first = rotate(estate, grace=0 * DAY, clock=clock)
    rotate(estate, grace=0 * DAY, clock=clock)
    estate.close()
    program = (
        "import datetime as dt, sys; from pathlib import Path; from shelflife.estate import Estate;"
        "from shelflife.subjects.landing_keys import retire; from tests.lake.conftest import settings_in;"
        "from tests.conftest import NOW; e = Estate.open(settings_in(Path(sys.argv[1])), NOW);"
        "retire(e, clock=lambda: NOW); e.close()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, cwd=ROOT, env=environment | {"SHELFLIFE_CRASH_AT": point}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
    again = Estate.open(settings, NOW)
    assert sorted(state(again)) == [("current", True), ("retired", False)]
    with again.database.read() as conn:
        assert private_key(again, conn, first.key_id)[1] is None
    again.close()
