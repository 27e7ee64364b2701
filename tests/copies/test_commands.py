"""`shelflife copy ...`: what it prints, what it asks, how it exits."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from shelflife.cli.main import main
from tests.copies.estates import ROOT, declared
from tests.copies.warehouse import PEOPLE, subject_id, token_of


@dataclass
class Done:
    """What a command printed and how it exited."""

    returncode: Any
    stdout: str
    stderr: str


@pytest.fixture
def shelflife(warehouse, tmp_path, monkeypatch, capsys):
    estate = warehouse(declared("sqlite_cache", name="cache", ttl="P9999D"))
    settings = tmp_path / "shelflife.yaml"
    settings.write_text(f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: policies\n")
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(settings))

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["shelflife", "copy", *arguments])
        with pytest.raises(SystemExit) as exited:
            main()
        out, err = capsys.readouterr()
        return Done(exited.value.code, out, err)

    run.estate = estate
    return run


def test_copies_are_published_listed_and_reconciled(shelflife, tmp_path):
    [before] = json.loads(shelflife("list", "--json").stdout)
    assert (before["name"], before["state"], before["rows"]) == ("cache", "absent", 0)
    published = shelflife("publish", "--json")
    assert published.returncode == 0, published.stderr
    [told] = json.loads(published.stdout)["copies"]
    assert (told["copy"], told["state"], told["rows"], told["left_out"]) == ("cache", "published", 48, 0)
    [after] = json.loads(shelflife("list", "--json").stdout)
    assert (after["state"], after["items"], after["rows"], after["owner"]) == (
        "live",
        1,
        48,
        "mobile-backend",
    )
    assert shelflife("publish", "nobody").returncode == 3
    stray = tmp_path / "estate" / "copies" / "cache" / "mine.txt"
    stray.write_text("somebody's own")
    found = shelflife("reconcile", "--json")
    assert found.returncode == 9
    assert json.loads(found.stdout)["findings"] == [
        {"copy": "cache", "rule": "unregistered_object", "where": "mine.txt"}
    ]
    asked = shelflife("reconcile", "--remove")
    assert (asked.returncode, stray.exists()) == (9, True)
    assert "--yes" in asked.stderr
    removed = shelflife("reconcile", "--remove", "--yes")
    assert (removed.returncode, stray.exists()) == (0, False), removed.stderr
    everything = "".join(
        out for run in (published, found, asked, removed) for out in (run.stdout, run.stderr)
    )
    for person in PEOPLE:
        assert person not in everything
        assert token_of(shelflife.estate, "cache", person).hex() not in everything
        assert subject_id(shelflife.estate, person).hex() not in everything


def test_a_copy_that_fails_is_told_with_its_remedy_and_exit_code(shelflife, tmp_path):
    (tmp_path / "estate" / "copies").mkdir()
    (tmp_path / "estate" / "copies" / "cache").write_text("in the way")
    failed = shelflife("publish")
    assert failed.returncode == 8
    assert "What to do" in failed.stderr
    assert "failed: cache" in failed.stderr


def test_expired_objects_are_removed_by_command(shelflife):
    assert json.loads(shelflife("expire", "--json").stdout) == {"expired": {}}
    assert shelflife("expire").returncode == 0
