"""What a model reads: decrypted Arrow in memory, under the pseudonyms of the zone that it writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.lake.awaiting import awaiting, without
from shelflife.lake.catalog import DataFile, files_by_id, partitions_by_id, path_of
from shelflife.lake.left_out import left_out
from shelflife.lake.model_header import ATTRIBUTES
from shelflife.lake.models import columns_read, output_schema
from shelflife.lake.periods import days_of
from shelflife.lake.unseal import read_partition
from shelflife.seal.file_keys import CLASSES
from shelflife.seal.parquet import EncryptedFile, open_encrypted
from shelflife.signals import overlap
from shelflife.signals.precedence import DEFAULT_PRECEDENCE
from shelflife.signals.sample import SAMPLE_SCHEMA
from shelflife.signals.vocabulary import STREAMS
from shelflife.subjects.directory import pseudonym_map
from shelflife.subjects.profile import coarse_attributes

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow.dataset as ds
    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.lake.models import Model
    from shelflife.lake.staleness import Unit

NOBODY: frozenset[bytes] = frozenset()


def read_inputs(
    estate: Estate, models: Mapping[str, Model], model: Model, units: Sequence[Unit], now: dt.datetime
) -> dict[str, pa.Table]:
    """Return each relation that a model reads, for the given units of one bucket.

    Streams carry `pid` of the derived zone and only the columns that the model names; models are cut to the
    units' days; `attributes` is handed over with a record of it. People who are left out for want of consent are in none.
    """
    ids = sorted({file_id for unit in units for file_id in unit.inputs})
    relations: dict[str, pa.Table] = {}
    with estate.database.read() as conn:
        files = files_by_id(conn, ids)
        gone = left_out(estate, conn, models)
        for name in model.reads:
            mine = [file for file in files if file.table_name == name]
            if name in STREAMS:
                relations[name] = _stream(estate, conn, model, mine, units[0], gone.get(model.name, NOBODY))
            elif name != ATTRIBUTES:
                rows = _model(estate, conn, models, models[name], mine, units)
                relations[name] = without(rows, gone.get(name, NOBODY))
    if ATTRIBUTES in model.reads:
        relations[ATTRIBUTES] = _attributes(estate, model, units, now)
    return relations


def derived_files(
    estate: Estate, conn: sa.Connection, model: Model, files: Sequence[DataFile]
) -> list[EncryptedFile]:
    """Return derived files with the keys to open them; files whose key was destroyed are left out."""
    numbers = [file.key_number for file in files if file.key_number is not None]
    keys = dict(zip(numbers, estate.trees[model.zone].lookup(conn, numbers), strict=True))
    found = []
    for file in files:
        key = keys.get(file.key_number) if file.key_number is not None else None
        if key is not None:
            found.append(EncryptedFile(path_of(estate, file), file.file_id, key, model.classes))
    return found


def _stream(
    estate: Estate,
    conn: sa.Connection,
    model: Model,
    files: Sequence[DataFile],
    unit: Unit,
    gone: Collection[bytes],
) -> pa.Table:
    columns = [name for name in SAMPLE_SCHEMA.names if name in columns_read(model)]
    # Whoever asks for the flags wants those that depend on everything else that is landed, too.
    judged = "quality_flags" in columns
    read = [name for name in SAMPLE_SCHEMA.names if name in columns or (judged and name in overlap.COLUMNS)]
    people = pseudonym_map(estate, conn, "raw", model.zone)
    mine = {
        raw: derived
        for raw, derived in people.items()
        if derived[0] % unit.buckets == unit.bucket and derived not in gone
    }
    homes = partitions_by_id(conn, [file.partition_id for file in files])
    parts = [pa.schema([*(SAMPLE_SCHEMA.field(name) for name in read), ("pid", pa.binary())]).empty_table()]
    for partition_id, home in homes.items():
        of_home = [file for file in files if file.partition_id == partition_id]
        parts.append(read_partition(estate, conn, home, of_home, people=set(mine), columns=read))
    rows = pa.concat_tables(parts)
    if judged:
        rows = overlap.with_overlaps(rows, estate.settings.source_precedence or DEFAULT_PRECEDENCE).select(
            [*columns, "pid"]
        )
    return _renamed(rows, mine)


def _renamed(table: pa.Table, people: Mapping[bytes, bytes]) -> pa.Table:
    """Put the pseudonym of the zone that is written to in place of the raw zone's."""
    codes = table.column("pid").combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = (
            pa.concat_arrays(codes.chunks)
            if codes.num_chunks
            else pa.array([], pa.dictionary(pa.int32(), pa.binary()))
        )
    derived = pa.array([people[pid] for pid in codes.dictionary.to_pylist()], type=pa.binary())
    return table.set_column(table.schema.get_field_index("pid"), "pid", derived.take(codes.indices))


def _model(
    estate: Estate,
    conn: sa.Connection,
    models: Mapping[str, Model],
    read: Model,
    files: Sequence[DataFile],
    units: Sequence[Unit],
) -> pa.Table:
    schema = output_schema(read, models)
    encrypted = derived_files(estate, conn, read, files)
    if not encrypted:
        return schema.empty_table()
    dataset: ds.Dataset = open_encrypted(encrypted, allowed=CLASSES, schema=schema)
    first = min(days_of(unit.period)[0] for unit in units)
    end = max(days_of(unit.period)[1] for unit in units)
    day = pc.field(read.date_column)
    rows = dataset.to_table(filter=(day >= pa.scalar(first)) & (day < pa.scalar(end)))
    return without(rows, awaiting(conn, read.name))


def _attributes(estate: Estate, model: Model, units: Sequence[Unit], now: dt.datetime) -> pa.Table:
    on = max(days_of(unit.period)[1] for unit in units)
    source_zone = "derived"
    return coarse_attributes(estate, zone=source_zone, purpose=f"derive {model.name}", on=on, now=now)
