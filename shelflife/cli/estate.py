"""`init` and `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.cli.console import Json, clock, messages, opened, print_json, print_table
from shelflife.config import load_settings
from shelflife.estate import Estate
from shelflife.lake.status import status as read_status

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(init)
    app.command()(status)


def init(as_json: Json = False) -> None:
    """Make the estate that shelflife.yaml describes; an existing one is left as it is."""
    settings = load_settings()
    estate = Estate.create(settings, clock())
    key = estate.ledger.verifier_key
    estate.close()
    if as_json:
        print_json({"home": str(settings.home), "inbox": str(settings.inbox), "ledger_key": str(key)})
        return
    messages.print(f"Estate ready in {settings.home}. Files to land go into {settings.inbox}/<account>/.")
    messages.print(f"Ledger key, to give to whoever audits it: {key}", markup=False, soft_wrap=True)


def status(as_json: Json = False) -> None:
    """Show what the estate holds, in counts."""
    with opened() as estate:
        found = read_status(estate)
    if as_json:
        print_json(found.as_json())
        return
    print_table(
        "Tables",
        ["zone", "table", "partitions", "first", "last", "files", "rows", "bytes"],
        [
            [t.zone, t.table_name, t.partitions, t.first, t.last, t.files, t.rows, t.bytes]
            for t in found.tables
        ],
    )
    print_table(
        "Estate",
        ["what", "count"],
        [
            ["subjects", found.subjects],
            ["files in the inbox", found.inbox_files],
            ["commits", found.batches],
            ["batches that failed their checks", found.failed_batches],
            *([f"quarantined: {reason}", rows] for reason, rows in found.quarantined.items()),
            *([f"stale: {model}", units] for model, units in found.stale.items()),
            ["unregistered objects", found.unregistered],
            ["ledger entries", found.ledger_size],
        ],
    )
    if found.consent != "required":
        messages.print("Consent is not relied on here (setting `consent`): landing does not ask for it.")
