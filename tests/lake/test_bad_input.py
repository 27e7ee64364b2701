"""Bad input is refused or quarantined with a clear reason, and nothing of it is half-landed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from shelflife.errors import StorageError
from shelflife.estate import Estate
from shelflife.lake import landing
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.status import status
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.lake.state import raw_rows


def landed(estate):
    return land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)


def nothing_landed(estate) -> bool:
    return raw_rows(estate) == {} and status(estate).unregistered == 0 and status(estate).batches == 0


def apple() -> bytes:
    record = (
        '<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Watch" unit="count/min" '
        'startDate="2026-11-01 {time} +0100" endDate="2026-11-01 {time} +0100" value="{value}"/>'
    )
    times = [f"08:{minute:02d}:{second:02d}" for minute in range(10) for second in range(0, 60, 2)]
    rows = "\n".join(record.format(time=time, value=60 + place % 40) for place, time in enumerate(times))
    return f'<?xml version="1.0"?>\n<HealthData locale="en_GB">\n{rows}\n</HealthData>\n'.encode()


def zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/export.xml", b" " * (64 << 20))
    return packed.getvalue()


BILLION_LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE HealthData [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>
<HealthData locale="en"><Record type="HKQuantityTypeIdentifierHeartRate" value="&b;"/></HealthData>"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("spaces.csv", b" " * (2 << 20)),
        ("other.png", b"\x89PNG\r\n\x1a\n" + bytes(5000)),
        ("header.csv", b"when;how much\n1;2\n"),
        ("bomb.zip", zip_bomb()),
        ("laughs.xml", BILLION_LAUGHS),
        ("utf16.csv", "Index,Timestamp\n".encode("utf-16")),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_refused_whole(estate, put, name, content):
    path = put(content, "account-1", name)
    report = landed(estate)
    [file] = report.refused_files
    assert file.error
    assert file.remedy
    assert path.exists()
    assert nothing_landed(estate)


def test_a_truncated_export_lands_nothing(estate, put):
    put(apple()[:-400], "account-1", "export.xml")
    assert len(landed(estate).refused_files) == 1
    assert nothing_landed(estate)


@pytest.mark.slow
def test_a_file_that_breaks_off_after_part_was_sealed_lands_nothing_of_it(tmp_path, samples, monkeypatch):
    estate = Estate.create(settings_in(tmp_path, batch_rows=60_000), NOW)
    whole = (samples / "fitbit_fitabase/example_heart_5.csv.gz").read_bytes()
    for account, name, content in (
        ("a", "export.xml", apple()),
        ("b", "heart.csv.gz", whole[: len(whole) // 3]),
    ):
        folder = estate.settings.inbox / account
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
    halfway = []
    begin = landing._BrokeOffError.__init__
    monkeypatch.setattr(
        landing._BrokeOffError, "__init__", lambda *args: (halfway.append(args), begin(*args))[1]
    )
    report = landed(estate)
    assert halfway, "the file was refused before anything of it was sealed: the test tests nothing"
    assert sorted(file.state for file in report.files) == ["landed", "refused"]
    assert report.total("landed") == sum(rows.height for rows in raw_rows(estate).values()) == 300
    assert status(estate).unregistered == 0
    estate.close()


def test_a_broken_file_does_not_stop_the_good_ones(tmp_path):
    estate = Estate.create(settings_in(tmp_path, batch_rows=50), NOW)
    for account, content in (("a", apple()), ("b", apple()[:-400]), ("c", apple())):
        folder = estate.settings.inbox / account
        folder.mkdir(parents=True)
        (folder / "export.xml").write_bytes(content)
    report = landed(estate)
    assert sorted(file.state for file in report.files) == ["landed", "landed", "refused"]
    assert report.total("landed") == 2 * 300
    assert [file.account for file in list_inbox(estate.settings.inbox)] == ["b"]
    assert status(estate).unregistered == 0
    estate.close()


def test_impossible_values_and_unknown_units_are_quarantined_with_their_reason(estate, put):
    lines = [
        '{"subject": "s1", "signal": "heart_rate", "value": 9999, "unit": "/min", "start": "2026-11-01T08:00:00Z"}',
        '{"subject": "s1", "signal": "heart_rate", "value": 61, "unit": "furlongs", "start": "2026-11-01T08:01:00Z"}',
        '{"subject": "s1", "signal": "heart_rate", "value": 62, "unit": "/min", "start": "2026-11-01T08:02:00Z"}',
    ]
    put("\n".join(lines).encode(), "account-1", "rows.ndjson")
    report = landed(estate)
    assert not report.refused_files
    assert (report.total("samples_in"), report.total("landed"), report.total("quarantined")) == (3, 1, 2)
    assert set(report.reasons()) == {"out_of_range", "unknown_unit"}


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error_and_lands_nothing(tmp_path, samples):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)], check=False
    ).returncode:
        pytest.skip("this machine does not allow mounting a small disk")
    try:
        estate = Estate.create(settings_in(tmp_path), NOW)
        raw = estate.settings.zone_folder("raw")
        raw.rmdir()
        raw.symlink_to(disk)
        folder = estate.settings.inbox / "account-1"
        folder.mkdir(parents=True)
        (folder / "clarity.csv").write_bytes(
            (samples / "fitbit_fitabase/example_heart_5.csv.gz").read_bytes()
        )
        with pytest.raises(StorageError, match="No space left"):
            landed(estate)
        assert len(list_inbox(estate.settings.inbox)) == 1
        assert nothing_landed(estate)
        estate.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_without_permission_the_exit_code_says_storage(tmp_path):
    """Run the command line without the right to override permissions, on a folder that may not be written."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root with setpriv can give up root's right to override permissions")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    settings_file = tmp_path / "shelflife.yaml"
    settings_file.write_text(f"home: {locked}/estate\ninbox: {tmp_path}/inbox\nmodels: {ROOT}/sql\n")
    drop = "-dac_override,-dac_read_search"
    command = [
        "setpriv",
        f"--bounding-set={drop}",
        f"--inh-caps={drop}",
        sys.executable,
        "-m",
        "shelflife.cli.main",
        "init",
    ]
    environment = os.environ | {"SHELFLIFE_SETTINGS": str(settings_file)}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 8, result.stderr
    assert "What to do" in result.stderr
    assert not (locked / "estate").exists()


def test_a_file_that_cannot_be_read_is_refused_and_the_others_land(estate, put):
    put(apple(), "account-1", "export.xml")
    # A dangling link is a file that cannot be opened, whoever asks.
    (estate.settings.inbox / "account-1" / "gone.xml").symlink_to("/nowhere/at/all")
    files = [
        *list_inbox(estate.settings.inbox),
        landing.InboxFile(estate.settings.inbox / "missing.xml", "b"),
    ]
    report = land(estate, files, clock=lambda: NOW)
    assert report.total("landed") == 300
    [refused] = report.refused_files
    assert "cannot be read" in refused.error
