"""The same landing and derivation with the control database on a real PostgreSQL server."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from shelflife.estate import Estate
from shelflife.identity.prepare import prepare, transfer_terms
from shelflife.identity.selection import Selection
from shelflife.identity.stages import Running, run
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.status import status
from shelflife.ledger.ledger import verify
from shelflife.rights.verify import verify as look_for_residue
from shelflife.rights.withdrawals import apply_withdrawals
from shelflife.subjects.devices import revoke
from shelflife.subjects.directory import Alias, attach, find
from shelflife.subjects.landing_keys import rotate
from shelflife.subjects.periods import ALWAYS
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.lake.consents import beat, consent_required, decision, grants
from tests.lake.phones import Phone, landed, ndjson, row
from tests.lake.state import derived_rows, raw_rows
from tests.postgresql_server import postgresql_server, postgresql_url
from tests.rights.conftest import Clock, erase

__all__ = ["consent_required", "postgresql_server", "postgresql_url"]

pytestmark = pytest.mark.server


def test_landing_and_derivation_work_on_postgresql(tmp_path, samples, postgresql_url):
    estate = Estate.create(settings_in(tmp_path, control_url=postgresql_url), NOW)
    folder = estate.settings.inbox / "account-1"
    folder.mkdir(parents=True)
    content = (samples / "dexcom_clarity/test_file.csv").read_bytes()
    for name in ("first.csv", "again.csv"):
        (folder / name).write_bytes(content)
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    assert report.total("landed") == 2148
    derive(estate, clock=lambda: NOW)
    estate.close()
    estate = Estate.open(settings_in(tmp_path, control_url=postgresql_url), NOW)
    assert sum(rows.height for rows in raw_rows(estate).values()) == 2148
    assert derived_rows(estate)["glucose_daily"].height == 9
    found = status(estate)
    assert (found.stale, found.unregistered) == ({}, 0)
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)
    estate.close()


ADA, BOB = Alias("account", "ada"), Alias("account", "bob")
WATCH = Alias("device", "serial-2")
SOLD = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def of_watch(start: str) -> bytes:
    worn = {"subject": "serial-2", "subject_kind": "device", "device_model": "Watch 2"}
    return json.dumps(row(start, **worn)).encode()


def rows_of_people(estate) -> dict[str, int]:
    """How many rows the people behind two names have; a person is named by the smallest of their aliases."""
    found: dict[str, int] = {}
    for rows in raw_rows(estate).values():
        for name in rows["pid"]:
            found[name] = found.get(name, 0) + 1
    return found


def put(estate, name: str, *lines: bytes) -> None:
    path = estate.settings.inbox / "x" / f"{name}.ndjson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(lines))


@pytest.mark.usefixtures("consent_required")
def test_consent_uploads_and_a_sold_watch_on_postgresql(tmp_path, postgresql_url):
    estate = Estate.create(settings_in(tmp_path, control_url=postgresql_url), NOW)
    clock = Clock()
    put(estate, "consents", grants("ada", "bob"))
    put(estate, "stranger", beat("eve", "2026-11-22T08:00:00Z"))
    assert landed(estate).reasons() == {"no_consent": 1}
    with estate.database.commit() as tx:
        attach(estate, tx, WATCH, find(estate, tx.conn, [ADA])[ADA], ALWAYS, NOW)

    phone = Phone(estate, "ada")
    phone.send("first.upload")
    assert landed(estate).total("landed") == 1
    phone.send("replayed.upload", ndjson(row("2026-11-22T09:00:00Z")))
    [refused] = landed(estate).refused_files
    assert "used before" in refused.error

    put(estate, "watch", of_watch("2026-11-20T08:00:00Z"), of_watch("2026-11-21T08:00:00Z"))
    assert landed(estate).total("landed") == 2
    with estate.database.read() as conn:
        terms = transfer_terms(estate, conn, WATCH, BOB, SOLD, Selection(device_model="Watch 2"))
    change_id, plan = prepare(estate, terms, NOW)
    assert plan.rows == 1
    run(estate, change_id, Running(clock=clock, wait=lambda seconds: clock.forward(seconds=seconds)))
    put(estate, "later", of_watch("2026-11-22T10:00:00Z"), of_watch("2026-11-19T10:00:00Z"))
    assert landed(estate).total("landed") == 2
    held = rows_of_people(estate)
    assert held.pop("bob") == 2
    assert list(held.values()) == [3]

    derive(estate, clock=clock)
    put(estate, "no more", decision("bob", "heart", "withdrawn", at=NOW), of_watch("2026-11-22T11:00:00Z"))
    assert landed(estate).reasons() == {"no_consent": 1}
    assert apply_withdrawals(estate, clock=clock).actions == {"restrict": 1}
    assert apply_withdrawals(estate, clock=clock).actions == {}
    derive(estate, clock=clock)
    assert "bob" not in set(derived_rows(estate)["heart_daily"]["pid"])

    (estate.settings.inbox / "replayed.upload").unlink()
    phone.send("stale.upload", sequence=2)
    rotate(estate, grace=dt.timedelta(0), clock=lambda: NOW)
    [refused] = landed(estate).refused_files
    assert "no longer accepted" in refused.error
    revoke(estate, phone.device_id, clock=lambda: NOW)
    phone.send("stale.upload", sequence=3, to=phone.current())
    [refused] = landed(estate).refused_files
    assert "revoked" in refused.error
    (estate.settings.inbox / "stale.upload").unlink()

    erase(estate, "ada", clock)
    put(estate, "after", of_watch("2026-11-20T08:00:00Z"))
    assert landed(estate).reasons() == {"erased": 1}
    assert rows_of_people(estate) == {"bob": 2}
    assert look_for_residue(estate, now=clock()).findings == ()
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)
    estate.close()
