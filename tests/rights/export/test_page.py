"""The page: it loads nothing, runs nothing, escapes everything, and can be read without eyes, mouse or colour."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from shelflife.rights.export.contents import Contents, Controller, Person, Recipient
from shelflife.rights.export.labels import (
    BASIS_LABELS,
    FLAG_LABELS,
    PROBLEM_LABELS,
    SIGNAL_LABELS,
    STAGE_LABELS,
    STATISTIC_LABELS,
    STREAM_LABELS,
    UNIT_LABELS,
)
from shelflife.rights.export.page import render
from shelflife.rights.export.story import Story, tell
from shelflife.rights.export.style import STYLE
from shelflife.signals.rules import PROBLEMS
from shelflife.signals.sample import QualityFlag
from shelflife.signals.vocabulary import SIGNALS, STAGES, STATISTICS, STREAMS, TZ_BASES
from shelflife.subjects.directory import Alias
from tests.conftest import NOW
from tests.rights.export.conftest import landed, subject_of, unpacked

VOID = {"meta", "br", "img", "hr", "input", "link"}
LOADING = {
    "src",
    "srcset",
    "href",
    "xlink:href",
    "data",
    "poster",
    "action",
    "formaction",
    "background",
    "cite",
}


class Reader(HTMLParser):
    """Collects tags, and checks that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, *names: str) -> list[dict]:
        return [attrs for tag, attrs in self.tags if tag in names]


@pytest.fixture(scope="module")
def text(exported) -> str:
    return (exported.folder / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(text) -> Reader:
    return Reader(text)


def loads_nothing(page: Reader, folder) -> None:
    assert not page.all(
        "script", "iframe", "object", "embed", "link", "img", "base", "form", "audio", "video", "use"
    )
    for tag, attrs in page.tags:
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            if name in LOADING:
                assert tag == "a", (tag, name)
                inside = value.startswith("#") or (folder / value).is_file()
                assert inside, value
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_nothing_is_loaded_or_run(exported, page, text):
    loads_nothing(page, exported.folder)
    assert "http:" not in text
    assert "https:" not in text
    policy = next(attrs["content"] for attrs in page.all("meta") if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy


def test_it_can_be_read_without_eyes_or_mouse(page, text):
    assert text.startswith("<!doctype html>")
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) - len(page.all("svg")) == 1
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    for attrs in page.all("section"):
        assert attrs["aria-labelledby"] in ids
    for attrs in page.all("a"):
        assert not attrs["href"].startswith("#") or attrs["href"][1:] in ids
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
    assert "prefers-color-scheme: dark" in STYLE
    assert "@media print" in STYLE
    assert ":focus-visible" in STYLE


def test_every_chart_is_told_in_words(page):
    charts = page.all("svg")
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    # Heart, nights, two of glucose, steps, two of breathing; a week has one weight. Each wide and narrow.
    assert len(charts) == 14
    assert len(page.all("desc")) == len(charts)
    for attrs in charts:
        assert attrs["role"] == "img"
        assert set(attrs["aria-labelledby"].split()) <= ids
    assert sum("Show the numbers" in words for words in page.words) == 4


def test_the_numbers_are_right(exported, text):
    import polars as pl

    heart = pl.read_parquet(exported.folder / "data/heart.parquet").filter(pl.col("signal") == "heart_rate")
    usable = heart.filter(~pl.col("quality_flags").fill_null("").str.contains("FUTURE|RANGE|DUP|LOW|ONLY"))
    days = usable.group_by("local_date").agg(low=pl.col("value").min(), high=pl.col("value").max())
    low, high = days["low"].median(), days["high"].median()
    assert f"went from {low:.0f} to {high:.0f} beats per minute" in text
    assert f"The mean of all {usable.height:,} readings is {usable['value'].mean():.0f}." in text
    glucose = pl.read_parquet(exported.folder / "data/glucose.parquet")
    sensor = glucose.filter(pl.col("signal") == "glucose_interstitial")["value"]
    share = ((sensor >= 70) & (sensor <= 180)).mean()
    assert f"{share:.0%} of {len(sensor):,} readings" in text
    nights = pl.read_parquet(exported.folder / "data/derived/sleep_nightly.parquet")["total_sleep_min"]
    hours, minutes = divmod(round(nights.median()), 60)
    assert f"you slept {hours} hours and {minutes} minutes" in text
    steps = pl.read_parquet(exported.folder / "data/derived/activity_daily.parquet")["steps"]
    assert f"you took {steps.median():,.0f} steps" in text


def test_every_word_of_the_vocabulary_has_a_label():
    assert set(SIGNAL_LABELS) == set(SIGNALS)
    assert set(STREAM_LABELS) == set(STREAMS)
    assert set(STAGE_LABELS) == set(STAGES)
    assert set(STATISTIC_LABELS) == set(STATISTICS)
    assert set(BASIS_LABELS) == set(TZ_BASES)
    assert set(FLAG_LABELS) == {flag.name for flag in QualityFlag}
    assert set(PROBLEM_LABELS) == set(PROBLEMS)
    assert set(UNIT_LABELS) == {signal.unit for signal in SIGNALS.values() if signal.unit}


EVIL = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\x1b[31m\u202e&amp;'


def test_hostile_texts_stay_texts(tmp_path):
    """Whatever a source can choose ends up as words on the page, never as markup."""
    row = {"signal": "heart_rate", "value": 61, "unit": "/min", "start": "2026-11-20T08:00:00Z"}
    fields = (
        "device_make",
        "device_model",
        "device_software",
        "app",
        "platform",
        "id",
        "modality",
        "parent",
        "tz",
    )
    lines = [
        row | dict.fromkeys(fields, EVIL) | {"subject": EVIL},
        row | {"subject": EVIL, "signal": EVIL},
        {"record": "profile", "account": EVIL, "given_name": EVIL, EVIL: EVIL},
    ]
    estate = landed(tmp_path, {"files/rows.ndjson": "\n".join(map(json.dumps, lines)).encode()})
    folder = unpacked(
        estate,
        subject_of(estate, EVIL),
        tmp_path / "opened",
        recipients=[Recipient(EVIL, "third_party", EVIL, (EVIL,), EVIL, EVIL, transfer=EVIL)],
        controller=Controller(EVIL, EVIL),
    )
    text = (folder / "index.html").read_text("utf-8")
    page = Reader(text)
    loads_nothing(page, folder)
    assert text.count("alert(1)") >= 8
    assert "\x1b" not in text
    estate.close()


def nothing(**more) -> Contents:
    empty = {field.name: () for field in dataclasses.fields(Contents)}
    made = empty | {
        "request_id": "r",
        "export_id": "0" * 32,
        "made_at": NOW,
        "expires_at": NOW + dt.timedelta(days=30),
        "controller": Controller(),
        "person": Person({}, (), NOW.date()),
    }
    return Contents(**made | more)


def test_a_page_about_nothing_is_a_page():
    page = Reader(render(nothing(), tell([])))
    assert len(page.all("h1")) == 1
    assert not page.all("svg")


def test_years_of_days_are_drawn_by_week():
    from shelflife.rights.export.charts import Night
    from shelflife.rights.export.contents import ExportTable
    from shelflife.rights.export.tally import Days, SignalTally

    first = dt.date(2020, 1, 6)
    days = {first + dt.timedelta(days=at): Days(50, 100 + at % 60, 70.0, 1) for at in range(7 * 150)}
    story = Story(steps=dict.fromkeys(days, 5000.0), nights=[Night(day, {"deep": 60.0}) for day in days])
    tally = SignalTally(len(days), first, max(days), "/min", days)
    story.tally.signals["heart", "heart_rate"] = tally
    tables = [
        ExportTable(name, "samples", "x", (), lambda: iter(())) for name in ("heart", "sleep", "activity")
    ]
    text = render(nothing(tables=tables, person=Person({}, (Alias("account", "a"),), first)), story)
    page = Reader(text)
    wide = [tag for tag in page.all("rect") if tag["class"] == "band"]
    assert len(wide) == 2 * 150
    assert text.count("Each mark stands for a week.") == 3
    assert "2021" in text
