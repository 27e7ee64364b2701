"""What the command line prints: tables and progress on stderr, data and JSON on stdout."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from shelflife.config import load_settings
from shelflife.estate import Estate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

messages = Console(stderr=True, highlight=False, soft_wrap=True)
_PIPE_WIDTH = 200


def clock() -> datetime:
    """Return the time; the only place of the command line that reads a clock."""
    return datetime.now(UTC)


@contextmanager
def opened(settings_file: Path | None = None) -> Iterator[Estate]:
    """Open the estate that the settings name, for the length of the block."""
    estate = Estate.open(load_settings(settings_file), clock())
    try:
        yield estate
    finally:
        estate.close()


def print_json(value: object) -> None:
    """Print one JSON value on stdout, keys in their order."""
    typer.echo(json.dumps(value, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; numbers are grouped and stand on the right."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for position, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[position], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    # A pipe has no width of its own: give every column its room, so that nothing is cut.
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(highlight=False, width=width)
    if title:
        # A table's own title would be broken into lines as narrow as the table.
        console.print(title, style="italic", markup=False)
    console.print(table)


def print_rows(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, as_json: bool
) -> None:
    """Print rows as a table, or as a JSON array with an object a row, named by the columns."""
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(title, columns, rows)


@contextmanager
def progress_bar(label: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Show progress on stderr while the block runs; yields a callback of (done, in all)."""
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not shown) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def confirmed(what: str, count: int) -> bool:
    """Ask the operator to type a count before something is destroyed; without a terminal the answer is no."""
    if not sys.stdin.isatty():
        messages.print(f"{count:,} {what}. Add --yes to go on without being asked.")
        return False
    messages.print(f"This cannot be undone. Type {count} ({what}) to go on:")
    return sys.stdin.readline().strip() == str(count)


@contextmanager
def progress_lines(*, shown: bool) -> Iterator[Callable[[str, int], None]]:
    """Yield a callback of (step, how many) that writes a line a step to stderr."""

    def tell(step: str, count: int) -> None:
        if shown:
            messages.print(f"[dim]{step} ({count})[/]")

    yield tell
