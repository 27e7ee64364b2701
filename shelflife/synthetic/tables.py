"""Writing the comma-separated vendor files: Dexcom Clarity, Glucose-ML and Fitabase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from shelflife.synthetic import physiology
from shelflife.synthetic.physiology import DAY

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray

    from shelflife.synthetic.people import Person

_CLARITY_HEADER = (
    "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,"
    "Glucose Value (mg/dL),Insulin Value (u),Carb Value (grams),Duration (hh:mm:ss),"
    "Glucose Rate of Change (mg/dL/min)\n"
)
_SENSOR_MINUTES = 5
_FITBIT_MINUTES = 1.5


def clarity_text(person: Person, first_day: dt.date, days: int, seed: int) -> tuple[str, int, int]:
    """Return a Clarity export, its readings, and its rows without a reading."""
    times, values = _sensor(person, first_day, days, seed)
    born = person.birth_date
    others = [
        f"1,,FirstName,,{person.given_name},,,,,,,\n",
        f"2,,LastName,,{person.family_name},,,,,,,\n",
        f"3,,DateOfBirth,,{born.isoformat()},,,,,,,\n",
        "4,,Device,,,Dexcom G7 Mobile App,iPhone G7,,,,,\n",
        "5,,Alert,High,,,iPhone G7,200,,,,\n",
    ]
    shown = pl.select(
        pl.when(values < 40)
        .then(pl.lit("Low"))
        .when(values > 400)
        .then(pl.lit("High"))
        .otherwise(values.cast(pl.String))
    ).to_series()
    index = pl.Series(range(len(others) + 1, len(others) + 1 + len(values)))
    stamps = times.dt.strftime("%Y-%m-%dT%H:%M:%S")
    lines = pl.select(pl.format("{},{},EGV,,,,iPhone G7,{},,,,\n", index, stamps, shown)).to_series()
    return "\ufeff" + _CLARITY_HEADER + "".join(others) + "".join(lines), len(values), len(others)


def glucose_ml_text(person: Person, first_day: dt.date, days: int, seed: int) -> tuple[str, int]:
    """Return a Glucose-ML file and its readings."""
    times, values = _sensor(person, first_day, days, seed)
    shown = values.clip(40, 400)
    lines = pl.select(pl.format("{},{}\n", times.dt.strftime("%Y-%m-%d %H:%M:%S"), shown)).to_series()
    return "timestamp,glucose_value_mg_dl\n" + "".join(lines), len(values)


def fitbit_text(people: list[Person], first_day: dt.date, days: int, seed: int) -> tuple[str, int]:
    """Return one Fitabase heart-rate file of several people and its readings."""
    frames = [_fitbit(person, first_day, days, seed) for person in people]
    lines = [line for frame in frames for line in frame]
    return "Id,Time,Value\n" + "".join(lines), len(lines)


def _sensor(person: Person, first_day: dt.date, days: int, seed: int) -> tuple[pl.Series, pl.Series]:
    draw = np.random.default_rng([seed, person.index, 3])
    minutes = np.arange(0, days * DAY, _SENSOR_MINUTES) + draw.uniform(0, _SENSOR_MINUTES)
    values = physiology.glucose(minutes, person, draw).astype(int)
    # Sensors lose contact now and then, for about half an hour.
    lost = np.repeat(draw.random(len(minutes) // 6 + 1) < 0.01, 6)[: len(minutes)]
    return _stamps(first_day, minutes[~lost]), pl.Series(values[~lost])


def _fitbit(person: Person, first_day: dt.date, days: int, seed: int) -> pl.Series:
    draw = np.random.default_rng([seed, person.index, 4])
    sleep, exercise = physiology.nights(person, days, draw), physiology.bouts(person, days, draw)
    minutes = np.arange(0, days * DAY, _FITBIT_MINUTES) + draw.uniform(
        0, 0.9, int(days * DAY / _FITBIT_MINUTES)
    )
    rate = physiology.heart_rate(minutes, person, sleep, exercise, draw).astype(int)
    stamps = _stamps(first_day, minutes).dt.strftime("%-m/%-d/%Y %-I:%M:%S %p")
    return pl.select(pl.format("{},{},{}\n", pl.lit(person.alias), stamps, pl.Series(rate))).to_series()


def _stamps(first_day: dt.date, minutes: NDArray[np.floating]) -> pl.Series:
    return pl.Series(
        np.datetime64(first_day, "ms") + (np.floor(minutes * 60) * 1000).astype("timedelta64[ms]")
    )
