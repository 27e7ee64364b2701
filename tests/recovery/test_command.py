"""The commands as an operator meets them."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from shelflife.cli.main import main
from shelflife.control.database import ControlDatabase
from shelflife.control.tables import estate as estate_table
from tests.lake.conftest import ROOT
from tests.recovery.conftest import purge

pytestmark = pytest.mark.slow


@dataclass
class Done:
    """What a command ended with."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def shelflife(filled, settings, clock, monkeypatch, capfd):
    """The command, on an estate where a partition was purged since the backup."""
    purge(filled, "heart", "2026-11-02", clock)
    filled.close()
    folder = settings.home.parent
    (folder / "shelflife.yaml").write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: {ROOT}/retention_policies\n"
    )
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(folder / "shelflife.yaml"))
    monkeypatch.setenv("TERM", "dumb")

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["shelflife", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    return run


def answer(done: Done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_backup_to_restore(shelflife, settings, backups):
    made = answer(shelflife("backup", str(backups), "--json"))
    assert (made["files"], made["copied"], made["damaged"]) == (13, 0, 0)
    assert len(answer(shelflife("backups", "list", str(backups), "--json"))) == 2
    assert answer(shelflife("restore-check", "--json"))["passed"]
    assert answer(shelflife("restore-check", str(backups), "--json"))["data_files"] == 13
    alive = shelflife("restore", str(backups), "--yes")
    assert (alive.returncode, "Move it away" in alive.stderr) == (3, True)

    shutil.rmtree(settings.home / "control")
    lost = shelflife("status")
    assert (lost.returncode, "shelflife restore" in shelflife("init").stderr) == (3, True)
    unasked = shelflife("restore", str(backups))
    assert unasked.returncode == 10
    assert "1 ledger entries since the backup" in unasked.stderr
    assert shelflife("status").returncode == 3
    oldest = min(path.name for path in (backups / "backups").iterdir())
    done = answer(shelflife("restore", str(backups), "--backup", oldest, "--yes", "--json"))
    assert (done["destructions"], done["replayed"]["partitions"]) == (1, 1)
    assert done["forgotten"] == {"backup": 2, "purge": 1}
    assert answer(shelflife("restore-check", "--json"))["passed"]
    assert shelflife("status").returncode == 0


def test_a_failed_check_and_an_unfinished_restore_exit_with_12(shelflife, settings, backups):
    [page] = (backups / "backups").glob("*/key_page.arrow")
    page.write_bytes(b"x" + page.read_bytes()[1:])
    failed = shelflife("restore-check", str(backups))
    assert failed.returncode == 12
    assert "fails: A file of the backup is damaged" in failed.stderr
    database = ControlDatabase.open(settings.database_url)
    with database.commit() as tx:
        tx.conn.execute(sa.update(estate_table).values(restoring=True))
    database.close()
    for command in (["status"], ["derive"], ["land"], ["backup", str(backups)]):
        refused = shelflife(*command)
        assert refused.returncode == 12
        assert "restore" in refused.stderr
    check = shelflife("restore-check")
    assert (check.returncode, "not finished" in check.stderr) == (12, True)


def test_damage_is_an_exit_code(shelflife, settings, backups):
    next((settings.home / "zones" / "raw" / "glucose").rglob("*.parquet")).unlink()
    assert shelflife("backup", str(backups.with_name("other"))).returncode == 8


def test_expiry_tells_what_went(shelflife, backups):
    done = answer(shelflife("backups", "expire", str(backups), "--json"))
    assert done["files"] == 0
    assert done["journal_records_forgotten"] == 0
