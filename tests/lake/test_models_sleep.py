"""Nights against a minute-by-minute computation in plain Python."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lake.model_rows import DAY, MIDNIGHT, one, run, sample

ORDER = ("out_of_bed", "awake", "rem", "deep", "light", "asleep_unspecified", "in_bed")
ASLEEP = ("rem", "deep", "light", "asleep_unspecified")
Record = tuple[str, int, int]


def stages(records: list[Record], app: str = "Watch") -> list[dict[str, object]]:
    return [
        sample("sleep_stage", None, start, end, value_code=stage, source_app=app)
        for stage, start, end in records
    ]


def by_minute(records: list[Record]) -> dict[int, str]:
    """The one stage of every covered minute."""
    covered: dict[int, str] = {}
    for stage, start, end in records:
        for minute in range(start, end):
            held = covered.get(minute)
            if held is None or ORDER.index(stage) < ORDER.index(held):
                covered[minute] = stage
    return covered


def sessions(covered: dict[int, str]) -> list[dict[int, str]]:
    """Split where 60 minutes or more are not covered."""
    found: list[dict[int, str]] = []
    for minute in sorted(covered):
        if not found or minute - max(found[-1]) - 1 >= 60:
            found.append({})
        found[-1][minute] = covered[minute]
    return found


def night(records: list[Record]) -> dict[str, object]:
    def rank(session: dict[int, str]) -> tuple[int, int, int]:
        return (-len(asleep_of(session)), min(session) - max(session), min(session))

    def asleep_of(session: dict[int, str]) -> list[int]:
        return [minute for minute, stage in session.items() if stage in ASLEEP]

    found = sessions(by_minute(records))
    most = max(len(asleep_of(s)) for s in found)
    staged = [
        s for s in found if set(s.values()) & {"rem", "deep", "light"} and 2 * len(asleep_of(s)) >= most
    ]
    best = min(staged or found, key=rank)
    asleep, bed = asleep_of(best), [minute for minute, stage in best.items() if stage != "out_of_bed"]
    known = any(stage in ("awake", "in_bed", "out_of_bed") for stage in best.values())
    minutes = {stage: sum(held == stage for held in best.values()) for stage in ORDER}
    tib = max(bed) + 1 - min(bed) if known and bed else None
    if not asleep:
        return {
            "time_in_bed_min": tib,
            "total_sleep_min": None,
            "sleep_period_min": None,
            "efficiency_percent": None,
        }
    spt = max(asleep) + 1 - min(asleep)
    wake = sum(
        min(asleep) <= minute <= max(asleep)
        for minute, held in best.items()
        if held in ("awake", "out_of_bed", "in_bed")
    )
    return {
        "time_in_bed_min": tib,
        "total_sleep_min": len(asleep),
        "light_min": minutes["light"],
        "deep_min": minutes["deep"],
        "rem_min": minutes["rem"],
        "unstaged_min": minutes["asleep_unspecified"],
        "sleep_period_min": spt,
        "wake_after_onset_min": wake,
        "unscored_min": spt - len(asleep) - wake,
        "latency_min": min(asleep) - min(bed) if known else None,
        "efficiency_percent": 100 * len(asleep) / tib if tib else None,
        "maintenance_percent": 100 * len(asleep) / spt,
    }


record = st.builds(
    lambda stage, start, length: (stage, start, start + length),
    st.sampled_from(ORDER),
    st.integers(0, 700),
    st.integers(1, 120),
)


@given(st.lists(record, min_size=1, max_size=14))
@settings(max_examples=70, deadline=None)
def test_night_against_minutes(records: list[Record]) -> None:
    found = one("sleep_nightly", stages(records))
    for name, value in night(records).items():
        assert found[name] == (None if value is None else pytest.approx(value)), name
    assert found["basis"] == "stages"
    assert 1 <= found["records"] <= len(records)


def test_in_bed_is_never_added_to_asleep() -> None:
    found = one("sleep_nightly", stages([("in_bed", 0, 480), ("asleep_unspecified", 20, 440)]))
    assert (found["time_in_bed_min"], found["total_sleep_min"], found["latency_min"]) == (480, 420, 20)
    assert found["efficiency_percent"] == pytest.approx(87.5)
    assert found["wake_after_onset_min"] == 0
    assert found["night_start_utc"] == MIDNIGHT
    assert found["night_end_utc"] == MIDNIGHT + dt.timedelta(minutes=480)


def test_two_sources_are_not_added_and_the_staged_one_wins() -> None:
    phone = stages([("asleep_unspecified", 0, 500)], app="Phone")
    watch = stages(
        [("light", 30, 200), ("deep", 200, 300), ("awake", 300, 320), ("rem", 320, 460)], app="Watch"
    )
    found = one("sleep_nightly", [*phone, *watch])
    assert (found["total_sleep_min"], found["deep_min"], found["records"]) == (410, 100, 4)
    assert found["wake_after_onset_min"] == 20


def test_a_scrap_of_stages_does_not_beat_a_whole_night() -> None:
    found = one(
        "sleep_nightly",
        [*stages([("deep", 0, 60)], app="A"), *stages([("asleep_unspecified", 0, 480)], app="B")],
    )
    assert found["total_sleep_min"] == 480


def test_a_nap_is_not_part_of_the_night() -> None:
    found = one("sleep_nightly", stages([("light", 0, 420), ("light", 840, 900)]))
    assert (found["total_sleep_min"], found["sleep_period_min"], found["unscored_min"]) == (420, 420, 0)


def test_sleep_alone_says_nothing_about_time_in_bed() -> None:
    found = one("sleep_nightly", stages([("light", 0, 400)]))
    assert found["time_in_bed_min"] is None
    assert found["efficiency_percent"] is None
    assert found["latency_min"] is None
    assert found["maintenance_percent"] == 100


def test_an_episode_counts_only_where_no_stages_are() -> None:
    episode = sample("sleep_episode", 430.0, 0, 480)
    other = sample("sleep_episode", 300.0, 0, 480, local_date=DAY + dt.timedelta(days=1))
    found = run("sleep_nightly", [episode, other, *stages([("light", 0, 400)])])
    assert [(row["basis"], row["total_sleep_min"]) for row in found] == [("stages", 400), ("episode", 300)]


def test_disqualified_records_count_nowhere() -> None:
    rows = stages([("light", 0, 400), ("light", 400, 450)])
    rows[1]["quality_flags"] = 4
    assert one("sleep_nightly", rows)["total_sleep_min"] == 400
