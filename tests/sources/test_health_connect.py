"""Health Connect exports: what its tables become, and databases that are damaged or made to harm."""

from __future__ import annotations

import datetime as dt
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import SourceError
from shelflife.signals.sample import QualityFlag
from shelflife.sources import health_connect_database as reading
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource
from tests.sources.damage import CANARY, survive
from tests.sources.reading import problems, read
from tests.sources.synthetic import health_connect as hc

EIGHT = dt.datetime(2026, 11, 3, 8, 0, tzinfo=dt.UTC)
MEAL = {"relation_to_meal": 0, "meal_type": 0}
Row = dict[str, Any]


def rows_of(phone: hc.Phone, **more: Any) -> list[Row]:
    rows: list[Row] = read(phone.content(), "health_connect", **more)[0].to_pylist()
    return rows


def one(phone: hc.Phone, **more: Any) -> Row:
    (row,) = rows_of(phone, **more)
    return row


def test_everything_that_the_phone_writes() -> None:
    table, parsing = read(hc.full().packed(), "health_connect")
    found = [
        (
            row["signal"],
            row["value_num"] if row["value_code"] is None else row["value_code"],
            row["unit_ucum"],
        )
        for row in table.to_pylist()
    ]
    assert found == [
        ("step_count", 412, "{steps}"), ("distance", 310.5, "m"), ("active_energy", 21.5, "kcal"),
        ("resting_heart_rate", 52, "/min"), ("hrv_rmssd", 40.9, "ms"), ("spo2", 97, "%"),
        ("respiratory_rate", 14.6, "/min"), ("vo2max", 47.3, "mL/kg/min"), ("body_weight", 64, "kg"),
        ("body_temperature", 36.6, "Cel"),
        ("heart_rate", 61, "/min"), ("heart_rate", 62, "/min"), ("heart_rate", 64, "/min"),
        ("skin_temperature_delta", -0.3, "K"),
        ("glucose_interstitial", pytest.approx(99.1001), "mg/dL"),
        ("glucose_capillary", pytest.approx(109.91102), "mg/dL"),
        ("sleep_episode", 440, "min"),
        ("sleep_stage", "awake", None), ("sleep_stage", "light", None), ("sleep_stage", "deep", None),
        ("sleep_stage", "rem", None), ("sleep_stage", "out_of_bed", None),
        ("sleep_stage", "asleep_unspecified", None), ("sleep_stage", "awake", None),
        ("workout", "running", None),
    ]  # fmt: skip
    assert problems(table) == {}
    assert parsing.ignored == {
        "exercise_route_table": 1, "total_calories_burned_record_table": 1, "blood_pressure_record_table": 1,
        "heart_rate_record_table": 1, "skin_temperature_record_table": 1, "other_record_table": 1,
    }  # fmt: skip
    assert parsing.records == 25 + 6


def test_the_facts_of_a_record() -> None:
    phone = hc.Phone()
    phone.interval("steps_record_table", count=412, uuid=bytes(range(16)))
    row = one(phone)
    assert (row["start_utc"], row["end_utc"]) == (EIGHT, EIGHT + dt.timedelta(hours=1))
    assert (row["utc_offset_min"], row["tz_basis"], row["local_date"]) == (60, "sample", dt.date(2026, 11, 3))
    assert (row["source_app"], row["device_make"], row["device_model"]) == (
        "com.google.android.apps.fitness", "Google", "Pixel Watch 2",
    )  # fmt: skip
    assert row["source_record_id"] == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert row["source_modified_at"] == EIGHT + dt.timedelta(seconds=5)
    assert (row["statistic"], row["modality"], row["record_path"]) == ("sum", "sensed", "steps_record_table")
    assert (row["value_raw"], row["unit_raw"]) == ("412", "steps")


def test_samples_of_a_series_belong_to_their_record() -> None:
    phone = hc.Phone()
    phone.beats([61, 62], uuid=bytes(16), start_zone_offset=-5 * 3600)
    first, second = rows_of(phone)
    assert first["parent_id"] == second["parent_id"] == "00000000-0000-0000-0000-000000000000"
    assert (first["start_utc"], first["end_utc"]) == (EIGHT, EIGHT)
    assert (second["start_utc"], second["utc_offset_min"]) == (EIGHT + dt.timedelta(seconds=1), -300)
    assert first["source_record_id"] is None


def test_samples_without_their_record_are_kept() -> None:
    phone = hc.Phone()
    phone.add("heart_rate_record_series_table", parent_key=99, beats_per_minute=61, epoch_millis=hc.START_MS)
    row = one(phone)
    assert (row["value_num"], row["parent_id"], row["tz_basis"]) == (61, None, "unknown")


def test_a_missing_offset_is_that_of_the_account() -> None:
    phone = hc.Phone()
    phone.instant("weight_record_table", weight=64_000.0, zone_offset=None, time=hc.START_MS + 16 * 3_600_000)
    unknown, placed = one(phone), one(phone, zone="Asia/Tokyo")
    assert unknown["start_utc"] == placed["start_utc"] == EIGHT + dt.timedelta(hours=16)
    assert (unknown["utc_offset_min"], unknown["tz_basis"]) == (None, "unknown")
    assert unknown["quality_flags"] & QualityFlag.TZ_UNKNOWN
    assert (placed["utc_offset_min"], placed["tz_basis"], str(placed["local_date"])) == (
        540,
        "account",
        "2026-11-04",
    )


def test_an_own_offset_wins_over_the_account() -> None:
    phone = hc.Phone()
    phone.instant("weight_record_table", weight=64_000.0)
    assert one(phone, zone="Asia/Tokyo")["utc_offset_min"] == 60


@pytest.mark.parametrize(
    ("specimen", "app", "signal", "problem"),
    [
        ("1", hc.FITNESS, "glucose_interstitial", None),
        ("2", hc.SENSOR, "glucose_capillary", None),
        ("0", hc.SENSOR, "glucose_interstitial", None),
        ("0", hc.FITNESS, None, "unknown_signal"),
        ("3", hc.SENSOR, None, "unknown_signal"),
        ("6", hc.FITNESS, None, "unknown_signal"),
    ],
)
def test_the_specimen_of_glucose(specimen: str, app: int, signal: str | None, problem: str | None) -> None:
    phone = hc.Phone()
    phone.instant("blood_glucose_record_table", specimen_source=specimen, level=5.5, app_info_id=app, **MEAL)
    row = one(phone)
    assert (row["signal"], row["problem"], row["value_raw"]) == (signal, problem, "5.5")


def test_a_night_without_stages_is_as_long_as_its_session() -> None:
    phone = hc.Phone()
    phone.night([])
    phone.night([(4, 0, 480)], start_time=hc.START_MS + 1, notes="Dreamt of Grace")
    assert [row["value_num"] for row in rows_of(phone) if row["signal"] == "sleep_episode"] == [
        480, pytest.approx(480 - 1 / 60_000),
    ]  # fmt: skip


def test_stages_belong_to_their_night_and_unknown_ones_are_counted() -> None:
    phone = hc.Phone()
    phone.night([(0, 0, 10), (6, 10, 20), (8, 20, 30)], uuid=bytes(16))
    table, parsing = read(phone.content())
    episode, rem, odd = table.to_pylist()
    assert episode["value_num"] == 480
    assert (rem["stage"], rem["parent_id"]) == ("rem", episode["source_record_id"])
    assert (rem["start_utc"], rem["end_utc"]) == (
        EIGHT + dt.timedelta(minutes=10),
        EIGHT + dt.timedelta(minutes=20),
    )
    assert (odd["problem"], odd["value_raw"], odd["record_path"]) == (
        "unknown_code",
        "8",
        "sleep_stages_table#4",
    )
    assert parsing.ignored == {"sleep_stages_table/unknown": 1}


@pytest.mark.parametrize(
    ("code", "name"), [(0, "other"), (1, "badminton"), (33, "running"), (53, "walking"), (57, "yoga"), (61, "rowing_machine")]
)  # fmt: skip
def test_kinds_of_exercise(code: int, name: str) -> None:
    phone = hc.Phone()
    phone.interval("exercise_session_record_table", exercise_type=code)
    assert one(phone)["value_code"] == name


@pytest.mark.parametrize("code", [62, -1, None, "running"])
def test_kinds_of_exercise_that_are_not_known(code: object) -> None:
    phone = hc.Phone()
    phone.interval("exercise_session_record_table", exercise_type=code)
    assert one(phone)["problem"] == "unknown_code"


@pytest.mark.parametrize(
    ("table", "column", "value", "problem"),
    [
        ("resting_heart_rate_record_table", "beats_per_minute", 0, "missing_value"),
        ("resting_heart_rate_record_table", "beats_per_minute", -1, "missing_value"),
        ("weight_record_table", "weight", 5e-324, "missing_value"),
        ("weight_record_table", "weight", None, "missing_value"),
        ("weight_record_table", "weight", "Ada", "bad_number"),
        ("weight_record_table", "weight", b"Ada", "bad_number"),
        ("weight_record_table", "weight", float("inf"), "bad_number"),
        ("weight_record_table", "weight", 64.0, "out_of_range"),
        ("weight_record_table", "time", None, "no_time"),
        ("weight_record_table", "time", "2026-11-03", "bad_time"),
        ("weight_record_table", "time", 2**62, "bad_time"),
        ("weight_record_table", "time", 1.5, "bad_time"),
    ],
)
def test_numbers_and_times_that_are_none(table: str, column: str, value: object, problem: str) -> None:
    phone = hc.Phone()
    own = {"weight": 64_000.0} if table.startswith("weight") else {}
    phone.instant(table, **{**own, column: value})
    row = one(phone)
    assert row["problem"] == problem
    assert row["record_path"] == f"{table}#1"


def test_no_number_at_all_is_a_number() -> None:
    phone = hc.Phone()
    phone.interval("steps_record_table", count=0)
    assert (one(phone)["value_num"], one(phone)["problem"]) == (0, None)


def test_names_of_people_reach_nothing_but_the_profile() -> None:
    phone = hc.full()
    phone.instant("weight_record_table", weight=64_000.0, device_info_id=hc.PHONE)
    phone.add("application_info_table", row_id=9, package_name="Ada Lovelace", app_name="Ada")
    phone.instant("weight_record_table", weight=64_001.0, app_info_id=9)
    table, parsing = read(phone.content())
    for secret in ("Ada", CANARY, "example.org", "37.77"):
        assert secret not in str(table.to_pylist())
    assert parsing.profile.source_names == {"Ada\u2019s Pixel"}
    weights = [row for row in table.to_pylist() if row["signal"] == "body_weight"]
    assert [row["source_app"] for row in weights] == [*["com.google.android.apps.fitness"] * 2, "third_party"]
    assert [row["device_model"] for row in weights] == ["Pixel Watch 2", None, "Pixel Watch 2"]


def test_a_device_with_a_plain_name_is_still_its_owners() -> None:
    phone = hc.Phone()
    phone.add("device_info_table", row_id=8, manufacturer="Ada Lovelace", model="Ada Pixel", device_type=2)
    phone.instant("weight_record_table", weight=64_000.0, device_info_id=8)
    table, parsing = read(phone.content())
    assert "Ada" not in str(table.to_pylist())
    assert parsing.profile.source_names >= {"Ada Lovelace", "Ada Pixel"}


def test_a_database_of_an_older_version() -> None:
    phone = hc.Phone(old=True)
    values = {"uuid": bytes(16), "time": hc.START_MS, "zone_offset": 3600, "weight": 64_000.0}
    phone.add("weight_record_table", **values)
    row = one(phone)
    assert (row["value_num"], row["modality"], row["source_app"]) == (64, "sensed", "third_party")


def test_a_database_in_write_ahead_mode() -> None:
    phone = hc.full()
    assert read(phone.content(write_ahead=True))[0].num_rows == read(phone.content())[0].num_rows == 25


def test_one_of_few_tables_is_recognised_by_their_names() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE application_info_table (row_id INTEGER PRIMARY KEY, package_name TEXT)")
    database.execute(
        "CREATE TABLE weight_record_table (row_id INTEGER PRIMARY KEY, time INTEGER, weight REAL)"
    )
    database.execute("INSERT INTO weight_record_table VALUES (1, ?, 64000)", (hc.START_MS,))
    table, _ = read(bytes(database.serialize()), "health_connect")
    assert table.column("value_num").to_pylist() == [64]


def test_another_database_is_not_recognised() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE weights (time INTEGER, weight REAL)")
    with pytest.raises(SourceError, match="No source adapter"):
        detect(ByteSource.from_bytes(bytes(database.serialize())))


def test_another_database_of_many_tables_is_refused() -> None:
    database = sqlite3.connect(":memory:")
    for number in range(200):
        database.execute(
            f"CREATE TABLE some_table_of_another_application_{number} (time INTEGER, weight REAL)"
        )
    refused(bytes(database.serialize()), "not that of Health Connect")


def refused(content: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        read(content)


def changed(statement: str, table: str = "weight_record_table") -> bytes:
    """A sound database in which a table is replaced by something else."""
    phone = hc.full()
    phone.database.execute(f"DROP TABLE {table}")
    phone.database.execute(statement)
    return phone.content()


def test_a_view_in_place_of_a_table_is_refused() -> None:
    refused(
        changed("CREATE VIEW weight_record_table AS SELECT 1 AS time, 64000 AS weight"), "a view or a virtual"
    )


def test_a_virtual_table_in_place_of_a_table_is_refused() -> None:
    refused(
        changed("CREATE VIRTUAL TABLE weight_record_table USING fts5(time, weight)"), "a view or a virtual"
    )


def test_a_generated_column_is_no_column() -> None:
    made = "weight REAL AS (zeroblob(1000000000))"
    refused(
        changed(f"CREATE TABLE weight_record_table (row_id INTEGER PRIMARY KEY, time INTEGER, {made})"),
        "weight_record_table lacks a column",
    )


def test_expressions_of_the_database_do_not_run() -> None:
    # Each of these would fail here, where no value may be so long.
    phone = hc.full()
    phone.database.execute("DROP TABLE weight_record_table")
    long = "length(zeroblob(900000000))"
    phone.database.execute(
        "CREATE TABLE weight_record_table (row_id INTEGER PRIMARY KEY, time INTEGER, "
        f"weight REAL CHECK ({long} > 0), slow INTEGER NOT NULL AS ({long}))"
    )
    phone.database.execute(f"CREATE INDEX tricky ON weight_record_table (weight, time, {long})")
    rows = [(number, hc.START_MS, 64_000 - number) for number in range(3)]
    phone.database.executemany(
        "INSERT INTO weight_record_table (row_id, time, weight) VALUES (?, ?, ?)", rows
    )
    table, _ = read(phone.content())
    weights = [row["value_num"] for row in table.to_pylist() if row["signal"] == "body_weight"]
    assert weights == pytest.approx([64, 63.999, 63.998])


def test_a_trigger_is_never_run() -> None:
    phone = hc.full()
    phone.database.execute(
        "CREATE TRIGGER spread AFTER INSERT ON weight_record_table BEGIN DELETE FROM steps_record_table; END"
    )
    assert read(phone.content())[0].num_rows == 25


def test_only_reading_is_allowed() -> None:
    with reading.open_database(stream(hc.full().content())) as database:
        for statement in (
            "DELETE FROM steps_record_table",
            "ATTACH ':memory:' AS other",
            "PRAGMA query_only = OFF",
            "PRAGMA writable_schema = ON",
            "CREATE TEMP TABLE kept (one INTEGER)",
            "SELECT load_extension('x')",
            "SELECT randomblob(10)",
            "SELECT name FROM pragma_database_list",
            "WITH RECURSIVE endless(n) AS (SELECT 1 UNION ALL SELECT n FROM endless) SELECT n FROM endless",
        ):
            with pytest.raises(SourceError, match="made to harm"):
                list(database.select(statement))


def test_a_query_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    phone = hc.Phone()
    phone.beats([60 + second % 20 for second in range(30_000)])
    monkeypatch.setattr(reading, "_FREE_STEPS", 0)
    assert read(phone.content())[0].num_rows == 30_000
    monkeypatch.setattr(reading, "_STEPS_PER_BYTE", 0.2)
    refused(phone.content(), "made to harm")


def test_a_tree_that_leads_in_circles_is_refused() -> None:
    phone = hc.Phone()
    phone.beats([60] * 5000)
    content = bytearray(phone.content())
    sql = "SELECT rootpage FROM sqlite_master WHERE name = 'heart_rate_record_series_table'"
    ((page,),) = phone.database.execute(sql)
    root = (page - 1) * 4096
    assert content[root] == 5, "an interior page"
    cells = int.from_bytes(content[root + 3 : root + 5])
    places = [int.from_bytes(content[root + 12 + 2 * n : root + 14 + 2 * n]) for n in range(cells)]
    for place in places:
        content[root + place : root + place + 4] = content[root + places[0] : root + places[0] + 4]
    refused(bytes(content), "damaged or made to harm")


def test_a_database_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = hc.full().content()
    monkeypatch.setattr(reading, "MAX_BYTES", len(content) - 1)
    refused(content, f"larger than {len(content) - 1} bytes")
    monkeypatch.setattr(reading, "MAX_BYTES", len(content))
    assert read(content)[0].num_rows == 25


@pytest.mark.parametrize("kept", [17, 100, 101, 4096, 65_536, 200_000])
def test_a_truncated_database_is_refused(kept: int) -> None:
    with pytest.raises(SourceError):
        read(hc.full().content()[:kept])


def test_a_database_without_its_last_page_is_refused() -> None:
    # Nothing that is read stands on it.
    phone = hc.full()
    phone.database.execute("CREATE TABLE last_of_all (one INTEGER)")
    content = phone.content()
    assert read(content)[0].num_rows == 25
    refused(content[:-4096], "truncated")


def test_no_file_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with reading.open_database(stream(hc.full().content())) as database:
        with pytest.raises(SourceError):
            list(database.select("PRAGMA temp_store"))
        assert database.count("steps_record_table") == 1
        database._connection.set_authorizer(None)
        settings = {
            name: database._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("temp_store", "query_only", "trusted_schema", "cell_size_check")
        }
    assert settings == {"temp_store": 2, "query_only": 1, "trusted_schema": 0, "cell_size_check": 1}
    assert list(tmp_path.iterdir()) == []


def stream(content: bytes) -> Any:
    return ByteSource.from_bytes(content).open()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_databases(data: st.DataObject) -> None:
    content = bytearray(hc.seeds()["health_connect_db"])
    for _ in range(data.draw(st.integers(1, 4))):
        # Page headers and the schema are where a changed byte does most.
        page = data.draw(st.integers(0, len(content) // 4096 - 1)) * 4096
        place = min(page + data.draw(st.one_of(st.integers(0, 120), st.integers(0, 4095))), len(content) - 1)
        put = data.draw(st.binary(min_size=1, max_size=4))
        content[place : place + len(put)] = put
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    survive(bytes(content))


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["time", "zone_offset", "weight", "uuid", "device_info_id", "app_info_id", "recording_method", "last_modified_time"]
        ),
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=8), st.binary(max_size=20)),
    )
)  # fmt: skip
def test_any_value_in_any_column(columns: dict[str, Any]) -> None:
    if columns.get("uuid", b"") is None:
        del columns["uuid"]
    phone = hc.Phone()
    phone.database.execute("PRAGMA foreign_keys = OFF")
    phone.instant("weight_record_table", **{"weight": 64_000.0, **columns})
    assert read(phone.content())[0].num_rows == 1
