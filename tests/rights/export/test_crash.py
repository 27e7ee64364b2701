"""Kill the process anywhere while it exports: no plaintext lies about, and nothing is taken for a whole export."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from shelflife.errors import SealBroken
from shelflife.estate import Estate
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify
from shelflife.rights.export.unpack import open_export
from shelflife.seal.envelope import EnvelopeReader
from tests.canaries import hits
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.lake.test_canaries import ACCOUNT, CANARIES, NAME, VALUE, apple_export
from tests.rights.export.conftest import export_of, landed, subject_of
from tests.rights.export.worker import PASSPHRASE

POINTS = ("export.page_written", "export.table_written", "export.recorded", "export.file_written")


def sealed_ledger(folder) -> list[str]:
    from shelflife.control.tables import ledger_leaf

    estate = Estate.open(settings_in(folder), NOW)
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)
        found = [json.loads(row.body)["type"] for row in conn.execute(ledger_leaf.select())]
    assert status(estate).unregistered == 0
    estate.close()
    return found


def run(folder, crash_at: str | None = None) -> int:
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    environment |= {"SHELFLIFE_CRASH_AT": crash_at} if crash_at else {}
    command = [sys.executable, "-m", "tests.rights.export.worker", str(folder)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    landed(folder, {f"{ACCOUNT}/export.xml": apple_export()}, derived=True).close()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_export_leaves_no_plaintext_and_no_file_that_passes_for_whole(tmp_path, prepared, point):
    folder = tmp_path / "estate"
    shutil.copytree(prepared, folder)
    (folder / "out").mkdir()
    assert run(folder, crash_at=point) == -signal.SIGKILL
    assert hits([folder], CANARIES) == []
    assert not (folder / "out/person.sealed").exists()
    [partial] = (folder / "out").iterdir()
    assert partial.name == ".person.sealed.part"
    with partial.open("rb") as source:
        if point == "export.file_written":
            # It only lacks its name.
            EnvelopeReader(source, PASSPHRASE, now=NOW)
        else:
            with pytest.raises(SealBroken):
                EnvelopeReader(source, PASSPHRASE, now=NOW)
    assert run(folder) == 0
    assert [path.name for path in (folder / "out").iterdir()] == ["person.sealed"]
    with (folder / "out/person.sealed").open("rb") as source:
        open_export(source, PASSPHRASE, tmp_path / "opened", now=NOW)
    assert str(VALUE) in (tmp_path / "opened/data/heart.csv").read_text("utf-8")
    assert sealed_ledger(folder).count("export_packed") == (1 if point in POINTS[:2] else 2)
    assert hits([folder], CANARIES) == []


def test_no_planted_value_touches_the_disk_until_the_person_opens_it(tmp_path, monkeypatch, caplog):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    caplog.set_level("DEBUG")
    estate = landed(tmp_path / "at", {f"{ACCOUNT}/export.xml": apple_export()}, derived=True)
    sealed, report = export_of(estate, subject_of(estate, ACCOUNT), recipient_key=None, passphrase=PASSPHRASE)
    (tmp_path / "person.sealed").write_bytes(sealed)
    assert hits([tmp_path], CANARIES) == []
    for text in (caplog.text, repr(report)):
        assert not any(str(canary) in text for canary in CANARIES)
    estate.close()
    assert hits([tmp_path], CANARIES) == []
    with (tmp_path / "person.sealed").open("rb") as source:
        open_export(source, PASSPHRASE, tmp_path / "opened", now=NOW)
    # The search finds every one of them once they are there in clear.
    found = hits([tmp_path / "opened"], CANARIES)
    assert {place.rpartition(" ")[2] for place in found} == {str(number) for number in range(len(CANARIES))}
    assert NAME in (tmp_path / "opened/index.html").read_text("utf-8")


def test_nothing_personal_stands_in_an_object_that_may_be_logged(exported):
    texts = [repr(exported.report), repr(exported.subject), repr(exported.opened)]
    from shelflife.rights.export.collect import collect
    from shelflife.rights.export.standing import watched

    with watched(exported.estate, exported.subject, lambda: NOW) as watch:
        texts.append(repr(collect(exported.estate, exported.subject, watch)))
    for canary in exported.person.canaries():
        assert not any(canary in text for text in texts)
