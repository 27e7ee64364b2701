"""The traps of real Apple Health exports, each written once into every synthetic one with what must become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from shelflife.synthetic.apple_xml import ExportText

RECORD_TYPES_IN_DTD = """<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 14 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
<!ELEMENT Record ((MetadataEntry|HeartRateVariabilityMetadataList)*)>
<!ATTLIST Record
  type          CDATA #REQUIRED
  unit          CDATA #IMPLIED
  value         CDATA #IMPLIED
  sourceName    CDATA #REQUIRED
  startDate     CDATA #REQUIRED
  endDate       CDATA #REQUIRED
>
<!-- Note: Any Records that appear as children of a correlation also appear as top-level records in this document. -->
]>
"""


@dataclass(frozen=True)
class Oddity:
    """One trap.

    Attributes:
        minute: local minute of the first day at which it starts.
        text: the elements, with `{start}`, `{end}`, `{origin}` and `{future}` to fill in.
        rows: rows that it becomes.
        problem: the reason for which its row goes to quarantine.
        duplicates: rows among them that repeat an earlier one.
        ignored: counted records, by type.
    """

    minute: float
    text: str
    rows: int = 1
    problem: str | None = None
    duplicates: int = 0
    ignored: tuple[tuple[str, int], ...] = ()

    def write(self, export: ExportText) -> None:
        """Append it to an export and count what must become of it."""
        start, end, future = export.times(
            np.array([self.minute, self.minute + 5, self.minute + 5 * 1440 * 365])
        )
        export.parts.append(self.text.format(start=start, end=end, future=future, origin=export.phone()))
        export.rows += self.rows
        export.duplicates += self.duplicates
        export.ignored.update(dict(self.ignored))
        if self.problem:
            export.problems[self.problem] += 1


def _record(
    kind: str,
    value: str,
    unit: str,
    start: str = "{start}",
    end: str = "{start}",
    inside: str = "",
    origin: str = "{origin}",
) -> str:
    unit_text = f' unit="{unit}"' if unit else ""
    head = f' <Record type="HKQuantityTypeIdentifier{kind}"{origin}{unit_text} startDate="{start}" endDate="{end}"'
    return f'{head} value="{value}">\n{inside} </Record>\n' if inside else f'{head} value="{value}"/>\n'


_ENTERED = '  <MetadataEntry key="HKWasUserEntered" value="1"/>\n'
_FOOD = _record("DietaryProtein", "12.5", "g")
_BEATS = (
    "  <HeartRateVariabilityMetadataList>\n"
    '   <InstantaneousBeatsPerMinute bpm="61" time="7:13:48.94\N{NARROW NO-BREAK SPACE}AM"/>\n'
    '   <InstantaneousBeatsPerMinute bpm="63" time="7:13:49.91\N{NARROW NO-BREAK SPACE}AM"/>\n'
    "  </HeartRateVariabilityMetadataList>\n"
)
_THIRD_PARTY = ' sourceName="mySugr" sourceVersion="1661"'

ODDITIES: tuple[Oddity, ...] = (
    Oddity(421, _record("HeartRate", "0", "count/min"), problem="out_of_range"),
    Oddity(422, _record("HeartRate", "--", "count/min"), problem="bad_number"),
    Oddity(423, _record("BodyMass", "74", "slug"), problem="unknown_unit"),
    Oddity(
        424, _record("StepCount", "40", "count", start="{end}", end="{start}"), problem="end_before_start"
    ),
    Oddity(425, _record("StepCount", "40", "count", start="2026-13-45 10:00:00 +0100"), problem="bad_time"),
    Oddity(426, _record("HeartRate", "64", "count/min", start="{future}", end="{future}")),
    Oddity(427, _record("BloodGlucose", "666", "mg/dL", inside=_ENTERED)),
    Oddity(428, _record("BloodGlucose", "5.6", "mmol/L", inside=_ENTERED)),
    Oddity(429, _record("BloodGlucose", "104", "mg/dL", origin=_THIRD_PARTY) * 2, rows=2, duplicates=1),
    Oddity(430, _record("DistanceCycling", "1.2", "mi", end="{end}")),
    Oddity(431, _record("BodyTemperature", "98.2", "degF")),
    Oddity(
        432,
        _record("HeartRateVariabilitySDNN", "44.1", "ms", end="{end}", inside=_BEATS),
        rows=2,
        ignored=(("InstantaneousBeatsPerMinute/first", 1),),
    ),
    Oddity(
        433,
        _FOOD
        + ' <Correlation type="HKCorrelationTypeIdentifierFood"{origin} startDate="{start}" endDate="{start}">\n'
        + f" {_FOOD} </Correlation>\n",
        rows=0,
        ignored=(
            ("HKQuantityTypeIdentifierDietaryProtein", 1),
            ("Correlation", 1),
            ("Correlation/Record", 1),
        ),
    ),
)
