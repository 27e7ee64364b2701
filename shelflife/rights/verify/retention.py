"""Retention: no partition is open past its window, and no row lies outside of its partition's days.

The arithmetic of dates is done again here: what the planner takes for the end of a window must not decide whether the
planner was right.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shelflife.control.tables import hold
from shelflife.errors import ConfigurationError
from shelflife.policy.loading import load_policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from shelflife.config import Settings
    from shelflife.policy.duration import Duration
    from shelflife.rights.verify.scene import Scene
    from shelflife.rights.verify.survey import PartitionRow

STORE = "retention"
HOLD_CLASS = "hold/"
QUARANTINE = "quarantine_"
PURGE_GRACE_DAYS = 2
"""How long a partition may be open past its window: a purge runs daily, and may fail once."""

# The key that only a policy's document has at its top.
_POLICY = re.compile(r"""^(\{\s*)?["']?policy["']?\s*:""", re.MULTILINE)

# A day is over everywhere on earth twelve hours after it is over in UTC.
_LAST_ZONE = dt.timedelta(hours=12)


@dataclass(frozen=True)
class Rules:
    """What the policies say of each retention class: how long it is kept, and how long files may lie after that."""

    keep: Mapping[str, Duration]
    deadline_days: Mapping[str, int]
    shortest_deadline: int

    def deadline_of(self, retention_class: str) -> int:
        """Return the physical deadline of a class in days; the shortest of all for one that no policy names."""
        return self.deadline_days.get(retention_class, self.shortest_deadline)


def read_rules(settings: Settings) -> Rules:
    """Read the policies.

    Raises:
        ConfigurationError: one is missing or wrong.
    """
    files = [file for file in sorted(settings.policies.glob("*.yaml")) if _is_policy(file)]
    rules = [rule for file in files for rule in load_policy(file).rules]
    if not rules:
        raise ConfigurationError("There are no retention policies.", remedy="Check the setting `policies`.")
    deadlines = {rule.retention_class: _most_days(rule.physical_deadline) for rule in rules}
    return Rules({rule.retention_class: rule.keep for rule in rules}, deadlines, min(deadlines.values()))


def _is_policy(file: Path) -> bool:
    """Tell whether a YAML file is a policy: regimes, calendars and declarations of copies lie beside them."""
    try:
        return _POLICY.search(file.read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return True


def check_retention(scene: Scene, rules: Rules) -> None:
    """Judge every open partition by its class, and every decoded row by its partition."""
    held = _holds_on_everyone(scene)
    for home in scene.survey.partitions.values():
        if home.state != "open":
            continue
        scene.inspection.looked(STORE, "open partitions")
        place = f"{home.zone}/{home.table_name} {home.partition_id}"
        if home.retention_class.startswith(HOLD_CLASS):
            if home.retention_class.removeprefix(HOLD_CLASS) in scene.survey.released:
                scene.inspection.found("hold_partition_overdue", place)
        elif home.retention_class not in rules.keep:
            scene.inspection.found("class_without_rule", place)
        elif is_overdue(home.period, rules.keep[home.retention_class], scene.now) and not _is_held(
            home, held
        ):
            scene.inspection.found("partition_overdue", place)
        _check_days(scene, home, place)


def is_overdue(period: str, keep: Duration, now: dt.datetime) -> bool:
    """Tell whether a period's window was over some days ago, everywhere on earth."""
    today = (now.astimezone(dt.UTC) - _LAST_ZONE).date()
    ends = added(last_day(period), keep)
    return ends is not None and (today - ends).days > PURGE_GRACE_DAYS


def first_day(period: str) -> dt.date:
    """Return the first day of "2026-11-23", "2026-11" or "2026-W48"."""
    if "-W" in period:
        return dt.datetime.strptime(f"{period}-1", "%G-W%V-%u").replace(tzinfo=dt.UTC).date()
    return dt.date.fromisoformat(period if len(period) > 7 else f"{period}-01")


def last_day(period: str) -> dt.date:
    """Return the last day of a period."""
    first = first_day(period)
    if "-W" in period:
        return first + dt.timedelta(days=6)
    return first if len(period) > 7 else first.replace(day=calendar.monthrange(first.year, first.month)[1])


def added(day: dt.date, keep: Duration) -> dt.date | None:
    """Return the day that lies a duration after another: months first, cut to the month's last day, then days.

    None where the calendar ends.
    """
    months = day.year * 12 + day.month - 1 + keep.months
    year, month = divmod(months, 12)
    if year > dt.MAXYEAR:
        return None
    month += 1
    try:
        cut = dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
        return cut + dt.timedelta(days=keep.days)
    except OverflowError:
        return None


def _check_days(scene: Scene, home: PartitionRow, place: str) -> None:
    """Rows of a stream are of their partition's days; quarantined ones lie in the month of their arrival."""
    seen = scene.days.get(home.partition_id)
    if seen is None or QUARANTINE in home.table_name:
        return
    if seen.earliest < first_day(home.period) or seen.latest > last_day(home.period):
        scene.inspection.found("row_outside_period", place)


def _holds_on_everyone(scene: Scene) -> Sequence[sa.Row[Any]]:
    """Return the active holds that cover everyone; one that names people keeps rows elsewhere."""
    query = sa.select(hold).where(hold.c.state == "active", hold.c.everyone)
    return scene.conn.execute(query).all()


def _is_held(home: PartitionRow, holds: Sequence[sa.Row[Any]]) -> bool:
    """Tell whether a hold keeps a whole raw partition where it is."""
    if home.zone != "raw":
        return False
    if home.table_name.startswith(QUARANTINE):
        # Rows of any day lie in such a partition, so that only a hold without days covers all of it.
        return any(home.stream in one.streams and not (one.first_day or one.last_day) for one in holds)
    first, last = first_day(home.period).isoformat(), last_day(home.period).isoformat()
    return any(
        home.stream in one.streams
        and (one.first_day is None or one.first_day <= first)
        and (one.last_day is None or last <= one.last_day)
        for one in holds
    )


def _most_days(length: Duration) -> int:
    """Return the most days that a duration can last; a month has at most 31."""
    return 31 * length.months + length.days
