"""The page's sections about what was measured: one a stream, with a sentence, a chart and a table. Pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from shelflife.rights.export.charts import (
    MOST_DAYS,
    STAGES,
    bar_chart,
    line_chart,
    night_chart,
    range_chart,
)
from shelflife.rights.export.documents import data_name
from shelflife.rights.export.glucose_charts import RANGE_NAMES, profile_chart, share_bar
from shelflife.rights.export.labels import SIGNAL_LABELS, STREAM_LABELS, readable, unit_words
from shelflife.rights.export.markup import (
    chart,
    counted,
    day,
    file_link,
    listed,
    more,
    number,
    paragraph,
    section,
    sentence,
    short_day,
    table,
)
from shelflife.rights.export.tally import glucose_percentiles
from shelflife.signals.vocabulary import signals_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from shelflife.rights.export.contents import ExportTable
    from shelflife.rights.export.story import Story
    from shelflife.rights.export.tally import Days, SignalTally

Signals = dict[str, "SignalTally"]
Told = tuple[str, list[str]]
"""A sentence, and the figures below it."""

_PERCENTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NUMBERS_SHOWN = 60
_DIGITS = {
    "body_weight": 1,
    "body_temperature": 1,
    "vo2max": 1,
    "skin_temperature_delta": 2,
    "respiratory_rate": 1,
}
_STAGE_WORDS = {
    "deep": "deep",
    "light": "light",
    "rem": "REM",
    "unstaged": "stage not known",
    "awake": "awake",
}
_RANGE_LEGEND = (("k-band", "lowest to highest"), ("k-line stroke", "mean"))
_PROFILE_LEGEND = (
    ("k-line stroke", "median"),
    ("k-inner", "half of all readings"),
    ("k-outer", "nine of ten readings"),
    ("k-target", "limits of the target range"),
)


def stream_section(stream: ExportTable, story: Story) -> str:
    """Return the section of one stream that the person has samples in."""
    known = story.tally.of_stream(stream.name)
    signals = {signal.name: known[signal.name] for signal in signals_of(stream.name) if signal.name in known}
    lead, figures = _TELL[stream.name](story, signals)
    files = listed([file_link(data_name(stream, suffix)) for suffix in ("csv", "ndjson", "parquet")])
    return section(
        stream.name,
        STREAM_LABELS[stream.name],
        paragraph(lead),
        *figures,
        _signal_table(signals),
        f'<p class="quiet">Every measurement is in {files}.</p>',
        classes=f"stream {stream.name}",
    )


def _heart(story: Story, signals: Signals) -> Told:
    del story
    rate = signals.get("heart_rate")
    if rate is None or not rate.days:
        return "Your heart measurements, in numbers.", []
    days = list(rate.days.values())
    low, high = median([found.low for found in days]), median([found.high for found in days])
    lead = (
        f"On a typical day your heart rate went from {number(low)} to {number(high)} beats per minute. "
        f"The mean of all {counted(sum(found.count for found in days), 'reading')} is {number(rate.mean)}."
    )
    title = "Heart rate, day by day"
    draw = range_chart(rate.days, title, f"Bars from the lowest to the highest reading of each day. {lead}")
    figure = chart("heart-rate", title, draw, f"In beats per minute.{_marks(rate.days)}", _RANGE_LEGEND)
    return lead, [figure, _numbers("heart rate", "beats per minute", rate.days)]


def _sleep(story: Story, signals: Signals) -> Told:
    del signals
    if not story.nights:
        return (
            "Your nights, as your devices recorded them. No nightly figures have been computed from them yet.",
            [],
        )
    lead = f"Your sleep of {counted(len(story.nights), 'night')}."
    if story.asleep:
        hours, minutes = divmod(round(median(story.asleep.values())), 60)
        lead = f"In a typical night of {len(story.asleep):,} you slept {hours} hours and {minutes} minutes."
    title = "Nights, by stage of sleep"
    present = {stage for night in story.nights for stage in night.minutes}
    legend = [(f"s-{stage}", _STAGE_WORDS[stage]) for stage in STAGES if stage in present]
    caption = "Hours; a night counts to the morning that it ends on. Of overlapping sources, one counts for each night."
    draw = night_chart(story.nights, title, f"One bar a night, its height the hours. {lead}")
    figure = chart("nights", title, draw, caption + _marks(night.day for night in story.nights), legend)
    rows = [
        [short_day(night.day), *(number(night.minutes.get(stage, 0)) for stage in STAGES)]
        for night in story.nights[-_NUMBERS_SHOWN:]
    ]
    heads = ("Morning of", *(sentence(_STAGE_WORDS[stage]) for stage in STAGES))
    numbers = table("Minutes in each stage, latest nights", heads, rows, numeric=range(1, 6))
    return lead, [figure, more("Show the numbers", numbers)]


def _glucose(story: Story, signals: Signals) -> Told:
    sensor = signals.get("glucose_interstitial")
    total = int(story.tally.glucose_ranges.sum())
    if sensor is None or not total:
        return "Your glucose measurements, in numbers.", []
    shares = [float(count) / total for count in story.tally.glucose_ranges]
    lead = (
        f"{shares[2]:.0%} of {counted(total, 'reading')} of your sensor lay between 70 and 180 mg/dL, the usual target "
        f"range. Their mean is {number(sensor.mean)} mg/dL."
    )
    title = "Glucose over the day"
    percentiles = glucose_percentiles(story.tally.glucose, _PERCENTILES)
    draw = profile_chart(percentiles, title, f"All days laid over each other, by half hour. {lead}")
    days = counted(len(sensor.days), "day")
    profile = chart(
        "glucose-profile", title, draw, f"mg/dL by local time, {days} laid over each other.", _PROFILE_LEGEND
    )
    said = [f"{name}: {share:.1%}" for name, share in zip(RANGE_NAMES, shares, strict=True)]
    ranges = chart(
        "glucose-ranges",
        "Time in range",
        share_bar(shares, "Share of readings in each range", "; ".join(said)),
        "Shares of all readings, in mg/dL.",
        [(f"r-{place}", words) for place, words in enumerate(said)],
    )
    return lead, [profile, ranges, _numbers("glucose", "mg/dL", sensor.days)]


def _activity(story: Story, signals: Signals) -> Told:
    del signals
    if not story.steps:
        return (
            "Your movement, as your devices recorded it. No daily figures have been computed from it yet.",
            [],
        )
    lead = f"On a typical day of {len(story.steps):,} you took {number(median(story.steps.values()))} steps."
    title = "Steps, day by day"
    draw = bar_chart(story.steps, title, f"One bar a day. {lead}")
    caption = (
        f"Steps. Of devices that count the same steps, the most complete one counts.{_marks(story.steps)}"
    )
    rows = [[short_day(date), number(steps)] for date, steps in sorted(story.steps.items())[-_NUMBERS_SHOWN:]]
    numbers = table("Steps of the latest days", ("Day", "Steps"), rows, numeric=(1,))
    return lead, [chart("steps", title, draw, caption), more("Show the numbers", numbers)]


def _body(story: Story, signals: Signals) -> Told:
    del story
    figures, told = [], []
    for name, tally in signals.items():
        if not tally.days:
            continue
        title, unit, latest = readable(name, SIGNAL_LABELS), unit_words(name, tally.unit), max(tally.days)
        told.append(
            f"{title}: {number(tally.days[latest].mean, _DIGITS.get(name, 0))} {unit} on {day(latest)}"
        )
        if len(tally.days) > 1:
            draw = line_chart(tally.days, title, f"A line through the mean of each day. {told[-1]}.")
            figures.append(chart(f"body-{name}", title, draw, f"In {unit}.{_marks(tally.days)}"))
    lead = f"The latest values. {'. '.join(told)}." if told else "Your body measurements, in numbers."
    return lead, figures


def _respiration(story: Story, signals: Signals) -> Told:
    del story
    figures, told = [], []
    for name, tally in signals.items():
        if not tally.days:
            continue
        unit, label = unit_words(name, tally.unit), readable(name, SIGNAL_LABELS)
        told.append(f"{label}: {number(tally.mean, 1)} {unit} on average")
        title, caption = f"{label}, day by day", f"In {unit}.{_marks(tally.days)}"
        draw = range_chart(tally.days, title, f"Bars from the lowest to the highest reading. {told[-1]}.")
        figures.append(chart(f"respiration-{name}", title, draw, caption, _RANGE_LEGEND))
    return (f"{'. '.join(told)}." if told else "Your breathing measurements, in numbers."), figures


_TELL: dict[str, Callable[[Story, Signals], Told]] = {
    "heart": _heart,
    "sleep": _sleep,
    "glucose": _glucose,
    "activity": _activity,
    "body": _body,
    "respiration": _respiration,
}


def _signal_table(signals: Signals) -> str:
    heads = ["What", "Rows", "First", "Last"]
    rows: list[list[object]] = [
        [readable(name, SIGNAL_LABELS), f"{tally.count:,}", short_day(tally.first), short_day(tally.last)]
        for name, tally in signals.items()
    ]
    if any(tally.low is not None for tally in signals.values()):
        heads.append("Lowest to highest")
        for row, (name, tally) in zip(rows, signals.items(), strict=True):
            row.append(_between(name, tally))
    return table("What was recorded", heads, rows, numeric=(1,))


def _between(name: str, tally: SignalTally) -> str:
    if tally.low is None:
        return ""
    digits, unit = _DIGITS.get(name, 0), unit_words(name, tally.unit)
    low, high = number(tally.low, digits), number(tally.high, digits)
    return f"{low} to {high} {unit}" if low != high else f"{low} {unit}"


def _numbers(what: str, unit: str, days: dict[dt.date, Days]) -> str:
    """Return the numbers behind a chart, for those who do not see it."""
    rows = [
        [short_day(date), number(found.low), number(found.mean, 1), number(found.high), f"{found.count:,}"]
        for date, found in sorted(days.items())[-_NUMBERS_SHOWN:]
    ]
    heads = ("Day", "Lowest", "Mean", "Highest", "Readings")
    return more(
        "Show the numbers", table(f"Daily {what} in {unit}, latest days", heads, rows, numeric=range(1, 5))
    )


def _marks(days: Iterable[dt.date]) -> str:
    """Say what a mark stands for where days are joined by week."""
    known = list(days)
    return " Each mark stands for a week." if (max(known) - min(known)).days > MOST_DAYS else ""
