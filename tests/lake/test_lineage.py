"""Landing and derivation leave lineage that answers both ways, an event for each step, and a ledger that checks out."""

from __future__ import annotations

import json

from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.ledger.ledger import verify
from shelflife.lineage.graph import feeds, where_did
from tests.conftest import NOW


def clock():
    return NOW


def test_where_a_batch_went_ties_a_day_to_that_day_only(estate, put):
    rows = [
        {
            "subject": "s",
            "signal": "heart_rate",
            "value": 60,
            "unit": "/min",
            "start": f"2026-11-{day:02d}T08:00:00Z",
        }
        for day in (2, 3, 4)
    ]
    put("\n".join(map(json.dumps, rows)).encode(), "x", "rows.ndjson")
    [batch] = land(estate, list_inbox(estate.settings.inbox), clock=clock).batches
    units = derive(estate, clock=clock).units
    with estate.database.read() as conn:
        journey = where_did(conn, batch)
        origins = feeds(conn, "heart_daily.mean_bpm").origins(direct_only=True)
        report = verify(conn, estate.ledger.verifier_key, estate.witness)
    days = {place.period: {(b.dataset, b.item) for b in place.branches} for place in journey.branches}
    assert days == {
        f"2026-11-0{day}": {
            ("derived/heart_daily", f"2026-11-0{day}/0"),
            ("derived/hrv_recordings", f"2026-11-0{day}/0"),
        }
        for day in (2, 3, 4)
    }
    assert origins == {("heart", "value_num")}
    assert report.unwitnessed == 0
    [file] = estate.settings.lineage_folder.glob("*.ndjson")
    events = [json.loads(line) for line in file.read_text().splitlines()]
    ended = [event["run"]["runId"] for event in events if event["eventType"] == "COMPLETE"]
    assert len(ended) == len(set(ended)) == 1 + len(units)
