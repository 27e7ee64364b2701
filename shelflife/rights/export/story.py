"""Everything that the page tells, gathered in one pass over the person's tables. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shelflife.rights.export.charts import Night
from shelflife.rights.export.columns import PROBLEM
from shelflife.rights.export.tally import Tally

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from shelflife.rights.export.contents import ExportTable

_STAGE_COLUMNS = {
    "deep": "deep_min",
    "light": "light_min",
    "rem": "rem_min",
    "unstaged": "unstaged_min",
    "awake": "wake_after_onset_min",
}


@dataclass
class Story:
    """What is there to tell.

    Attributes:
        tally: counts over the samples.
        rows: rows of each table.
        nights: minutes of each stage, night by night.
        asleep: minutes asleep, night by night.
        steps: steps, day by day.
        aside: rows that were set aside, by reason.
    """

    tally: Tally = field(default_factory=Tally)
    rows: Counter[str] = field(default_factory=Counter)
    nights: list[Night] = field(default_factory=list)
    asleep: dict[dt.date, float] = field(default_factory=dict)
    steps: dict[dt.date, float] = field(default_factory=dict)
    aside: Counter[str] = field(default_factory=Counter)

    @property
    def samples(self) -> int:
        """Rows of all streams."""
        return sum(tally.count for tally in self.tally.signals.values())


def tell(tables: Iterable[ExportTable]) -> Story:
    """Read every table once and return what there is to tell about it."""
    story = Story()
    for table in tables:
        for rows in table.batches():
            story.rows[table.name] += rows.num_rows
            if table.kind == "samples":
                story.tally.add(table.name, rows)
            elif table.kind == "quarantine":
                story.aside.update(rows.column(PROBLEM).to_pylist())
            elif table.name == "sleep_nightly":
                _add_nights(story, rows)
            elif table.name == "activity_daily":
                days = zip(
                    rows.column("local_date").to_pylist(), rows.column("steps").to_pylist(), strict=True
                )
                story.steps.update({day: float(steps) for day, steps in days if steps is not None})
    return story


def _add_nights(story: Story, rows: pa.Table) -> None:
    for row in rows.to_pylist():
        minutes = {stage: row[column] for stage, column in _STAGE_COLUMNS.items() if row[column]}
        asleep = row["total_sleep_min"]
        if asleep is not None:
            story.asleep[row["local_date"]] = float(asleep)
        if minutes or asleep:
            # A source that scores no stages gives one length, which is sleep of an unknown stage.
            story.nights.append(Night(row["local_date"], _floats(minutes or {"unstaged": asleep})))


def _floats(minutes: Mapping[str, float]) -> dict[str, float]:
    return {stage: float(value) for stage, value in minutes.items()}
