"""Nobody gets anything of anybody else's, however much the two have in common."""

from __future__ import annotations

import json

import polars as pl
import pytest

from shelflife.keys.leases import advance_epoch
from tests.conftest import NOW
from tests.rights.export.conftest import export_of, landed, subject_of, unpacked

MOMENTS = [f"2026-11-{day:02d}T08:{minute:02d}:00Z" for day in (19, 20) for minute in range(0, 60, 5)]
DEVICE = {"device_make": "Acme", "device_model": "Band 3", "app": "acme", "platform": "acme_cloud"}
# The same text as an account, as an e-mail address and as a device: three people.
SHARED = "pat@example.org"
PEOPLE = [
    {"subject": SHARED, "subject_kind": "account"},
    {"subject": SHARED, "subject_kind": "email"},
    {"subject": SHARED, "subject_kind": "device"},
    {"subject": "Pat@example.org", "subject_kind": "account"},
]


def rows() -> bytes:
    """The same moments, device and record ids for everybody; only the value says whose a row is."""
    lines = []
    for number, who in enumerate(PEOPLE):
        for place, start in enumerate(MOMENTS):
            common = DEVICE | who | {"start": start, "id": f"record-{place}"}
            lines.append(common | {"signal": "heart_rate", "value": 60 + number, "unit": "/min"})
            lines.append(common | {"signal": "glucose_interstitial", "value": 100 + number, "unit": "mg/dL"})
        lines.append(
            DEVICE
            | who
            | {"start": MOMENTS[0], "signal": "heart_rate", "value": 9000 + number, "unit": "/min"}
        )
        lines.append(
            {
                "record": "profile",
                "account": who["subject"],
                "subject_kind": who["subject_kind"],
                "nick": f"nick-{number}",
            }
        )
    return "\n".join(map(json.dumps, lines)).encode()


@pytest.fixture(scope="module")
def estate(tmp_path_factory):
    made = landed(tmp_path_factory.mktemp("neighbours"), {"files/rows.ndjson": rows()}, derived=True)
    yield made
    made.close()


@pytest.mark.parametrize("number", range(len(PEOPLE)))
def test_each_gets_their_own_and_nothing_else(tmp_path, estate, number):
    who = PEOPLE[number]
    folder = unpacked(estate, subject_of(estate, who["subject"], who["subject_kind"]), tmp_path / "opened")
    values = {
        stream: pl.read_parquet(folder / "data" / f"{stream}.parquet")["value"].to_list()
        for stream in ("heart", "glucose", "quarantined")
    }
    assert values["heart"] == [60.0 + number] * len(MOMENTS)
    assert values["glucose"] == [100.0 + number] * len(MOMENTS)
    assert values["quarantined"] == [9000.0 + number]
    days = pl.read_parquet(folder / "data/derived/heart_daily.parquet")
    assert days["mean_bpm"].to_list() == [60.0 + number] * 2
    profile = json.loads((folder / "profile.json").read_text("utf-8"))
    assert profile["facts"] == {"nick": f"nick-{number}"}
    assert profile["aliases"] == [{"kind": who["subject_kind"], "value": who["subject"]}]
    bundle = json.loads((folder / "fhir/bundle.json").read_text("utf-8"))
    found = {
        e["resource"]["valueQuantity"]["value"] for e in bundle["entry"] if "valueQuantity" in e["resource"]
    }
    assert found == {60.0 + number, 100.0 + number}
    page = (folder / "index.html").read_text("utf-8")
    assert f"nick-{number}" in page
    for other in set(range(len(PEOPLE))) - {number}:
        assert f"nick-{other}" not in page


def test_ids_of_the_same_sample_of_two_people_have_nothing_in_common(tmp_path, estate):
    ids = []
    for number, who in enumerate(PEOPLE[:2]):
        person = subject_of(estate, who["subject"], who["subject_kind"])
        folder = unpacked(estate, person, tmp_path / f"{number}")
        bundle = json.loads((folder / "fhir/bundle.json").read_text("utf-8"))
        ids.append(
            {e["resource"]["id"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Observation"}
        )
    assert len(ids[0]) == len(ids[1]) == 2 * len(MOMENTS)
    assert not ids[0] & ids[1]


def test_a_forgotten_stream_is_not_there_and_the_rest_is(tmp_path):
    estate = landed(tmp_path, {"files/rows.ndjson": rows()})
    person = subject_of(estate, SHARED)
    with estate.database.commit() as tx:
        estate.keyrings["raw"].destroy(tx, [person.raw_pid], NOW, streams=["glucose"])
        advance_epoch(tx)
    folder = unpacked(estate, person, tmp_path / "opened")
    assert sorted(path.stem for path in (folder / "data").glob("*.csv")) == ["heart", "quarantined"]
    assert "Glucose" not in (folder / "index.html").read_text("utf-8").partition("files")[0]
    neighbour = unpacked(estate, subject_of(estate, SHARED, "email"), tmp_path / "neighbour")
    assert (neighbour / "data/glucose.csv").exists()
    estate.close()


def test_rows_that_wait_for_their_rewrite_are_not_there(tmp_path):
    from shelflife.control.tables import awaiting_rewrite
    from shelflife.keys.pseudonyms import pseudonym

    estate = landed(tmp_path, {"files/rows.ndjson": rows()}, derived=True)
    person = subject_of(estate, SHARED)
    with estate.database.commit() as tx:
        pid = pseudonym(estate.pepper(tx.conn, "derived"), person.subject_id)
        tx.conn.execute(
            awaiting_rewrite.insert().values(
                table_name="glucose_daily", pid=pid, request_id="0" * 32, due_at=NOW
            )
        )
    folder = unpacked(estate, person, tmp_path / "opened")
    assert sorted(path.stem for path in (folder / "data/derived").glob("*.csv")) == ["heart_daily"]
    estate.close()


def test_held_rows_are_never_read(tmp_path):
    """A held table with a block that the person's own keys would open is passed over all the same."""
    import sqlalchemy as sa

    from shelflife.control.tables import partition

    estate = landed(tmp_path, {"files/rows.ndjson": rows()})
    person = subject_of(estate, SHARED)
    with estate.database.commit() as tx:
        held = partition.update().where(partition.c.table_name == "glucose").values(table_name="held_glucose")
        assert tx.conn.execute(held).rowcount == 2
        tx.conn.execute(
            sa.text("UPDATE data_file SET table_name = 'held_glucose' WHERE table_name = 'glucose'")
        )
    folder = unpacked(estate, person, tmp_path / "opened")
    assert sorted(path.stem for path in (folder / "data").glob("*.csv")) == ["heart", "quarantined"]
    assert "legal hold" in (folder / "index.html").read_text("utf-8")
    estate.close()


def test_somebody_with_a_name_and_no_data_gets_an_export(tmp_path):
    profile = {"record": "profile", "account": "nobody", "given_name": "Nemo"}
    estate = landed(tmp_path, {"files/rows.ndjson": json.dumps(profile).encode()})
    folder = unpacked(estate, subject_of(estate, "nobody"), tmp_path / "opened")
    assert not (folder / "data").exists()
    assert "No measurements of yours are kept" in (folder / "index.html").read_text("utf-8")
    assert json.loads((folder / "profile.json").read_text("utf-8"))["facts"] == {"given_name": "Nemo"}
    bundle = json.loads((folder / "fhir/bundle.json").read_text("utf-8"))
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]] == ["Patient"]
    _, report = export_of(estate, subject_of(estate, "nobody"))
    assert report.rows == 0
    estate.close()
