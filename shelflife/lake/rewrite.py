"""Rewriting derived files without some people: a new file under a new key stands for the old one, whose key is destroyed.

Only files that hold a row of one of these people are touched. The unit that a file was derived as stays current: its
inputs are the same but for blocks that no longer open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.control.bulk import chunks
from shelflife.control.crashpoints import reached
from shelflife.control.tables import derivation
from shelflife.errors import CommitConflict, KeyDestroyed
from shelflife.keys.tree import KeyKind
from shelflife.lake import record
from shelflife.lake.awaiting import PID, settle, without
from shelflife.lake.batches import Batch, open_batch
from shelflife.lake.catalog import (
    DataFile,
    live_files,
    make_live,
    partitions_by_id,
    prepared_path,
    register_pending,
    replace,
)
from shelflife.lake.inputs import derived_files
from shelflife.lake.models import Model, load_models, output_schema
from shelflife.seal.file_keys import CLASSES
from shelflife.seal.parquet import open_encrypted, write_encrypted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from shelflife.estate import Estate

FILES_PER_COMMIT = 64
ATTEMPTS = 5
# A bucket follows from the first byte of a pseudonym, and the counts of buckets are powers of two.
_BUCKET_COUNTS = tuple(1 << power for power in range(9))


@dataclass(frozen=True)
class Rewritten:
    """What a rewrite did, in counts."""

    files: int = 0
    rows_removed: int = 0
    bytes_written: int = 0

    def __add__(self, other: Rewritten) -> Rewritten:
        """Return both together."""
        return Rewritten(
            self.files + other.files,
            self.rows_removed + other.rows_removed,
            self.bytes_written + other.bytes_written,
        )


@dataclass(frozen=True)
class _Fresh:
    """A file without the erased, pending until the commit; no file where nobody is left."""

    old: DataFile
    new: DataFile | None
    rows: int
    size: int = 0
    sha256: bytes = b""


def rewrite_without(
    estate: Estate, gone: Mapping[str, Collection[bytes]], *, clock: Callable[[], datetime]
) -> Rewritten:
    """Rewrite the derived files that hold rows of some people, and let reads stop leaving them out.

    Args:
        estate: the estate.
        gone: pseudonyms of the derived zone by table.
        clock: gives the time.

    Raises:
        CommitConflict: a derivation kept replacing the same files; run it again.
    """
    models = load_models(estate.settings.models)
    done = Rewritten()
    for table_name, pids in sorted(gone.items()):
        if table_name in models and pids:
            done += _rewrite_table(estate, models, models[table_name], frozenset(pids), clock)
        with estate.database.commit() as tx:
            settle(tx, table_name, pids)
    return done


def _rewrite_table(
    estate: Estate,
    models: Mapping[str, Model],
    model: Model,
    pids: frozenset[bytes],
    clock: Callable[[], datetime],
) -> Rewritten:
    done, conflicts = Rewritten(), 0
    clean: set[str] = set()
    while touched := _touched(estate, models, model, pids, clean):
        for some in chunks(touched, FILES_PER_COMMIT):
            try:
                fresh, counts = _rewrite_files(estate, models, model, some, pids, clock)
            except (CommitConflict, KeyDestroyed):
                conflicts += 1
                if conflicts >= ATTEMPTS:
                    raise
                break
            clean.update(one.new.file_id for one in fresh if one.new is not None)
            done += counts
    return done


def _touched(
    estate: Estate, models: Mapping[str, Model], model: Model, pids: frozenset[bytes], clean: set[str]
) -> list[DataFile]:
    """Return the live files that hold a row of one of these people; those that do not are added to `clean`."""
    buckets = {count: {pid[0] % count for pid in pids} for count in _BUCKET_COUNTS}
    with estate.database.read() as conn:
        files = [
            file
            for file in live_files(conn, model.zone, model.name)
            if file.file_id not in clean and _can_hold(file, buckets)
        ]
        opened = {one.file_id: one for one in derived_files(estate, conn, model, files)}
        found = []
        for file in files:
            if file.file_id not in opened:
                continue
            rows = open_encrypted(
                [opened[file.file_id]], allowed=CLASSES, schema=output_schema(model, models)
            )
            present = rows.to_table(columns=[PID]).column(PID).unique().to_pylist()
            if pids.intersection(present):
                found.append(file)
            else:
                clean.add(file.file_id)
    return found


def _can_hold(file: DataFile, buckets: Mapping[int, set[int]]) -> bool:
    """Tell whether a file's bucket is that of one of the people, whatever number of buckets there was then."""
    return any(count > file.bucket and file.bucket in taken for count, taken in buckets.items())


def _rewrite_files(
    estate: Estate,
    models: Mapping[str, Model],
    model: Model,
    files: Sequence[DataFile],
    pids: frozenset[bytes],
    clock: Callable[[], datetime],
) -> tuple[list[_Fresh], Rewritten]:
    now = clock()
    with open_batch(estate, now) as batch:
        fresh = [_write(estate, models, model, file, pids, batch, now) for file in files]
        reached("rewrite.before_commit")
        with estate.database.commit() as tx:
            replace(estate, tx, [one.old for one in fresh], now)
            for one in fresh:
                if one.new is not None:
                    make_live(
                        tx,
                        one.new.file_id,
                        rows=one.rows,
                        samples=one.rows,
                        size=one.size,
                        sha256=one.sha256,
                    )
                here = (derivation.c.model == model.name) & (derivation.c.file_id == one.old.file_id)
                stands = one.new.file_id if one.new else None
                tx.conn.execute(derivation.update().where(here).values(file_id=stands, rows=one.rows))
            made = [(one.new, one.sha256) for one in fresh if one.new is not None]
            removed = sum(one.old.rows - one.rows for one in fresh)
            record.rewrite(estate, tx, batch, model, [one.old for one in fresh], made, removed, now)
            record.close_batch(tx, batch, now)
            reached("rewrite.in_commit")
    reached("rewrite.committed")
    return fresh, Rewritten(len(fresh), removed, sum(one.size for one in fresh))


def _write(
    estate: Estate,
    models: Mapping[str, Model],
    model: Model,
    file: DataFile,
    pids: frozenset[bytes],
    batch: Batch,
    now: datetime,
) -> _Fresh:
    with estate.database.read() as conn:
        opened = derived_files(estate, conn, model, [file])
        home = partitions_by_id(conn, [file.partition_id])[file.partition_id]
    if not opened:
        raise KeyDestroyed("A derived file was replaced meanwhile.", remedy="Run it again.")
    rows: pa.Table = open_encrypted(opened, allowed=CLASSES, schema=output_schema(model, models)).to_table()
    kept = without(rows, pids)
    if not kept.num_rows:
        return _Fresh(file, None, 0)
    with estate.database.commit() as tx:
        number = estate.trees[model.zone].insert(tx, KeyKind.FILE, 1)[0]
        new = register_pending(
            tx, home=home, batch_id=batch.batch_id, bucket=file.bucket, key_number=number, now=now
        )
    with estate.database.read() as conn:
        key = estate.trees[model.zone].lookup(conn, [number])[0]
    assert key is not None  # noqa: S101  inserted a moment ago, and nobody else knows its number
    written = write_encrypted(
        kept, prepared_path(estate, new), file_id=new.file_id, file_key=key, classes=model.classes
    )
    reached("rewrite.file_written")
    return _Fresh(file, new, kept.num_rows, written.bytes, written.sha256)


def tables_about(models: Mapping[str, Model], streams: Collection[str] | None) -> list[str]:
    """Return the derived tables that hold rows of single people, computed from any of the streams (all when None)."""
    return [
        name
        for name, model in models.items()
        if model.zone == "derived" and (streams is None or set(streams) & set(model.reads))
    ]
