"""Files of many partitions are sealed some at a time: the same rows whatever the number, and every name on the disk."""

from __future__ import annotations

import json

import pytest

from shelflife import durable
from shelflife.estate import Estate
from shelflife.lake import landing, sealing
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.lake.state import raw_rows

LINES = [
    {
        "subject": name,
        "signal": signal,
        "value": 60 + day,
        "unit": unit,
        "start": f"2026-11-{day:02d}T08:00:00Z",
    }
    for day in range(1, 8)
    for name in ("ada", "bob", "cyd")
    for signal, unit in (("heart_rate", "/min"), ("step_count", "{steps}"), ("body_weight", "kg"))
    if (day + len(name) + len(signal)) % 3 or name == "bob"
]


def landed(folder, put_at_once: int, monkeypatch) -> dict:
    monkeypatch.setattr(sealing, "FILES_AT_ONCE", put_at_once)
    estate = Estate.create(settings_in(folder), NOW)
    estate.settings.inbox.mkdir(exist_ok=True)
    (estate.settings.inbox / "rows.ndjson").write_text("\n".join(map(json.dumps, LINES)))
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    assert (report.total("landed"), report.total("samples_in")) == (len(LINES), len(LINES))
    rows = raw_rows(estate)
    estate.close()
    return rows


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_the_same_rows_however_many_files_are_sealed_at_once(tmp_path, monkeypatch, at_once):
    whole = landed(tmp_path / "whole", 256, monkeypatch)
    parts = landed(tmp_path / "parts", at_once, monkeypatch)
    assert whole.keys() == parts.keys()
    assert len(whole) > 2 * at_once
    assert all(whole[place].equals(parts[place]) for place in whole)


def test_every_new_folder_has_its_name_on_the_disk_before_the_commit(estate, put, monkeypatch):
    flushed: list[str] = []
    sync = durable.sync_folder

    def watched(folder) -> None:
        flushed.append(str(folder))
        sync(folder)

    monkeypatch.setattr(durable, "sync_folder", watched)
    before: list[set[str]] = []

    def watch_commit(name: str) -> None:
        if name == "land.before_commit":
            before.append(set(flushed))

    monkeypatch.setattr(landing, "reached", watch_commit)
    put("\n".join(map(json.dumps, LINES)).encode(), "x", "rows.ndjson")
    land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    zone = estate.zone_folder("raw")
    folders = {str(path.parent) for path in zone.rglob("*") if path.is_file()}
    parents = {str(path.parent) for path in zone.rglob("*") if path.is_dir()}
    assert folders | parents <= before[0]
