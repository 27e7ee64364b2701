"""What landing and derivation record: lineage and one ledger entry, inside the transaction that makes the step true."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from shelflife.control.tables import batch as batch_table
from shelflife.errors import CommitConflict
from shelflife.lake.catalog import files_by_id, partitions_by_id
from shelflife.lake.model_columns import DatasetColumns
from shelflife.lake.models import load_models
from shelflife.lineage import record as lineage
from shelflife.lineage.openlineage import emit_pending

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.lake.accounting import FileOutcome
    from shelflife.lake.batches import Batch
    from shelflife.lake.catalog import DataFile
    from shelflife.lake.models import Model
    from shelflife.lake.sealing import Sealed
    from shelflife.lake.staleness import Unit
    from shelflife.ledger.entries import JSON

_COUNTS = ("samples_in", "landed", "duplicates", "quarantined", "refused")


def landing(
    estate: Estate,
    tx: Transaction,
    batch: Batch,
    sealed: Sequence[Sealed],
    outcomes: Sequence[FileOutcome],
    now: dt.datetime,
) -> None:
    """Record a landing batch: what it read, what it wrote, its accounting and a digest over its files."""
    counts: dict[str, int] = {name: sum(getattr(outcome, name) for outcome in outcomes) for name in _COUNTS}
    run = lineage.start_run(tx, "land", "land", batch.started_at, facts={"files": len(outcomes), **counts})
    lineage.add_inputs(tx, run, lineage.INBOX, [batch.batch_id])
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    for one in sealed:
        dataset = f"raw/{one.home.table_name}"
        rows[dataset][one.home.partition_id] += one.samples
        sizes[dataset] += one.size
    for dataset, written in rows.items():
        lineage.add_outputs(tx, run, dataset, written, size=sizes[dataset])
    entry: dict[str, JSON] = {
        "type": "land",
        "run": run,
        "batch": batch.batch_id,
        "source_files": len(outcomes),
        **counts,
        "data_files": len(sealed),
        "data_files_sha256": _digest((one.file.file_id, one.sha256) for one in sealed),
    }
    [position] = estate.ledger.append(tx, [entry], now)
    lineage.finish_run(tx, run, now, facts={"ledger_position": position})


def derivation(
    estate: Estate,
    tx: Transaction,
    batch: Batch,
    model: Model,
    made: Sequence[tuple[Unit, int, DataFile | None, bytes]],
    now: dt.datetime,
) -> None:
    """Record a derivation: which partitions or tables it read, which units it wrote, and a digest over its files."""
    entry: dict[str, JSON] = {
        "type": "derive",
        "batch": batch.batch_id,
        "model": model.name,
        "model_sha256": model.digest.hex(),
        "units": len(made),
        "rows": sum(rows for _, rows, *_ in made),
        "data_files_sha256": _digest(
            (file.file_id, sha256) for _, _, file, sha256 in made if file is not None
        ),
    }
    [position] = estate.ledger.append(tx, [entry], now)
    # A run a unit, so that lineage never ties a day to the inputs of another day that shared its commit.
    for unit, rows, *_ in made:
        run = lineage.start_run(tx, f"derive.{model.name}", "derive", batch.started_at)
        for dataset, items in _inputs_of(tx, unit).items():
            lineage.add_inputs(tx, run, dataset, items)
        lineage.add_outputs(tx, run, f"{model.zone}/{model.name}", {f"{unit.period}/{unit.bucket}": rows})
        lineage.finish_run(tx, run, now, facts={"ledger_position": position, "rows": rows})


def rewrite(
    estate: Estate,
    tx: Transaction,
    batch: Batch,
    model: Model,
    old: Sequence[DataFile],
    made: Sequence[tuple[DataFile, bytes]],
    rows_removed: int,
    now: dt.datetime,
) -> None:
    """Record that derived files were rewritten without some people: how many files and rows, and a digest."""
    entry: dict[str, JSON] = {
        "type": "rewrite",
        "batch": batch.batch_id,
        "model": model.name,
        "files": len(old),
        "rows_removed": rows_removed,
        "data_files_sha256": _digest((file.file_id, sha256) for file, sha256 in made),
    }
    [position] = estate.ledger.append(tx, [entry], now)
    homes = partitions_by_id(tx.conn, [file.partition_id for file in old])
    run = lineage.start_run(tx, f"rewrite.{model.name}", "erase", batch.started_at)
    items = [f"{homes[file.partition_id].period}/{file.bucket}" for file in old]
    lineage.add_inputs(tx, run, f"{model.zone}/{model.name}", items)
    lineage.finish_run(tx, run, now, facts={"ledger_position": position, "rows_removed": rows_removed})


def close_batch(tx: Transaction, batch: Batch, now: dt.datetime) -> None:
    """Mark a batch committed.

    Raises:
        CommitConflict: another process gave it up.
    """
    committed = tx.conn.execute(
        batch_table.update()
        .where(batch_table.c.batch_id == batch.batch_id, batch_table.c.state == "open")
        .values(state="committed", committed_at=now)
    )
    if committed.rowcount != 1:
        raise CommitConflict("The batch was given up by another process.", remedy="Run it again.")


def publish(estate: Estate, now: dt.datetime) -> int:
    """Write the OpenLineage events of every recorded step that has none yet. Returns how many steps."""
    schemas = DatasetColumns(lambda: load_models(estate.settings.models))
    return emit_pending(estate.database, estate.settings.lineage_folder, now, schemas=schemas)


def _inputs_of(tx: Transaction, unit: Unit) -> dict[str, set[str]]:
    files = files_by_id(tx.conn, unit.inputs)
    homes = partitions_by_id(tx.conn, [file.partition_id for file in files])
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in files:
        item = file.partition_id if file.zone == "raw" else f"{homes[file.partition_id].period}/{file.bucket}"
        found[f"{file.zone}/{file.table_name}"].add(item)
    return found


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    """Digest over a step's files: SHA-256 over the sorted lines "id sha256"."""
    lines = sorted(f"{file_id} {sha256.hex()}" for file_id, sha256 in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
