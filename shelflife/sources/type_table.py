"""The public table of what every record type of every source becomes, written from the adapters themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.signals.precedence import DEFAULT_PRECEDENCE
from shelflife.signals.vocabulary import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shelflife.sources.source import SourceAdapter, SourceType

COLUMNS = ("record", "signal", "unit received", "unit stored", "LOINC", "statistic", "note")

_HEAD = """# Source types

Written by `shelflife sources --markdown` from the source adapters; do not edit it.

What each record type of each source becomes. Units are UCUM; LOINC codes are those of the signal, where one is
confirmed. A type without a signal is read and counted, and holds no sample. Record types that stand here nowhere are
counted by type as well, so that every record of a file is accounted for."""


def rows_of(adapter: SourceAdapter) -> Iterator[tuple[str, ...]]:
    """Yield one row of `COLUMNS` for each record type of an adapter; what does not apply is empty."""
    for one in adapter.types:
        yield _row(one)


def type_table(adapters: Sequence[SourceAdapter], precedence: Sequence[str] = DEFAULT_PRECEDENCE) -> str:
    """Return the table of all adapters, and the order in which their word counts, as Markdown."""
    parts = [_HEAD]
    for adapter in sorted(adapters, key=lambda one: one.title.lower()):
        if adapter.types:
            whom = "one person a file" if adapter.subject_scope == "file" else "rows may name people"
            parts.append(
                f"## {adapter.title}\n\nAdapter `{adapter.name}`, {whom}.\n\n{_table(rows_of(adapter))}"
            )
    order = "\n".join(f"{place}. `{name}`" for place, name in enumerate(precedence, 1))
    parts.append(
        "## Who counts first\n\nWhere several sources report the same observation, one counts and the others are kept and "
        f"flagged. The declared order (setting `source_precedence`):\n\n{order}\n\nSources that are not named come after "
        "these; what a person typed in comes last."
    )
    return "\n\n".join(parts) + "\n"


def _row(one: SourceType) -> tuple[str, ...]:
    known = SIGNALS.get(one.signal or "")
    return (
        one.record,
        one.signal or "",
        one.unit or "",
        (known.unit if known else None) or "",
        (known.loinc if known else None) or "",
        one.statistic or "",
        one.note,
    )


def _table(rows: Iterator[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for record, signal, *others in rows:
        cells = [f"`{record}`", f"`{signal}`" if signal else "", *others]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
