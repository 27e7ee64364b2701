"""An estate with real encrypted derived and analytics files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from shelflife.config import Role, Settings
from shelflife.estate import Estate
from shelflife.keys.tree import KeyKind
from shelflife.lake.catalog import (
    PartitionName,
    ensure_partitions,
    make_live,
    prepared_path,
    register_pending,
)
from shelflife.lake.models import load_models
from shelflife.seal.parquet import write_encrypted

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DAYS = [dt.date(2026, 11, day) for day in (2, 3)]
ROLES: dict[str, Role] = {
    "clinician": Role(classes={"ordinary", "sensitive", "special"}, zones={"derived"}, purposes={"care"}),
    "coach": Role(
        classes={"ordinary", "sensitive"},
        zones={"derived"},
        purposes={"coaching"},
        row_filters={"heart_daily": "local_date = '2026-11-03' AND readings >= 5"},
    ),
    "counter": Role(classes={"ordinary"}, zones={"derived"}, purposes={"operations"}),
    "analyst": Role(classes={"ordinary", "sensitive"}, zones={"analytics"}, purposes={"research"}),
}


def heart_rows(day: dt.date) -> list[dict[str, object]]:
    """Ten people: person n has n readings and a mean of 50 + n; the day before all are 100 higher."""
    shift = 100.0 * (DAYS[1] - day).days
    return [
        {"pid": bytes([n] * 16), "local_date": day, "readings": n, "mean_bpm": 50.0 + n + shift}
        for n in range(10)
    ]


def put(estate: Estate, name: str, period: str, rows: list[dict[str, object]], now: dt.datetime) -> Path:
    """Write rows as a live encrypted file of a table; return its path."""
    model = load_models(estate.settings.models)[name]
    table = pa.Table.from_pylist(rows, schema=model.schema)
    with estate.database.commit() as tx:
        partition = PartitionName(name, period, model.retention_class)
        [home] = ensure_partitions(estate, tx, model.zone, [partition], keyed=False)
        number = estate.trees[model.zone].insert(tx, KeyKind.FILE, 1)[0]
        file = register_pending(tx, home=home, batch_id=None, bucket=0, key_number=number, now=now)
    with estate.database.read() as conn:
        key = estate.trees[model.zone].lookup(conn, [number])[0]
    path = prepared_path(estate, file)
    written = write_encrypted(table, path, file_id=file.file_id, file_key=key, classes=model.classes)
    with estate.database.commit() as tx:
        make_live(
            tx, file.file_id, rows=len(rows), samples=len(rows), size=written.bytes, sha256=written.sha256
        )
    return path


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    now = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    home = tmp_path_factory.mktemp("estate")
    made = Estate.create(Settings(home=home, models=ROOT / "sql", roles=ROLES), now)
    for day in DAYS:
        put(made, "heart_daily", day.isoformat(), heart_rows(day), now)
    glucose: list[dict[str, Any]] = [
        {"pid": bytes([n] * 16), "local_date": DAYS[0], "readings": 288, "mean_mg_dl": 100.0 + n}
        for n in range(3)
    ]
    put(made, "glucose_daily", DAYS[0].isoformat(), glucose, now)
    cohort = {"week_start": DAYS[0], "age_band": "18-29", "sex": "female", "people": 40, "mean_bpm": 61.5}
    put(made, "cohort_weekly", "2026-W45", [cohort], now)
    yield made
    made.close()
