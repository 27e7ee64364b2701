"""Estates in which somebody is known twice, and ways to look at whose rows are where."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from typing import TYPE_CHECKING

import polars as pl
import pytest

from shelflife.estate import Estate
from shelflife.identity.prepare import merge_terms, prepare, split_terms, transfer_terms
from shelflife.identity.stages import Running, run
from shelflife.lake.catalog import files_of_partition, partitions, path_of
from shelflife.lake.checks import check_batches
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.unseal import partition_keys_of
from shelflife.rights.verify import verify
from shelflife.seal.files import read_sealed
from shelflife.seal.locators import raw_ids
from shelflife.subjects.directory import Alias, find
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.lake.state import raw_rows
from tests.rights.conftest import Clock

if TYPE_CHECKING:
    from pathlib import Path

ADA, ADELE, BOB, NEW = (Alias("account", name) for name in ("ada", "adele", "bob", "newcomer"))
SOLD = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)


def rows_of(
    name: str, *, days=(1, 2, 3), hour=8, device="Watch 1", first=0, count=12
) -> list[dict[str, object]]:
    """Heart rate and glucose, one of each every five minutes, some of them not sound."""
    found: list[dict[str, object]] = []
    for day in days:
        for step in range(first, first + count):
            start = f"2026-11-{day:02d}T{hour:02d}:{step:02d}:00Z"
            common = {"subject": name, "start": start, "device_model": device, "platform": "test"}
            found.append(common | {"signal": "heart_rate", "value": 60 + step, "unit": "/min"})
            found.append(common | {"signal": "glucose_interstitial", "value": 90 + step, "unit": "mg/dL"})
        found.append(common | {"signal": "heart_rate", "value": "broken", "unit": "/min"})
    return found


def land_rows(estate: Estate, name: str, *groups: list[dict[str, object]]) -> None:
    """Land and judge rows, as one batch."""
    target = estate.settings.inbox / "x" / f"{name}.ndjson"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"\n".join(json.dumps(row).encode() for group in groups for row in group))
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    check_batches(estate, report.batches)


def fill_twice(estate: Estate) -> None:
    """Ada, known as Ada and as Adele, who share a few samples, and Bob, who is somebody else."""
    land_rows(estate, "first", rows_of("ada"), rows_of("bob"))
    land_rows(estate, "second", rows_of("adele", first=6), rows_of("adele", hour=20), rows_of("bob", hour=9))
    derive(estate, clock=lambda: NOW)


def fill_mixed(estate: Estate) -> None:
    """Ada with rows of two watches, and Bob; the second watch is not hers."""
    land_rows(estate, "first", rows_of("ada"), rows_of("bob"), rows_of("ada", device="Watch 2", hour=7))
    land_rows(
        estate, "second", rows_of("ada", device="Watch 2", hour=13, days=(2, 4)), rows_of("bob", hour=9)
    )
    derive(estate, clock=lambda: NOW)


def filled_folder(tmp_path_factory, fill) -> Path:
    """Make an estate, fill it, close it, and return its folder."""
    folder = tmp_path_factory.mktemp("kept")
    made = Estate.create(settings_in(folder), NOW)
    fill(made)
    made.close()
    return folder


def opened_copy(folder: Path, target: Path) -> Estate:
    """Copy an estate and open the copy."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    return Estate.open(settings_in(target), NOW)


def fixtures_of(fill):
    """Make two fixtures: a folder that a module's tests share and nobody changes, and an opened copy of it for each test."""

    @pytest.fixture(scope="module")
    def kept(tmp_path_factory):
        return filled_folder(tmp_path_factory, fill)

    @pytest.fixture
    def opened(kept, tmp_path):
        estate = opened_copy(kept, tmp_path)
        yield estate
        estate.close()

    return kept, opened


def terms(estate: Estate, kind: str, *what, **more):
    """The terms of a merge, split or transfer."""
    make = {"merge": merge_terms, "split": split_terms, "transfer": transfer_terms}[kind]
    with estate.database.read() as conn:
        return make(estate, conn, *what, **more)


def prepared(estate: Estate, kind: str, *what, **more):
    """Prepare a change: its id and its plan."""
    return prepare(estate, terms(estate, kind, *what, **more), NOW)


def running(**more) -> Running:
    """How a test runs a change: waiting moves the clock, so that the lease of a run that was killed ends."""
    clock = Clock()
    return Running(clock=clock, wait=lambda seconds: clock.forward(seconds=seconds), **more)


def change(estate: Estate, kind: str, *what, **more):
    """Prepare a change and run it."""
    change_id, plan = prepared(estate, kind, *what, **more)
    return run(estate, change_id, running()), plan


def rows_by_person(estate: Estate) -> dict[str, pl.DataFrame]:
    """Every landed row by person, sorted; without the person, so that rows of two can be compared."""
    found: dict[str, list[pl.DataFrame]] = {}
    for (table, period), rows in raw_rows(estate).items():
        problem = [] if "problem" in rows.columns else [pl.lit(None, pl.String).alias("problem")]
        marked = rows.with_columns(*problem, table=pl.lit(table), period=pl.lit(period))
        for (name,), mine in marked.group_by("pid"):
            found.setdefault(str(name), []).append(mine.drop("pid"))
    frames = {
        name: pl.concat(parts, how="diagonal").select(sorted(parts[0].columns))
        for name, parts in found.items()
    }
    return {name: frame.sort(frame.columns, nulls_last=True) for name, frame in frames.items()}


def counts(estate: Estate) -> dict[str, int]:
    """How many rows each person has."""
    return {name: rows.height for name, rows in rows_by_person(estate).items()}


def raw_pid(estate: Estate, name: Alias) -> bytes:
    with estate.database.read() as conn:
        return find(estate, conn, [name])[name].raw_pid


def blocks_on_disk(estate: Estate, pid: bytes) -> int:
    """How many sealed blocks of a person any raw file has, registered or not, live or not."""
    found = 0
    files = list((estate.settings.home / "zones" / "raw").rglob("*.parquet"))
    with estate.database.read() as conn:
        keys = [partition_keys_of(estate, conn, [home])[0] for home in partitions(conn, zone="raw")]
    for path in files:
        places = read_sealed(path, columns=["locator"]).column("locator").to_pylist()
        found += sum(pid in raw_ids(key, places) for key in keys)
    return found


def paths_of(estate: Estate) -> set[str]:
    with estate.database.read() as conn:
        homes = partitions(conn, zone="raw")
        files = [file for home in homes for file in files_of_partition(conn, home.partition_id)]
    return {str(path_of(estate, file)) for file in files}


def findings(estate: Estate, **more) -> list[str]:
    return [f"{one.rule}: {one.place}" for one in verify(estate, now=NOW, **more).findings]
