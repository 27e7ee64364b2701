"""Times and values for generated files: a beat every few seconds, on and on."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def beats(step_s: int = 5) -> Iterator[tuple[int, dt.datetime, int]]:
    """Yield (number, time, beats per minute) without end; the rate moves slowly between 48 and 147."""
    number, time, step = 0, BEGIN, dt.timedelta(seconds=step_s)
    while True:
        yield number, time, 48 + (number * 7 + number // 11) % 100
        number, time = number + 1, time + step
