"""Counting batch by batch gives what counting at once gives; charts hold for any numbers."""

from __future__ import annotations

import datetime as dt
import math
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.rights.export import charts, svg
from shelflife.rights.export.glucose_charts import profile_chart, share_bar
from shelflife.rights.export.tally import SLOTS, Days, Tally, glucose_percentiles
from shelflife.signals.sample import SAMPLE_SCHEMA, QualityFlag

FIRST = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def samples(
    values: list[float], *, signal="glucose_interstitial", flags=0, offset=None, minutes=5
) -> pa.Table:
    rows = [
        {
            "signal": signal,
            "value_num": value,
            "unit_ucum": "mg/dL",
            "start_utc": FIRST + dt.timedelta(minutes=minutes * place),
            "local_date": (FIRST + dt.timedelta(minutes=minutes * place + (offset or 0))).date(),
            "utc_offset_min": offset,
            "quality_flags": flags,
            "source_app": f"app {place % 3}",
        }
        for place, value in enumerate(values)
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)


values_of = st.lists(st.floats(20, 500), min_size=1, max_size=600)


@given(values_of, st.lists(st.integers(0, 600), max_size=4), st.sampled_from([None, 0, -300, 540]))
@settings(max_examples=40)
def test_batches_do_not_matter(values, cuts, offset):
    rows = samples(values, offset=offset)
    whole, parts = Tally(), Tally()
    whole.add("glucose", rows)
    edges = sorted({0, len(values), *(min(cut, len(values)) for cut in cuts)})
    for start, stop in pairwise(edges):
        parts.add("glucose", rows.slice(start, stop - start))
    one, other = (tally.signals["glucose", "glucose_interstitial"] for tally in (whole, parts))
    assert (one.count, one.first, one.last, one.low, one.high) == (
        other.count, other.first, other.last, other.low, other.high,
    )  # fmt: skip
    assert math.isclose(one.mean, other.mean)
    assert math.isclose(one.mean, sum(values) / len(values))
    assert np.array_equal(whole.glucose, parts.glucose)
    assert np.array_equal(whole.glucose_ranges, parts.glucose_ranges)
    assert {key: source.count for key, source in whole.sources.items()} == {
        key: source.count for key, source in parts.sources.items()
    }
    inside = [
        sum(value < 54 for value in values),
        sum(54 <= value < 70 for value in values),
        sum(70 <= value <= 180 for value in values),
        sum(180 < value <= 250 for value in values),
        sum(value > 250 for value in values),
    ]
    assert whole.glucose_ranges.tolist() == inside


def test_the_edges_of_the_glucose_ranges_are_those_of_the_consensus():
    tally = Tally()
    tally.add("glucose", samples([53.9, 54.0, 69.9, 70.0, 180.0, 180.1, 250.0, 250.1]))
    assert tally.glucose_ranges.tolist() == [1, 2, 2, 2, 1]


def test_readings_of_one_day_in_two_batches_are_one_day():
    tally = Tally()
    tally.add("glucose", samples([100.0, 110.0]))
    tally.add("glucose", samples([90.0, 150.0, 150.0]))
    [found] = tally.signals["glucose", "glucose_interstitial"].days.values()
    assert (found.low, found.high, found.count, found.mean) == (90, 150, 5, 120)


@pytest.mark.parametrize("flag", list(QualityFlag))
def test_what_is_flagged_counts_as_a_row_and_not_as_a_reading(flag):
    tally = Tally()
    tally.add("glucose", samples([100.0, 110.0], flags=int(flag)))
    found = tally.signals["glucose", "glucose_interstitial"]
    kept = flag in (QualityFlag.TZ_UNKNOWN, QualityFlag.UNIT_ASSUMED, QualityFlag.LOCAL_TIME_DOUBTFUL)
    assert found.count == 2
    assert bool(found.days) == kept
    assert int(tally.glucose_ranges.sum()) == (2 if kept else 0)
    assert tally.flags == {flag.name: 2}


def test_a_reading_falls_into_its_local_half_hour():
    tally = Tally()
    tally.add("glucose", samples([100.0], offset=90))
    assert np.argwhere(tally.glucose).tolist() == [[3, 100]]


def test_percentiles_of_whole_numbers_are_exact():
    counts = np.zeros((SLOTS, 1001), np.int64)
    for value in range(1, 101):
        counts[0, value] += 1
    shares = glucose_percentiles(counts, (0.05, 0.25, 0.5, 0.75, 0.95))
    assert shares[0] == [5, 25, 50, 75, 95]
    assert shares[1] is None


def test_sources_are_bounded():
    tally = Tally()
    rows = samples([80.0] * 5000)
    names = pa.array([f"app {place}" for place in range(5000)])
    tally.add("glucose", rows.set_column(rows.schema.get_field_index("source_app"), "source_app", names))
    assert len(tally.sources) == 2000
    assert tally.other_sources == 3000


class Drawn(HTMLParser):
    """Every number of a drawing, and whether it is well formed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []
        assert "nan" not in text.lower().replace("unan", "")
        assert "inf" not in re.sub(r"<(title|desc).*?</\1>", "", text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        for name, value in attrs:
            if name in ("width", "height", "r"):
                assert float(value) >= 0

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


dates = st.dates(dt.date(1971, 1, 1), dt.date(2035, 1, 1))
numbers = st.floats(-1e6, 1e6, allow_nan=False)
days_of = st.dictionaries(dates, st.tuples(numbers, numbers, numbers).map(sorted), min_size=1, max_size=30)


@given(days_of, st.sampled_from([charts.WIDE, charts.NARROW]))
@settings(max_examples=60)
def test_charts_hold_for_any_days(found, width):
    days = {day: Days(low, high, mean, 1) for day, (low, mean, high) in found.items()}
    for chart in (charts.range_chart, charts.line_chart):
        Drawn(chart(days, "Title", "Words <&>")("x", width))
    Drawn(charts.bar_chart({day: abs(one.high) for day, one in days.items()}, "Title", "Words")("x", width))
    nights = [charts.Night(day, {"deep": abs(one.low) % 900}) for day, one in sorted(days.items())]
    Drawn(charts.night_chart(nights, "Title", "Words")("x", width))


@given(
    st.lists(
        st.none() | st.lists(st.floats(0, 1000), min_size=5, max_size=5).map(sorted), min_size=48, max_size=48
    )
)
@settings(max_examples=40)
def test_the_profile_holds_for_any_readings(percentiles):
    if any(percentiles):
        Drawn(profile_chart(percentiles, "Title", "Words")("x", charts.WIDE))


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any))
def test_the_bar_of_shares_is_as_wide_as_it_is(counts):
    text = share_bar([count / sum(counts) for count in counts], "Title", "Words")("x", 700)
    Drawn(text)
    assert text.count("<rect") == sum(count > 0 for count in counts)


@given(st.floats(-1e5, 1e5), st.floats(0, 1e5))
def test_ticks_span_the_range_and_are_few(low, more):
    ticks = svg.nice_ticks(low, low + more)
    assert ticks[0] <= low + 1e-6
    assert ticks[-1] >= low + more - 1e-6 * max(1, abs(low + more))
    assert 2 <= len(ticks) <= 9


@given(dates, st.integers(1, 20_000), st.sampled_from([charts.WIDE, charts.NARROW]))
def test_day_labels_do_not_run_into_each_other(first, days, width):
    frame = svg.Frame(width, 200, first, days, 0, 1)
    places = [(frame.x(day), label) for day, label in svg.day_ticks(frame)]
    for (x, label), (after, _) in pairwise(places):
        assert after - x > 5.5 * len(label)
