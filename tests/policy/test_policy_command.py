"""`shelflife policy`: exit codes, what goes to which stream, and a change of policy from writing it to adopting it."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from shelflife.cli.main import main
from shelflife.policy.schema import policy_schema
from tests.lake.conftest import ROOT

COPIES = """copies:
  - name: cohorts
    kind: parquet_extract
    location: copies/cohorts
    owner: analytics
    deputy: privacy-office
    purpose: research
    ttl: P1Y
    datasets: [cohort_weekly]
    classes: [ordinary]
    recipients: [{name: Research team, contact: research@example.com, basis: Consent to research.}]
"""


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def shelflife(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The command line, run in this process: starting one for each command takes most of the time."""
    shutil.copytree(ROOT / "retention_policies", tmp_path / "policies")
    (tmp_path / "shelflife.yaml").write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: policies\n"
    )
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(tmp_path / "shelflife.yaml"))

    def run(*arguments: str, command: str = "policy") -> Done:
        monkeypatch.setattr(sys, "argv", ["shelflife", *command.split(), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def change(folder: Path, file: str, *pairs: tuple[str, str]) -> None:
    text = (folder / "policies" / file).read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "policies" / file).write_text(text)


def test_check_says_what_is_wrong_and_warns_on_stderr(shelflife, tmp_path: Path) -> None:
    fine = shelflife("check", "--json")
    assert fine.returncode == 0, fine.stderr
    assert json.loads(fine.stdout) == {"policies": 1, "regimes": 14, "calendars": 5, "warnings": []}
    change(tmp_path, "regimes.yaml", ("checked: 2026-11-23", "checked: 2020-01-01"))
    change(tmp_path, "default.yaml", ("keep: P1Y", "keep: P90D"))
    warned = shelflife("check", "--json")
    assert warned.returncode == 0
    assert "warning: regimes.eu_gdpr.request was last compared" in warned.stderr
    assert "glucose_daily <- glucose" in warned.stderr
    assert len(json.loads(warned.stdout)["warnings"]) == 2
    change(tmp_path, "default.yaml", ("applies_to: [copies]", "applies_to: [copy]"))
    wrong = shelflife("check", "--json")
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert "copies" in wrong.stderr
    change(tmp_path, "default.yaml", ("applies_to: [copy]", "applies_to: [copies]"))
    (tmp_path / "policies" / "copies.yaml").write_text(COPIES)
    assert "The copy cohorts may live P1Y" in shelflife("check").stderr
    change(tmp_path, "regimes.yaml", ("rights:", "rightz:"))
    assert "regimes.yaml:24: regimes.0.request.rights" in shelflife("check").stderr
    (tmp_path / "policies" / "calendars.yaml").unlink()
    assert shelflife("check").returncode == 3


def test_a_policy_is_written_compared_and_adopted(shelflife, tmp_path: Path) -> None:
    assert shelflife("adopt", "--principal", "privacy-office").returncode == 3
    assert shelflife(command="init").returncode == 0
    first = json.loads(shelflife("adopt", "--principal", "privacy-office", "--json").stdout)
    assert (first["recorded"], first["lengthens"], first["ledger_position"]) == (["default"], False, 0)
    assert "in force already" in shelflife("adopt", "--principal", "privacy-office").stderr
    assert json.loads(shelflife("diff", "--json").stdout) == {
        "changes": [], "lengthens": False, "problems": [],
    }  # fmt: skip
    change(tmp_path, "default.yaml", ("keep: P2Y", "keep: P3Y"))
    shown = shelflife("diff")
    assert shown.returncode == 0
    assert "lengthened" in shown.stdout
    assert "cannot be adopted: default" in shown.stderr
    refused = shelflife("adopt", "--principal", "privacy-office")
    assert refused.returncode == 3
    assert "newer than 2026-11-23" in refused.stderr
    change(
        tmp_path,
        "default.yaml",
        ("version: 2026-11-23", "version: 2026-12-01"),
        ("First version", "Heart rates of three years are needed for the yearly report"),
    )
    change(tmp_path, "default.yaml", ("applies_to: [copies]", "applies_to: [copy]"))
    assert "copies" in shelflife("adopt", "--principal", "privacy-office").stderr
    change(tmp_path, "default.yaml", ("applies_to: [copy]", "applies_to: [copies]"))
    adopted = json.loads(shelflife("adopt", "--principal", "privacy-office", "--json").stdout)
    assert adopted["lengthens"]
    assert [one["kind"] for one in adopted["changes"]] == ["lengthened"]
    files = (str(ROOT / "retention_policies"), str(tmp_path / "policies" / "default.yaml"))
    compared = json.loads(shelflife("diff", *files, "--json").stdout)
    assert [one["subject"] for one in compared["changes"]] == ["heart/default"]
    assert compared["problems"] == []


def test_schema_and_schedule_are_printed_as_they_are(shelflife) -> None:
    for name in ("retention_policy", "regimes", "calendars", "consent"):
        assert json.loads(shelflife("schema", name).stdout) == json.loads(json.dumps(policy_schema(name)))
    assert json.loads(shelflife("schema").stdout) == json.loads(json.dumps(policy_schema()))
    assert shelflife("schema", "recipes").returncode == 3
    shown = shelflife("schedule")
    assert shown.stdout == (ROOT / "docs" / "retention-schedule.md").read_text()
    assert shown.stderr == ""
