"""Plausible signals from simple models: circadian rhythm, sleep cycles, exercise, meals and correlated noise.

They are made to exercise a warehouse, not to be studied. Times are local wall-clock minutes since the midnight at which
the first day starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shelflife.synthetic.people import Person

DAY = 1440
# One sleep cycle of about 90 minutes: stage and its share; deep sleep falls and REM grows through the night.
_CYCLE = ("light", "deep", "light", "rem")


@dataclass(frozen=True)
class Nights:
    """Sleep, one row a stage.

    Attributes:
        start: minutes at which each stage starts.
        end: minutes at which it ends.
        stage: `light`, `deep`, `rem` or `awake`.
        asleep: first and last minute of each night, shape (nights, 2).
    """

    start: NDArray[np.floating]
    end: NDArray[np.floating]
    stage: list[str]
    asleep: NDArray[np.floating]

    def during(self, minutes: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return which minutes fall into a night."""
        night = np.searchsorted(self.asleep[:, 0], minutes, side="right") - 1
        inside: NDArray[np.bool_] = (night >= 0) & (minutes < self.asleep[np.maximum(night, 0), 1])
        return inside


@dataclass(frozen=True)
class Bouts:
    """Exercise: when, how long and how hard (0 to 1)."""

    start: NDArray[np.floating]
    length: NDArray[np.floating]
    effort: NDArray[np.floating]
    kind: list[str] = field(default_factory=list)


def nights(person: Person, days: int, draw: np.random.Generator) -> Nights:
    """Return the nights that end on each of the days but the first."""
    start: list[float] = []
    end: list[float] = []
    stage: list[str] = []
    asleep: list[tuple[float, float]] = []
    for day in range(days - 1):
        clock = day * DAY + person.bedtime + draw.normal(0, 25)
        wakes = clock + np.clip(draw.normal(445, 40), 280, 580)
        first, cycle = clock, 0
        while clock < wakes:
            for name, length in _cycle(cycle, draw):
                until = min(clock + length, wakes)
                if until - clock >= 0.5:
                    start.append(clock)
                    end.append(until)
                    stage.append(name)
                clock = until
            cycle += 1
        asleep.append((first, float(wakes)))
    return Nights(np.array(start), np.array(end), stage, np.array(asleep).reshape(-1, 2))


def _cycle(number: int, draw: np.random.Generator) -> list[tuple[str, float]]:
    deep, rem = max(35 - 9 * number, 0), 10 + 8 * number
    lengths = np.array([25, deep, 20, rem]) * draw.uniform(0.75, 1.25, 4)
    stages = [(name, float(length)) for name, length in zip(_CYCLE, lengths, strict=True) if length > 2]
    return [*stages, ("awake", float(draw.uniform(1, 6)))] if draw.random() < 0.6 else stages


def bouts(person: Person, days: int, draw: np.random.Generator) -> Bouts:
    """Return exercise on some days, more often and harder for the fit."""
    active = np.flatnonzero(draw.random(days) < 0.2 + 0.5 * person.fitness)
    start = (
        active * DAY
        + draw.choice([7 * 60, 12 * 60 + 15, 18 * 60], len(active))
        + draw.normal(0, 20, len(active))
    )
    length = np.clip(draw.normal(42, 14, len(active)), 12, 110)
    effort = np.clip(draw.normal(0.6 + 0.2 * person.fitness, 0.12, len(active)), 0.25, 1)
    return Bouts(
        start,
        length,
        effort,
        [str(kind) for kind in draw.choice(["Running", "Cycling", "Walking"], len(active))],
    )


def heart_rate(
    minutes: NDArray[np.floating], person: Person, sleep: Nights, exercise: Bouts, draw: np.random.Generator
) -> NDArray[np.floating]:
    """Return heart rate in /min at given minutes: circadian swing, a dip in sleep, a rise in exercise."""
    clock = minutes % DAY
    awake = ~sleep.during(minutes)
    swing = 7 * np.sin((clock - 9 * 60) / DAY * 2 * np.pi)
    rate = (
        person.resting
        + np.where(awake, 14 + swing, -4)
        + noise(len(minutes), 6, draw) * np.where(awake, 6, 2.2)
    )
    highest = 205 - 25 * (1 - person.fitness)
    for start, length, effort in zip(exercise.start, exercise.length, exercise.effort, strict=True):
        near = (minutes >= start) & (minutes < start + length + 25)
        into = minutes[near] - start
        # The heart answers within minutes and takes about ten to come down.
        rise = np.where(into < length, 1 - np.exp(-into / 3), np.exp(-(into - length) / 9))
        rate[near] += rise * effort * (highest - person.resting) * 0.72
    limited: NDArray[np.floating] = np.round(np.clip(rate, 38, highest))
    return limited


def steps(
    minutes: NDArray[np.floating],
    width: float,
    person: Person,
    sleep: Nights,
    exercise: Bouts,
    draw: np.random.Generator,
) -> NDArray[np.floating]:
    """Return steps in the bins of `width` minutes that start at given minutes."""
    clock = minutes % DAY
    commute = np.exp(-(((clock - 8.2 * 60) / 35) ** 2)) + np.exp(-(((clock - 17.8 * 60) / 40) ** 2))
    pace = (2.5 + 3 * person.fitness + 22 * commute) * (~sleep.during(minutes))
    for start, length, effort in zip(exercise.start, exercise.length, exercise.effort, strict=True):
        pace[(minutes >= start) & (minutes < start + length)] += 150 * effort
    taken: NDArray[np.floating] = draw.poisson(pace * width * draw.gamma(0.8, 1.25, len(minutes))).astype(
        np.float64
    )
    return taken


def glucose(minutes: NDArray[np.floating], person: Person, draw: np.random.Generator) -> NDArray[np.floating]:
    """Return interstitial glucose in mg/dL: three meals a day, each a rise and a slower fall, and slow drift."""
    level = np.full(len(minutes), 152.0 if person.diabetic else 96.0)
    level += noise(len(minutes), 18, draw) * (34 if person.diabetic else 7)
    size = 75 if person.diabetic else 34
    for day in range(int(minutes[-1] // DAY) + 1):
        for meal in (7.6 * 60, 12.7 * 60, 19.2 * 60):
            since = minutes - (day * DAY + meal + draw.normal(0, 25))
            hours = np.clip(since, 0, None) / 60
            level += size * draw.gamma(4, 0.25) * hours * np.exp(1 - hours / 0.75) / 0.75
    rounded: NDArray[np.floating] = np.round(level)
    return rounded


def noise(count: int, memory: float, draw: np.random.Generator) -> NDArray[np.floating]:
    """Return noise of unit variance whose correlation fades over `memory` samples."""
    kernel = np.exp(-np.arange(int(6 * memory)) / memory)
    kernel /= np.sqrt((kernel**2).sum())
    correlated: NDArray[np.floating] = np.convolve(
        draw.normal(0, 1, count + len(kernel) - 1), kernel, "valid"
    )
    return correlated
