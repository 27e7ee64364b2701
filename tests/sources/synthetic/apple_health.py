"""Apple Health exports: synthetic, after the document type that Apple writes into export.xml and published excerpts of it.

They hold what the provided files, of 2017 and 2019, do not: beats of heart rate variability records in the clocks of
several languages, the sleep stages of iOS 16, and VO2max.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tests.sources.damage import CANARY

if TYPE_CHECKING:
    from collections.abc import Sequence

SDNN = "HKQuantityTypeIdentifierHeartRateVariabilitySDNN"
RMSSD = "HKQuantityTypeIdentifierHeartRateVariabilityRMSSD"
SLEEP = "HKCategoryTypeIdentifierSleepAnalysis"
VO2MAX = "HKQuantityTypeIdentifierVO2Max"
WATCH = (
    "&lt;&lt;HKDevice: 0x28a1b2c30&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, "
    "hardware:Watch6,2, software:11.2&gt;"
)
PROLOG = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE HealthData [\n<!ELEMENT HealthData (ExportDate)>\n]>\n'
)
NNBSP, NBSP = "\u202f", "\u00a0"

CLOCKS = {
    "24 hours, point": lambda t: f"{t:%H:%M:%S}.{_hundredths(t)}",
    "24 hours, comma": lambda t: f"{t:%H:%M:%S},{_hundredths(t)}",
    "24 hours, no leading zero": lambda t: f"{t.hour}:{t:%M:%S},{_hundredths(t)}",
    "Finnish": lambda t: f"{t.hour}.{t:%M.%S},{_hundredths(t)}",
    "12 hours": lambda t: f"{_twelve(t)}:{t:%M:%S}.{_hundredths(t)} {t:%p}",
    "12 hours, narrow space": lambda t: f"{_twelve(t)}:{t:%M:%S}.{_hundredths(t)}{NNBSP}{t:%p}",
    "Spanish": lambda t: f"{_twelve(t)}:{t:%M:%S},{_hundredths(t)}{NBSP}{'ap'[t.hour >= 12]}.{NBSP}m.",
    "Greek": lambda t: f"{_twelve(t)}:{t:%M:%S},{_hundredths(t)} {'πμ'[t.hour >= 12]}.μ.",
    "Chinese": lambda t: f"{'上下'[t.hour >= 12]}午{_twelve(t)}:{t:%M:%S}.{_hundredths(t)}",
    "Korean": lambda t: f"{('오전', '오후')[t.hour >= 12]} {_twelve(t)}:{t:%M:%S}.{_hundredths(t)}",
    "Japanese": lambda t: f"{('午前', '午後')[t.hour >= 12]}{t.hour % 12}:{t:%M:%S}.{_hundredths(t)}",
    "Arabic": lambda t: _arabic(f"{_twelve(t)}:{t:%M:%S}\u066b{_hundredths(t)} ") + ("ص", "م")[t.hour >= 12],
}
"""How phones of several languages write a time of day."""


def _hundredths(moment: dt.datetime) -> str:
    return f"{moment.microsecond // 10_000:02d}"


def _twelve(moment: dt.datetime) -> int:
    return moment.hour % 12 or 12


def _arabic(text: str) -> str:
    return text.translate({ord("0") + digit: 0x660 + digit for digit in range(10)})


def export(*elements: str, exported: str = "2026-11-22 10:00:00 +0100") -> bytes:
    """Return a whole export."""
    head = f'{PROLOG}<HealthData locale="en_US"><ExportDate value="{exported}"/>'
    return f"{head}{''.join(elements)}</HealthData>".encode()


def record(
    kind: str, value: str, start: dt.datetime, end: dt.datetime, *, unit: str = "", inside: str = ""
) -> str:
    """Return a record; its dates have the offset of the datetimes, and whole seconds."""
    unit = f' unit="{unit}"' if unit else ""
    dates = " ".join(
        f'{name}="{moment:%Y-%m-%d %H:%M:%S %z}"' for name, moment in (("startDate", start), ("endDate", end))
    )
    source = f'sourceName="Ada\u2019s Apple\u00a0Watch" sourceVersion="11.2" device="{WATCH}"'
    return f'<Record type="{kind}" {source}{unit} {dates} value="{value}">{inside}</Record>'


def entry(key: str, value: str) -> str:
    """Return a metadata entry."""
    return f'<MetadataEntry key="{key}" value="{value}"/>'


def beat_list(beats: Sequence[tuple[str, str]]) -> str:
    """Return a list of beats, each a rate and a clock string."""
    inside = "".join(f'<InstantaneousBeatsPerMinute bpm="{bpm}" time="{time}"/>' for bpm, time in beats)
    return f"<HeartRateVariabilityMetadataList>{inside}</HeartRateVariabilityMetadataList>"


def variability(
    first: dt.datetime,
    intervals_ms: Sequence[int],
    *,
    clock: str = "24 hours, point",
    clock_ahead: dt.timedelta | None = None,
    inside: str = "",
    kind: str = SDNN,
) -> str:
    """Return a variability record whose beats are these intervals apart.

    Args:
        first: the first beat, in the offset that the export writes dates with.
        intervals_ms: intervals in milliseconds, in steps of 10 as the clock has hundredths.
        clock: one of `CLOCKS`.
        clock_ahead: what the clock was ahead of the export's offset.
        inside: further children, such as metadata.
        kind: the record's type.
    """
    moments = [first]
    for length in intervals_ms:
        moments.append(moments[-1] + dt.timedelta(milliseconds=length))
    rates = [
        60_000 / (intervals_ms[0] if intervals_ms else 1000),
        *(60_000 / length for length in intervals_ms),
    ]
    shown = [CLOCKS[clock](moment + (clock_ahead or dt.timedelta())) for moment in moments]
    beats = beat_list([(f"{rate:.0f}", text) for rate, text in zip(rates, shown, strict=True)])
    start, end = first - dt.timedelta(seconds=1.5), moments[-1] + dt.timedelta(seconds=2)
    return record(kind, "44.1", start, end, unit="ms", inside=inside + beats)


def night(bedtime: dt.datetime) -> str:
    """Return a night of iOS 16: time in bed over stages that lie within it."""
    spans = [
        ("InBed", 0, 480), ("AsleepCore", 15, 100), ("AsleepDeep", 100, 160), ("Awake", 160, 170),
        ("AsleepREM", 170, 230), ("AsleepCore", 230, 450), ("AsleepUnspecified", 450, 465),
    ]  # fmt: skip
    return "".join(
        record(
            SLEEP,
            f"HKCategoryValueSleepAnalysis{value}",
            bedtime + dt.timedelta(minutes=start),
            bedtime + dt.timedelta(minutes=end),
        )
        for value, start, end in spans
    )


def seeds() -> dict[str, bytes]:
    """Return small valid exports with every trap of the format."""
    zone = dt.timezone(dt.timedelta(hours=1))
    evening = dt.datetime(2026, 11, 3, 23, 59, 59, 980_000, zone)
    fitness = record(
        VO2MAX,
        "47.3",
        evening,
        evening,
        unit="mL/min·kg",
        inside=entry("HKVO2MaxTestType", "2") + entry("HKTimeZone", "Europe/Helsinki"),
    )
    lists = [
        variability(
            evening, [640, 660, 640, 2000, 650], clock=clock, clock_ahead=dt.timedelta(hours=index - 4)
        )
        for index, clock in enumerate(CLOCKS)
    ]
    heart = record("HKQuantityTypeIdentifierHeartRate", "61", evening, evening, unit="count/min")
    named = heart.replace('sourceName="Ada', f'sourceName="{CANARY}')
    return {
        "apple_beats": export(*lists),
        "apple_night": export(night(evening), fitness),
        "apple_heart": export(named, f"<Correlation>{heart}</Correlation>", "<Record/>"),
    }
