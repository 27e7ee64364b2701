"""`landing-key`, `device` and `seal-upload` from enrolment to a landed file, as an operator and a client type them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.lake.conftest import ROOT
from tests.lake.phones import ndjson, row

pytestmark = pytest.mark.slow
ACCOUNT = "acct-quokka-77313"


@pytest.fixture
def shelflife(tmp_path):
    (tmp_path / "shelflife.yaml").write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: {ROOT}/retention_policies\n"
    )
    # Where Dagster keeps its runs on this machine is no part of the estate.
    clean = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment = clean | {"SHELFLIFE_SETTINGS": str(tmp_path / "shelflife.yaml"), "TERM": "dumb"}

    def run(*arguments: str, stdin: str = "", code: int = 0, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "shelflife.cli.main", *arguments],
            cwd=tmp_path, env=environment | more, input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert ACCOUNT not in done.stdout + done.stderr
        return done.stdout + (done.stderr if code else "")

    return run


def test_from_enrolment_to_a_landed_file(shelflife, tmp_path):
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "device.pem").write_bytes(pem)
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "device.der").write_bytes(der)
    (tmp_path / "beats.ndjson").write_bytes(ndjson(row(), row("2026-11-22T08:00:05Z")))

    shelflife("init")
    assert "landing-key rotate" in shelflife("landing-key", "show", code=3)
    line = shelflife("landing-key", "rotate")
    assert shelflife("landing-key", "show") == line
    (tmp_path / "landing.key").write_text(line)
    device = shelflife("device", "register", "--key", "device.der", stdin=ACCOUNT).strip()
    token = shelflife("device", "token", device, "--stream", "heart")
    (tmp_path / "token").write_text(token)

    # The client has these four files and no estate.
    client = (
        "seal-upload", "beats.ndjson", "--landing-key", "landing.key", "--device-key", "device.pem",
        "--token", "token",
    )  # fmt: skip
    nowhere = {"SHELFLIFE_SETTINGS": str(tmp_path / "missing.yaml")}
    shelflife(*client, "--sequence", "1", "--out", "1.upload", **nowhere)
    assert "does not exist" in shelflife(*client, "--sequence", "1", "--out", "1.upload", code=8)
    assert shelflife(*client, "--sequence", "0", "--out", "0.upload", code=2)
    (tmp_path / "inbox").mkdir(exist_ok=True)
    (tmp_path / "1.upload").rename(tmp_path / "inbox" / "1.upload")
    report = json.loads(shelflife("land", "--json"))
    assert (report["landed"], report["files"][0]["source"]) == (2, "canonical_ndjson")

    listed = json.loads(shelflife("device", "list", "--json", stdin=ACCOUNT))
    assert [(one["device"], one["state"], one["newest upload"]) for one in listed] == [(device, "active", 1)]
    shelflife("device", "revoke", device)
    shelflife(*client, "--sequence", "2", "--out", "inbox/2.upload")
    assert "revoked" in shelflife("land", code=4)
    assert "revoked" in shelflife("device", "token", device, "--stream", "heart", code=3)

    again = json.loads(shelflife("landing-key", "rotate", "--grace-days", "0", "--json"))
    assert json.loads(shelflife("landing-key", "retire", "--json")) == {"retired": 1}
    states = {one["key"]: one["state"] for one in json.loads(shelflife("landing-key", "list", "--json"))}
    assert sorted(states.values()) == ["current", "retired"]
    assert states[again["key"]] == "current"
    assert "no longer accepted" in shelflife("land", code=4)
    shelflife("verify")


def test_wrong_use_is_told(shelflife, tmp_path):
    shelflife("init")
    (tmp_path / "x").write_bytes(b"no key")
    assert "P-256" in shelflife("device", "register", "--key", "x", stdin=ACCOUNT, code=3)
    assert "cannot be read" in shelflife("device", "register", "--key", "missing", stdin=ACCOUNT, code=8)
    assert "device id" in shelflife("device", "revoke", "zz", code=3)
    assert "no such device" in shelflife("device", "revoke", "00" * 16, code=3)
    assert "of this id" in shelflife("landing-key", "retire", "nothing", code=3)
    arguments = (
        "x",
        "--landing-key",
        "x",
        "--device-key",
        "x",
        "--token",
        "x",
        "--sequence",
        "1",
        "--out",
        "y",
    )
    assert "token is malformed" in shelflife("seal-upload", *arguments, code=3)
