"""A cache for applications: one SQLite file of sealed values, found by a person's token (see `sealed_cache`)."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from shelflife.copies.datasets import dataset_of
from shelflife.copies.file_copy import FileCopy
from shelflife.copies.protocol import EVERY_DATASET
from shelflife.copies.sealed_cache import SealedCache, database_of
from shelflife.errors import SealBroken
from shelflife.seal.files import write_atomically

if TYPE_CHECKING:
    import io
    from collections.abc import Sequence
    from pathlib import Path

    from shelflife.copies.items import KeyedItem, Opening
    from shelflife.copies.protocol import Dataset
    from shelflife.seal.files import WrittenFile


def open_adapter(opening: Opening) -> SqliteCache:
    """Return the adapter of a declared copy."""
    return SqliteCache(opening)


class SqliteCache(FileCopy):
    """One SQLite file for all datasets."""

    suffix = ".sqlite"

    def packs(self, datasets: Sequence[Dataset]) -> list[tuple[str, list[Dataset]]]:
        """Put every dataset into one file."""
        return [(EVERY_DATASET, list(datasets))] if datasets else []

    def write(self, item: KeyedItem, path: Path, datasets: Sequence[Dataset]) -> WrittenFile:
        """Build the database in memory and write it as a whole."""
        content = database_of(datasets, item=item.item, key=_key(item))

        def write(sink: io.RawIOBase) -> None:
            sink.write(content)

        return write_atomically(path, write, sum(dataset.rows.num_rows for dataset in datasets))

    def read(self, item: KeyedItem, path: Path) -> list[Dataset]:
        """Open every value of the file."""
        with closing(SealedCache(path, item=item.item, key=_key(item))) as cache:
            found = cache.everything()
        return [dataset_of(name, rows) for name, rows in found.items()]


def _key(item: KeyedItem) -> bytes:
    if item.key is None:
        raise SealBroken("A copy's key is gone.", remedy="Publish the copy again.")
    return item.key
