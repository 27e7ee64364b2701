"""`verify`: look at what physically exists, and say what must not be there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelflife.cli.console import Json, clock, messages, opened, print_json, print_table
from shelflife.cli.people import alias_from_stdin
from shelflife.errors import ConfigurationError, LedgerBroken, ResidueFound, RestoreIncomplete
from shelflife.rights.verify import RULES, recorded_targets, targets_from_alias
from shelflife.rights.verify import verify as run_verification

if TYPE_CHECKING:
    from shelflife.estate import Estate
    from shelflife.rights.verify import Target, Verification

_MOST_SHOWN = 200


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(verify)


def verify(
    alias_on_stdin: Annotated[
        bool,
        typer.Option(
            "--alias-on-stdin",
            help="Read an alias of an erased person from stdin and look for that person alone.",
        ),
    ] = False,
    kind: Annotated[str, typer.Option(help="What sort of alias it is.")] = "account",
    dagster_home: Annotated[
        Path | None,
        typer.Option(envvar="DAGSTER_HOME", help="Dagster's own storage, to be looked at too."),
    ] = None,
    old_database: Annotated[
        Path | None,
        typer.Option(help="An older copy of the control database, which must not open what was destroyed."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at every file, key, row, copy and record that physically exists, and say what must not be there.

    Looks for everybody whose erasure is recorded, with code that shares nothing with the code that erases. Changes
    nothing. Prints places in opaque words, never a name or a value. Any finding makes the exit code 9.
    """
    for named in (dagster_home, old_database):
        if named is not None and not named.exists():
            raise ConfigurationError(
                "What was named to be looked at is not there.",
                remedy="Check --dagster-home (or DAGSTER_HOME) and --old-database.",
            )
    with opened() as estate:
        found = run_verification(
            estate,
            now=clock(),
            targets=_targets(estate, kind) if alias_on_stdin else _recorded(estate),
            dagster_home=dagster_home,
            old_database=old_database,
        )
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)
    if not found.passed:
        raise ResidueFound(
            f"{len(found.findings)} things were found that must not be there.",
            remedy="See docs/verification.md for each rule; mend the cause, then verify again.",
        )


def _targets(estate: Estate, kind: str) -> list[Target]:
    """Read one alias; it is on no command line, which is kept in histories."""
    name = alias_from_stdin(kind)
    return targets_from_alias(estate, [name])


def _recorded(estate: Estate) -> list[Target]:
    try:
        with estate.database.read() as conn:
            return recorded_targets(estate, conn)
    except (LedgerBroken, RestoreIncomplete):
        # The verification finds this too, and goes on to everything else.
        return []


def _print(found: Verification) -> None:
    looked = [[store, what, count] for (store, what), count in sorted(found.looked_at.items())]
    print_table("Looked at", ["store", "what", "count"], looked)
    if found.unseen:
        print_table("Not looked at", ["store", "why"], [[one.store, one.why] for one in found.unseen])
    rows = [[one.store, one.rule, one.place] for one in found.findings]
    if rows:
        print_table("Found", ["store", "rule", "place"], rows[:_MOST_SHOWN])
        if len(rows) > _MOST_SHOWN:
            messages.print(f"and {len(rows) - _MOST_SHOWN:,} more; --json lists all.")
        for rule in sorted({one.rule for one in found.findings}):
            messages.print(f"{rule}: {RULES[rule].broken_when}", markup=False)
        return
    final = (
        "no backup can bring a destroyed key back" if found.final else "older root keys are not destroyed yet"
    )
    messages.print(f"Nothing found; {final}.")
