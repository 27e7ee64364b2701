"""Sealing sorted rows into one file for each partition, many partitions at a time.

A file that spans years has a few rows for each of thousands of days: what can be is done once for hundreds of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from shelflife import durable
from shelflife.control.crashpoints import reached
from shelflife.errors import StorageError
from shelflife.lake.catalog import Made, path_of
from shelflife.lake.unseal import block_context, schema_of
from shelflife.seal.blocks import FileOfBlocks, seal_files
from shelflife.seal.files import write_sealed_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from shelflife.estate import Estate
    from shelflife.lake.catalog import DataFile, Partition
    from shelflife.lake.sorting import Group

FILES_AT_ONCE = 256


@dataclass(frozen=True)
class Sealed:
    """One file that was sealed and waits for the commit."""

    file: DataFile
    home: Partition
    rows: int
    samples: int
    size: int
    sha256: bytes

    @property
    def made(self) -> Made:
        """What the catalog is told of the file."""
        return Made(self.file.file_id, self.rows, self.samples, self.size, self.sha256)


@dataclass(frozen=True)
class Planned:
    """One file to seal: which rows it takes, where it belongs and with which keys."""

    group: Group
    file: DataFile
    home: Partition
    keys: Sequence[bytes] = field(repr=False)
    raw_ids: Sequence[bytes] = field(repr=False)
    partition_key: bytes = field(repr=False)


def seal_groups(estate: Estate, table: pa.Table, planned: Sequence[Planned]) -> Iterator[Sealed]:
    """Seal and write the planned files, whose groups follow each other without gaps. All that was yielded is on the disk.

    Raises:
        StorageError: the disk, a permission or a path.
    """
    for _, files in groupby(planned, key=lambda one: one.home.table_name):
        of_table = list(files)
        for start in range(0, len(of_table), FILES_AT_ONCE):
            yield from _seal_together(estate, table, of_table[start : start + FILES_AT_ONCE])


def _seal_together(estate: Estate, table: pa.Table, planned: Sequence[Planned]) -> Iterator[Sealed]:
    """Seal files of one table."""
    first, stop = planned[0].group.start, planned[-1].group.stop
    names = schema_of(planned[0].home.table_name).names
    edges = [one.group.start - first + one.group.bounds[:-1] for one in planned]
    blocks = seal_files(
        table.slice(first, stop - first).select(names),
        np.concatenate([*edges, [stop - first]]),
        [
            FileOfBlocks(one.keys, one.raw_ids, one.partition_key, block_context(one.home, one.file.file_id))
            for one in planned
        ],
    )
    paths = [path_of(estate, one.file) for one in planned]
    _make_folders([path.parent for path in paths], estate.zone_folder(planned[0].home.zone))
    written = write_sealed_files(zip(paths, blocks, strict=True))
    for one, receipt in zip(planned, written, strict=True):
        reached("land.file_written")
        samples = one.group.stop - one.group.start
        yield Sealed(one.file, one.home, len(one.raw_ids), samples, receipt.bytes, receipt.sha256)


def _make_folders(folders: Sequence[Path], zone: Path) -> None:
    """Make the folders that are missing, and have their names on the disk."""
    try:
        for folder in set(folders):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.all_flushed(durable.sync_folder, sorted({zone, *(folder.parent for folder in folders)}))
    except OSError as error:
        raise StorageError(
            f"A storage folder cannot be made: {error.strerror}.",
            remedy="Free space or restore write permission on `home`; nothing of this batch was landed.",
        ) from None
