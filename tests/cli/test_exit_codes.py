"""The command line's contract: exit codes, what goes to which stream, and no value in any error."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.lake.conftest import ROOT

pytestmark = pytest.mark.slow
SECRET = "acct-quokka-77313"


@pytest.fixture
def shelflife(tmp_path):
    (tmp_path / "shelflife.yaml").write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: {ROOT}/retention_policies\n"
    )
    environment = os.environ | {"SHELFLIFE_SETTINGS": str(tmp_path / "shelflife.yaml"), "TERM": "dumb"}

    def run(*arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "shelflife.cli.main", *arguments],
            cwd=tmp_path, env=environment | more, input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_exit_codes(shelflife, tmp_path):
    assert shelflife("nonsense").returncode == 2
    assert shelflife("land", "--nonsense").returncode == 2
    before = shelflife("status")
    assert before.returncode == 3
    assert "shelflife init" in before.stderr
    assert shelflife("init", SHELFLIFE_SETTINGS=str(tmp_path / "missing.yaml")).returncode == 3
    assert shelflife("init", SHELFLIFE_BATCH_ROWS="many").returncode == 3
    assert shelflife("init").returncode == 0
    assert shelflife("init").returncode == 0
    assert shelflife("land", "missing.csv").returncode == 4
    assert shelflife("query", "SELECT 1", "--purpose", "x", "--principal", "y").returncode == 7
    assert shelflife("query", "SELECT 1").returncode == 3
    roots = tmp_path / "estate" / "roots" / "raw.root"
    roots.write_bytes(roots.read_bytes()[:-5] + b"xxxxx")
    assert shelflife("status").returncode == 5


def test_data_on_stdout_is_one_json_object_and_the_rest_is_on_stderr(shelflife, tmp_path):
    assert shelflife("init", "--json").returncode == 0
    rows = tmp_path / "rows.ndjson"
    row = {
        "subject": SECRET,
        "signal": "heart_rate",
        "value": 61.125,
        "unit": "/min",
        "start": "2026-11-01T08:00:00Z",
    }
    rows.write_text(json.dumps(row) + "\n" + json.dumps(row | {"value": 98765.25}) + "\n")
    landed = shelflife("land", "rows.ndjson", "--json")
    report = json.loads(landed.stdout)
    assert (report["samples_in"], report["landed"], report["quarantined"]) == (2, 1, 1)
    assert rows.exists()
    derived = json.loads(shelflife("derive", "--json").stdout)
    assert derived["models"]["heart_daily"] == 1
    found = shelflife("subjects", "find", "--json", stdin=SECRET + "\n")
    assert len(json.loads(found.stdout)["subject"]) == 32
    batch = report["batches"][0]
    for command in (("status", "--json"), ("ledger", "verify", "--json"), ("lineage", "where", batch, "--json"),
                    ("subjects", "list", "--json"), ("policy", "check", "--json"), ("audit", "list", "--json")):  # fmt: skip
        shown = shelflife(*command)
        assert shown.returncode == 0, shown.stderr
        json.loads(shown.stdout)
        for stream in (shown.stdout, shown.stderr):
            assert SECRET not in stream
            assert "61.125" not in stream


def test_a_queries_text_is_sealed_and_opens_for_the_auditor(shelflife, tmp_path):
    shelflife("init")
    asked = f"SELECT people FROM cohort_weekly WHERE sex = '{SECRET}'"
    shelflife("query", asked, "--purpose", "research", "--principal", "team")
    [entry] = json.loads(shelflife("audit", "list", "--json").stdout)
    assert shelflife("audit", "show", entry["query_id"]).stdout.strip() == asked
    assert shelflife("audit", "show", "0" * 32).returncode == 3
    assert not any(SECRET.encode() in p.read_bytes() for p in (tmp_path / "estate").rglob("*") if p.is_file())
