"""`plan`, `apply` and `hold` as an operator types them."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
from dataclasses import dataclass

import pytest

from shelflife.cli.main import main
from shelflife.seal.envelope import read_envelope
from shelflife.seal.envelope_keys import ExportPrivateKey
from tests.lake.conftest import ROOT
from tests.retention.conftest import rows

SECRET = "acct-quokka-77313"
OLD = "2020-02-02"


@dataclass(frozen=True)
class Done:
    stdout: str
    stderr: str


@pytest.fixture
def shelflife(tmp_path, monkeypatch, capsys):
    """Run the command line as its entry point does, in this process: two dozen imports would take a minute."""
    (tmp_path / "shelflife.yaml").write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: {ROOT}/retention_policies\n"
    )
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(tmp_path / "shelflife.yaml"))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = "", code: int = 0) -> Done:
        monkeypatch.setattr(sys, "argv", ["shelflife", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as left:
            main()
        done = Done(*capsys.readouterr())
        assert left.value.code == code, done.stderr
        assert SECRET not in done.stdout + done.stderr
        return done

    return run


def test_from_plan_to_release(shelflife, tmp_path):
    shelflife("init")
    today = dt.datetime.now(dt.UTC).date()
    (tmp_path / "rows.ndjson").write_bytes(rows(SECRET, "other", days=(OLD, today.isoformat())))
    shelflife("land", "rows.ndjson", code=0)
    refused = shelflife("plan", code=10)
    assert "the brake is at 20 %" in refused.stderr
    shelflife("plan", "--above-brake", "7", code=10)

    review = (today + dt.timedelta(days=90)).isoformat()
    place = ("hold", "place", "--matter", "M-1", "--owner", "legal", "--review-on", review)
    shelflife(*place, "--basis", "eu_gdpr", stdin=SECRET, code=3)
    shelflife(*place, stdin="nobody-knows\n", code=3)
    hold = shelflife(*place, "--stream", "heart", "--json", stdin=f"{SECRET}\n")
    hold_id = json.loads(hold.stdout)["hold"]
    [listed] = json.loads(shelflife("hold", "list", "--json").stdout)
    assert (listed["hold"], listed["covers"], listed["state"]) == (hold_id, "1 people", "active")

    shown = json.loads(shelflife("plan", "--above-brake", "8", "--json").stdout)
    assert {(line["table_name"], line["rows"]) for line in shown["remove"]} == {("heart", 6), ("sleep", 2)}
    assert shown["stages"][0]["stage"] == "preserve_held"
    text = shelflife("plan", "--above-brake", "8")
    plan_id = text.stdout.split()[-1]
    assert f"rows stay under hold {hold_id}" in text.stdout
    assert "1. seal 3 rows of 1 partition again under 1 hold" in text.stderr

    asked = shelflife("apply", plan_id, stdin="7\n", code=10)
    assert "not approved" in asked.stderr
    done = json.loads(shelflife("apply", plan_id, "--yes", "--json").stdout)
    assert (done["partitions"], done["rows"], done["rows_preserved"], done["already"]) == (2, 8, 3, False)
    assert json.loads(shelflife("apply", plan_id, "--json").stdout)["already"] is True
    shelflife("apply", "f" * 64, code=10)
    assert "Nothing is due" in shelflife("plan").stderr

    counsel = ExportPrivateKey.generate()
    (tmp_path / "counsel.pub").write_text(counsel.public_key().text())
    produce = ("hold", "produce", hold_id, "--recipient-key", "counsel.pub", "--to", "held.sealed")
    assert "3 rows of 1 people" in shelflife(*produce).stderr
    with (tmp_path / "held.sealed").open("rb") as envelope:
        plain = b"".join(read_envelope(envelope, counsel, now=dt.datetime.now(dt.UTC)))
    assert SECRET.encode() in plain
    assert SECRET.encode() not in (tmp_path / "held.sealed").read_bytes()
    assert not list(tmp_path.glob(".held*"))

    facts = json.loads(shelflife("hold", "show", hold_id, "--json").stdout)
    assert (facts["held_rows"], facts["people"], facts["overdue"]) == (3, 1, False)
    shelflife(
        "hold",
        "amend",
        hold_id,
        "--matter",
        "M-2",
        "--basis",
        "eu_gdpr=art-17",
        "--add-people",
        stdin="other",
    )
    assert json.loads(shelflife("hold", "show", hold_id, "--json").stdout)["bases"] == {"eu_gdpr": "art-17"}
    shelflife("hold", "release", hold_id, code=130)
    released = json.loads(shelflife("hold", "release", hold_id, "--yes", "--json").stdout)
    assert (released["rows"], released["people"]) == (3, 2)
    assert json.loads(shelflife("hold", "list", "--json").stdout) == []
    assert json.loads(shelflife("hold", "list", "--all", "--json").stdout)[0]["state"] == "released"
    assert not any(SECRET.encode() in p.read_bytes() for p in (tmp_path / "estate").rglob("*") if p.is_file())
