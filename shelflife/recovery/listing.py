"""The list of a backup's data files: which file of the catalog is which object of the target."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlalchemy as sa

from shelflife.control.tables import data_file, partition
from shelflife.errors import SealBroken
from shelflife.seal.files import WrittenFile, stored, write_atomically

if TYPE_CHECKING:
    import io
    from collections.abc import Sequence
    from pathlib import Path

_SCHEMA = pa.schema(
    [
        pa.field("file_id", pa.string(), nullable=False),
        pa.field("zone", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sha256", pa.binary(32), nullable=False),
    ]
)


@dataclass(frozen=True)
class Listed:
    """One data file: where it belongs, relative to its zone, and its size and SHA-256."""

    file_id: str
    zone: str
    path: str
    size: int
    sha256: bytes


def live_data_files(conn: sa.Connection) -> list[Listed]:
    """Return every file that a reader could ask for, as the catalog has it."""
    columns = (
        data_file.c.file_id,
        data_file.c.zone,
        data_file.c.path,
        data_file.c.bytes,
        data_file.c.sha256,
    )
    query = (
        sa.select(*columns)
        .join(partition, partition.c.partition_id == data_file.c.partition_id)
        .where(data_file.c.state == "live", partition.c.state == "open")
        .order_by(data_file.c.file_id)
    )
    return [
        Listed(row.file_id, row.zone, row.path, row.bytes, bytes(row.sha256)) for row in conn.execute(query)
    ]


def write_listing(path: Path, files: Sequence[Listed]) -> WrittenFile:
    """Write the list of a backup's data files.

    Raises:
        StorageError: the file cannot be written.
    """
    columns = list(zip(*map(astuple, files), strict=True)) or [()] * len(_SCHEMA)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, _SCHEMA, strict=True)]

    def write(sink: io.RawIOBase) -> None:
        with pa.ipc.new_stream(sink, _SCHEMA) as stream:
            stream.write_table(pa.table(arrays, schema=_SCHEMA))

    return write_atomically(path, write, len(files))


def read_listing(path: Path) -> list[Listed]:
    """Read the list of a backup's data files.

    Raises:
        SealBroken: the file is damaged.
        StorageError: it cannot be read.
    """
    with stored(path) as file:
        try:
            with pa.ipc.open_stream(file) as stream:
                rows = stream.read_all()
            if rows.schema != _SCHEMA:
                raise pa.ArrowInvalid
        except (pa.ArrowException, OSError):
            raise SealBroken(
                "The backup's list of data files is damaged.", remedy="Restore another backup."
            ) from None
    return [Listed(**row) for row in rows.to_pylist()]
