"""What can be read of each person anywhere, in a form that two estates with different keys can be compared by."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tests.lake.state import derived_rows, raw_rows

if TYPE_CHECKING:
    from shelflife.estate import Estate


def readable(estate: Estate) -> dict[str, dict[str, int]]:
    """By person, how many rows of each table can be read; people by the alias that the directory opens."""
    found: dict[str, dict[str, int]] = {}
    tables = [(f"raw/{table}", rows) for (table, _), rows in raw_rows(estate).items()]
    tables += [(name, rows) for name, rows in derived_rows(estate).items() if "pid" in rows.columns]
    for table, rows in tables:
        for (name,), mine in rows.group_by("pid"):
            counts = found.setdefault(str(name), {})
            counts[table] = counts.get(table, 0) + mine.height
    return found


def content(estate: Estate, leave_out=()) -> str:
    """A digest over every raw and derived row of everybody but some people; cohorts are left out."""
    state = hashlib.sha256()
    frames = [(f"{table}/{period}", rows) for (table, period), rows in raw_rows(estate).items()]
    frames += list(derived_rows(estate).items())
    for name, rows in sorted(frames):
        if "pid" in rows.columns:
            kept = rows.filter(~rows["pid"].is_in(list(leave_out)))
            state.update(
                f"{name} {kept.height}\n".encode() + kept.write_csv().encode() if kept.height else b""
            )
    return state.hexdigest()
