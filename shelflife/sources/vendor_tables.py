"""What the adapters of vendors' CSV exports share when a line holds any number of observations: the loop over the lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from shelflife.sources.containers import open_content
from shelflife.sources.delimited import read_lines
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.rows import broken_batch, in_batches
from shelflife.sources.source import Parsing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from shelflife.sources.rows import Column
    from shelflife.sources.source import ByteSource

Line: TypeAlias = "dict[str, str | None]"
"""The cells of a line by the name of their column; None for an empty one."""

_LINES_AT_ONCE = 1024


def table_parsing(
    source: ByteSource,
    layout_of: Callable[[list[str]], str | None],
    take: Callable[[Line, str, Observations, Parsing], None],
    common: Observation,
    *,
    now: dt.datetime,
    zone: str | None,
) -> Parsing:
    """Return the parse of a CSV file; lines with too few or too many cells are set aside.

    Args:
        source: the bytes.
        layout_of: names the layout that a header is of; None for one of another format.
        take: adds the rows of a line of a layout, or counts it, or learns about the person from it.
        common: what every observation has unless it says otherwise, broken lines included; constants only.
        now: what counts as the present.
        zone: the account's IANA zone.
    """

    def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
        found = Observations(parsing, common, now=now, zone=zone)
        with open_content(source) as stream:
            for lines in read_lines(stream, lambda header: layout_of(header) is not None):
                layout = layout_of(lines.fields.column_names) or ""
                for batch in lines.fields.to_batches(max_chunksize=_LINES_AT_ONCE):
                    for line in batch.to_pylist():
                        take(line, layout, found, parsing)
                    yield from found.full()
                parsing.records += len(lines.broken)
                named = cast("Mapping[str, Column]", common)
                yield from in_batches(broken_batch(lines.broken, lines.broken_positions, named, now=now))
        yield from found.rest()

    return Parsing(rows)
