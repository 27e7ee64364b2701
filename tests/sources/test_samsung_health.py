"""Samsung Health downloads: tables, their traps, and the minute data beside them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shelflife.errors import SourceError
from shelflife.signals.sample import QualityFlag
from shelflife.sources.json_values import record_id
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource
from tests.sources.reading import NOW, problems, read, rows_of
from tests.sources.synthetic import samsung_health as made
from tests.sources.synthetic.samsung_health import DAY_MS, HEALTH, NIGHT, SHEALTH, UUID

MORNING = "2024-11-01 08:00:00.000,2024-11-01 08:10:00.000,UTC+0900"


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text + "+00:00")


def brief(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["signal"], row["value_num"] or row["value_code"], row["statistic"]) for row in rows]


def test_times_are_utc_with_the_offset_beside_them() -> None:
    row = rows_of(made.heart_rate(f"{MORNING},62.0,,,"), "samsung_health")[0]
    assert (row["start_utc"], row["end_utc"]) == (at("2024-11-01T08:00:00"), at("2024-11-01T08:10:00"))
    assert (row["utc_offset_min"], row["tz_basis"]) == (540, "sample")
    # 23:30 in Tokyo belongs to the day that ends there, though it is afternoon in Greenwich.
    late = "2024-11-01 15:30:00.000,2024-11-01 15:30:00.000,UTC+0900,60,,,"
    assert rows_of(made.heart_rate(late))[0]["local_date"] == dt.date(2024, 11, 2)


@pytest.mark.parametrize(
    ("text", "minutes"), [("UTC-0330", -210), ("UTC+09:00", 540), ("UTC+0000", 0), ("", None), ("KST", None)]
)
def test_offsets(text: str, minutes: int | None) -> None:
    row = rows_of(made.heart_rate(f"2024-11-01 08:00:00.000,,{text},62.0,,,"))[0]
    assert row["utc_offset_min"] == minutes
    assert row["start_utc"] == at("2024-11-01T08:00:00")


def test_without_an_offset_the_accounts_zone_gives_it() -> None:
    source = ByteSource.from_bytes(made.heart_rate("2024-11-01 08:00:00.000,,,62.0,,,"))
    [batch] = detect(source).parse(source, now=NOW, zone="Asia/Tokyo")
    [row] = batch.to_pylist()
    assert (row["start_utc"], row["utc_offset_min"], row["tz_basis"]) == (
        at("2024-11-01T08:00:00"),
        540,
        "account",
    )


def test_heart_rate() -> None:
    table, parsing = read(
        made.heart_rate(
            f"{MORNING},62.0,58.0,71.0,x.json",
            "2024-11-01 09:00:00.000,2024-11-01 09:00:00.000,UTC+0900,70.0,70.0,70.0,",
            f"{MORNING},0.0,,,",
            f"{MORNING},-1,,,",
        )
    )
    rows = table.to_pylist()
    assert brief(rows) == [
        ("heart_rate", 62, "mean"),
        ("heart_rate", 58, "min"),
        ("heart_rate", 71, "max"),
        ("heart_rate", 70, "instant"),
    ]
    assert parsing.ignored == {"tracker.heart_rate": 2}
    assert {(row["source_app"], row["source_record_id"]) for row in rows} == {
        ("samsung_health", record_id(UUID))
    }


def test_device_identifiers_and_names_of_applications_stay_out() -> None:
    columns = "start_time,weight,pkg_name,deviceuuid,comment"
    content = made.table(
        HEALTH + "weight", columns, '2024-11-01 08:00:00.000,71.2,com.zyzzogeton,GqJ0mQbzTz,"Ada, 80"'
    )
    [row] = rows_of(content)
    assert (row["value_num"], row["source_app"]) == (71.2, "third_party")
    assert not any(word in str(row) for word in ("zyzzogeton", "GqJ0mQbzTz", "Ada"))


@pytest.mark.parametrize("bom", [True, False])
@pytest.mark.parametrize("comma", ["", ","])
def test_header_and_lines_of_either_shape(bom: bool, comma: str) -> None:
    content = made.table(
        HEALTH + "weight", f"weight,start_time{comma}", "71.2,2024-11-01 08:00:00.000", bom=bom
    )
    [row] = rows_of(content, "samsung_health")
    assert (row["value_num"], row["start_utc"]) == (71.2, at("2024-11-01T08:00:00"))


def test_lines_that_cannot_be_split_go_to_quarantine_and_blank_ones_are_counted() -> None:
    content = made.table(
        HEALTH + "weight",
        "weight,start_time",
        "71.2,2024-11-01 08:00:00.000,extra",
        "71.2",
        '"71.2,2024-11-01 08:00:00.000',
        ",",
        "71.2,yesterday",
        "71.2,2024-11-01 08:00:00.000+09:00",
    ).replace(b"\r\n71.2,\r\n", b"\r\n71.2\r\n")
    table, parsing = read(content)
    assert problems(table) == {"bad_record": 3, "bad_time": 2}
    assert parsing.ignored == {"weight": 1}


def test_a_column_of_the_data_type_goes_before_one_of_the_same_name() -> None:
    prefix = HEALTH + "exercise."
    columns = f"start_time,{prefix}start_time,{prefix}exercise_type,duration"
    content = made.table(
        SHEALTH + "exercise", columns, "1999-01-01 00:00:00.000,2024-11-01 08:00:00.000,1002,7"
    )
    assert rows_of(content)[0]["start_utc"] == at("2024-11-01T08:00:00")


def test_stages_belong_to_their_night() -> None:
    begin = "2024-11-01 14:00:00.000,2024-11-01 14:30:00.000,UTC+0900"
    table, _ = read(made.sleep_stage(*(f"{begin},{code}" for code in (40001, 40002, 40003, 40004, 99999))))
    assert table.column("stage").to_pylist()[:4] == ["awake", "light", "deep", "rem"]
    assert table.column("value_raw").to_pylist()[0] == "40001"
    assert problems(table) == {"unknown_code": 1}
    assert set(table.column("parent_id").to_pylist()) == {record_id(NIGHT)}


def test_nights_and_goals() -> None:
    prefix = HEALTH + "sleep."
    columns = (
        f"sleep_score,sleep_duration,{prefix}start_time,{prefix}end_time,{prefix}time_offset,{prefix}datauuid"
    )
    content = made.table(
        SHEALTH + "sleep",
        columns,
        f"79,351,2024-11-01 14:00:00.000,2024-11-01 19:51:00.000,UTC+0900,{NIGHT}",
        f",,2024-11-02 14:00:00.000,2024-11-02 22:00:00.000,UTC+0900,{UUID}",
    )
    table, parsing = read(content)
    rows = table.to_pylist()
    assert brief(rows) == [("sleep_episode", 351, "sum"), ("sleep_score", 79, None)]
    assert (rows[0]["local_date"], rows[0]["source_record_id"]) == (dt.date(2024, 11, 2), record_id(NIGHT))
    assert parsing.ignored == {"sleep": 1}


def test_steps_of_all_devices_count_and_those_of_one_do_not() -> None:
    content = made.daily_steps(f"{DAY_MS},-2,8000", f"{DAY_MS},0,5000", "2024-11-02 00:00:00.000,-2,6500")
    table, parsing = read(content)
    rows = table.to_pylist()
    assert [(row["value_num"], row["start_utc"], row["end_utc"]) for row in rows] == [
        (8000, at("2024-11-01T00:00:00"), at("2024-11-02T00:00:00")),
        (6500, at("2024-11-02T00:00:00"), at("2024-11-03T00:00:00")),
    ]
    assert {(row["tz_basis"], row["statistic"]) for row in rows} == {("unknown", "sum")}
    assert parsing.ignored == {"step_daily_trend": 1}


def test_a_day_is_a_day_of_the_accounts_zone() -> None:
    source = ByteSource.from_bytes(made.daily_steps(f"{DAY_MS},-2,8000"))
    [batch] = detect(source).parse(source, now=NOW, zone="Asia/Tokyo")
    [row] = batch.to_pylist()
    assert (row["start_utc"], row["local_date"]) == (at("2024-10-31T15:00:00"), dt.date(2024, 11, 1))


def test_daily_steps_that_do_not_say_whose_go_to_quarantine() -> None:
    table, _ = read(made.table(SHEALTH + "step_daily_trend", "day_time,count", f"{DAY_MS},8000"))
    assert problems(table) == {"value_conflict": 1}


def test_intervals_of_steps_count_when_one_device_made_them() -> None:
    one, two = (
        f"2024-11-01 08:0{minute}:00.000,2024-11-01 08:0{minute + 1}:00.000,UTC+0900,80" for minute in (0, 1)
    )
    rows = rows_of(made.steps(one + ",phone", two + ",phone"))
    assert brief(rows) == [("step_count", 80, "sum")] * 2
    table, parsing = read(made.steps(one + ",phone", two + ",watch"))
    assert (table.num_rows, parsing.ignored) == (0, {"tracker.pedometer_step_count": 2})


@pytest.mark.parametrize(
    ("name", "columns", "line", "expected", "unit"),
    [
        (
            "tracker.oxygen_saturation",
            (
                f"{HEALTH}oxygen_saturation.start_time,{HEALTH}oxygen_saturation.end_time,"
                f"{HEALTH}oxygen_saturation.spo2,{HEALTH}oxygen_saturation.min,{HEALTH}oxygen_saturation.max"
            ),
            "2024-11-01 14:00:00.000,2024-11-01 20:00:00.000,96,90,99",
            [("spo2", 96, "mean"), ("spo2", 90, "min"), ("spo2", 99, "max")],
            "%",
        ),
        (
            "respiratory_rate",
            "start_time,end_time,average,lower_limit,upper_limit,is_outlier",
            "2024-11-01 14:00:00.000,2024-11-01 20:00:00.000,14.5,12,18,0",
            [("respiratory_rate", 14.5, "mean")],
            "/min",
        ),
        (
            "body_temperature",
            "start_time,temperature",
            "2024-11-01 14:00:00.000,36.6",
            [("body_temperature", 36.6, "instant")],
            "Cel",
        ),
        (
            "weight",
            "start_time,weight,body_fat",
            "2024-11-01 14:00:00.000,71.2,-1",
            [("body_weight", 71.2, "instant")],
            "kg",
        ),
    ],
)
def test_other_tables(name: str, columns: str, line: str, expected: list[tuple[Any, ...]], unit: str) -> None:
    rows = rows_of(made.table((HEALTH if "." not in name else SHEALTH) + name, columns, line))
    assert brief(rows) == expected
    assert {row["unit_ucum"] for row in rows} == {unit}


def test_an_outlier_has_low_confidence() -> None:
    columns = "start_time,end_time,average,is_outlier"
    [row] = rows_of(
        made.table(
            HEALTH + "respiratory_rate", columns, "2024-11-01 14:00:00.000,2024-11-01 20:00:00.000,30,1"
        )
    )
    assert row["quality_flags"] & QualityFlag.LOW_CONFIDENCE


def test_glucose_comes_in_mmol_per_litre_unless_it_says_otherwise() -> None:
    name, begin = HEALTH + "blood_glucose", "2024-11-01 08:00:00.000,UTC+0900"
    [row] = rows_of(made.table(name, "start_time,time_offset,glucose", f"{begin},5.5"))
    assert (row["signal"], row["unit_raw"], row["unit_ucum"]) == ("glucose_capillary", "mmol/L", "mg/dL")
    assert row["value_num"] == pytest.approx(5.5 * 18.0182)
    [stated] = rows_of(made.table(name, "start_time,time_offset,glucose,glucose_unit", f"{begin},95,mg/dL"))
    assert stated["value_num"] == 95
    table, _ = read(made.table(name, "start_time,time_offset,glucose,glucose_unit", f"{begin},95,mg"))
    assert problems(table) == {"unknown_unit": 1}


@pytest.mark.parametrize(
    ("code", "named", "problem"),
    [
        ("1002", "running", None),
        ("15006", "samsung_15006", None),
        ("", "other", None),
        ("Ada", None, "missing_value"),
    ],
)
def test_exercises(code: str, named: str | None, problem: str | None) -> None:
    names = (
        "start_time",
        "end_time",
        "time_offset",
        "exercise_type",
        "distance",
        "calorie",
        "mean_heart_rate",
        "datauuid",
    )
    content = made.table(
        SHEALTH + "exercise",
        ",".join(HEALTH + "exercise." + name for name in names) + ",heart_rate",
        f"{MORNING},{code},3000.5,210.5,121.0,{UUID},",
    )
    rows = rows_of(content)
    assert (rows[0]["value_code"], rows[0]["problem"]) == (named, problem)
    assert brief(rows)[1:] == [
        ("distance", 3000.5, "sum"),
        ("active_energy", 210.5, "sum"),
        ("heart_rate", 121, "mean"),
    ]
    assert {row["parent_id"] for row in rows} == {record_id(UUID)}


@pytest.mark.parametrize(
    ("name", "key"),
    [(HEALTH + "food_info", "food_info"), (SHEALTH + "zyzzogeton", "other"), (HEALTH + "hrv", "hrv")],
)
def test_tables_without_a_signal_are_counted(name: str, key: str) -> None:
    table, parsing = read(made.table(name, "start_time,name", "2024-11-01 08:00:00.000,soup", "a,b"))
    assert (table.num_rows, parsing.ignored) == (0, {key: 2})


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(SourceError, match="no header"):
        read(HEALTH.encode() + b"weight,1,2\n")


def test_minute_data() -> None:
    content = made.binning(
        {
            "start_time": DAY_MS,
            "end_time": DAY_MS + 59_999,
            "heart_rate": 61.5,
            "heart_rate_min": 58,
            "heart_rate_max": 70,
        },
        {"start_time": DAY_MS + 60_000, "heart_rate": 63, "heart_rate_max": 80},
        {"start_time": DAY_MS, "end_time": DAY_MS + 300_000, "sdnn": 50.25, "rmssd": 41},
        {"start_time": DAY_MS, "spo2": 96},
        {"start_time": DAY_MS, "heart_rate": 0},
    )
    table, parsing = read(content, "samsung_health_binning")
    assert brief(table.to_pylist()) == [
        ("heart_rate", 61.5, "mean"),
        ("heart_rate", 58, "min"),
        ("heart_rate", 70, "max"),
        ("heart_rate", 63, "instant"),
        ("hrv_sdnn", 50.25, "sdnn"),
        ("hrv_rmssd", 41, "rmssd"),
        ("spo2", 96, "instant"),
    ]
    assert table.column("start_utc")[0].as_py() == at("2024-11-01T00:00:00")
    assert set(table.column("tz_basis").to_pylist()) == {"unknown"}
    assert parsing.ignored == {"point": 1}


def test_minute_data_that_is_none() -> None:
    table, _ = read(
        b'[{"start_time": 1, "heart_rate": 60}, 7, {"start_time": "x", "heart_rate": 60},'
        b' {"start_time": 1e999999, "heart_rate": 60}, {"start_time": 9e9999999999, "heart_rate": 60}, {"heart_rate": "x"}]'
    )
    assert problems(table) == {"bad_time": 4, "bad_record": 1, "no_time": 1}


@pytest.mark.parametrize(
    "content",
    [
        b'[{"start_time": 1, "score": 40}]',
        b'[{"start_time": 1, "latitude": 1, "longitude": 2}]',
        b'[{"start_time": "2020-01-01T00:00:00", "heart_rate": {"average": 120}}]',
        b'{"start_time": 1, "heart_rate": 60}',
    ],
)
def test_other_json_is_not_minute_data(content: bytes) -> None:
    from shelflife.sources.samsung_binning import SamsungBinning

    assert not SamsungBinning().recognises(content)


def test_a_whole_download() -> None:
    seeds = made.seeds()
    content = made.archive(
        heart_rate__csv=seeds["samsung_heart_rate"],
        sleep_stage__csv=seeds["samsung_stages"],
        food_info__csv=made.table(HEALTH + "food_info", "name", "soup"),
        minutes__json=seeds["samsung_minutes"],
        places__json=b'[{"start_time": 1, "latitude": 1}]',
        picture__jpg=b"\xff\xd8",
    )
    table, parsing = read(content, "archive")
    assert table.num_rows == 4 + 1 + 3
    assert parsing.ignored == {"food_info": 1, "archive/json": 1, "archive/jpg": 1}
