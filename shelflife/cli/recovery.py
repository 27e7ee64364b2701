"""`backup`, `backups`, `restore` and `restore-check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shelflife.cli.console import Json, clock, confirmed, messages, opened, print_json, print_table
from shelflife.config import load_settings
from shelflife.errors import PlanRefused, RestoreIncomplete, StorageError
from shelflife.estate import Estate
from shelflife.recovery.backup import backup as run_backup
from shelflife.recovery.checks import RestoreCheck, check_estate
from shelflife.recovery.checks import restore_check as run_check
from shelflife.recovery.expiry import expire_backups, forget_final, list_backups
from shelflife.recovery.report import RestoreReport
from shelflife.recovery.restore import restore as run_restore

Source = Annotated[Path, typer.Argument(help="A folder of backups.")]
Named = Annotated[
    str | None, typer.Option("--backup", help="Which backup; the newest when absent.", show_default=False)
]

_backups = typer.Typer(help="The backups in a folder.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(backup)
    app.add_typer(_backups, name="backups")
    app.command()(restore)
    app.command("restore-check")(restore_check)


def backup(
    target: Annotated[Path, typer.Argument(help="A folder outside of the estate; made when missing.")],
    as_json: Json = False,
) -> None:
    """Write a backup: the control database of one moment, and the data files that are not there yet.

    Holds no root key, no journal of destructions and no witness: keep those three elsewhere. Files that are missing or
    damaged in the estate are counted and make the exit code 8; the backup is whole without them.
    """
    with opened() as estate:
        report = run_backup(estate, target, clock=clock)
    if as_json:
        print_json(vars(report))
    else:
        rows = [[name.replace("_", " "), count] for name, count in vars(report).items() if name != "name"]
        print_table(f"Backup {report.name}", ["what", "count"], rows)
    if report.damaged:
        raise typer.Exit(StorageError.exit_code)


@_backups.command("list")
def list_all(source: Source, as_json: Json = False) -> None:
    """List backups: when made, how large, whether the root slots still open them, whether they are due to go."""
    with opened() as estate:
        found = list_backups(estate, source, clock())
    rows: list[list[object]] = [
        [
            one.manifest.name,
            one.manifest.taken_at.isoformat(timespec="seconds"),
            one.manifest.data_files,
            one.manifest.data_bytes,
            "yes" if one.opens else "no",
            "yes" if one.due else "no",
        ]
        for one in found
    ]
    columns = ["backup", "made at", "data files", "bytes", "opens", "due"]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    print_table("Backups", columns, rows)


@_backups.command("expire")
def expire(source: Source, as_json: Json = False) -> None:
    """Remove the backups that the retention rule for backups wants gone, and those that no root key opens any more.

    Then the journal forgets the destructions that no backup can undo any more.
    """
    with opened() as estate:
        done = expire_backups(estate, source, clock())
        forgotten = forget_final(estate)
    if as_json:
        print_json({**vars(done), "journal_records_forgotten": forgotten})
        return
    rows = [
        ["backups", len(done.backups)],
        ["data files", done.files],
        ["bytes", done.bytes],
        ["journal records forgotten", forgotten],
    ]
    print_table("Removed", ["what", "count"], rows)


def restore(
    source: Source,
    name: Named = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Put a backup back and destroy again what was destroyed since; nothing is served before all of it is done.

    The control database must be gone; root slots, witness and journal must be there. Shows what was recorded since the
    backup and will be forgotten, and asks for that count. Killed halfway, the same command goes on where it was.
    """
    settings = load_settings()
    if not yes:
        found = run_check(settings, source, name=name, deep=False)
        if not as_json:
            _print_check(found)
        count = sum(found.forgotten.values())
        if found.passed and not confirmed("ledger entries since the backup", count):
            raise PlanRefused("The restore was not approved.", remedy="Nothing was changed.")
    done = run_restore(settings, source, clock=clock, name=name, progress=None if as_json else _say)
    if as_json:
        print_json(done.as_json())
        return
    _print_restore(done)


def restore_check(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of backups; without it, the estate itself is checked.", show_default=False
        ),
    ] = None,
    name: Named = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at the sizes of data files only, not at their digests.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell whether a backup could be restored now; or whether everything that was destroyed is gone from the estate.

    Only looks. Exit code 12 when the answer is no.
    """
    if source is not None:
        found = run_check(load_settings(), source, name=name, deep=not quick)
    else:
        estate = Estate.open(load_settings(), clock(), while_restoring=True)
        try:
            found = check_estate(estate)
        finally:
            estate.close()
    if as_json:
        print_json({"passed": found.passed, **vars(found)})
    else:
        _print_check(found)
    if not found.passed:
        raise typer.Exit(RestoreIncomplete.exit_code)


def _print_check(found: RestoreCheck) -> None:
    if found.backup is not None and found.taken_at is not None:
        made = found.taken_at.isoformat(timespec="seconds")
        messages.print(f"Backup {found.backup}, made at {made}, {found.data_files:,} data files.")
    if found.replayed is not None:
        messages.print(f"{found.replayed:,} records of the journal are to be replayed.")
    if found.forgotten:
        rows = [[kind, count] for kind, count in found.forgotten.items()]
        print_table("Recorded since, and forgotten by a restore", ["ledger entry", "count"], rows)
    for reason in found.reasons:
        messages.print(f"fails: {reason}", markup=False)
    messages.print("passed" if found.passed else "failed")


def _print_restore(done: RestoreReport) -> None:
    rows = [
        ["ledger entries completed from the mirror", done.ledger_entries],
        ["destructions replayed", done.destructions],
        ["keys destroyed again", done.replayed.keys],
        ["people forgotten again", done.replayed.subjects],
        ["partitions closed again", done.replayed.partitions],
        ["batches given up", done.replayed.batches],
        ["requests readmitted", done.requests],
        ["data files in place", done.files.present],
        ["data files from the backup", done.files.fetched],
        *([f"data files lost: {zone}", count] for zone, count in done.files.lost.items()),
        ["derived files rewritten", done.rewritten.files],
        ["raw blocks overwritten", done.scrubbed.blocks],
        ["rows set aside for holds", done.rows_held],
        ["cohort files to derive again", done.cohorts_retired],
        ["unregistered files removed", done.unregistered],
        ["copies emptied", len(done.copies_emptied)],
        *([f"forgotten since the backup: {kind}", count] for kind, count in done.forgotten.items()),
    ]
    print_table(f"Restored {done.backup}", ["what", "count"], rows)
    for name in done.copies_left:
        messages.print(f"The copy {name} could not be emptied; see `shelflife copies`.", markup=False)
    messages.print(
        "Next: send again what landed since, enter again what was asked since, then `shelflife derive`.",
        markup=False,
    )


def _say(step: str) -> None:
    messages.print(f"restoring: {step}")
