"""Derivation: right numbers, only what is stale, old files turned to noise, small cells withheld."""

from __future__ import annotations

import csv
import datetime as dt
import json
import statistics
from collections import defaultdict

import polars as pl
import pytest
import sqlalchemy as sa

from shelflife.control.tables import data_file
from shelflife.errors import ShelflifeError
from shelflife.lake import derive as derivation_module
from shelflife.lake.catalog import live_files, path_of
from shelflife.lake.checks import judge
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.inputs import derived_files
from shelflife.lake.landing import land
from shelflife.lake.models import load_models, output_schema
from shelflife.lake.status import status
from shelflife.seal.file_keys import CLASSES
from shelflife.seal.parquet import open_encrypted
from tests.conftest import NOW
from tests.lake.state import derived_rows


def clock():
    return NOW


def landed(estate):
    return land(estate, list_inbox(estate.settings.inbox), clock=clock)


def beat(subject: str, day: int, bpm: float, minute: int = 0) -> str:
    return json.dumps(
        {
            "subject": subject,
            "signal": "heart_rate",
            "value": bpm,
            "unit": "/min",
            "start": f"2026-11-{day:02d}T08:{minute:02d}:00Z",
        }
    )


def test_glucose_metrics_equal_an_independent_computation_on_the_same_file(estate, put, samples):
    path = samples / "glucose_ml/BIGIDEAs/BIGIDEAs-extracted-glucose-files/003.csv"
    put(path, "person-3")
    landed(estate)
    derive(estate, clock=clock)
    days: dict[dt.date, list[float]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        header = next(reader := csv.reader(stream))
        when = next(i for i, name in enumerate(header) if "time" in name.lower())
        value = next(i for i, name in enumerate(header) if "glucose" in name.lower())
        for row in reader:
            days[dt.datetime.fromisoformat(row[when]).date()].append(float(row[value]))
    rows = derived_rows(estate)["glucose_daily"]
    assert sum(map(len, days.values())) > 2000
    assert set(rows["local_date"]) == set(days)
    for row in rows.iter_rows(named=True):
        readings = days[row["local_date"]]
        mean = statistics.fmean(readings)
        assert row["readings"] == len(readings)
        assert row["mean_mg_dl"] == pytest.approx(mean, rel=1e-12)
        assert row["sd_mg_dl"] == pytest.approx(statistics.stdev(readings), rel=1e-9)
        assert row["cv_percent"] == pytest.approx(100 * statistics.stdev(readings) / mean, rel=1e-9)
        assert row["gmi_percent"] == pytest.approx(3.31 + 0.02392 * mean, rel=1e-12)
        for column, test in (
            ("time_in_range_percent", lambda x: 70 <= x <= 180),
            ("below_70_percent", lambda x: x < 70),
            ("below_54_percent", lambda x: x < 54),
            ("above_180_percent", lambda x: x > 180),
            ("above_250_percent", lambda x: x > 250),
        ):
            assert row[column] == pytest.approx(100 * sum(map(test, readings)) / len(readings), abs=1e-9)


def test_nothing_stale_means_nothing_done(estate, put):
    put("\n".join(beat("s", day, 60) for day in (1, 2)).encode(), "a", "rows.ndjson")
    landed(estate)
    assert derive(estate, clock=clock).rows > 0
    again = derive(estate, clock=clock)
    assert (again.rows, again.units) == (0, [])
    assert status(estate).stale == {}


def test_late_data_derives_again_what_it_touched_and_nothing_else(estate, put):
    put("\n".join(beat("s", day, 60) for day in range(1, 20)).encode(), "a", "first.ndjson")
    landed(estate)
    derive(estate, clock=clock)
    put(beat("s", 5, 100, minute=9).encode(), "a", "late.ndjson")
    landed(estate)
    again = derive(estate, clock=clock)
    assert {(u.model, u.period) for u in again.units} == {
        ("heart_daily", "2026-11-05"),
        ("hrv_recordings", "2026-11-05"),
        ("cohort_weekly", "2026-W45"),
    }
    rows = derived_rows(estate)["heart_daily"].sort("local_date")
    assert rows.height == 19
    assert rows.filter(pl.col("local_date") == dt.date(2026, 11, 5))["mean_bpm"].to_list() == [80.0]


def test_the_file_that_was_replaced_is_gone_and_a_copy_of_it_does_not_open(estate, put, tmp_path):
    put(beat("s", 5, 60).encode(), "a", "first.ndjson")
    landed(estate)
    derive(estate, clock=clock)
    models = load_models(estate.settings.models)
    model = models["heart_daily"]
    with estate.database.read() as conn:
        [old] = live_files(conn, "derived", "heart_daily")
        [opened] = derived_files(estate, conn, model, [old])
    kept = tmp_path / "copy.parquet"
    kept.write_bytes(path_of(estate, old).read_bytes())
    put(beat("s", 5, 100, minute=9).encode(), "a", "late.ndjson")
    landed(estate)
    derive(estate, clock=clock)
    assert not path_of(estate, old).exists()
    with estate.database.read() as conn:
        assert derived_files(estate, conn, model, [old]) == []
        [new] = derived_files(estate, conn, model, live_files(conn, "derived", "heart_daily"))
    wrong = type(opened)(kept, opened.file_id, new.file_key, opened.classes)
    with pytest.raises(ShelflifeError):
        open_encrypted([wrong], allowed=CLASSES, schema=output_schema(model, models)).to_table()


def test_a_changed_model_derives_its_own_table_again(estate, put, tmp_path):
    import shutil

    put(beat("s", 5, 60).encode(), "a", "first.ndjson")
    landed(estate)
    derive(estate, clock=clock)
    folder = tmp_path / "sql"
    shutil.copytree(estate.settings.models, folder)
    file = folder / "derived" / "heart_daily.sql"
    file.write_text(file.read_text() + "\n-- a new remark\n")
    estate.settings = estate.settings.model_copy(update={"models": folder})
    assert {unit.model for unit in derive(estate, clock=clock).units} == {"heart_daily", "cohort_weekly"}


def test_a_batch_that_failed_its_checks_is_left_out_until_it_passes(estate, put):
    put(beat("s", 5, 60).encode(), "a", "first.ndjson")
    report = landed(estate)
    judge(estate, report.batches, passed=False)
    assert derive(estate, clock=clock).rows == 0
    judge(estate, report.batches, passed=True)
    assert derive(estate, clock=clock, names=["heart_daily"]).rows == 1


def test_cohorts_withhold_cells_of_fewer_than_eleven_people(estate, put):
    people = [f"p{number:02d}" for number in range(26)]
    lines = [beat(person, day, 60 + index) for index, person in enumerate(people) for day in (2, 3)]
    for index, person in enumerate(people):
        birth = "1990-05-01" if index < 12 else "1975-05-01"
        sex = "female" if index < 24 else "male"
        lines.append(json.dumps({"record": "profile", "account": person, "birth_date": birth, "sex": sex}))
    put("\n".join(lines).encode(), "everyone", "rows.ndjson")
    assert landed(estate).total("landed") == 52
    derive(estate, clock=clock)
    rows = derived_rows(estate)["cohort_weekly"]
    cells = {(row["age_band"], row["sex"]): row["people"] for row in rows.iter_rows(named=True)}
    # The two men of 50-59 are withheld; the women of 50-59 could be worked out from that age's total, so they are too.
    assert cells == {
        ("30-39", "female"): 12,
        ("50-59", "male"): None,
        ("50-59", "female"): None,
    } or cells == {
        ("30-39", "female"): None,
        ("50-59", "male"): None,
        ("50-59", "female"): None,
    }
    assert all(people is None or people >= 11 for people in cells.values())


def test_a_changed_profile_makes_cohorts_stale_and_nothing_else(estate, put):
    put(beat("s", 5, 60).encode(), "a", "first.ndjson")
    landed(estate)
    derive(estate, clock=clock)
    put(
        json.dumps({"record": "profile", "account": "s", "birth_date": "1990-05-01", "sex": "male"}).encode(),
        "a",
        "p.ndjson",
    )
    landed(estate)
    assert set(status(estate).stale) == {"cohort_weekly"}


def test_every_live_file_is_in_the_catalog_and_the_other_way_round(estate, put):
    put("\n".join(beat("s", day, 60) for day in (1, 2)).encode(), "a", "rows.ndjson")
    landed(estate)
    derive(estate, clock=clock)
    assert status(estate).unregistered == 0
    with estate.database.read() as conn:
        for row in conn.execute(sa.select(data_file).where(data_file.c.state == "live")):
            assert (estate.zone_folder(row.zone) / row.path).is_file()
    stray = estate.zone_folder("derived") / "heart_daily" / "stray.parquet"
    stray.write_bytes(b"x")
    assert status(estate).unregistered == 1


def test_the_key_of_a_file_that_was_given_up_is_destroyed(estate, put, monkeypatch):
    """A derivation that fails before its commit leaves no file, and a copy of what it wrote opens with no key."""
    put(beat("s", 5, 60).encode(), "a", "first.ndjson")
    landed(estate)
    monkeypatch.setattr(derivation_module, "_commit", lambda *_: (_ for _ in ()).throw(RuntimeError("stop")))
    with pytest.raises(RuntimeError):
        derive(estate, clock=clock, names=["heart_daily"])
    with estate.database.read() as conn:
        [left] = conn.execute(sa.select(data_file).where(data_file.c.zone == "derived")).all()
        assert left.state == "collected"
        assert estate.trees["derived"].lookup(conn, [left.key_number]) == [None]
    assert status(estate).unregistered == 0


def test_each_week_of_a_cohort_uses_the_ages_of_its_own_time(estate, put):
    """Deriving many weeks at once and one of them alone gives the same cells."""
    lines = [beat(f"p{n:02d}", 2, 60) for n in range(12)] + [
        json.dumps(
            {
                "subject": f"p{n:02d}",
                "signal": "heart_rate",
                "value": 60,
                "unit": "/min",
                "start": "2025-11-03T08:00:00Z",
            }
        )
        for n in range(12)
    ]
    lines += [
        json.dumps({"record": "profile", "account": f"p{n:02d}", "birth_date": "1996-05-01", "sex": "female"})
        for n in range(12)
    ]
    put("\n".join(lines).encode(), "x", "rows.ndjson")
    landed(estate)
    derive(estate, clock=clock)
    rows = derived_rows(estate)["cohort_weekly"].sort("week_start")
    assert rows["age_band"].to_list() == ["18-29", "30-39"]
    assert rows["people"].to_list() == [12, 12]
