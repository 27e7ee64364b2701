"""What the times of a Fitbit archive's file are, where the vendor does not say."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shelflife.sources.observations import Observation


class Clock(Enum):
    """The clock that a kind of file is written with.

    Attributes:
        LOCAL: wall-clock times of the account's zone.
        UTC: UTC, though the text does not say so.
        UNCONFIRMED: nobody knows; a time stays as it reads, with `tz_basis` `unknown`.
    """

    LOCAL = "local"
    UTC = "utc"
    UNCONFIRMED = "unconfirmed"


def placed_by(clock: Clock, zone: str | None) -> tuple[str | None, Observation]:
    """Return the zone that wall-clock times of a file are placed in, and what all its rows have.

    Args:
        clock: the clock of the file.
        zone: the account's IANA zone; None when it is not known.
    """
    if clock is Clock.UTC:
        return None, {"offset_min": 0, "tz_basis": "assumed"}
    return (zone if clock is Clock.LOCAL else None), {}
