"""No planted value is readable anywhere after landing and deriving; and the search that says so can fail."""

from __future__ import annotations

import logging
import tempfile

import pytest

from shelflife.estate import Estate
from shelflife.lake.checks import check_batches
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from tests.canaries import hits
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.lake.state import derived_rows, raw_rows

ACCOUNT, NAME, DEVICE = "acct-quokka-77313", "Zebulonia", "Zebulonia's Watch"
VALUE, IMPOSSIBLE = 123.456789, 98765.4321
CANARIES = [ACCOUNT, NAME, DEVICE, VALUE, IMPOSSIBLE]


def apple_export() -> bytes:
    record = (
        '<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="{device}" unit="count/min" '
        'creationDate="2026-11-0{day} 08:00:{second:02d} +0100" startDate="2026-11-0{day} 08:00:{second:02d} +0100" '
        'endDate="2026-11-0{day} 08:00:{second:02d} +0100" value="{value}"/>'
    )
    rows = [
        record.format(device=DEVICE, day=1 + second % 3, second=second, value=value)
        for second, value in enumerate([61, 62, VALUE, IMPOSSIBLE, 64, 65])
    ]
    me = '<Me HKCharacteristicTypeIdentifierDateOfBirth="1985-02-03" HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexFemale"/>'
    body = "\n".join([me, *rows])
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<HealthData locale="en_GB">\n<ExportDate value="2026-11-05 09:00:00 +0100"/>\n{body}\n</HealthData>'.encode()


def test_nothing_planted_can_be_read_anywhere(tmp_path, monkeypatch, caplog):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    caplog.set_level(logging.DEBUG)
    estate = Estate.create(settings_in(tmp_path), NOW)
    folder = estate.settings.inbox / ACCOUNT
    folder.mkdir(parents=True)
    (folder / "export.xml").write_bytes(apple_export())
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    assert (report.total("landed"), report.total("quarantined")) == (5, 1), report.refused_files
    check_batches(estate, report.batches)
    derive(estate, clock=lambda: NOW)
    assert VALUE in {row for rows in raw_rows(estate).values() for row in rows["value_num"].to_list()}
    assert derived_rows(estate)["heart_daily"].height == 3
    assert hits([tmp_path], CANARIES) == []
    for text in (caplog.text, repr(report), repr(estate)):
        assert not any(str(canary) in text for canary in CANARIES)
    estate.close()
    assert hits([tmp_path], CANARIES) == []


@pytest.mark.parametrize(
    "place", ["estate/zones/raw/heart/leak.parquet", f"estate/zones/{NAME}.parquet", "x.db"]
)
def test_the_search_finds_what_is_planted(tmp_path, place):
    import sqlite3

    target = tmp_path / place
    target.parent.mkdir(parents=True, exist_ok=True)
    if place.endswith(".db"):
        with sqlite3.connect(target) as connection:
            connection.execute("CREATE TABLE t (v TEXT)")
            connection.execute("INSERT INTO t VALUES (?)", (f"a {NAME} b",))
        connection.close()
    else:
        target.write_bytes(b"..." + NAME.encode("utf-16-le") if "leak" in place else b"nothing")
    assert hits([tmp_path], CANARIES)
