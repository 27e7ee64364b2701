"""Google Fit's archive (Takeout): `Daily activity metrics`, a CSV line a day.

Every filled cell is one value; its column names what it is and in which unit. Latitudes and longitudes are dropped and
counted. The files of a single day have times without a date, which only their name has: their values are set aside as
`bad_time`. Energy includes what the body burns at rest, so it is no active energy. A file whose columns are written in
another language than English is not recognised.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from shelflife.sources.delimited import header_fields
from shelflife.sources.json_values import day_of
from shelflife.sources.observations import Observation
from shelflife.sources.source import SourceType
from shelflife.sources.vendor_tables import table_parsing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from shelflife.sources.observations import Observations
    from shelflife.sources.source import ByteSource, Parsing
    from shelflife.sources.vendor_tables import Line

_COLUMNS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "Step count": ("step_count", "steps", "sum"),
        "Distance (m)": ("distance", "m", "sum"),
        "Average heart rate (bpm)": ("heart_rate", "bpm", "mean"),
        "Max heart rate (bpm)": ("heart_rate", "bpm", "max"),
        "Min heart rate (bpm)": ("heart_rate", "bpm", "min"),
        "Average weight (kg)": ("body_weight", "kg", "mean"),
        "Max weight (kg)": ("body_weight", "kg", "max"),
        "Min weight (kg)": ("body_weight", "kg", "min"),
    }
)
_PLACES = ("latitude (deg)", "longitude (deg)")
_DAY, _START, _END = "Date", "Start time", "End time"
_TIMES = frozenset({_DAY, _START, _END})
_SIGNS = (frozenset({"Move Minutes count"}), frozenset({"Step count", "Distance (m)"}))
_METRICS = "Daily activity metrics"
_COMMON: Observation = {"source_platform": "google_fit", "source_app": "google_fit"}


class GoogleFitMetrics:
    """Reads `Daily activity metrics`."""

    name = "google_fit_metrics"
    title = "Google Fit archive (daily activity metrics, CSV)"
    subject_scope: Literal["file", "row"] = "file"
    types: tuple[SourceType, ...] = (
        *(
            SourceType(column, signal, unit, statistic, "A local day.")
            for column, (signal, unit, statistic) in _COLUMNS.items()
        ),
        SourceType("Latitudes and longitudes", None, None, None, "Places are dropped and counted."),
        SourceType("Calories, move minutes, heart points, speeds, durations", None),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether the columns are those of the metrics, of days or of the intervals of one day."""
        return _layout(header_fields(head)) is not None

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""
        return table_parsing(source, _layout, _take, _COMMON, now=now, zone=zone)


def _layout(header: list[str]) -> str | None:
    dated = header[:1] == [_DAY] or header[:2] == [_START, _END]
    return _METRICS if dated and any(sign.issubset(header) for sign in _SIGNS) else None


def _take(line: Line, layout: str, found: Observations, parsing: Parsing) -> None:
    """Add a row for each filled cell that has a signal and count the others."""
    when = day_of(line[_DAY]) if _DAY in line else Observation(start=line[_START], end=line[_END])
    for column, cell in line.items():
        if column in _TIMES or cell is None:
            continue
        known = _COLUMNS.get(column)
        if known is None:
            parsing.ignore("location" if column.endswith(_PLACES) else "other metrics")
            continue
        signal, unit, statistic = known
        found.add(
            {
                **when,
                "signal": signal,
                "value": cell,
                "unit": unit,
                "statistic": statistic,
                "path": layout,
            }
        )
