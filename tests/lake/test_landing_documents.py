"""Open mHealth and FHIR files land as the people whom they name, and nothing of them is written in the clear."""

from __future__ import annotations

import json

import sqlalchemy as sa

from shelflife.control.subject_tables import alias
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from tests.canaries import hits
from tests.conftest import NOW
from tests.lake.state import raw_rows
from tests.sources.synthetic import fhir_r4, open_mhealth


def landed(estate):
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    parts = ("landed", "duplicates", "quarantined", "refused")
    assert report.total("samples_in") == sum(report.total(part) for part in parts)
    with estate.database.read() as connection:
        people = set(connection.execute(sa.select(alias.c.kind)).scalars())
    return report, people, sum(rows.height for rows in raw_rows(estate).values())


def test_a_bundle_lands_for_its_patient(estate, put):
    wrong = fhir_r4.observation(status="done", note=[{"text": fhir_r4.CANARY}])
    measured = [fhir_r4.observation(valueQuantity=fhir_r4.quantity(60 + n, "/min")) for n in range(3)]
    put(fhir_r4.bundle(fhir_r4.patient(), *measured, wrong, fhir_r4.device()), "account-1")
    report, people, rows = landed(estate)
    # What is set aside is sealed among the raw rows.
    assert (report.total("landed"), report.total("quarantined"), rows) == (3, 1, 4)
    assert "fhir" in people
    assert not hits([estate.settings.home], [fhir_r4.CANARY])


def test_data_points_land_for_their_users_and_a_refused_file_for_nobody(estate, put):
    put(open_mhealth.seeds()["omh_lines"], "account-1", "points.ndjson")
    wrong = {"heart_rate": {"value": open_mhealth.CANARY, "unit": "beats/min"}}
    put(json.dumps(wrong).encode(), "account-1", "wrong.json")
    report, people, rows = landed(estate)
    assert sorted(file.state for file in report.files) == ["landed", "refused"]
    assert (report.total("landed"), rows) == (2, 2)
    assert "open_mhealth" in people
    assert not hits([estate.settings.home], [open_mhealth.CANARY])
