"""What several sources report lands from each of them and counts once downstream."""

from __future__ import annotations

import json

from shelflife.estate import Estate
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.status import status
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.lake.state import derived_rows, raw_rows


def clock():
    return NOW


def beats(platform: str, values: list[int], **more: object) -> bytes:
    rows = [
        {
            "signal": "heart_rate",
            "value": value,
            "unit": "/min",
            "start": f"2026-11-05T08:{place:02d}:00Z",
            "platform": platform,
            **more,
        }
        for place, value in enumerate(values)
    ]
    return "\n".join(map(json.dumps, rows)).encode()


def landed_and_derived(estate, put, *files: bytes) -> dict[str, object]:
    for number, content in enumerate(files):
        put(content, "someone", f"{number}.ndjson")
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert report.total("landed") == report.total("samples_in")
    derive(estate, clock=clock)
    return derived_rows(estate)["heart_daily"].row(0, named=True)


def test_the_same_beats_from_two_sources_stay_raw_twice_and_count_once(estate, put):
    day = landed_and_derived(estate, put, beats("garmin", [60, 62, 64]), beats("apple_health", [60, 62, 90]))
    # 64 and 90 at the same moment are two measurements.
    assert (day["readings"], day["mean_bpm"]) == (4, (60 + 62 + 64 + 90) / 4)
    rows = raw_rows(estate)["heart", "2026-11-05"]
    assert rows.height == 6
    assert set(rows["quality_flags"]) == {0}


def test_an_hourly_mean_that_came_before_its_samples_counts_until_they_come(estate, put):
    mean = beats("polar", [80], statistic="mean", end="2026-11-05T09:00:00Z")
    day = landed_and_derived(estate, put, mean)
    assert (day["readings"], day["mean_bpm"]) == (1, 80)
    day = landed_and_derived(estate, put, beats("polar", [60, 70]))
    assert (day["readings"], day["mean_bpm"]) == (2, 65)


def test_minima_and_maxima_are_no_readings(estate, put):
    low = beats("polar", [41], statistic="min", end="2026-11-05T08:00:30Z")
    day = landed_and_derived(estate, put, low, beats("oura", [60, 70]))
    assert (day["readings"], day["min_bpm"], day["max_bpm"]) == (2, 41, 70)


def test_another_order_of_sources_makes_what_it_touches_stale(tmp_path, estate, put):
    landed_and_derived(estate, put, beats("garmin", [60]), beats("apple_health", [60]))
    assert status(estate).stale == {}
    other = Estate.open(settings_in(tmp_path, source_precedence=("apple_health",)), NOW)
    assert set(status(other).stale) >= {"heart_daily"}
    derive(other, clock=clock)
    assert status(other).stale == {}
    other.close()
