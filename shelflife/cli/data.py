"""`land`, `inbox`, `derive` and `query`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shelflife.access.query import query as run_query
from shelflife.cli.console import Json, clock, messages, opened, print_json, print_table, progress_bar
from shelflife.errors import ConfigurationError, SourceError
from shelflife.lake.accounting import LandingReport
from shelflife.lake.checks import check_batches, unjudged
from shelflife.lake.derive import derive as run_derive
from shelflife.lake.inbox import HANDLE_LENGTH, InboxFile, digest, list_inbox
from shelflife.lake.landing import land as run_land

_COUNTS = ("samples_in", "landed", "duplicates", "quarantined", "refused")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (land, inbox, derive, query):
        app.command()(command)


def land(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files to land; the whole inbox when absent.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="The account that the named files belong to.")] = None,
    remove: Annotated[
        bool | None,
        typer.Option(
            "--remove/--keep",
            help="Remove landed files. By default those of the inbox only.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Land files encrypted into the raw zone, each exactly once, and check what was landed.

    Files of the inbox are removed once they are landed; named files stay, unless --remove says otherwise. A file that is
    refused stays where it is and makes the exit code 4, as does a batch that fails its checks: derivation leaves it out.
    """
    with opened() as estate:
        chosen = _chosen(files, account) if files else list_inbox(estate.settings.inbox)
        keep = not remove if remove is not None else bool(files)
        with progress_bar("landing", shown=not as_json) as progress:
            report = run_land(estate, chosen, clock=clock, keep=keep, progress=progress)
        failed = [
            rule
            for check in check_batches(estate, unjudged(estate))
            for rule in check.rules
            if not rule.passed
        ]
    if as_json:
        print_json(_landing_json(report) | {"failed_rules": [f"{r.stream}.{r.rule}" for r in failed]})
    else:
        _print_landing(report)
        for rule in failed:
            messages.print(
                f"check failed: {rule.stream}.{rule.rule}: {rule.violations:,} of {rule.rows:,} rows"
            )
    if report.refused_files or failed:
        raise typer.Exit(SourceError.exit_code)


def inbox(as_json: Json = False) -> None:
    """Show which inbox file a handle stands for. Prints paths, which can name people: for the operator's eyes."""
    with opened() as estate, estate.database.read() as conn:
        folder = estate.settings.inbox
        listed = [
            [
                digest(estate, conn, file).hex()[:HANDLE_LENGTH],
                str(file.path.relative_to(folder)),
                file.path.stat().st_size,
            ]
            for file in list_inbox(folder)
        ]
    if as_json:
        print_json([dict(zip(("handle", "path", "bytes"), row, strict=True)) for row in listed])
    else:
        print_table("Inbox", ["handle", "path", "bytes"], listed)


def derive(
    model: Annotated[list[str] | None, typer.Option(help="Derive only this model; may be repeated.")] = None,
    period: Annotated[
        list[str] | None, typer.Option(help="Derive only this period; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring derived tables and cohorts up to date with what is landed; nothing stale, nothing done."""
    with opened() as estate, progress_bar("deriving", shown=not as_json) as progress:
        check_batches(estate, unjudged(estate))
        report = run_derive(estate, clock=clock, names=model, periods=period, progress=progress)
    models = sorted({unit.model for unit in report.units})
    if as_json:
        print_json(
            {
                "derived_rows": report.rows,
                "models": {name: report.rows_of(name) for name in models},
                "files": len(report.units),
                "seconds": round(report.seconds, 3),
            }
        )
        return
    rows = [[name, sum(u.model == name for u in report.units), report.rows_of(name)] for name in models]
    print_table(f"Derived in {report.seconds:.1f} s", ["model", "periods", "rows"], rows)


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT over derived tables and cohorts.")],
    role: Annotated[str, typer.Option(help="The role to read as (shelflife.yaml).")] = "analyst",
    purpose: Annotated[str, typer.Option(help="Why; recorded with the query.")] = "",
    principal: Annotated[
        str, typer.Option(envvar="SHELFLIFE_PRINCIPAL", help="Who asks: a function or a service.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Run read-only SQL as a role, within its classes and rows; every attempt is recorded."""
    if not purpose or not principal:
        raise ConfigurationError(
            "A query needs a purpose and a principal.",
            remedy="Add --purpose TEXT and --principal NAME (or set SHELFLIFE_PRINCIPAL).",
        )
    with opened() as estate:
        result = run_query(estate, sql, principal=principal, role=role, purpose=purpose, now=clock())
    rows = result.table.to_pylist()
    shown = [
        {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
        for row in rows
    ]
    if as_json:
        print_json({"query_id": result.query_id, "rows": shown})
        return
    print_table("", result.table.schema.names, [list(row.values()) for row in shown])
    messages.print(f"{len(shown):,} rows; recorded as query {result.query_id}")


def _chosen(files: list[Path], account: str | None) -> list[InboxFile]:
    for path in files:
        if not path.is_file():
            raise SourceError("A named file does not exist or is not a file.", remedy="Check the path.")
    return [InboxFile(path.resolve(), account) for path in files]


def _landing_json(report: LandingReport) -> dict[str, object]:
    return {
        "subjects": report.subjects,
        **{name: report.total(name) for name in _COUNTS},
        "ignored": report.ignored(),
        "reasons": dict(report.reasons()),
        "files": [
            {"handle": f.handle, "source": f.source, "state": f.state}
            | {name: getattr(f, name) for name in _COUNTS}
            | ({"error": f.error, "remedy": f.remedy} if f.error else {})
            for f in report.files
        ],
        "batches": report.batches,
        "seconds": round(report.seconds, 3),
    }


def _print_landing(report: LandingReport) -> None:
    sources = sorted({f.source or "not recognised" for f in report.files})
    rows = []
    for source in sources:
        mine = [f for f in report.files if (f.source or "not recognised") == source]
        rows.append([source, len(mine), *(sum(getattr(f, name) for f in mine) for name in _COUNTS)])
    print_table(f"Landed in {report.seconds:.1f} s", ["source", "files", *_COUNTS], rows)
    if report.reasons():
        print_table("Kept out", ["reason", "rows"], [list(item) for item in sorted(report.reasons().items())])
    again = sum(file.state == "already_landed" for file in report.files)
    if again:
        messages.print(f"{again:,} of the files had been landed before; nothing of them changed.")
    for file in report.refused_files:
        messages.print(f"refused file {file.handle}: {file.error}\nWhat to do: {file.remedy}", markup=False)
