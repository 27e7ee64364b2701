"""`sources`: what can be landed, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from shelflife.cli.console import Json, print_json, print_table
from shelflife.sources.registry import ADAPTERS
from shelflife.sources.type_table import COLUMNS, rows_of, type_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shelflife.sources.source import SourceAdapter


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(sources)


def sources(
    name: Annotated[str | None, typer.Argument(help="An adapter; all of them when absent.")] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/source-types.md.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which formats are landed, and the signal, unit and LOINC code that each of their record types becomes.

    Formats are told apart by content, never by file name. Vendor archives (zip files of many files) are read part by part.
    """
    chosen = _chosen(name)
    if markdown:
        typer.echo(type_table(chosen), nl=False)
    elif as_json:
        print_json(
            {one.name: [dict(zip(COLUMNS, row, strict=True)) for row in rows_of(one)] for one in chosen}
        )
    elif name is not None:
        print_table(chosen[0].title, COLUMNS, list(rows_of(chosen[0])))
    else:
        print_table(
            "Formats",
            ["adapter", "format", "record types", "signals"],
            [[one.name, one.title, len(one.types), _signals(one)] for one in chosen],
        )


def _chosen(name: str | None) -> Sequence[SourceAdapter]:
    found = [one for one in ADAPTERS if name in (None, one.name)]
    if not found:
        raise typer.BadParameter("There is no adapter of this name; see `shelflife sources`.")
    return found


def _signals(adapter: SourceAdapter) -> int:
    return len({one.signal for one in adapter.types if one.signal})
