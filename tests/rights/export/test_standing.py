"""An export that is overtaken: by an erasure, a purge, a derivation, or by a lease that runs out."""

from __future__ import annotations

import datetime as dt
import io
import json

import pytest

from shelflife.control.tables import data_file, lease, partition
from shelflife.errors import CommitConflict, KeyDestroyed, SealBroken
from shelflife.keys.leases import advance_epoch, outstanding
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.rights.export import package
from shelflife.rights.export.export import export_subject
from shelflife.rights.export.files import write_export
from shelflife.seal.envelope import EnvelopeReader
from tests.conftest import NOW
from tests.rights.export.conftest import KEY, REQUEST, export_of, landed, subject_of


def rows(people=("ada", "bob"), days=(19, 20), hour=8) -> bytes:
    lines = [
        {
            "subject": who,
            "signal": signal,
            "value": 70 + minute,
            "unit": unit,
            "start": f"2026-11-{day}T{hour:02d}:{minute:02d}:00Z",
        }
        for who in people
        for day in days
        for minute in range(0, 60, 10)
        for signal, unit in (("heart_rate", "/min"), ("glucose_interstitial", "mg/dL"))
    ]
    return "\n".join(map(json.dumps, lines)).encode()


@pytest.fixture
def estate(tmp_path):
    made = landed(tmp_path, {"files/rows.ndjson": rows()}, derived=True)
    yield made
    made.close()


@pytest.fixture
def meanwhile(monkeypatch):
    """Do something once the page of the next export is written, before its tables are."""
    waiting = []

    def reached(name: str) -> None:
        if name == "export.page_written" and waiting:
            waiting.pop()()

    monkeypatch.setattr(package, "reached", reached)
    # Nothing is remembered, so that every table is read again after the interruption.
    monkeypatch.setattr("shelflife.rights.export.collect._ROWS_KEPT", -1)
    return waiting.append


def erase(estate, who: str, streams=None) -> None:
    person = subject_of(estate, who)
    with estate.database.commit() as tx:
        estate.keyrings["raw"].destroy(tx, [person.raw_pid], NOW, streams=streams)
        if streams is None:
            estate.keyrings["identity"].destroy(tx, [person.identity_pid], NOW)
        advance_epoch(tx)


def overtaken(estate, subject) -> None:
    """Export, which must fail; what it wrote does not open, and no lease or record of it stays."""
    sink = io.BytesIO()
    with pytest.raises(CommitConflict):
        export_subject(
            estate,
            subject,
            to=sink,
            recipient_key=KEY.public_key(),
            regimes=["eu_gdpr"],
            recipients=[],
            request_id=REQUEST,
            clock=lambda: NOW,
        )
    with pytest.raises(SealBroken):
        EnvelopeReader(io.BytesIO(sink.getvalue()), KEY, now=NOW)
    with estate.database.read() as conn:
        assert conn.execute(lease.select()).all() == []
        assert "export_packed" not in str(estate.database.engine.connect().exec_driver_sql(
            "SELECT group_concat(body) FROM ledger_leaf").scalar())  # fmt: skip


def whole(sealed: bytes) -> list[str]:
    import zipfile

    with zipfile.ZipFile(EnvelopeReader(io.BytesIO(sealed), KEY, now=NOW)) as archive:
        return archive.namelist()


def test_the_person_is_erased_meanwhile(estate, meanwhile):
    ada = subject_of(estate, "ada")
    meanwhile(lambda: erase(estate, "ada"))
    overtaken(estate, ada)
    with pytest.raises(KeyDestroyed):
        export_of(estate, ada)


def test_a_stream_of_the_person_is_forgotten_meanwhile(estate, meanwhile):
    ada = subject_of(estate, "ada")
    meanwhile(lambda: erase(estate, "ada", ["glucose"]))
    overtaken(estate, ada)
    assert "data/glucose.csv" not in whole(export_of(estate, ada)[0])


def test_a_stream_is_forgotten_after_everything_was_read(estate, monkeypatch):
    """Nothing is read any more when it happens; the last look, in the commit, finds it."""
    ada = subject_of(estate, "ada")
    real = package.manifest_json

    def late(**more):
        erase(estate, "ada", ["glucose"])
        return real(**more)

    monkeypatch.setattr(package, "manifest_json", late)
    overtaken(estate, ada)


def test_somebody_else_is_erased_meanwhile(estate, meanwhile):
    """The export goes on under a new lease, and the erasure does not wait for it longer than it takes to notice."""
    ada = subject_of(estate, "ada")
    meanwhile(lambda: erase(estate, "bob"))
    sealed, report = export_of(estate, ada)
    assert report.rows == 24 + 4
    assert "data/glucose.csv" in whole(sealed)
    with estate.database.read() as conn:
        assert outstanding(conn, NOW, before_epoch=10) == 0


def test_a_partition_is_purged_meanwhile(estate, meanwhile):
    def purge() -> None:
        with estate.database.commit() as tx:
            [home, *_] = tx.conn.execute(partition.select().where(partition.c.table_name == "glucose")).all()
            estate.trees["raw"].destroy(tx, [home.key_number], NOW)
            tx.conn.execute(
                partition.update()
                .where(partition.c.partition_id == home.partition_id)
                .values(state="destroyed")
            )

    meanwhile(purge)
    overtaken(estate, subject_of(estate, "ada"))


def test_a_raw_file_is_made_anew_meanwhile(estate, meanwhile):
    """What stands for a replaced file may hold less than it did; what is left of it must not be read."""

    def replace_one() -> None:
        with estate.database.commit() as tx:
            [file, *_] = tx.conn.execute(data_file.select().where(data_file.c.table_name == "heart")).all()
            here = data_file.c.file_id == file.file_id
            tx.conn.execute(data_file.update().where(here).values(state="replaced", replaced_at=NOW))

    meanwhile(replace_one)
    overtaken(estate, subject_of(estate, "ada"))


def test_a_derivation_between_finding_and_reading_is_noticed(estate, monkeypatch):
    from shelflife.rights.export import derived

    real = derived.PersonFigures.find

    def find_then_derive(self):
        found = real(self)
        more = estate.settings.inbox / "files" / "more.ndjson"
        more.parent.mkdir(exist_ok=True)
        more.write_bytes(rows(("ada",), hour=9))
        land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
        derive(estate, clock=lambda: NOW)
        return found

    ada = subject_of(estate, "ada")
    monkeypatch.setattr(derived.PersonFigures, "find", find_then_derive)
    overtaken(estate, ada)
    monkeypatch.undo()
    assert export_of(estate, ada)[1].rows == 48 + 4


def test_an_overtaken_file_is_written_again_from_the_start(estate, tmp_path):
    ada = subject_of(estate, "ada")
    calls = []

    def export(sink):
        calls.append(sink.tell())
        sink.write(b"half of something")
        if len(calls) < 3:
            raise CommitConflict("Overtaken.", remedy="Again.")
        sink.seek(0)
        sealed, report = export_of(estate, ada)
        sink.write(sealed)
        return report

    report = write_export(tmp_path / "ada.sealed", export)
    assert calls == [0, 0, 0]
    assert (tmp_path / "ada.sealed").stat().st_size == report.bytes
    calls.clear()
    with pytest.raises(CommitConflict):
        write_export(
            tmp_path / "bob.sealed", lambda sink: (_ for _ in ()).throw(CommitConflict("x", remedy="y"))
        )
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "bob.sealed").exists()


def test_a_clock_that_runs_past_the_lease_does_not_stop_a_long_export(estate):
    ada, ticks = subject_of(estate, "ada"), iter(range(10_000))

    def clock() -> dt.datetime:
        # Every look at the clock is ten minutes later; a lease lasts fifteen.
        return NOW + dt.timedelta(minutes=10 * next(ticks))

    _, report = export_of(estate, ada, clock=clock)
    assert report.rows == 24 + 4
    assert next(ticks) > 5
