"""A mart for analysts: one DuckDB file with a table a dataset (see `duckdb_files`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.copies.datasets import dataset_of
from shelflife.copies.duckdb_files import read_file, write_file
from shelflife.copies.file_copy import FileCopy
from shelflife.copies.protocol import EVERY_DATASET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shelflife.copies.items import KeyedItem, Opening
    from shelflife.copies.protocol import Dataset
    from shelflife.seal.files import WrittenFile


def open_adapter(opening: Opening) -> DuckdbMart:
    """Return the adapter of a declared copy."""
    return DuckdbMart(opening)


class DuckdbMart(FileCopy):
    """One DuckDB file for all datasets, so that they can be joined."""

    suffix = ".duckdb"

    def packs(self, datasets: Sequence[Dataset]) -> list[tuple[str, list[Dataset]]]:
        """Put every dataset into one file."""
        return [(EVERY_DATASET, list(datasets))] if datasets else []

    def write(self, item: KeyedItem, path: Path, datasets: Sequence[Dataset]) -> WrittenFile:
        """Have a fresh process write the file."""
        return write_file(path, {dataset.name: dataset.rows for dataset in datasets}, key=item.key)

    def read(self, item: KeyedItem, path: Path) -> list[Dataset]:
        """Read every table of the file."""
        return [dataset_of(name, rows) for name, rows in read_file(path, key=item.key).items()]
