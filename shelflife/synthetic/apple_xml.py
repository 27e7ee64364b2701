"""Writing Apple Health export.xml files as iOS writes them, with their oddities."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import numpy as np
import polars as pl

from shelflife.synthetic import physiology
from shelflife.synthetic.apple_oddities import ODDITIES, RECORD_TYPES_IN_DTD
from shelflife.synthetic.physiology import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shelflife.synthetic.people import Person

_HK = "HKQuantityTypeIdentifier"
_SLEEP = {
    "light": "AsleepCore",
    "deep": "AsleepDeep",
    "rem": "AsleepREM",
    "awake": "Awake",
    "in_bed": "InBed",
}


@dataclass
class ExportText:
    """An export under construction.

    Attributes:
        parts: its text, in order.
        rows: records that become rows.
        problems: rows that go to quarantine, by reason.
        duplicates: rows that repeat an earlier one exactly.
        ignored: records that become no row, by type.
    """

    person: Person
    first_day: dt.date
    until: dt.date
    parts: list[str] = field(default_factory=list)
    rows: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def offset(self) -> str:
        """The one UTC offset that the phone writes everywhere, summer or not."""
        minutes = self.person.offset_minutes(self.until)
        return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"

    def times(self, minutes: NDArray[np.floating]) -> pl.Series:
        """Return local minutes as the texts of dates."""
        midnight = np.datetime64(self.first_day, "ms")
        local = midnight + (np.round(minutes * 60) * 1000).astype("timedelta64[ms]")
        return pl.Series(local).dt.strftime(f"%Y-%m-%d %H:%M:%S {self.offset}")

    def watch(self, pointer: int) -> str:
        """Return the attributes of a watch's record; the pointer is another one in every process."""
        device = (
            f"<<HKDevice: 0x{pointer:09x}>, name:Apple\N{NO-BREAK SPACE}Watch, manufacturer:Apple Inc., model:Watch, "
            f"hardware:Watch6,2, software:11.{self.person.index % 5}>"
        )
        return f' sourceName={quoteattr(self.person.device_name)} sourceVersion="11.2" device={quoteattr(device)}'

    def phone(self) -> str:
        """Return the attributes of a phone's record."""
        return f' sourceName={quoteattr(self.person.phone_name)} sourceVersion="26.1"'

    def add(
        self,
        record_type: str,
        unit: str,
        origin: str,
        start: NDArray[np.floating],
        end: NDArray[np.floating],
        value: pl.Series,
    ) -> None:
        """Append one record a row."""
        begin = self.times(start)
        lines = pl.select(
            pl.format(
                ' <Record type="{}"{}{} creationDate="{}" startDate="{}" endDate="{}" value="{}"/>\n',
                pl.lit(record_type),
                pl.lit(origin),
                pl.lit(f' unit="{unit}"' if unit else ""),
                begin,
                begin,
                self.times(end),
                value.cast(pl.String),
            )
        ).to_series()
        self.parts.extend(lines.to_list())
        self.rows += len(lines)

    def text(self) -> str:
        """Return the whole file."""
        sex = self.person.sex.capitalize()
        me = (
            f' <Me HKCharacteristicTypeIdentifierDateOfBirth="{self.person.birth_date}"'
            f' HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSex{sex}"'
            ' HKCharacteristicTypeIdentifierBloodType="HKBloodTypeNotSet"'
            ' HKCharacteristicTypeIdentifierFitzpatrickSkinType="HKFitzpatrickSkinTypeNotSet"/>\n'
        )
        exported = f"{self.until + dt.timedelta(days=1)} 06:00:00 {self.offset}"
        head = [
            '<?xml version="1.0" encoding="UTF-8"?>\n',
            RECORD_TYPES_IN_DTD,
            '<HealthData locale="en_US">\n',
            f' <ExportDate value="{exported}"/>\n',
        ]
        return "".join([*head, me, *self.parts, "</HealthData>\n"])


def export_text(person: Person, first_day: dt.date, days: int, seed: int) -> ExportText:
    """Return an export of `days` days of one person."""
    draw = np.random.default_rng([seed, person.index, 2])
    export = ExportText(person, first_day, first_day + dt.timedelta(days=days - 1))
    sleep, exercise = physiology.nights(person, days, draw), physiology.bouts(person, days, draw)
    watch = export.watch(int(draw.integers(2**32)))
    _hearts(export, watch, days, sleep, exercise, draw)
    _movement(export, days, sleep, exercise, draw)
    _daily(export, watch, days, draw)
    _sleep(export, watch, sleep)
    _workouts(export, watch, exercise)
    for oddity in ODDITIES:
        oddity.write(export)
    _summaries(export, days)
    return export


def _hearts(
    export: ExportText,
    watch: str,
    days: int,
    sleep: physiology.Nights,
    exercise: physiology.Bouts,
    draw: np.random.Generator,
) -> None:
    # A watch measures about every five minutes.
    minutes = np.arange(0, days * DAY, 5) + draw.uniform(0, 4.9, days * 288)
    rate = physiology.heart_rate(minutes, export.person, sleep, exercise, draw)
    export.add(f"{_HK}HeartRate", "count/min", watch, minutes, minutes, pl.Series(rate.astype(int)))
    night = np.arange(30, days * DAY, 15.0)
    night = night[sleep.during(night)]
    spread = np.round(np.clip(draw.normal(38 + 40 * export.person.fitness, 12, len(night)), 8, 190), 4)
    export.add(f"{_HK}HeartRateVariabilitySDNN", "ms", watch, night, night + 1, pl.Series(spread))
    breaths = np.round(np.clip(draw.normal(14.5, 1.1, len(night)), 9, 22), 1)
    export.add(f"{_HK}RespiratoryRate", "count/min", watch, night, night, pl.Series(breaths))
    share = np.round(np.clip(draw.normal(0.965, 0.01, len(night)), 0.88, 1), 3)
    export.add(f"{_HK}OxygenSaturation", "%", watch, night, night, pl.Series(share))


def _movement(
    export: ExportText,
    days: int,
    sleep: physiology.Nights,
    exercise: physiology.Bouts,
    draw: np.random.Generator,
) -> None:
    bins = np.arange(0, days * DAY, 10.0)
    taken = physiology.steps(bins, 10, export.person, sleep, exercise, draw)
    moving = taken > 0
    start, count = bins[moving], taken[moving]
    phone = export.phone()
    export.add(f"{_HK}StepCount", "count", phone, start, start + 10, pl.Series(count.astype(int)))
    far = count >= 100
    kilometres = pl.Series(np.round(count[far] * 0.00072, 4))
    export.add(f"{_HK}DistanceWalkingRunning", "km", phone, start[far], start[far] + 10, kilometres)
    energy = pl.Series(np.round(count[far] * 0.041, 3))
    export.add(f"{_HK}ActiveEnergyBurned", "kcal", phone, start[far], start[far] + 10, energy)


def _daily(export: ExportText, watch: str, days: int, draw: np.random.Generator) -> None:
    noon = np.arange(days) * DAY + 12 * 60.0
    resting = np.round(export.person.resting + draw.normal(0, 1.5, days))
    export.add(f"{_HK}RestingHeartRate", "count/min", watch, noon - 720, noon, pl.Series(resting.astype(int)))
    weekly = noon[::7]
    weight = np.round(draw.normal(74, 0.6, len(weekly)), 1)
    export.add(
        f"{_HK}BodyMass", "kg", ' sourceName="Health" sourceVersion="26.1"', weekly, weekly, pl.Series(weight)
    )
    oxygen = np.round(30 + 28 * export.person.fitness + draw.normal(0, 0.5, len(weekly)), 2)
    export.add(f"{_HK}VO2Max", "mL/min·kg", watch, weekly, weekly, pl.Series(oxygen))


def _sleep(export: ExportText, watch: str, sleep: physiology.Nights) -> None:
    kind, prefix = "HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysis"
    bed = sleep.asleep
    in_bed = pl.Series([prefix + _SLEEP["in_bed"]] * len(bed), dtype=pl.String)
    export.add(kind, "", export.phone(), bed[:, 0] - 12, bed[:, 1] + 6, in_bed)
    stages = pl.Series([prefix + _SLEEP[name] for name in sleep.stage], dtype=pl.String)
    export.add(kind, "", watch, sleep.start, sleep.end, stages)


def _workouts(export: ExportText, watch: str, exercise: physiology.Bouts) -> None:
    begin = export.times(exercise.start)
    end = export.times(exercise.start + exercise.length)
    for index, kind in enumerate(exercise.kind):
        export.parts.append(
            f' <Workout workoutActivityType="HKWorkoutActivityType{kind}" duration="{exercise.length[index]:.2f}"'
            f' durationUnit="min"{watch} creationDate="{end[index]}" startDate="{begin[index]}" endDate="{end[index]}">\n'
            f'  <MetadataEntry key="HKTimeZone" value="{export.person.zone}"/>\n'
            f'  <WorkoutEvent type="HKWorkoutEventTypePause" date="{end[index]}"/>\n </Workout>\n'
        )
        export.rows += 1
        export.ignored["WorkoutEvent"] += 1


def _summaries(export: ExportText, days: int) -> None:
    for day in range(days):
        date = export.first_day + dt.timedelta(days=day)
        export.parts.append(f' <ActivitySummary dateComponents="{date}" activeEnergyBurnedUnit="kcal"/>\n')
    export.ignored["ActivitySummary"] += days
