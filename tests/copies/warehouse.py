"""A small warehouse of invented people, landed and derived, whose copies can be published for real."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from shelflife.control.tables import copy_item
from shelflife.copies.erasing import erase_from_copies
from shelflife.copies.registry import load_declarations, open_adapter, open_inspector
from shelflife.copies.tokens import copy_token
from shelflife.estate import Estate
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.subjects.directory import Alias, find
from tests.copies.estates import NOW, declare, rows_of, settings_in

PEOPLE = [f"person-{number:02d}" for number in range(8)]
DAYS = (2, 3, 4)
FILE_KINDS = {"cache": "sqlite_cache", "mart": "duckdb_mart", "extract": "parquet_extract"}


def clock() -> dt.datetime:
    return NOW


def later(**gone_by: float):
    """A clock that runs behind by so much."""
    return lambda: NOW + dt.timedelta(**gone_by)


def samples(person: str, day: int, number: int) -> list[str]:
    start = f"2026-11-{day:02d}T08:00:00Z"
    beat = {"signal": "heart_rate", "value": 60 + number + day / 4, "unit": "/min", "start": start}
    steps = {"signal": "step_count", "value": 1000 + 10 * number + day, "unit": "{steps}", "start": start}
    glucose = {"signal": "glucose_interstitial", "value": 90 + number, "unit": "mg/dL", "start": start}
    more = {"end": f"2026-11-{day:02d}T08:30:00Z"}
    return [json.dumps({"subject": person, **one}) for one in (beat, steps | more, glucose)]


def landed(estate: Estate, lines: list[str], name: str) -> None:
    folder = estate.settings.inbox / "app"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines))
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert not report.refused_files
    derive(estate, clock=clock, names=["heart_daily", "activity_daily", "glucose_daily"])


def build(folder: Path) -> None:
    """Make an estate with everybody's rows derived and no copy declared."""
    declare(folder)
    estate = Estate.create(settings_in(folder), NOW)
    lines = [
        line for number, person in enumerate(PEOPLE) for day in DAYS for line in samples(person, day, number)
    ]
    landed(estate, lines, "rows.ndjson")
    estate.close()


def subject_id(estate: Estate, person: str) -> bytes:
    name = Alias("account", person)
    with estate.database.read() as conn:
        return find(estate, conn, [name])[name].subject_id


def token_of(estate: Estate, copy: str, person: str) -> bytes:
    who = subject_id(estate, person)
    with estate.database.read() as conn:
        return copy_token(estate, conn, copy, who)


def held(estate: Estate, copy: str, person: str) -> dict[str, list[str]]:
    adapter = open_adapter(estate, load_declarations(estate.settings)[copy])
    return {name: rows_of(rows) for name, rows in adapter.export(token_of(estate, copy, person)).items()}


def content_hash(estate: Estate, copy: str, people: list[str]) -> str:
    """One digest over everything that a copy holds about some people."""
    return hashlib.sha256(json.dumps([held(estate, copy, person) for person in people]).encode()).hexdigest()


def live(estate: Estate, copy: str) -> list[Any]:
    query = sa.select(copy_item).where(copy_item.c.copy_name == copy, copy_item.c.state == "live")
    with estate.database.read() as conn:
        return list(conn.execute(query.order_by(copy_item.c.item)).all())


def inspected(estate: Estate, copy: str, people: list[str], now: dt.datetime = NOW) -> set[str]:
    inspector = open_inspector(estate, load_declarations(estate.settings)[copy])
    tokens = [token_of(estate, copy, person) for person in people]
    return {one.rule for one in inspector.inspect(tokens, [row.item for row in live(estate, copy)], now)}


def erase(estate: Estate, people: list[str], streams: list[str] | None = None, now: dt.datetime = NOW):
    return erase_from_copies(
        estate, [subject_id(estate, person) for person in people], streams=streams, now=now
    )
