"""Collecting what the estate holds about one person, as plain values and tables that can be read again and again.

Only this person's blocks and rows are opened. Tables are named one by one, so that nothing else in the catalog is read
by accident: rows under a legal hold lie in tables of other names.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.subject_tables import subject
from shelflife.copies.erasing import export_from_copies
from shelflife.lake.models import load_models
from shelflife.lake.unseal import QUARANTINE, UNCLASSIFIED
from shelflife.rights.export.blocks import PersonBlocks
from shelflife.rights.export.columns import (
    copied_columns,
    derived_columns,
    quarantine_columns,
    sample_columns,
)
from shelflife.rights.export.contents import Computed, Decided, ExportTable, Handover, Look, Person
from shelflife.rights.export.derived import PID, PersonFigures
from shelflife.rights.export.labels import STREAM_LABELS
from shelflife.rights.export.looks import handovers, looks_at
from shelflife.rights.export.retention import Kept
from shelflife.rights.export.standing import changed
from shelflife.signals.vocabulary import STREAMS
from shelflife.subjects.consent import governing
from shelflife.subjects.consent_ledger import Decisions, decisions_of
from shelflife.subjects.directory import aliases_of
from shelflife.subjects.profile import read_profile

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from shelflife.estate import Estate
    from shelflife.lake.models import Model
    from shelflife.rights.export.blocks import Found
    from shelflife.rights.export.standing import Watch
    from shelflife.subjects.directory import Subject

QUARANTINED = "quarantined"
_QUARANTINE_TABLES = tuple(f"{QUARANTINE}{stream}" for stream in (*STREAMS, UNCLASSIFIED))
# A table that has fewer rows than this is decoded once and kept; a larger one is decoded for every format.
_ROWS_KEPT = 100_000


@dataclass(frozen=True)
class Collected:
    """What the estate holds about the person."""

    person: Person
    tables: tuple[ExportTable, ...]
    copies: tuple[ExportTable, ...]
    kept: tuple[Kept, ...]
    computed: tuple[Computed, ...]
    looks: tuple[Look, ...]
    handovers: tuple[Handover, ...]
    consents: tuple[Decided, ...]


def collect(estate: Estate, person: Subject, watch: Watch) -> Collected:
    """Find everything about one person; the rows themselves are read when a table is iterated.

    Raises:
        ConfigurationError: a model is wrong.
        KeyDestroyed: the person was erased.
        CommitConflict: something of the person was erased meanwhile, or a copy is being changed.
        CopyUnreachable: a copy does not answer.
    """
    models = load_models(estate.settings.models)
    raw = _raw_tables(PersonBlocks(estate, person, watch))
    derived = _derived_tables(PersonFigures(estate, person, watch, models), models)
    copies = _copied_tables(estate, person, watch, models)
    with estate.database.read() as conn:
        known = _person(estate, conn, person)
        since = _first_seen(conn, person)
        looked = looks_at(conn, [table.name for table, _ in derived], since=since)
        handed = handovers(conn, since=since)
        decided = _decided(estate, conn, person)
    return Collected(
        person=known,
        tables=tuple(table for table, _ in (*raw, *derived)),
        copies=tuple(copies),
        kept=tuple(kept for _, of_table in (*raw, *derived) for kept in of_table),
        computed=tuple(_computed(models[table.name]) for table, _ in derived),
        looks=tuple(looked),
        handovers=tuple(handed),
        consents=tuple(decided),
    )


def _raw_tables(blocks: PersonBlocks) -> list[tuple[ExportTable, list[Kept]]]:
    found = blocks.find([*STREAMS, *_QUARANTINE_TABLES])
    made = []
    for stream in STREAMS:
        if stream in found:
            rows = _rereadable(partial(blocks.rows, found[stream]))
            grain = f"one {STREAM_LABELS[stream].lower()} measurement"
            table = ExportTable(stream, "samples", grain, sample_columns(stream), rows)
            made.append((table, _kept(stream, found[stream])))
    aside = [one for name in _QUARANTINE_TABLES for one in found.get(name, ())]
    if aside:
        rows = _rereadable(partial(blocks.rows, aside))
        grain = "one row that could not be used and was set aside"
        table = ExportTable(QUARANTINED, "quarantine", grain, quarantine_columns(), rows)
        made.append((table, _kept(QUARANTINED, aside)))
    return made


def _kept(table: str, found: Sequence[Found]) -> list[Kept]:
    """Return the periods of each retention class that a table's rows of the person lie in."""
    periods: dict[str, list[str]] = {}
    for one in found:
        periods.setdefault(one.home.retention_class, []).append(one.home.period)
    return [Kept(table, name, min(of_class), max(of_class)) for name, of_class in sorted(periods.items())]


def _derived_tables(
    figures: PersonFigures, models: Mapping[str, Model]
) -> list[tuple[ExportTable, list[Kept]]]:
    made = []
    for name, files in figures.find().items():
        model = models[name]
        # At most a row a day, so that a whole table fits into memory.
        read = [(period, part) for period, file in files for part in figures.rows(model, file)]
        if read:
            rows = partial(iter, [part for _, part in read])
            table = ExportTable(name, "derived", model.grain, derived_columns(model), rows)
            made.append((table, [Kept(name, model.retention_class, read[0][0], read[-1][0])]))
    return made


def _copied_tables(
    estate: Estate, person: Subject, watch: Watch, models: Mapping[str, Model]
) -> list[ExportTable]:
    """Return what the copies hold of the person, without what was erased and waits for its rewrite."""
    watch.check()
    made = []
    for copy, datasets in sorted(export_from_copies(estate, person.subject_id).items()):
        for name, rows in sorted(datasets.items()):
            if name in watch.standing.waiting:
                continue
            model = models.get(name)
            grain = f"{model.grain}, as the copy {copy} holds it" if model else f"one row of the copy {copy}"
            ordered = (
                rows.sort_by([(key, "ascending") for key in model.keys if key != PID]) if model else rows
            )
            columns = copied_columns(rows.schema, model)
            made.append(ExportTable(f"{copy}/{name}", "copy", grain, columns, partial(iter, [ordered])))
    return made


def _rereadable(read: Callable[[], Iterator[pa.Table]]) -> Callable[[], Iterator[pa.Table]]:
    """Return what reads a table from the start each time, and remembers a small one."""
    held: list[pa.Table] | None = None

    def batches() -> Iterator[pa.Table]:
        nonlocal held
        if held is not None:
            yield from held
            return
        seen: list[pa.Table] | None = []
        rows = 0
        for part in read():
            rows += part.num_rows
            seen = None if seen is None or rows > _ROWS_KEPT else [*seen, part]
            yield part
        held = seen

    return batches


def _person(estate: Estate, conn: sa.Connection, person: Subject) -> Person:
    facts, aliases = read_profile(estate, conn, person), aliases_of(estate, conn, person)
    return Person(facts, tuple(aliases), _first_seen(conn, person).date())


def _decided(estate: Estate, conn: sa.Connection, person: Subject) -> list[Decided]:
    """Return every decision about consent, in the order of recording."""
    known = decisions_of(estate, conn, [person.identity_pid]).get(person.identity_pid, Decisions())
    counting = {one.place for one in governing(known.placed).values()}
    return [
        Decided(
            **asdict(one.event),
            recorded_on=known.recorded_on[one.place[0]],
            counts=one.place in counting,
        )
        for one in known.placed
    ]


def _first_seen(conn: sa.Connection, person: Subject) -> dt.datetime:
    query = sa.select(subject.c.created_at).where(subject.c.pid == person.identity_pid)
    found: dt.datetime | None = conn.execute(query).scalar()
    if found is None:
        raise changed()
    return found


def _computed(model: Model) -> Computed:
    formulas = {
        name: f"{column.formula} ({column.source})"
        for name, column in model.columns.items()
        if column.formula
    }
    return Computed(model.name, model.grain, formulas)
