"""Fences: an erasure or a purge that happens while a step runs is never undone by that step's commit."""

from __future__ import annotations

import json

import sqlalchemy as sa

from shelflife.control.tables import partition
from shelflife.keys import leases
from shelflife.lake import derive as derivation
from shelflife.lake import landing
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.loader import Loader
from shelflife.lake.status import status
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.tombstones import bury
from tests.conftest import NOW
from tests.lake.state import derived_rows, raw_rows


def clock():
    return NOW


def beats(*subjects: str) -> bytes:
    rows = [
        {
            "subject": name,
            "signal": "heart_rate",
            "value": 61,
            "unit": "/min",
            "start": "2026-11-01T08:00:00Z",
        }
        for name in subjects
    ]
    return "\n".join(map(json.dumps, rows)).encode()


def erase(estate, name: str) -> None:
    """Destroy a person's keys as an erasure does: tombstone, keys, epoch, in one commit."""
    with estate.database.commit() as tx:
        alias = Alias("account", name)
        person = find(estate, tx.conn, [alias])[alias]
        bury(estate, tx, [alias], reason="erasure", now=NOW)
        estate.keyrings["raw"].destroy(tx, [person.raw_pid], NOW)
        estate.keyrings["identity"].destroy(tx, [person.identity_pid], NOW)
        leases.advance_epoch(tx)


def once(action):
    """Return a function that acts at its first call only."""
    done = []
    return lambda *_: done or (done.append(True), action())


def test_an_erasure_while_a_file_is_landed_keeps_the_person_erased(estate, put, monkeypatch):
    put(beats("ada", "bob"), "x", "first.ndjson")
    land(estate, list_inbox(estate.settings.inbox), clock=clock)
    put(beats("ada", "bob").replace(b"08:00", b"09:00"), "x", "second.ndjson")
    write, act = Loader._write, once(lambda: erase(estate, "ada"))

    def write_then_erase(loader, *rest):
        write(loader, *rest)
        act()

    monkeypatch.setattr(Loader, "_write", write_then_erase)
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert (report.total("landed"), report.total("refused")) == (1, 1)
    assert report.reasons() == {"erased": 1}
    assert {name for rows in raw_rows(estate).values() for name in rows["pid"]} == {"bob"}
    assert status(estate).unregistered == 0


def test_an_erasure_while_a_table_is_derived_leaves_the_person_out(estate, put, monkeypatch):
    put(beats("ada", "bob"), "x", "first.ndjson")
    land(estate, list_inbox(estate.settings.inbox), clock=clock)
    compute, act = derivation._compute, once(lambda: erase(estate, "ada"))

    def compute_then_erase(*rest):
        made = compute(*rest)
        act()
        return made

    monkeypatch.setattr(derivation, "_compute", compute_then_erase)
    # The lease is renewed right after; without it the commit itself has to notice.
    monkeypatch.setattr(derivation, "renew", lambda _tx, held, *_: held)
    derive(estate, clock=clock)
    assert set(derived_rows(estate)["heart_daily"]["pid"]) == {"bob"}


def test_a_purge_while_a_file_is_landed_refuses_its_rows(estate, put, monkeypatch):
    put(beats("ada"), "x", "first.ndjson")
    land(estate, list_inbox(estate.settings.inbox), clock=clock)
    put(beats("bob"), "x", "second.ndjson")

    def purge():
        with estate.database.commit() as tx:
            row = tx.conn.execute(sa.select(partition).where(partition.c.zone == "raw")).one()
            estate.trees["raw"].destroy(tx, [row.key_number], NOW)
            tx.conn.execute(partition.update().where(partition.c.zone == "raw").values(state="destroyed"))

    homes, act = Loader._homes, once(purge)

    def find_homes_then_purge(loader, frame):
        found = homes(loader, frame)
        act()
        return found

    monkeypatch.setattr(Loader, "_homes", find_homes_then_purge)
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert report.total("landed") == 0
    assert report.reasons() == {"expired": 1}
    assert landing.ATTEMPTS > 1
