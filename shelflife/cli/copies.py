"""`copy list`, `copy publish`, `copy expire` and `copy reconcile`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from shelflife.cli.console import Json, clock, confirmed, messages, opened, print_json, print_table
from shelflife.copies.listing import list_copies
from shelflife.copies.publish import PublishReport
from shelflife.copies.publish import publish as run_publish
from shelflife.copies.reconciling import UNREGISTERED, ReconcileReport, expire_copies
from shelflife.copies.reconciling import reconcile as run_reconcile
from shelflife.errors import ResidueFound

if TYPE_CHECKING:
    from datetime import datetime

_copies = typer.Typer(
    help="Copies of derived data outside the vault: caches, marts, extracts.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_copies, name="copy")


@_copies.command("list")
def list_all(as_json: Json = False) -> None:
    """List the declared copies, and withdrawn ones that still stand: what is in them and until when."""
    with opened() as estate:
        found = list_copies(estate, clock())
    if as_json:
        print_json([asdict(one) for one in found])
        return
    columns = ["copy", "kind", "state", "items", "rows", "bytes", "published", "expires", "owner", "purpose"]
    rows = [
        [
            one.name,
            one.kind,
            one.state,
            one.items,
            one.rows,
            one.bytes,
            _when(one.published_at),
            _when(one.expires_at),
            one.owner,
            one.purpose,
        ]
        for one in found
    ]
    print_table("Copies", columns, rows)


@_copies.command()
def publish(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[COPY]...", help="Copies to publish; all when absent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make copies hold what the warehouse holds now; one whose inputs did not move is left alone until it expires.

    A copy that fails stops no other; the exit code is the first failure's.
    """
    with opened() as estate:
        report = run_publish(estate, names or None, clock=clock)
    if as_json:
        print_json(_publish_json(report))
    else:
        rows = [[one.copy, one.state, one.items, one.rows, one.left_out] for one in report.copies]
        columns = ["copy", "state", "items", "rows", "rows of erased people left out"]
        print_table(f"Published in {report.seconds:.1f} s", columns, rows)
    for one in report.failed:
        if one.error is not None:
            messages.print(f"failed: {one.copy}: {one.error.diagnostics()}", markup=False)
    if report.failed and report.failed[0].error is not None:
        raise typer.Exit(report.failed[0].error.exit_code)


@_copies.command()
def expire(as_json: Json = False) -> None:
    """Remove what is past its time to live from every copy."""
    with opened() as estate:
        gone = expire_copies(estate, clock)
    if as_json:
        print_json({"expired": gone})
        return
    print_table(
        "Expired", ["copy", "objects removed"], [[name, count] for name, count in sorted(gone.items())]
    )


@_copies.command()
def reconcile(
    remove: Annotated[
        bool, typer.Option("--remove", help="Also remove undeclared objects from the copies' locations.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Compare what physically lies in the copies with what is registered; any finding makes the exit code 9.

    Removes what is expired and copies whose declaration was withdrawn. Undeclared objects are only shown, by names that
    others gave them; with --remove they are removed after their number was typed.
    """
    with opened() as estate:
        report = run_reconcile(estate, clock)
        strays = sum(finding.rule == UNREGISTERED for finding in report.findings)
        if remove and strays:
            if not as_json:
                _print_report(report)
            if yes or confirmed("undeclared objects that are removed", strays):
                report = run_reconcile(estate, clock, remove=True)
    if as_json:
        print_json(asdict(report))
    else:
        _print_report(report)
    if report.findings:
        raise ResidueFound(
            f"{len(report.findings)} objects in copies are not as they are declared.",
            remedy="Find out who put them there; then `shelflife copy reconcile --remove`, or publish what is missing.",
        )


def _publish_json(report: PublishReport) -> dict[str, object]:
    return {
        "copies": [
            {"copy": one.copy, "state": one.state, "items": one.items, "rows": one.rows}
            | {"left_out": one.left_out}
            | ({"error": one.error.what, "remedy": one.error.remedy} if one.error is not None else {})
            for one in report.copies
        ],
        "seconds": round(report.seconds, 3),
    }


def _print_report(report: ReconcileReport) -> None:
    told = [
        ["objects past their time to live, removed", sum(report.expired.values())],
        ["withdrawn copies, removed", len(report.withdrawn)],
        ["undeclared objects, removed", len(report.removed)],
        ["findings", len(report.findings)],
    ]
    print_table("Reconciled", ["what", "count"], told)
    if report.findings:
        rows = [[one.copy, one.rule.replace("_", " "), one.where] for one in report.findings]
        print_table("Findings", ["copy", "what", "where"], rows)


def _when(time: datetime | None) -> str:
    return "-" if time is None else time.isoformat(timespec="minutes")
