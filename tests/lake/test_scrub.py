"""Scrubbing overwrites the blocks of the erased and not one byte of anybody else's."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest
import sqlalchemy as sa

from shelflife.control.tables import data_file
from shelflife.estate import Estate
from shelflife.keys import leases
from shelflife.lake.catalog import files_of_partition, partitions, path_of
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.scrub import scrub
from shelflife.lake.unseal import partition_keys_of
from shelflife.seal.files import read_sealed
from shelflife.seal.locators import locators
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.tombstones import bury
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.lake.state import raw_rows


def beats(*subjects: str, day: int = 1, signal_name: str = "heart_rate", unit: str = "/min") -> bytes:
    rows = [
        {
            "subject": name,
            "signal": signal_name,
            "value": 61 + minute % 7,
            "unit": unit,
            "start": f"2026-11-0{day}T08:{minute:02d}:00Z",
        }
        for name in subjects
        for minute in range(30)
    ]
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.fixture
def landed(estate, put) -> Estate:
    put(beats("ada", "bob", "eve", "joe"), "x", "one.ndjson")
    put(beats("ada", "bob", day=2), "x", "two.ndjson")
    glucose = beats("ada", "joe", signal_name="glucose_interstitial", unit="mg/dL")
    put(glucose.replace(b'"value": 6', b'"value": 16'), "x", "three.ndjson")
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    assert report.total("quarantined") == 0
    return estate


def destroy(estate, *names: str, streams=None) -> list[bytes]:
    """Destroy keys as an erasure does and return the raw pseudonyms."""
    with estate.database.commit() as tx:
        aliases = [Alias("account", name) for name in names]
        people = [person.raw_pid for person in find(estate, tx.conn, aliases).values()]
        estate.keyrings["raw"].destroy(tx, people, NOW, streams)
        if streams is None:
            bury(estate, tx, aliases, reason="erasure", now=NOW)
        leases.advance_epoch(tx)
    return people


def blocks(estate, people) -> dict[str, tuple[int, int, bytes]]:
    """By file: blocks of these people, blocks of zeros, and a digest over everybody else's bytes."""
    found = {}
    with estate.database.read() as conn:
        for home in partitions(conn, zone="raw"):
            [key] = partition_keys_of(estate, conn, [home])
            theirs = set(locators(key, people))
            for file in files_of_partition(conn, home.partition_id):
                rows = read_sealed(path_of(estate, file)).to_pylist()
                others = [r for r in rows if r["locator"] not in theirs and any(r["locator"])]
                empty = [r for r in rows if not any(r["locator"] + r["commitment"] + r["body"])]
                mine = sum(r["locator"] in theirs for r in rows)
                state = repr([(i, r) for i, r in enumerate(rows) if r in others])
                found[file.file_id] = (mine, len(empty), hashlib.sha256(state.encode()).digest())
    return found


def catalogued(estate) -> bool:
    """Whether every live file is the one that the catalog knows by size and digest."""
    with estate.database.read() as conn:
        rows = conn.execute(sa.select(data_file).where(data_file.c.state == "live")).all()
    contents = [((estate.zone_folder(row.zone) / row.path).read_bytes(), row) for row in rows]
    return all(
        (len(content), hashlib.sha256(content).digest()) == (row.bytes, bytes(row.sha256))
        for content, row in contents
    )


def test_only_the_blocks_of_the_erased_are_overwritten(landed):
    before_rows = raw_rows(landed)
    people = destroy(landed, "ada", "eve")
    before = blocks(landed, people)
    done = scrub(landed, people)
    after = blocks(landed, people)
    assert (done.files, done.blocks) == (3, 4)
    assert done.bytes > 4 * 48
    assert sum(mine for mine, *_ in before.values()) == 4
    assert sum(mine for mine, *_ in after.values()) == 0
    assert sum(empty for _, empty, _ in after.values()) == 4
    assert [others for *_, others in before.values()] == [others for *_, others in after.values()]
    assert catalogued(landed)
    for place, rows in raw_rows(landed).items():
        expected = before_rows[place].filter(~before_rows[place]["pid"].is_in(["ada", "eve"]))
        assert rows.equals(expected)


def test_a_second_scrub_finds_nothing_left_to_do(landed):
    people = destroy(landed, "ada")
    scrub(landed, people)
    assert scrub(landed, people).files == 0


def test_one_stream_is_scrubbed_alone(landed):
    people = destroy(landed, "ada", streams=["glucose"])
    assert scrub(landed, people, ["glucose"]).blocks == 1
    held = {place: set(rows["pid"]) for place, rows in raw_rows(landed).items()}
    assert held == {
        ("heart", "2026-11-01"): {"ada", "bob", "eve", "joe"},
        ("heart", "2026-11-02"): {"ada", "bob"},
        ("glucose", "2026-11-01"): {"joe"},
    }


WORKER = """
import sys
from pathlib import Path
from shelflife.estate import Estate
from shelflife.lake.scrub import scrub
from tests.conftest import NOW
from tests.lake.conftest import settings_in
estate = Estate.open(settings_in(Path(sys.argv[1])), NOW)
scrub(estate, [bytes.fromhex(one) for one in sys.argv[2:]])
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", ["scrub.begun", "scrub.value_overwritten", "scrub.overwritten"])
def test_a_killed_scrub_resumes_to_the_same_end(landed, tmp_path, point):
    people = destroy(landed, "ada", "eve")
    before = blocks(landed, people)
    landed.close()
    command = [sys.executable, "-c", WORKER, str(tmp_path), *(one.hex() for one in people)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, env=environment | {"SHELFLIFE_CRASH_AT": point}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    estate = Estate.open(settings_in(tmp_path), NOW)
    after = blocks(estate, people)
    assert sum(mine for mine, *_ in after.values()) == 0
    assert sum(empty for _, empty, _ in after.values()) == 4
    assert [others for *_, others in before.values()] == [others for *_, others in after.values()]
    assert catalogued(estate)
    estate.close()
