"""Placing the wall-clock times of a whole column in the zones of their rows, or in the account's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.sample import UTC_MICROSECONDS, QualityFlag
from shelflife.sources.zones import is_zone, place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from shelflife.sources.times import Times

_NO_TEXT = pa.scalar(None, pa.string())


@dataclass(frozen=True)
class ZonedTimes:
    """Times after their wall-clock readings were placed, one per row.

    Attributes:
        utc: timestamp[us, UTC]; still the wall-clock time where no zone is known.
        offset_min: minutes east of UTC, int16; null where no zone is known.
        placed: which rows were wall-clock times and are instants now.
        doubtful: which of those exist twice or not at all in their zone.
    """

    utc: pa.Array
    offset_min: pa.Array
    placed: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]

    @property
    def flags(self) -> pa.Array:
        """Quality flags of the rows, int32."""
        return pa.array(np.where(self.doubtful, int(QualityFlag.LOCAL_TIME_DOUBTFUL), 0).astype(np.int32))


def in_zones(times: Times, zones: pa.Array) -> ZonedTimes:
    """Place the times that have no offset of their own.

    Args:
        times: times as read from text.
        zones: name of the zone of each row, string; rows without one, or with a name that is no IANA zone, stay as
            they are.
    """
    naive = np.asarray(pc.and_(pc.is_valid(times.utc), pc.is_null(times.offset_min)))
    utc = np.asarray(pc.fill_null(times.utc.cast(pa.int64()), 0)).copy()
    offset = np.asarray(pc.fill_null(times.offset_min.cast(pa.float64()), np.nan)).copy()
    placed, doubtful = np.zeros(len(utc), bool), np.zeros(len(utc), bool)
    encoded = zones.dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, -1))
    for code, name in enumerate(encoded.dictionary.to_pylist()):
        rows = naive & (codes == code)
        if rows.any() and is_zone(name):
            found = place(name, pa.array(utc[rows]))
            utc[rows] = np.asarray(found.utc.cast(pa.int64()))
            offset[rows] = np.asarray(found.offset_min)
            doubtful[rows] = np.asarray(found.doubtful)
            placed |= rows
    valid = pc.is_valid(times.utc)
    return ZonedTimes(
        utc=pc.if_else(valid, pa.array(utc), pa.scalar(None, pa.int64())).cast(UTC_MICROSECONDS),
        offset_min=pa.array(offset, from_pandas=True).cast(pa.int16()),
        placed=placed,
        doubtful=doubtful,
    )


def in_account_zone(times: Times, zone: str | None) -> Mapping[str, pa.Array]:
    """Place wall-clock times in the account's zone.

    Args:
        times: times as read from text, none of which has an offset.
        zone: the account's IANA zone; None when it is not known.

    Returns:
        `start_utc`, `utc_offset_min`, `iana_tz`, `tz_basis` (`account`, or `unknown` where nothing placed the time),
        `quality_flags` (`LOCAL_TIME_DOUBTFUL`) and `problem`, for `parsed_batch`.
    """
    names = pa.repeat(pa.scalar(zone, pa.string()), len(times.utc))
    found = in_zones(times, names)
    placed = pa.array(found.placed)
    return {
        "start_utc": found.utc,
        "utc_offset_min": found.offset_min,
        "iana_tz": pc.if_else(placed, names, _NO_TEXT),
        "tz_basis": pc.if_else(placed, "account", "unknown"),
        "quality_flags": found.flags,
        "problem": times.problem,
    }
