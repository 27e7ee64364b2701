"""`shelflife consent`: recording decisions, showing where they stand, acting on them; no name on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from shelflife.cli.main import app, main
from tests.lake.conftest import ROOT

SECRET = "acct-quokka-77313"


@pytest.fixture
def shelflife(tmp_path, monkeypatch, capsys):
    (tmp_path / "shelflife.yaml").write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: {ROOT}/retention_policies\n"
    )
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(tmp_path / "shelflife.yaml"))
    monkeypatch.setenv("SHELFLIFE_CONSENT", "required")
    monkeypatch.setenv("TERM", "dumb")
    (tmp_path / "notice.txt").write_text("We collect your glucose.")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = SECRET) -> tuple[int, str, str]:
        import io
        import sys

        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin + "\n"))
        monkeypatch.setattr(sys, "argv", ["shelflife", *arguments])
        code = 0
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    assert run("init")[0] == 0
    return run


GRANT = ("consent", "grant", "--stream", "glucose", "--purpose", "collection", "--method", "in_app",
         "--notice", "notice.txt")  # fmt: skip
WITHDRAW = ("consent", "withdraw", "--stream", "glucose", "--purpose", "collection", "--method", "in_app")


def test_a_grant_a_withdrawal_and_what_follows(shelflife):
    assert shelflife(*GRANT)[0] == 0
    code, out, _ = shelflife("consent", "show", "--json")
    states = json.loads(out)
    assert (code, len(states)) == (0, 18)
    assert (states["glucose collection"], states["glucose sale"]) == ("live", "never")
    assert shelflife(*WITHDRAW)[0] == 0
    assert json.loads(shelflife("consent", "show", "--json")[1])["glucose collection"] == "withdrawn"
    done = json.loads(shelflife("consent", "apply", "--json")[1])
    assert done["actions"] == {"erase": 1}
    listed = json.loads(shelflife("request", "list", "--json")[1])
    assert [(one["request"], one["scope"], one["state"]) for one in listed] == [
        (*done["requests"], "glucose", "received")
    ]
    assert "Nothing to act on" in shelflife("consent", "apply")[2]


def test_the_table_shows_streams_and_purposes_and_no_name(shelflife):
    shelflife(*GRANT)
    _, out, err = shelflife("consent", "show")
    assert "live" in out + err
    assert SECRET not in out + err


@pytest.mark.parametrize(
    "wrong",
    [
        (*GRANT[:-1], "missing.txt"),
        (*GRANT, "--at", "yesterday"),
        (*GRANT, "--at", "2026-11-01T08:00:00"),
        (*GRANT, "--at", "0001-01-01T00:00:00+14:00"),
        (*GRANT, "--expires", "2020-01-01T00:00:00Z"),
        ("consent", "grant", "--stream", "aura", *GRANT[4:]),
        (*WITHDRAW[:-1], "telepathy"),
    ],
)
def test_what_is_no_decision_is_refused_as_a_mistake_of_settings(shelflife, wrong):
    code, out, err = shelflife(*wrong)
    assert code == 3
    assert "What to do" in err
    assert SECRET not in out + err


def test_whoever_is_not_known_has_nothing_to_show(shelflife):
    assert shelflife("consent", "show")[0] == 3


def test_status_says_when_consent_is_not_relied_on(shelflife, monkeypatch):
    assert "not relied on" not in shelflife("status")[2]
    assert json.loads(shelflife("status", "--json")[1])["consent"] == "required"
    monkeypatch.setenv("SHELFLIFE_CONSENT", "not_relied_on")
    assert "not relied on" in shelflife("status")[2]


def test_help_names_the_words():
    shown = CliRunner().invoke(app, ["consent", "grant", "--help"], env={"COLUMNS": "200"}).stdout
    for word in ("glucose", "sharing", "verbal_recorded"):
        assert word in shown
