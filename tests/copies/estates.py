"""An estate with one declared copy, rows to publish, and the tokens of invented people."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from shelflife.config import Settings, load_settings
from shelflife.copies.protocol import TOKEN, Dataset
from shelflife.estate import Estate

ROOT = Path(__file__).parents[2]
# As in tests.conftest, which a process that is to be killed soon need not import.
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
PEOPLE = 6
DAYS = 5


def settings_in(folder: Path) -> Settings:
    return load_settings(
        home=folder / "estate", inbox=folder / "inbox", models=ROOT / "sql", policies=folder / "policies"
    )


def declare(folder: Path, *declarations: dict[str, Any]) -> Settings:
    """Give an estate a folder of policies of its own: the project's, with these copies declared."""
    settings = settings_in(folder)
    shutil.copytree(ROOT / "retention_policies", settings.policies, dirs_exist_ok=True)
    (settings.policies / "copies.yaml").write_text(
        yaml.safe_dump({"copies": json.loads(json.dumps(declarations))})
    )
    return settings


def declared(kind: str, **more: Any) -> dict[str, Any]:
    """A declaration as copies.yaml holds it."""
    name = more.get("name", "under_test")
    return {
        "name": name,
        "kind": kind,
        "location": f"copies/{name}",
        "owner": "mobile-backend",
        "deputy": "data-platform",
        "purpose": "member_app",
        "ttl": "P1D",
        "datasets": ["heart_daily", "activity_daily"],
        "classes": ["ordinary", "sensitive"],
        "recipients": [
            {
                "name": "member app",
                "contact": "mobile-backend@example.org",
                "basis": "contract with the member",
            }
        ],
        **more,
    }


def estate_in(folder: Path) -> Estate:
    return Estate.create(settings_in(folder), NOW)


def token(person: int) -> bytes:
    """The token of an invented person: random-looking, the same in every process."""
    return hashlib.sha256(f"person {person}".encode()).digest()[:16]


def canary(person: int) -> str:
    """A text in that person's rows that neither compression nor chance can make."""
    return hashlib.sha256(f"canary {person}".encode()).hexdigest()


def datasets(people: int = PEOPLE, *, shift: float = 0.0) -> list[Dataset]:
    """Two datasets about people; the values follow from the person and the day."""
    heart: dict[str, list[Any]] = {name: [] for name in (TOKEN, "local_date", "readings", "mean_bpm", "note")}
    steps: dict[str, list[Any]] = {name: [] for name in (TOKEN, "local_date", "steps", "worn")}
    for day in range(DAYS):
        date = dt.date(2026, 11, 1) + dt.timedelta(days=day)
        for person in range(people):
            heart[TOKEN].append(token(person))
            heart["local_date"].append(date)
            heart["readings"].append(100 + day)
            heart["mean_bpm"].append(60.0 + person + day / 8 + shift)
            heart["note"].append(canary(person))
            if person % 3:
                steps[TOKEN].append(token(person))
                steps["local_date"].append(date)
                steps["steps"].append(1000 * person + day)
                steps["worn"].append(None if day == 2 else person % 2 == 0)
    kinds = {TOKEN: pa.binary(), "local_date": pa.date32(), "readings": pa.int64(), "mean_bpm": pa.float64()}
    kinds |= {"note": pa.string(), "steps": pa.int64(), "worn": pa.bool_()}
    return [
        Dataset(name, pa.table({c: pa.array(v, kinds[c]) for c, v in columns.items()}), about_people=True)
        for name, columns in (("heart_daily", heart), ("activity_daily", steps))
    ]


def rows_of(rows: pa.Table) -> list[str]:
    """Rows in a form that does not depend on their order or on how a place stores numbers and days."""
    return sorted(json.dumps(row, default=_plain, sort_keys=True) for row in rows.to_pylist())


def expected(person: int, given: list[Dataset] | None = None) -> dict[str, list[str]]:
    """What a copy must give back about a person, by dataset."""
    found = {}
    for dataset in given or datasets():
        mine = [row for row in dataset.rows.to_pylist() if row[TOKEN] == token(person)]
        if mine:
            found[dataset.name] = rows_of(pa.Table.from_pylist(mine, schema=dataset.rows.schema))
    return found


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
