"""The commands: an alias on stdin, a sealed file, a folder; and one error for everybody who is not there."""

from __future__ import annotations

import io
import json
import stat
import sys

import pytest

from shelflife.cli.main import main
from shelflife.keys.leases import advance_epoch
from tests.conftest import NOW
from tests.lake.conftest import ROOT
from tests.rights.export.conftest import landed, subject_of

ACCOUNT = "acct-quokka-77313"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An estate with two people, one of them erased."""
    place = tmp_path_factory.mktemp("cli")
    row = {"signal": "heart_rate", "value": 61.125, "unit": "/min", "start": "2026-11-20T08:00:00Z"}
    content = "\n".join(json.dumps(row | {"subject": who}) for who in (ACCOUNT, "gone")).encode()
    estate = landed(place, {"files/rows.ndjson": content})
    gone = subject_of(estate, "gone")
    with estate.database.commit() as tx:
        estate.keyrings["identity"].destroy(tx, [gone.identity_pid], NOW)
        advance_epoch(tx)
    estate.close()
    (place / "shelflife.yaml").write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: {ROOT}/retention_policies\n"
    )
    return place


@pytest.fixture
def shelflife(folder, monkeypatch, capsys):
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(folder / "shelflife.yaml"))
    monkeypatch.chdir(folder)

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shelflife", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def test_from_keys_to_a_readable_folder(shelflife, folder, tmp_path):
    key, sealed, target = tmp_path / "me.key", tmp_path / "me.sealed", tmp_path / "opened"
    assert shelflife("export", "keygen", "--to", key)[0] == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = tmp_path / "me.key.pub"
    code, out, _ = shelflife(
        "export", "new", "--to", sealed, "--recipient-key", public, "--regime", "eu_gdpr", "--days", "7", "--json",
        stdin=ACCOUNT + "\n",
    )  # fmt: skip
    report = json.loads(out)
    assert (code, report["rows"], report["bytes"]) == (0, 1, sealed.stat().st_size)
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    assert ACCOUNT not in out
    assert "61.125" not in out
    code, out, _ = shelflife("export", "open", sealed, "--to", target, "--key", key, "--json")
    opened = json.loads(out)
    assert code == 0
    assert "61.125" in (target / "data/heart.csv").read_text("utf-8")
    # The signer that `init` prints is the one that signed.
    _, told, _ = shelflife("init", "--json")
    assert json.loads(told)["ledger_key"] == opened["signer"]
    again = shelflife(
        "export", "open", sealed, "--to", tmp_path / "b", "--key", key, "--signer", opened["signer"]
    )
    assert again[0] == 0
    for wrong in ("--key", public), ("--to", target, "--key", key):
        code, _, err = shelflife("export", "open", sealed, "--to", tmp_path / "c", *wrong)
        assert code in (3, 8)
        assert "What to do" in err
    assert shelflife("export", "keygen", "--to", key)[0] == 8


def test_a_passphrase_in_place_of_a_key(shelflife, tmp_path):
    phrase = tmp_path / "phrase"
    phrase.write_text("quokkas at the night market\nsecond line\n")
    sealed = tmp_path / "me.sealed"
    arguments = ("--passphrase-file", phrase, "--regime", "us_ca_ccpa", "--regime", "us_wa_mhmda")
    assert shelflife("export", "new", "--to", sealed, *arguments, stdin=ACCOUNT)[0] == 0
    assert shelflife("export", "open", sealed, "--to", tmp_path / "a", "--passphrase-file", phrase)[0] == 0
    phrase.write_text("quokkas at the day market\n")
    assert shelflife("export", "open", sealed, "--to", tmp_path / "b", "--passphrase-file", phrase)[0] == 5
    phrase.write_text("short\n")
    assert shelflife("export", "new", "--to", tmp_path / "c", *arguments, stdin=ACCOUNT)[0] == 3


@pytest.mark.parametrize(
    ("alias", "answer"),
    [
        *((name, "No subject has this alias.") for name in ("nobody", "gone", ACCOUNT.upper())),
        ("", "An alias is needed on stdin, one a line."),
    ],
)
def test_who_is_not_there_is_not_there(shelflife, tmp_path, alias, answer):
    """Unknown, erased and misspelt people get one answer, and no file; so does nobody at all."""
    public = tmp_path / "key.pub"
    shelflife("export", "keygen", "--to", tmp_path / "key", "--scheme", "x25519")
    code, out, err = shelflife(
        "export", "new", "--to", tmp_path / "x.sealed", "--recipient-key", public, "--regime", "eu_gdpr",
        stdin=alias + "\n",
    )  # fmt: skip
    assert (code, out) == (3, "")
    assert err.splitlines()[0] == f"error: {answer}"
    assert err.splitlines()[1].startswith("What to do: ")
    assert len(err.splitlines()) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "key.pub"]


def test_what_is_missing_is_asked_for(shelflife, tmp_path):
    shelflife("export", "keygen", "--to", tmp_path / "key")
    public, target = tmp_path / "key.pub", tmp_path / "x.sealed"
    for arguments, word in (
        (("--recipient-key", public, "--regime", "atlantis"), "eu_gdpr"),
        (("--regime", "eu_gdpr"), "--recipient-key"),
        (("--recipient-key", tmp_path / "nowhere", "--regime", "eu_gdpr"), "path"),
        (("--recipient-key", tmp_path / "key", "--regime", "eu_gdpr"), "keygen"),
    ):
        code, _, err = shelflife("export", "new", "--to", target, *arguments, stdin=ACCOUNT)
        assert code == 3, arguments
        assert word in err
        assert not target.exists()
    target.write_text("mine")
    code, _, _ = shelflife(
        "export", "new", "--to", target, "--recipient-key", public, "--regime", "eu_gdpr", stdin=ACCOUNT
    )
    assert (code, target.read_text()) == (8, "mine")
    assert (
        shelflife("export", "open", tmp_path / "nothing", "--to", tmp_path / "y", "--key", tmp_path / "key")[
            0
        ]
        == 8
    )
    assert shelflife("export", "open", target, "--to", tmp_path / "y", "--key", tmp_path / "key")[0] == 5
    assert not (tmp_path / "y").exists()
