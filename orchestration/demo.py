"""A demonstration: synthetic people's files go through the real jobs on a real Dagster instance.

    python -m orchestration.demo --folder demo

Everything that it makes lies in one folder, and `make ui` opens Dagster on it. Progress and tables go to stderr; the
last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from shelflife.errors import ConfigurationError, ShelflifeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import dagster as dg

    from shelflife.estate import Estate
    from shelflife.synthetic.people import Person

ROOT = Path(__file__).resolve().parent.parent
MARKER = ".shelflife-demo"
PHASES = 19
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

messages = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Demo:
    """What to show and where."""

    folder: Path
    people: int
    days: int
    seed: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit code."""
    demo = _parse(arguments)
    started = time.monotonic()
    try:
        prepare(demo.folder, _clock().date() - timedelta(days=demo.days))
        with _progress() as step:
            result = run(demo, step)
    except ShelflifeError as error:
        messages.print(f"[red]{error.what}[/red]\nWhat to do: {error.remedy}")
        return error.exit_code
    sys.stdout.write(json.dumps({**result, "seconds": round(time.monotonic() - started, 1)}) + "\n")
    return 0


def prepare(folder: Path, first_day: date) -> None:
    """Make an empty folder for the demonstration, with the settings of its estate and of its Dagster instance.

    Args:
        folder: the folder; emptied when a demonstration made it.
        first_day: where Dagster's partitions begin.

    Raises:
        ConfigurationError: the folder holds something that no demonstration has put there.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise ConfigurationError(
            "The folder is not empty and was not made by the demonstration.",
            remedy="Name another one with --folder; nothing was touched.",
        )
    shutil.rmtree(folder, ignore_errors=True)
    for made in (folder, folder / "inbox", folder / "dagster"):
        made.mkdir(mode=0o700, parents=True)
    (folder / MARKER).write_text("Made by `make demo`, which empties this folder every time.\n")
    (folder / "shelflife.yaml").write_text(
        "# Settings of the demonstration's estate; paths are relative to this file.\n"
        f"home: estate\ninbox: inbox\nfirst_partition: {first_day.isoformat()}\n"
        f"models: {json.dumps(str(ROOT / 'sql'))}\npolicies: {json.dumps(str(ROOT / 'retention_policies'))}\n"
    )
    shutil.copy(ROOT / "dagster.yaml", folder / "dagster" / "dagster.yaml")
    os.environ["SHELFLIFE_SETTINGS"] = str(folder / "shelflife.yaml")
    os.environ["DAGSTER_HOME"] = str(folder / "dagster")


def run(demo: Demo, step: Callable[[str], None]) -> dict[str, int | str]:
    """Fill the inbox, land, check, derive, then purge, export, erase and restore; return what happened, in counts."""
    # Imported late: these read the environment that `prepare` sets, and Dagster takes a while to import.
    import dagster as dg  # noqa: PLC0415

    from orchestration.definitions import defs  # noqa: PLC0415
    from orchestration.demo_lifecycle import Lifecycle, write_old_phone  # noqa: PLC0415
    from orchestration.demo_upload import write_sealed_upload  # noqa: PLC0415
    from shelflife.config import load_settings  # noqa: PLC0415
    from shelflife.estate import Estate  # noqa: PLC0415
    from shelflife.synthetic.inbox import write_inbox  # noqa: PLC0415

    settings = load_settings()
    step("Writing what phones, watches and sensors would send")
    invented = write_inbox(
        settings.inbox, people=demo.people, days=demo.days, seed=demo.seed, until=_clock().date()
    )
    exported, forgetful = _chosen(invented.people)
    write_old_phone(settings.inbox, exported, _clock().date())
    step("Creating the estate")
    estate = Estate.create(settings, _clock())
    try:
        with dg.DagsterInstance.get() as instance:
            definitions = defs()
            landing = dg.RunRequest(job_name="land_inbox", partition_key=_clock().date().isoformat())
            step("Landing and checking (job land_inbox)")
            execute(definitions, instance, landing)
            step("What a phone sealed (job land_inbox)")
            sealed = write_sealed_upload(estate, exported, settings.inbox, _clock)
            execute(definitions, instance, landing)
            derive_everything(definitions, instance, estate, step)
            result = _tell(estate)
            estate.close()
            lifecycle = Lifecycle(
                settings,
                demo.folder,
                _clock,
                execute=lambda request: execute(definitions, instance, request),
                derive=lambda opened: derive_everything(definitions, instance, opened, step),
                step=step,
            )
            lifecycle.run(exported, erased=exported, forgetful=forgetful)
    finally:
        estate.close()
    _tell_lifecycle(demo.folder, lifecycle.told)
    return {**result, "sealed_samples": sealed, **lifecycle.told}


def derive_everything(
    definitions: dg.Definitions, instance: dg.DagsterInstance, estate: Estate, step: Callable[[str], None]
) -> None:
    """Run what the stale sensor would ask for, until nothing is stale."""
    from orchestration.sensors import stale_requests  # noqa: PLC0415

    while requests := stale_requests(estate, _clock().date()):
        for request in requests:
            step(f"Deriving (job {request.job_name})")
            execute(definitions, instance, request)


def execute(definitions: dg.Definitions, instance: dg.DagsterInstance, request: dg.RunRequest) -> None:
    """Execute a requested run in this process, recorded like any other.

    Raises:
        ConfigurationError: the run failed; its failures are in the Dagster instance.
    """
    job = definitions.resolve_job_def(str(request.job_name))
    result = job.execute_in_process(
        run_config={**_QUIET, **(request.run_config or {})},
        instance=instance,
        partition_key=request.partition_key,
        asset_selection=request.asset_selection,
        tags=request.tags,
        raise_on_error=False,
    )
    if not result.success:
        raise ConfigurationError(
            f"The job {request.job_name} failed.",
            remedy="Run `make ui` and look at the run; the failure names the cause.",
        )


def _tell(estate: Estate) -> dict[str, int]:
    """Print what the estate holds now and return the counts of the last line."""
    import sqlalchemy as sa  # noqa: PLC0415

    from shelflife.control.tables import derivation, landed_file  # noqa: PLC0415
    from shelflife.lake.status import status  # noqa: PLC0415

    counts = ("samples_in", "landed", "duplicates", "quarantined", "refused")
    with estate.database.read() as conn:
        sums = conn.execute(
            sa.select(*(sa.func.coalesce(sa.func.sum(landed_file.c[name]), 0) for name in counts))
        ).one()
        derived = int(
            conn.execute(sa.select(sa.func.coalesce(sa.func.sum(derivation.c.rows), 0))).scalar_one()
        )
    now = status(estate)
    result = {
        "subjects": now.subjects,
        **dict(zip(counts, map(int, sums), strict=True)),
        "derived_rows": derived,
    }
    messages.print(
        _table("What came in", ["", "rows"], [[name.replace("_", " "), n] for name, n in result.items()])
    )
    held = [[one.zone, one.table_name, one.partitions, one.rows, one.bytes] for one in now.tables]
    messages.print(_table("What the estate holds", ["zone", "table", "partitions", "rows", "bytes"], held))
    return result


def _chosen(people: Sequence[Person]) -> tuple[str, str]:
    """Return the accounts of somebody to export and erase, and of somebody else with glucose to forget."""
    accounts = [person for person in people if person.alias_kind == "account"]
    with_glucose = [person.alias for person in accounts if person.sensor is not None]
    whole = with_glucose[0]
    return whole, next(name for name in with_glucose if name != whole)


def _tell_lifecycle(folder: Path, told: Mapping[str, int | str]) -> None:
    rows = [[name.replace("_", " "), count] for name, count in told.items() if isinstance(count, int)]
    messages.print(_table("The lifecycle", ["", "count"], rows))
    messages.print(f"The person's own copy of their data: {folder / 'export' / 'index.html'}")
    messages.print(
        f"The certificate of the erasure: {folder / 'certificate.json'} (`shelflife certificate verify`)"
    )
    messages.print("Next: `make ui` shows the assets, their checks and these runs at http://127.0.0.1:3000")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for position, name in enumerate(columns):
        numeric = bool(rows) and isinstance(rows[0][position], int)
        table.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    return table


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=messages) as progress:
        task = progress.add_task("Starting", total=PHASES)
        done = -1

        def step(what: str) -> None:
            nonlocal done
            done += 1
            progress.update(task, description=what, completed=done, total=max(PHASES, done + 1))
            if not messages.is_terminal:
                messages.print(what)

        yield step
        progress.update(task, description="Done", completed=max(PHASES, done + 1))


def _parse(arguments: Sequence[str] | None) -> Demo:
    parser = argparse.ArgumentParser(prog="python -m orchestration.demo", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path("demo"), help="folder to make; emptied when it is a demo's"
    )
    parser.add_argument("--people", type=int, default=48, help="synthetic people")
    parser.add_argument("--days", type=int, default=21, help="days of data of each")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same people")
    options = parser.parse_args(arguments)
    return Demo(options.folder.resolve(), options.people, options.days, options.seed)


def _clock() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
