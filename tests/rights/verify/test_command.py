"""`shelflife verify`: exit codes, what goes where, and no name in any of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shelflife.cli.verify import verify as command
from shelflife.errors import ConfigurationError, ResidueFound
from tests.rights.verify.conftest import ROOT, write


@pytest.fixture
def folder(erased_template, tmp_path, monkeypatch) -> Path:
    """The erased estate as the settings name it, at the present time: its copy has expired and is taken away."""
    shutil.copytree(erased_template[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "shelflife.yaml").write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: {tmp_path}/policies\n"
    )
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(tmp_path / "shelflife.yaml"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return tmp_path


def asked(monkeypatch, capsys, stdin: str = "", **how: object) -> tuple[dict[str, object], bool]:
    """Run the command in this process; return what it printed and whether it found something."""
    import io

    from shelflife.cli import verify as module
    from tests.conftest import NOW

    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    monkeypatch.setattr(module, "clock", lambda: NOW)
    options = {"alias_on_stdin": False, "kind": "account", "dagster_home": None, "old_database": None}
    try:
        command(**(options | {"as_json": True} | how))
    except ResidueFound:
        return json.loads(capsys.readouterr().out), True
    return json.loads(capsys.readouterr().out), False


def test_nothing_found(folder, account, monkeypatch, capsys):
    for stdin in ("", account + "\n"):
        outcome, residue = asked(monkeypatch, capsys, stdin, alias_on_stdin=bool(stdin))
        assert (outcome["passed"], outcome["findings"], residue) == (True, [], False)
    assert outcome["looked_at"]["control"]["aliases looked up"] == 1


def test_an_alias_from_stdin(folder, account, monkeypatch, capsys):
    write(folder / "estate" / "locks" / "scrub.lock", account.encode())
    outcome, residue = asked(monkeypatch, capsys, account + "\n", alias_on_stdin=True)
    assert residue
    assert [finding["rule"] for finding in outcome["findings"]] == ["target_in_file"]
    outcome, residue = asked(monkeypatch, capsys, "acct-nobody-ever\n", alias_on_stdin=True)
    assert [finding["rule"] for finding in outcome["findings"]] == ["tombstone_missing"]


def test_what_is_named_must_be_there(folder, monkeypatch, capsys):
    for how in (
        {"dagster_home": folder / "missing"},
        {"old_database": folder / "missing"},
        {"alias_on_stdin": True},
    ):
        with pytest.raises(ConfigurationError):
            asked(monkeypatch, capsys, **how)


@pytest.mark.slow
def test_the_command_line(folder, account):
    write(folder / "estate" / "zones" / "raw" / account, account.encode())
    shown = subprocess.run(
        [sys.executable, "-m", "shelflife.cli.main", "verify", "--alias-on-stdin"],
        cwd=folder, env=os.environ | {"TERM": "dumb"}, input=account + "\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert shown.returncode == 9, shown.stderr
    assert "unregistered_file" in shown.stdout
    assert "zones/raw/* (inode " in shown.stdout
    assert "target_in_name" in shown.stderr
    assert account not in shown.stdout + shown.stderr
