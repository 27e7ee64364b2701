"""Derivation: stale units are computed from decrypted Arrow in memory and written as encrypted Parquet.

Late data derives again what it touched and nothing else. The file that a new one stands for is retired in the
same commit and its key destroyed, so an old snapshot of it cannot be read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.subject_tables import subject
from shelflife.control.tables import derivation
from shelflife.errors import CommitConflict, KeyDestroyed, LeaseExpired
from shelflife.keys.leases import renew
from shelflife.keys.tree import KeyKind
from shelflife.lake import record
from shelflife.lake.batches import give_up_dead, open_batch
from shelflife.lake.catalog import (
    DataFile,
    PartitionName,
    ensure_partitions,
    files_by_id,
    make_live,
    prepared_path,
    register_pending,
    replace,
)
from shelflife.lake.collect import collect
from shelflife.lake.disclosure import suppress
from shelflife.lake.inputs import read_inputs
from shelflife.lake.leasing import held_lease
from shelflife.lake.left_out import left_out
from shelflife.lake.model_columns import record_model
from shelflife.lake.model_header import ATTRIBUTES
from shelflife.lake.models import Model, load_models, run_model
from shelflife.lake.periods import period_of
from shelflife.lake.staleness import Unit, stale_units
from shelflife.seal.parquet import write_encrypted
from shelflife.signals.precedence import DEFAULT_PRECEDENCE, digest

if TYPE_CHECKING:
    import datetime as dt

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.lake.batches import Batch

PEOPLE_PER_BUCKET = 500
UNITS_PER_COMMIT = 64
ROWS_PER_COMMIT = 4_000_000
ATTEMPTS = 5
Clock = Callable[[], "dt.datetime"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Derived:
    """One unit that was derived."""

    model: str
    period: str
    bucket: int
    rows: int


@dataclass
class DeriveReport:
    """What a derivation did: counts and names of models and periods, never a value."""

    units: list[Derived] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        """Rows written."""
        return sum(unit.rows for unit in self.units)

    def rows_of(self, model: str) -> int:
        """Rows written for one model."""
        return sum(unit.rows for unit in self.units if unit.model == model)


@dataclass(frozen=True)
class _Made:
    """One unit's new file, pending until the commit; no file where there are no rows."""

    unit: Unit
    rows: int
    file: DataFile | None = None
    size: int = 0
    sha256: bytes = b""


def derive(
    estate: Estate,
    *,
    clock: Clock,
    names: Collection[str] | None = None,
    periods: Collection[str] | None = None,
    progress: Progress | None = None,
) -> DeriveReport:
    """Bring derived tables up to date with what is landed.

    Args:
        estate: the estate.
        clock: gives the time.
        names: models to derive; all when absent.
        periods: periods to derive; every stale one when absent.
        progress: called with (units done, units in all) of each model.

    Returns:
        The units that were derived; nothing stale means nothing done.

    Raises:
        ConfigurationError: a model's header or text is wrong.
        CommitConflict: the inputs kept moving; run it again.
    """
    started = time.monotonic()
    report = DeriveReport()
    give_up_dead(estate, clock())
    models = load_models(estate.settings.models)
    conflicts = 0
    while stale := _next_stale(estate, models, names, periods):
        model, units = stale
        done = 0
        for chunk in _chunks(estate, units):
            try:
                report.units += _derive_chunk(estate, models, model, chunk, clock)
            except (CommitConflict, LeaseExpired, KeyDestroyed):
                conflicts += 1
                if conflicts >= ATTEMPTS:
                    raise
                break
            done += len(chunk)
            if progress:
                progress(done, len(units))
    collect(estate, clock())
    record.publish(estate, clock())
    report.seconds = time.monotonic() - started
    return report


def stale(
    estate: Estate, models: Mapping[str, Model], conn: sa.Connection, **only: Collection[str] | None
) -> list[Unit]:
    """Return the stale units of the estate (see `staleness.stale_units`)."""
    return stale_units(
        conn,
        models,
        buckets=_buckets(conn),
        minimum_cell=estate.settings.minimum_cell,
        left_out=left_out(estate, conn, models),
        precedence=digest(estate.settings.source_precedence or DEFAULT_PRECEDENCE),
        **only,
    )


def _next_stale(
    estate: Estate,
    models: Mapping[str, Model],
    names: Collection[str] | None,
    periods: Collection[str] | None,
) -> tuple[Model, list[Unit]] | None:
    """Return the first model that has stale units; cohorts are looked at once what they read is current."""
    with estate.database.read() as conn:
        units = stale(estate, models, conn, names=names, periods=periods)
    first = next((list(group) for _, group in groupby(units, key=lambda unit: unit.model)), None)
    return None if first is None else (models[first[0].model], first)


def _buckets(conn: sa.Connection) -> int:
    """Return the power of two that keeps a bucket at `PEOPLE_PER_BUCKET` people or fewer; it never shrinks again."""
    people = int(conn.execute(sa.select(sa.func.count()).select_from(subject)).scalar_one())
    highest = conn.execute(sa.select(sa.func.max(derivation.c.bucket))).scalar() or 0
    buckets = 1
    while people > buckets * PEOPLE_PER_BUCKET or buckets <= highest:
        buckets *= 2
    return buckets


def _chunks(estate: Estate, units: Sequence[Unit]) -> Iterator[list[Unit]]:
    """Cut units into commits that hold a bounded number of input rows in memory; a unit is never cut."""
    with estate.database.read() as conn:
        files = files_by_id(conn, [file_id for unit in units for file_id in unit.inputs])
    samples = {file.file_id: file.samples for file in files}
    chunk: list[Unit] = []
    size = 0
    for unit in units:
        rows = sum(samples.get(file_id, 0) for file_id in unit.inputs) // unit.buckets
        if chunk and (size + rows > ROWS_PER_COMMIT or len(chunk) >= UNITS_PER_COMMIT):
            yield chunk
            chunk, size = [], 0
        chunk.append(unit)
        size += rows
    if chunk:
        yield chunk


def _runs(model: Model, units: Sequence[Unit]) -> list[list[Unit]]:
    """Say which units share one run of the model: those of one bucket, unless each period needs attributes of its own."""

    def together(unit: Unit) -> tuple[int, str]:
        return unit.bucket, unit.period if ATTRIBUTES in model.reads else ""

    return [list(group) for _, group in groupby(sorted(units, key=together), key=together)]


def _derive_chunk(
    estate: Estate, models: Mapping[str, Model], model: Model, units: Sequence[Unit], clock: Clock
) -> list[Derived]:
    now = clock()
    made: list[_Made] = []
    with held_lease(estate, "derive", clock) as first, open_batch(estate, now) as batch:
        lease = first
        for group in _runs(model, units):
            made += _compute(estate, models, model, group, batch, now)
            with estate.database.commit() as tx:
                lease = renew(tx, lease, clock(), estate.settings.lease_seconds)
        reached("derive.before_commit")
        with estate.database.commit() as tx:
            lease.check(tx.conn, clock())
            _commit(estate, tx, models, model, made, batch, clock())
            reached("derive.in_commit")
        reached("derive.committed")
    return [Derived(model.name, one.unit.period, one.unit.bucket, one.rows) for one in made]


def _compute(
    estate: Estate,
    models: Mapping[str, Model],
    model: Model,
    units: Sequence[Unit],
    batch: Batch,
    now: dt.datetime,
) -> list[_Made]:
    """Run the model once over the inputs of several periods and write one file a period."""
    inputs = read_inputs(estate, models, model, units, now)
    result = run_model(model, inputs)
    if model.disclosure is not None:
        result = suppress(result, model.disclosure, estate.settings.minimum_cell)
    day = result.column(model.date_column)
    labels = pa.array([period_of(value.as_py(), model.period) for value in day], type=pa.string())
    return [
        _write(estate, model, unit, result.filter(pc.equal(labels, unit.period)), batch, now)
        for unit in units
    ]


def _write(estate: Estate, model: Model, unit: Unit, rows: pa.Table, batch: Batch, now: dt.datetime) -> _Made:
    if rows.num_rows == 0:
        return _Made(unit, 0)
    with estate.database.commit() as tx:
        name = PartitionName(model.name, unit.period, model.retention_class)
        [home] = ensure_partitions(estate, tx, model.zone, [name], keyed=False)
        number = estate.trees[model.zone].insert(tx, KeyKind.FILE, 1)[0]
        file = register_pending(
            tx, home=home, batch_id=batch.batch_id, bucket=unit.bucket, key_number=number, now=now
        )
    with estate.database.read() as conn:
        key = estate.trees[model.zone].lookup(conn, [number])[0]
    assert key is not None  # noqa: S101  inserted a moment ago, and nobody else knows its number
    written = write_encrypted(
        rows, prepared_path(estate, file), file_id=file.file_id, file_key=key, classes=model.classes
    )
    reached("derive.file_written")
    return _Made(unit, rows.num_rows, file, written.bytes, written.sha256)


def _commit(
    estate: Estate,
    tx: Transaction,
    models: Mapping[str, Model],
    model: Model,
    made: Sequence[_Made],
    batch: Batch,
    now: dt.datetime,
) -> None:
    """Make the new files true and retire the old ones.

    Raises:
        CommitConflict: a unit's inputs moved since it was computed.
    """
    still = set(stale(estate, models, tx.conn, names=[model.name], periods={one.unit.period for one in made}))
    if not still.issuperset(one.unit for one in made):
        raise CommitConflict("The inputs of a derivation moved.", remedy="Run it again.")
    record_model(tx, model, models)
    replace(estate, tx, _previous(tx.conn, made), now)
    for one in made:
        if one.file is not None:
            make_live(tx, one.file.file_id, rows=one.rows, samples=one.rows, size=one.size, sha256=one.sha256)
        _remember(tx, model, one, now)
    record.derivation(
        estate, tx, batch, model, [(one.unit, one.rows, one.file, one.sha256) for one in made], now
    )
    record.close_batch(tx, batch, now)


def _previous(conn: sa.Connection, made: Sequence[_Made]) -> list[DataFile]:
    """Return the live files that these units stand for."""
    ids = []
    for one in made:
        where = _key(one.unit)
        ids += [
            found for found in conn.execute(sa.select(derivation.c.file_id).where(where)).scalars() if found
        ]
    return files_by_id(conn, ids)


def _remember(tx: Transaction, model: Model, one: _Made, now: dt.datetime) -> None:
    tx.conn.execute(derivation.delete().where(_key(one.unit)))
    if not one.unit.inputs:
        return
    tx.conn.execute(
        derivation.insert().values(
            model=one.unit.model,
            period=one.unit.period,
            bucket=one.unit.bucket,
            inputs_hash=one.unit.inputs_hash,
            model_hash=model.digest,
            file_id=one.file.file_id if one.file else None,
            rows=one.rows,
            derived_at=now,
        )
    )


def _key(unit: Unit) -> sa.ColumnElement[bool]:
    return sa.and_(
        derivation.c.model == unit.model,
        derivation.c.period == unit.period,
        derivation.c.bucket == unit.bucket,
    )
