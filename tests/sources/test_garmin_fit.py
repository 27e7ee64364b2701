"""FIT files: those that nobody here wrote, against other readings of them, and the traps of the format."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import fitdecode
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import SourceError
from shelflife.signals.overlap import with_overlaps
from shelflife.signals.sample import QualityFlag
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource
from tests.sources.damage import damaged, survive
from tests.sources.reading import NOW, problems, read, rows_of
from tests.sources.synthetic import garmin_fit as made
from tests.sources.synthetic.garmin_fit import NOON, fit

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = dt.datetime(1989, 12, 31, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return EPOCH + dt.timedelta(seconds=seconds)


def of(rows: list[dict[str, Any]], signal: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["signal"] == signal]


def messages(path: Path, name: str) -> list[fitdecode.FitDataMessage]:
    with fitdecode.FitReader(path) as reader:
        return [
            frame for frame in reader if frame.frame_type == fitdecode.FIT_FRAME_DATA and frame.name == name
        ]


@pytest.mark.parametrize(
    ("name", "signals", "found", "locations"),
    [
        ("Activity", {"workout": 1, "distance": 1, "active_energy": 1}, {}, 16),
        ("MonitoringFile", {"step_count": 80, "active_energy": 1}, {}, 0),
        ("Settings", {}, {}, 0),
        ("WeightScaleMultiUser", {"body_weight": 2}, {"no_subject": 2}, 0),
        (
            "activity-small-fenix2-run",
            {"heart_rate": 2808, "workout": 1, "distance": 1, "active_energy": 1},
            {},
            2814,
        ),
        ("antfs-dump.63", {"heart_rate": 685, "workout": 1, "active_energy": 1}, {"no_time": 687}, 0),
        (
            "garmin-edge-820-bike",
            {"rr_interval": 126, "heart_rate": 15, "workout": 1, "distance": 1, "active_energy": 1},
            {},
            17,
        ),
        (
            "garmin-fenix-5-run",
            {"rr_interval": 113, "heart_rate": 21, "workout": 1, "distance": 1, "active_energy": 1},
            {},
            23,
        ),
    ],
)
def test_files_of_others(
    samples: Path, name: str, signals: dict[str, int], found: dict[str, int], locations: int
) -> None:
    table, parsing = read(samples / "fit" / f"{name}.fit", "garmin_fit")
    assert Counter(table.column("signal").to_pylist()) == signals
    assert problems(table) == found
    assert parsing.ignored["location"] == locations


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("activity-settings-corruptheader", "corrupt or truncated header"),
        ("activity-unexpected-eof", "ends in the middle"),
    ],
)
def test_damaged_files_of_others_are_refused_before_any_row(samples: Path, name: str, reason: str) -> None:
    source = ByteSource.from_path(samples / "fit" / f"{name}.fit")
    rows = iter(detect(source).parse(source, now=NOW))
    with pytest.raises(SourceError, match=reason):
        next(rows)


@pytest.mark.parametrize("name", ["garmin-edge-820-bike", "garmin-fenix-5-run"])
def test_records_equal_the_published_tables(samples: Path, name: str) -> None:
    with (samples / "fit" / f"{name}-records.csv").open(newline="") as text:
        expected = [
            (dt.datetime.strptime(row["timestamp"].replace("PDT", "-0700"), "%a %b %d %H:%M:%S %z %Y"), float(row["heart_rate"]))
            for row in csv.DictReader(text)
        ]  # fmt: skip
    rows = of(rows_of(samples / "fit" / f"{name}.fit"), "heart_rate")
    assert [(row["start_utc"], row["value_num"]) for row in rows] == expected
    assert {(row["utc_offset_min"], row["tz_basis"]) for row in rows} == {(-420, "device")}


@pytest.mark.parametrize(("name", "count"), [("garmin-edge-820-bike", 66), ("garmin-fenix-5-run", 71)])
def test_beats_equal_another_reading(samples: Path, name: str, count: int) -> None:
    path = samples / "fit" / f"{name}.fit"
    hrv = messages(path, "hrv")
    lengths = [round(one * 1000) for frame in hrv for one in frame.get_value("time") if one is not None]
    rows = of(rows_of(path), "rr_interval")
    assert len(hrv) == count
    assert [row["value_num"] for row in rows] == lengths
    # A beat's time is its end: unbroken intervals end their own length after each other.
    steps = [(late["start_utc"] - early["start_utc"]) / dt.timedelta(milliseconds=1) for early, late in pairwise(rows)]  # fmt: skip
    assert steps == lengths[1:]
    last = max(frame.get_value("timestamp") for frame in messages(path, "event"))
    assert abs(rows[-1]["start_utc"] - last) < dt.timedelta(seconds=5)


def test_steps_of_a_day_of_somebody_else(samples: Path) -> None:
    path = samples / "fit" / "MonitoringFile.fit"
    rows = of(rows_of(path), "step_count")
    totals = {
        frame.get_value("activity_type"): frame.get_value("steps")
        for frame in messages(path, "monitoring")
        if frame.get_value("duration_min", fallback=None) == 1440
    }
    assert totals == {"walking": 3142, "running": 31}
    assert sum(row["value_num"] for row in rows) == 3173
    assert all(early["end_utc"] == late["start_utc"] for early, late in pairwise(rows))
    assert (rows[0]["start_utc"], rows[-1]["end_utc"]) == (
        dt.datetime(2014, 12, 27, 6, tzinfo=dt.UTC),
        dt.datetime(2014, 12, 28, 6, tzinfo=dt.UTC),
    )
    assert {row["local_date"] for row in rows[:-1]} == {dt.date(2014, 12, 27)}


def test_a_run() -> None:
    rows = rows_of(made.seeds()["fit_run"], "garmin_fit")
    workout, distance, energy = (of(rows, signal)[0] for signal in ("workout", "distance", "active_energy"))
    assert (workout["value_code"], workout["start_utc"], workout["end_utc"]) == (
        "running",
        at(NOON),
        at(NOON + 60),
    )
    assert (distance["value_num"], distance["unit_ucum"], distance["statistic"]) == (120.0, "m", "sum")
    assert (energy["value_num"], energy["unit_ucum"]) == (9, "kcal")
    assert {row["parent_id"] for row in rows} == {f"session-{NOON}"}
    assert {(row["device_make"], row["device_model"]) for row in rows} == {("garmin", "fenix5")}


def test_serial_numbers_places_and_names_stay_out_of_samples() -> None:
    content = fit(
        made.file_id(1_234_567_891),
        made.message(3, (0, "string", b"Zyzzogeton\0"), (1, "enum", 0)),
        made.record(NOON, 61, (0, "uint32", 495_280_430), (1, "uint32", 872_696_681)),
        made.message(0, (1, "string", b"Zyzzogeton\0"), (2, "string", b"Zyzzogeton\0")),
        made.record(NOON + 1, 62),
        made.message(18, (2, "uint32", NOON), (5, "string", b"Zyzzogeton\0")),
    )
    table, parsing = read(content)
    text = str(table.to_pylist())
    for secret in ("1234567891", "495280430", "872696681", "Zyzzogeton"):
        assert secret not in text
        assert secret not in str(parsing.ignored)
    assert parsing.profile.source_names == {"Zyzzogeton"}
    assert parsing.profile.sex == "female"
    assert parsing.ignored["location"] == 1


@pytest.mark.parametrize("time", [0, 16_441_241, 0x0FFF_FFFF, 0xFFFF_FFFF])
def test_no_time_is_no_time(time: int) -> None:
    table, _ = read(fit(made.file_id(), made.record(time, 61), made.activity(NOON)))
    assert problems(table) == {"no_time": 1}


def test_what_has_no_time_keeps_its_seconds_since_power_on(samples: Path) -> None:
    path = samples / "fit" / "antfs-dump.63.fit"
    seconds = [
        frame.get_value("timestamp") for frame in messages(path, "record") if frame.has_field("heart_rate")
    ]
    rows = of(rows_of(path), "heart_rate")
    assert [row["source_record_id"] for row in rows] == [f"power-on-{one}" for one in seconds]
    assert len(set(seconds)) == 685


def test_no_heart_rate_is_counted() -> None:
    table, parsing = read(fit(made.record(NOON, 0), made.record(NOON, 0xFF)))
    assert (table.num_rows, parsing.ignored) == (0, {"record": 2})


@pytest.mark.parametrize(
    ("offset_s", "offset_min"),
    [(3600, 60), (-12_600, -210), (20_699, 345), (20_702, 345), (20_750, None), (90_000, None)],
)
def test_the_offset_of_the_device(offset_s: int, offset_min: int | None) -> None:
    content = fit(made.record(NOON, 61), made.activity(NOON + 60, offset_s))
    [row] = rows_of(content)
    assert (row["utc_offset_min"], row["tz_basis"]) == (
        offset_min,
        "unknown" if offset_min is None else "device",
    )
    assert row["start_utc"] == at(NOON)


def test_without_an_offset_the_accounts_zone_gives_it() -> None:
    source = ByteSource.from_bytes(fit(made.record(NOON, 61)))
    [batch] = detect(source).parse(source, now=NOW, zone="Asia/Tokyo")
    [row] = batch.to_pylist()
    assert (row["start_utc"], row["utc_offset_min"], row["tz_basis"]) == (at(NOON), 540, "account")


def test_files_in_a_chain_have_their_own_offsets() -> None:
    first = fit(made.record(NOON, 61), made.activity(NOON, 3600))
    second = fit(made.record(NOON + 9, 62), made.activity(NOON, -3600))
    third = fit(made.record(NOON + 18, 63))
    rows = rows_of(first + second + third)
    assert [row["utc_offset_min"] for row in rows] == [60, -60, None]


def test_developers_cannot_pose_as_the_profile() -> None:
    table, parsing = read(fit(made.developer_record(NOON, b"heart_rate", 61)))
    assert (table.num_rows, parsing.ignored["record"]) == (0, 1)


def test_beats_begin_again_after_a_gap() -> None:
    content = fit(
        made.record(NOON, 60),
        made.hrv(1000, 900),
        made.record(NOON + 3, 60),
        made.hrv(1100),
        made.record(NOON + 600, 60),
        made.hrv(800),
        made.message(78, (0, "uint16", [0xFFFF] * 5)),
    )
    table, parsing = read(content)
    beats = of(table.to_pylist(), "rr_interval")
    assert [row["start_utc"] for row in beats] == [at(NOON + second) for second in (1, 1.9, 3, 600.8)]
    assert parsing.ignored == {"hrv": 1}


def test_beats_without_any_time_before_them_go_to_quarantine() -> None:
    table, _ = read(fit(made.hrv(1000, 900), made.record(NOON, 60)))
    assert problems(table) == {"no_time": 2}


def test_beats_with_times_of_their_own() -> None:
    good, bad, gap = 900 | 1 << 14, 800, 1 << 15 | 2000
    content = fit(
        made.message(372, (253, "uint32", NOON), (0, "uint16", 250), (1, "uint16", [good, gap, bad])),
        made.message(290, (253, "uint32", NOON + 60), (0, "uint16", 5), (1, "uint16", [700, 0xFFFF])),
    )
    rows = rows_of(content)
    assert [(row["value_num"], row["start_utc"]) for row in rows] == [
        (900, at(NOON + 1.15)),
        (800, at(NOON + 3.95)),
        (700, at(NOON + 60.705)),
    ]
    low = int(QualityFlag.LOW_CONFIDENCE)
    assert [row["quality_flags"] & low for row in rows] == [0, low, 0]


def test_heart_rates_that_a_strap_stored() -> None:
    """Counts of 1/1024 s: 4,000 at noon, then 5,024 (past the 12 bits) and 8,096."""
    low = [5_024 & 0xFFF, 8_096 & 0xFFF]
    packed = (low[0] | low[1] << 12).to_bytes(3, "little")
    content = fit(
        made.message(132, (253, "uint32", NOON), (9, "uint32", 4_000), (6, "uint8", 90)),
        made.message(132, (10, "byte", packed), (6, "uint8", [91, 92])),
    )
    rows = rows_of(content)
    assert [(row["start_utc"], row["value_num"]) for row in rows] == [
        (at(NOON), 90),
        (at(NOON + 1), 91),
        (at(NOON + 4), 92),
    ]


def test_short_times_wrap() -> None:
    begin = NOON - 13 * 3600
    hours = [*range(0, 24, 3), 23]
    content = fit(
        made.monitoring_info(begin),
        *[made.monitoring(begin + hour * 3600, (27, "uint8", 60 + hour)) for hour in hours],
    )
    assert [row["start_utc"] for row in rows_of(content)] == [at(begin + hour * 3600) for hour in hours]


def test_short_times_without_a_full_one_are_no_times() -> None:
    table, _ = read(fit(made.monitoring(NOON, (27, "uint8", 60))))
    assert problems(table) == {"no_time": 1}


def test_counters_become_sums_between_readings() -> None:
    """From midnight local (UTC+1), over the next midnight, when walking falls and running does not."""
    midnight = NOON - 13 * 3600
    night = midnight + 86_400
    content = fit(
        made.monitoring_info(midnight),
        made.steps(midnight + 3600, 100),
        made.steps(midnight + 7200, 150),
        made.steps(midnight + 7200, 40, 1),
        made.steps(night, 160, short=False),
        made.steps(night + 600, 70, 1),
        made.steps(night + 1200, 20),
        made.monitoring(night + 1300, (2, "uint32", 5_000), (19, "uint16", 30), (5, "enum", 6)),
    )
    rows = rows_of(content)
    got = [(row["start_utc"], row["end_utc"], row["value_num"]) for row in of(rows, "step_count")]
    assert got == [
        (at(midnight), at(midnight + 3600), 100),
        (at(midnight + 3600), at(midnight + 7200), 90),
        (at(midnight + 7200), at(night), 10),
        (at(night), at(night + 600), 70),
        (at(night + 600), at(night + 1200), 20),
    ]
    [distance], [energy] = of(rows, "distance"), of(rows, "active_energy")
    assert (distance["value_num"], distance["start_utc"]) == (50.0, at(night))
    assert (energy["value_num"], energy["end_utc"]) == (30, at(night + 1300))


def test_cycles_of_cyclists_are_no_steps() -> None:
    table, parsing = read(fit(made.monitoring_info(NOON), made.steps(NOON + 60, 500, 2)))
    assert (table.num_rows, parsing.ignored["monitoring"]) == (0, 1)


def test_a_first_reading_without_local_time_goes_to_quarantine() -> None:
    content = fit(made.steps(NOON, 100, short=False), made.steps(NOON + 60, 130))
    first, second = rows_of(content)
    assert (first["problem"], second["problem"]) == ("ambiguous_time", None)
    assert (second["value_num"], second["start_utc"]) == (30, at(NOON))


def test_what_an_earlier_file_has_of_the_day_counts_once() -> None:
    midnight = NOON - 13 * 3600
    morning = fit(
        made.file_id(),
        made.monitoring_info(midnight),
        made.steps(midnight + 30_000, 900),
        made.steps(NOON, 1_000),
    )
    evening = fit(
        made.file_id(),
        made.monitoring_info(NOON),
        made.steps(NOON + 5, 1_000),
        made.steps(NOON + 3600, 1_250),
    )
    assert counted(morning, evening) == 1_250
    assert counted(evening) == 1_250


def counted(*files: bytes) -> float:
    """Steps of a person that count, once everything that lies within each other is recognised."""
    table = pa.concat_tables([read(content)[0] for content in files])
    table = table.append_column("pid", pa.array([b"p" * 16] * table.num_rows))
    flags = with_overlaps(table, ()).column("quality_flags")
    counts = pc.equal(pc.bit_wise_and(flags, int(QualityFlag.TZ_UNKNOWN) ^ 0x7FFF), 0)
    return float(pc.sum(table.column("value_num").filter(counts)).as_py())


def test_a_level_of_sleep_is_that_of_the_time_before() -> None:
    def level(second: int, code: int) -> bytes:
        return made.message(275, (253, "uint32", NOON + second), (0, "enum", code))

    content = fit(level(0, 1), level(60, 2), level(120, 0), level(180, 3), level(86_400, 4))
    table, parsing = read(content)
    rows = table.to_pylist()
    got = [(row["stage"], row["start_utc"], row["end_utc"], row["value_raw"]) for row in rows]
    assert got == [
        ("awake", at(NOON), at(NOON), "1"),
        ("light", at(NOON), at(NOON + 60), "2"),
        ("deep", at(NOON + 120), at(NOON + 180), "3"),
        ("rem", at(NOON + 86_400), at(NOON + 86_400), "4"),
    ]
    assert parsing.ignored == {"sleep_level": 1}


@pytest.mark.parametrize(
    ("number", "field", "signal", "value", "unit", "statistic"),
    [
        (269, (0, "uint8", 97), "spo2", 97, "%", "instant"),
        (297, (0, "sint16", 1_450), "respiratory_rate", 14.5, "/min", "instant"),
        (371, (0, "uint16", 5_120), "hrv_rmssd", 40, "ms", "rmssd"),
        (370, (1, "uint16", 5_248), "hrv_rmssd", 41, "ms", "mean"),
        (211, (1, "uint8", 52), "resting_heart_rate", 52, "/min", "instant"),
        (398, (1, "float32", -0.5), "skin_temperature_delta", -0.5, "K", "mean"),
    ],
)
def test_messages_with_one_number(
    number: int, field: made.Field, signal: str, value: float, unit: str, statistic: str
) -> None:
    [row] = rows_of(fit(made.message(number, (253, "uint32", NOON), field)))
    assert (row["signal"], row["value_num"], row["unit_ucum"]) == (signal, value, unit)
    assert (row["statistic"], row["start_utc"]) == (statistic, at(NOON))


def test_vo2max_has_a_time_of_its_own() -> None:
    [row] = rows_of(fit(made.message(229, (0, "uint32", NOON), (2, "uint16", 481))))
    assert (row["signal"], row["value_num"], row["start_utc"]) == ("vo2max", 48.1, at(NOON))


@pytest.mark.parametrize(
    ("number", "field"), [(269, (0, "uint8", 0)), (297, (0, "sint16", -300)), (211, (0, "uint8", 52))]
)
def test_messages_without_a_reading_are_counted(number: int, field: made.Field) -> None:
    table, parsing = read(fit(made.message(number, (253, "uint32", NOON), field)))
    assert (table.num_rows, parsing.ignored.total()) == (0, 1)


def test_a_scale() -> None:
    alone = fit(made.weight(NOON, 7_580), made.weight(NOON + 9, 0xFFFE))
    rows = rows_of(alone)
    assert (rows[0]["value_num"], rows[0]["problem"], rows[0]["alias_kind"]) == (75.8, None, None)
    assert rows[1]["problem"] == "missing_value"
    [one] = rows_of(fit(made.weight(NOON, 7_580, 3)))
    assert one["problem"] is None
    table, parsing = read(
        fit(made.message(3, (254, "uint16", 0), (1, "enum", 1)), made.weight(NOON, 7_580, 1))
    )
    assert problems(table) == {"no_subject": 1}
    assert table.column("alias_kind").to_pylist() == ["fit_user_profile"]
    assert parsing.profile.empty


@pytest.mark.parametrize(
    ("place", "reason"),
    [(-1, "checksum"), (40, "checksum|decoded"), (9, "No source adapter"), (2, "header|checksum")],
)
def test_a_changed_byte_is_found(place: int, reason: str) -> None:
    content = bytearray(made.seeds()["fit_run"])
    content[place] ^= 0x20
    with pytest.raises(SourceError, match=reason):
        read(bytes(content))


def test_every_shortened_file_is_refused() -> None:
    content = made.seeds()["fit_run"]
    for length in range(14, len(content)):
        with pytest.raises(SourceError, match="FIT file"):
            read(content[:length])


@settings(max_examples=300, deadline=None)
@given(damaged(made.seeds()), st.sampled_from([None, "America/New_York"]))
def test_damaged_files_with_checksums_that_fit(content: bytes, zone: str | None) -> None:
    survive(made.resealed(content), "garmin_fit", zone)
