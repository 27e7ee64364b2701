"""Heart beats of an Apple Health export: intervals from clock strings without date or zone, and what cannot be read."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import SourceError
from shelflife.sources.apple_beats import MOST_BEATS
from shelflife.sources.apple_clock import clock_us
from tests.lake.model_rows import STREAM_SCHEMA, run
from tests.sources.reading import problems, read
from tests.sources.synthetic import apple_health as apple

HOUR = dt.timedelta(hours=1)
CET = dt.timezone(HOUR)
MORNING = dt.datetime(2026, 11, 3, 7, 30, 0, 340_000, CET)
RR = [640, 660, 640, 870, 1010, 990, 700]
FIRST, GAP = "InstantaneousBeatsPerMinute/first", "InstantaneousBeatsPerMinute/gap"


def beats_of(content: bytes, **more: Any) -> tuple[list[dict[str, Any]], Any]:
    table, parsing = read(content, "apple_health", **more)
    return [row for row in table.to_pylist() if row["signal"] == "rr_interval"], parsing


def listed(*beats: tuple[str, str], seconds: int = 65, inside: str = "") -> bytes:
    """An export of one record, 19:14:47 -0400 and so many seconds, with these beats."""
    start = dt.datetime(2017, 11, 22, 19, 14, 47, tzinfo=dt.timezone(-4 * HOUR))
    end = start + dt.timedelta(seconds=seconds)
    return apple.export(
        apple.record(apple.SDNN, "32.1", start, end, unit="ms", inside=inside + apple.beat_list(beats))
    )


def test_a_list_as_published_excerpts_have_it() -> None:
    # Exported at another offset than the watch had that day: the clock is an hour behind.
    content = listed(
        ("95", "6:14:48.94 PM"), ("94", "6:14:49.58 PM"), ("91", "6:14:50.24 PM"), ("93", "6:14:50.88 PM")
    )
    table, parsing = read(content)
    parent, *rows = table.to_pylist()
    assert [row["value_num"] for row in rows] == [640, 660, 640]
    assert rows[0]["start_utc"] == dt.datetime(2017, 11, 22, 23, 14, 49, 580_000, dt.UTC)
    first = rows[0]
    assert (first["signal"], first["unit_ucum"], first["statistic"]) == ("rr_interval", "ms", "instant")
    assert (first["value_raw"], first["record_path"]) == ("94@6:14:49.58 PM", "InstantaneousBeatsPerMinute")
    assert (first["end_utc"], first["problem"]) == (first["start_utc"], None)
    assert (first["device_model"], first["source_app"]) == ("Watch6,2", "apple_watch")
    assert {row["parent_id"] for row in rows} == {parent["source_record_id"]} != {None}
    assert (parsing.records, parsing.ignored) == (5, {FIRST: 1})


@pytest.mark.parametrize("clock", sorted(apple.CLOCKS))
@pytest.mark.parametrize("hour", [0, 7, 11, 12, 18, 23])
def test_clocks_of_many_languages(clock: str, hour: int) -> None:
    first = MORNING.replace(hour=hour)
    rows, parsing = beats_of(apple.export(apple.variability(first, RR, clock=clock)))
    assert [row["value_num"] for row in rows] == RR
    assert [row["problem"] for row in rows] == [None] * len(RR)
    ends = [first + dt.timedelta(milliseconds=passed) for passed in itertools.accumulate(RR)]
    assert [row["start_utc"] for row in rows] == ends
    assert parsing.ignored == {FIRST: 1}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6:14:48.94 PM", 65688.94),
        ("6:14:48.94\u202fpm", 65688.94),
        ("12:00:00.00 AM", 0),
        ("12:00:00.00 p.m.", 43200),
        ("午前0:14:48.94", 888.94),
        ("下午6:14:48.94", 65688.94),
        ("08:33:44,67", 30824.67),
        ("8.33.44,67", 30824.67),
        ("\u0668:\u0663\u0663:\u0664\u0664\u066b\u0666\u0667", 30824.67),
        ("23:59:59.999", 86399.999),
    ],
)
def test_times_that_can_be_read(text: str, seconds: float) -> None:
    assert clock_us(text) == round(seconds * 1_000_000)


@pytest.mark.parametrize(
    "text",
    [
        None, "", "6:14", "6:14:48", "6:14:48.9", "13:14:48.94 PM", "24:00:00.00", "6:60:00.00", "6:14:60.00",
        "6:14:48.94 XM", "6:14:48.94 am pm", "2017-11-22 18:14:48.94 -0400", "6:14.48.94", "1.25",
        "6:14:48.94" + " " * 90,
    ],
)  # fmt: skip
def test_times_that_cannot_be_read_for_certain(text: str | None) -> None:
    assert clock_us(text) is None


def test_a_list_that_passes_midnight() -> None:
    first = dt.datetime(2026, 11, 3, 23, 59, 58, 900_000, CET)
    rows, _ = beats_of(apple.export(apple.variability(first, RR, clock="12 hours, narrow space")))
    assert [row["value_num"] for row in rows] == RR
    assert rows[-1]["start_utc"] == first + dt.timedelta(milliseconds=sum(RR))
    assert {str(row["local_date"]) for row in rows} == {"2026-11-03", "2026-11-04"}


@pytest.mark.parametrize("quarters", [-104, -38, -4, 0, 3, 19, 51, 56])
def test_the_clock_may_be_of_any_zone(quarters: int) -> None:
    ahead = dt.timedelta(minutes=15 * quarters)
    rows, _ = beats_of(apple.export(apple.variability(MORNING, RR, clock_ahead=ahead)))
    assert [row["value_num"] for row in rows] == RR
    assert rows[0]["start_utc"] == MORNING + dt.timedelta(milliseconds=RR[0])


@pytest.mark.parametrize("minutes", [-7, -2, 2, 7])
def test_a_list_beside_its_record_is_not_dated(minutes: int) -> None:
    content = apple.export(apple.variability(MORNING, RR, clock_ahead=dt.timedelta(minutes=minutes)))
    rows, parsing = beats_of(content)
    assert [row["problem"] for row in rows] == ["bad_time"] * (len(RR) + 1)
    assert not parsing.ignored
    assert rows[0]["record_path"] == "InstantaneousBeatsPerMinute#2"
    assert rows[0]["value_raw"] == f"94@07:{30 + minutes:02d}:00.34"


def test_a_long_record_does_not_say_when_its_beats_were() -> None:
    beats = [("95", "6:14:48.94 PM"), ("94", "6:14:49.58 PM")]
    rows, _ = beats_of(listed(*beats, seconds=895))
    assert [row["problem"] for row in rows] == [None]
    rows, _ = beats_of(listed(*beats, seconds=905))
    assert [row["problem"] for row in rows] == ["ambiguous_time"] * 2


def test_missing_beats_make_no_intervals() -> None:
    # 1,280 ms at a rate of 94 are two intervals, and 3 s are none even if the rate says so.
    rows, parsing = beats_of(
        listed(
            ("95", "6:14:48.94 PM"), ("94", "6:14:50.22 PM"), ("94", "6:14:50.86 PM"), ("20", "6:14:53.86 PM")
        )
    )
    assert [row["value_num"] for row in rows] == [640]
    assert parsing.ignored == {FIRST: 1, GAP: 2}


def test_an_interval_may_differ_from_the_last_as_much_as_its_rate_says() -> None:
    rows, parsing = beats_of(apple.export(apple.variability(MORNING, [1000, 480, 1490, 2440])))
    assert [row["value_num"] for row in rows] == [1000, 480, 1490, 2440]
    assert parsing.ignored == {FIRST: 1}


def test_beats_that_contradict_their_rate_or_have_none_are_set_aside() -> None:
    rows, _ = beats_of(
        listed(
            ("95", "6:14:48.94 PM"), ("95", "6:14:49.04 PM"), ("Ada", "6:14:49.70 PM"), ("0", "6:14:50.30 PM"),
            ("95", "6:14:50.30 PM"), ("95", "6:14:50.20 PM"), ("95", "6:14:50.84 PM"),
        )
    )  # fmt: skip
    assert [row["problem"] for row in rows] == [
        "value_conflict", "bad_number", "bad_number", "value_conflict", "value_conflict", None,
    ]  # fmt: skip
    assert rows[-1]["value_num"] == 640


def test_an_unreadable_time_costs_its_own_interval_and_the_next() -> None:
    rows, parsing = beats_of(
        listed(
            ("95", "6:14:48.94 PM"), ("94", "6:14:49.58 XX"), ("91", "6:14:50.24 PM"), ("94", "6:14:50.88 PM"),
            ("94", "6:24:51.52 PM"), ("94", "6:14:52.16 PM"), ("94", "6:14:52.80 PM"),
        )
    )  # fmt: skip
    assert [(row["problem"], row["value_num"]) for row in rows] == [
        ("bad_time", None), (None, 640), ("bad_time", None), (None, 640),
    ]  # fmt: skip
    assert rows[0]["record_path"] == "InstantaneousBeatsPerMinute#3"
    assert parsing.ignored == {FIRST: 3}


def test_a_second_list_begins_anew() -> None:
    lists = apple.beat_list([("94", "6:14:48.94 PM"), ("94", "6:14:49.58 PM")])
    rows, parsing = beats_of(listed(("94", "6:14:50.22 PM"), ("94", "6:14:50.86 PM"), inside=lists))
    assert [row["value_num"] for row in rows] == [640, 640]
    assert parsing.ignored == {FIRST: 2}


def test_a_record_without_a_time_has_beats_without_one() -> None:
    content = listed(("94", "6:14:48.94 PM"), ("94", "6:14:49.58 PM")).replace(b"2017-11-22 19:15", b"x")
    table, _ = read(content)
    assert problems(table) == {"bad_time": 3}


def test_beats_of_an_rmssd_record() -> None:
    table, _ = read(apple.export(apple.variability(MORNING, RR, kind=apple.RMSSD)))
    assert [row["signal"] for row in table.to_pylist()] == ["hrv_rmssd"] + ["rr_interval"] * len(RR)


def test_a_later_export_gives_the_same_rows_in_another_offset() -> None:
    winter, summer = (
        read(apple.export(apple.variability(MORNING.astimezone(zone), RR)))[0].to_pylist()
        for zone in (CET, dt.timezone(2 * HOUR))
    )
    for one, other in zip(winter, summer, strict=True):
        assert one["utc_offset_min"] != other["utc_offset_min"]
        for name in ("start_utc", "value_num", "source_record_id", "parent_id"):
            assert one[name] == other[name]


def test_two_records_are_two_parents() -> None:
    later = MORNING + dt.timedelta(hours=3)
    rows, _ = beats_of(apple.export(apple.variability(MORNING, RR), apple.variability(later, RR)))
    assert len({row["parent_id"] for row in rows}) == 2


def test_an_id_of_the_record_is_the_parent() -> None:
    own = "3B241101-E2BB-4255-8CAF-4136C566A962"
    rows, _ = beats_of(
        apple.export(apple.variability(MORNING, RR, inside=apple.entry("HKExternalUUID", own)))
    )
    assert {row["parent_id"] for row in rows} == {own}


def test_the_zone_of_the_account_gives_the_local_day() -> None:
    # An export of winter writes a summer night with the winter offset.
    late = dt.datetime(2026, 7, 3, 22, 30, 0, tzinfo=dt.UTC).astimezone(CET)
    own = apple.entry("HKTimeZone", "Asia/Jerusalem")
    content = apple.export(apple.variability(late, RR[:1]), apple.variability(late, RR[:1], inside=own))
    table, _ = read(content, zone="Europe/Paris")
    facts = [
        (row["utc_offset_min"], row["iana_tz"], row["tz_basis"], str(row["local_date"]))
        for row in table.to_pylist()
    ]
    account = (120, "Europe/Paris", "account", "2026-07-04")
    sample = (180, "Asia/Jerusalem", "sample", "2026-07-04")
    assert facts == [account, sample, account, sample]
    exported = read(content)[0].to_pylist()
    assert (exported[0]["tz_basis"], str(exported[0]["local_date"])) == ("export", "2026-07-03")
    assert [row["start_utc"] for row in exported] == [row["start_utc"] for row in table.to_pylist()]


def test_a_record_at_the_edge_of_a_batch_keeps_what_is_inside_it() -> None:
    inside = apple.entry("HKTimeZone", "Europe/Helsinki")
    one = apple.variability(MORNING, RR[:2], inside=inside)
    table, parsing = read(apple.export(one * 20_000))
    assert table.num_rows == 60_000
    assert parsing.ignored == {FIRST: 20_000}
    assert table.column("tz_basis").unique().to_pylist() == ["sample"]
    assert problems(table) == {}


def test_a_list_that_no_heart_makes_is_refused() -> None:
    beats = apple.beat_list([("94", "6:14:48.94 PM")])
    one = '<InstantaneousBeatsPerMinute bpm="94" time="6:14:48.94 PM"/>'
    content = apple.export(apple.variability(MORNING, RR)).replace(
        b"</HeartRate", (one * MOST_BEATS).encode() + b"</HeartRate", 1
    )
    assert beats.count(one) == 1
    with pytest.raises(SourceError, match="more than 100000 heart beats"):
        read(content)


def test_a_night_of_stages_under_the_time_in_bed_and_vo2max() -> None:
    table, _ = read(apple.seeds()["apple_night"], "apple_health")
    *sleep, fitness = table.to_pylist()
    assert [row["stage"] for row in sleep] == [
        "in_bed", "light", "deep", "awake", "rem", "light", "asleep_unspecified",
    ]  # fmt: skip
    assert {str(row["local_date"]) for row in sleep} == {"2026-11-04"}
    assert (fitness["signal"], fitness["value_num"], fitness["unit_ucum"], fitness["unit_raw"]) == (
        "vo2max", 47.3, "mL/kg/min", "mL/min·kg",
    )  # fmt: skip
    assert (fitness["tz_basis"], problems(table)) == ("sample", {})


def derived(model: str, content: bytes) -> list[dict[str, Any]]:
    """What a model makes of an export's rows."""
    rows = [{**row, "pid": bytes(16)} for row in read(content)[0].to_pylist() if row["problem"] is None]
    return run(model, [{name: row.get(name) for name in STREAM_SCHEMA.names} for row in rows])


def test_time_in_bed_is_not_added_to_the_stages_under_it() -> None:
    (night,) = derived("sleep_nightly", apple.export(apple.night(MORNING.replace(hour=22))))
    assert (night["time_in_bed_min"], night["total_sleep_min"], night["wake_after_onset_min"]) == (
        480,
        440,
        10,
    )
    assert [night[f"{stage}_min"] for stage in ("light", "deep", "rem", "unstaged")] == [305, 60, 60, 15]


def test_metrics_of_the_intervals_are_those_of_the_heart() -> None:
    beats = [640, 660, 640, 870, 1010, 990, 700] * 5
    (recording,) = derived("hrv_recordings", apple.export(apple.variability(MORNING, beats, clock="Arabic")))
    assert recording["intervals"] == len(beats)
    assert recording["sdnn_ms"] == pytest.approx(statistics.stdev(beats), abs=1e-9)
    steps = [(later - before) ** 2 for before, later in itertools.pairwise(beats)]
    assert recording["rmssd_ms"] == pytest.approx(math.sqrt(statistics.fmean(steps)), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("0123456789.,", max_size=4), st.text("0123456789:., APM午前م", max_size=14)),
        max_size=9,
    )
)
def test_any_beats_are_accounted_for(beats: list[tuple[str, str]]) -> None:
    table, parsing = read(listed(*beats))
    assert parsing.records == 1 + len(beats)
    for row in table.to_pylist()[1:]:
        if row["problem"] is None:
            assert dt.timedelta() <= row["start_utc"] - dt.datetime(2017, 11, 22, 23, 14, 46, tzinfo=dt.UTC)
            assert row["start_utc"] < dt.datetime(2017, 11, 22, 23, 15, 53, tzinfo=dt.UTC)
