"""An extract for one recipient: a Parquet file a dataset, each under its own key (Parquet Modular Encryption)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from shelflife.copies.datasets import dataset_of
from shelflife.copies.file_copy import FileCopy
from shelflife.seal.blocks import broken
from shelflife.seal.files import write_atomically
from shelflife.seal.parquet import EncryptedFile, open_encrypted, write_encrypted

if TYPE_CHECKING:
    import io
    from collections.abc import Sequence
    from pathlib import Path

    from shelflife.copies.items import KeyedItem, Opening
    from shelflife.copies.protocol import Dataset
    from shelflife.seal.files import WrittenFile

# The columns were cut to the declared classes before: within an extract there is one class.
ONE_CLASS = "ordinary"


def open_adapter(opening: Opening) -> ParquetExtract:
    """Return the adapter of a declared copy."""
    return ParquetExtract(opening)


class ParquetExtract(FileCopy):
    """One Parquet file a dataset."""

    suffix = ".parquet"

    def packs(self, datasets: Sequence[Dataset]) -> list[tuple[str, list[Dataset]]]:
        """Put every dataset into a file of its own."""
        return [(dataset.name, [dataset]) for dataset in datasets]

    def write(self, item: KeyedItem, path: Path, datasets: Sequence[Dataset]) -> WrittenFile:
        """Write the one dataset."""
        [dataset] = datasets
        rows = dataset.rows
        if item.key is not None:
            classes = dict.fromkeys(rows.schema.names, ONE_CLASS)
            return write_encrypted(rows, path, file_id=_file_id(item), file_key=item.key, classes=classes)

        def write(sink: io.RawIOBase) -> None:
            pq.write_table(rows, sink, compression="zstd")

        return write_atomically(path, write, rows.num_rows)

    def read(self, item: KeyedItem, path: Path) -> list[Dataset]:
        """Read the one dataset."""
        return [dataset_of(item.dataset, read_extract(path, file_id=_file_id(item), key=item.key))]


def read_extract(path: Path, *, file_id: str, key: bytes | None) -> pa.Table:
    """Return the rows of an extract.

    Raises:
        SealBroken: the file does not open with this key.
        StorageError: the file is missing.
    """
    if key is None:
        try:
            return pq.read_table(path, partitioning=None).replace_schema_metadata(None)
        except (pa.ArrowException, OSError):
            raise broken() from None
    file = EncryptedFile(path, file_id, key, {})
    # The file says itself, under its seal, what its columns are.
    [fragment] = open_encrypted([file], allowed=[ONE_CLASS], schema=pa.schema([])).get_fragments()
    schema = fragment.physical_schema.remove_metadata()
    return open_encrypted([file], allowed=[ONE_CLASS], schema=schema).to_table()


def _file_id(item: KeyedItem) -> str:
    return item.item.partition(".")[0]
