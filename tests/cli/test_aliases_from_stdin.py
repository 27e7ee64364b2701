"""Every command about a person refuses to be about nobody, and says what it needs."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from shelflife.cli.main import app
from shelflife.errors import ConfigurationError
from shelflife.estate import Estate
from tests.conftest import NOW
from tests.lake.conftest import settings_in

CONSENT = ["--stream", "heart", "--purpose", "collection", "--method", "paper"]
ONE = [
    ["subjects", "find"],
    ["subjects", "register"],
    ["subjects", "alias", "end", "--at", "2026-11-01T00:00:00Z"],
    ["consent", "show"],
    ["consent", "withdraw", *CONSENT],
    ["device", "list"],
    ["request", "submit", "--kind", "export"],
]
TWO = [
    ["subjects", "merge", "--preview"],
    ["subjects", "transfer", "--at", "2026-11-01T00:00:00Z", "--preview"],
]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    settings = settings_in(tmp_path)
    Estate.create(settings, NOW).close()
    for name in ("home", "inbox", "models", "policies"):
        monkeypatch.setenv(f"SHELFLIFE_{name.upper()}", str(getattr(settings, name)))


def refusal(arguments: list[str], stdin: str) -> str:
    found = CliRunner().invoke(app, arguments, input=stdin).exception
    assert isinstance(found, ConfigurationError), (arguments, found)
    return found.what


@pytest.mark.parametrize("stdin", ["", "\n", "   \n"])
@pytest.mark.parametrize("arguments", ONE, ids=" ".join)
def test_nobody_is_not_somebody(arguments, stdin):
    assert refusal(arguments, stdin) == "An alias is needed on stdin, one a line."


@pytest.mark.parametrize("stdin", ["", "ada\n", "ada\n\n"])
@pytest.mark.parametrize("arguments", TWO, ids=" ".join)
def test_two_are_needed_where_two_are_meant(arguments, stdin):
    assert refusal(arguments, stdin) == "2 aliases are needed on stdin, one a line."
