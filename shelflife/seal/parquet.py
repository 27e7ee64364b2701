"""Derived files: Parquet Modular Encryption with one set of keys a file and one a sensitivity class.

Source: apache/parquet-format, Encryption.md. AES_GCM_V1, encrypted footer, 256-bit data keys.

Each file gets its own `CryptoFactory`, client and properties: shared properties repeat the file's AAD, which lets
pages be moved between files, and a shared factory caches keys past their destruction and wraps several files under
one key. Data keys are wrapped by one key a file and class (128 bits: Arrow offers no other size), and that one by the
file's key. Wrapping without this middle key makes Arrow's threads call back into Python during every scan, which
takes twice as long and hangs or aborts the process when a scan outlives the query that started it. With it, all that
Python does happens in `open_encrypted`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from shelflife.errors import ConfigurationError
from shelflife.seal.blocks import broken
from shelflife.seal.file_keys import CLASSES, FOOTER, FileKeys, checked_file_key, denied, key_id
from shelflife.seal.files import WrittenFile, stored, write_atomically

if TYPE_CHECKING:
    import io
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "CLASSES",
    "EncryptedDataset",
    "EncryptedFile",
    "broken_seals",
    "open_encrypted",
    "write_encrypted",
]

_MAGIC = b"PARE"
_CLASSES_ENTRY = b"shelflife.classes"
_FOREVER = timedelta(days=36_500)


@dataclass(frozen=True)
class EncryptedFile:
    """A derived file as the catalog knows it: where it is, its id and key, and the class of each column.

    The file itself says, under its seal, which class each column was sealed as. Classes given here can only close
    columns beyond that, as when a column became `special` after the file was written.
    """

    path: Path
    file_id: str
    file_key: bytes
    classes: Mapping[str, str]

    def __repr__(self) -> str:
        """Show the id only: a representation ends up in logs, and the key must not."""
        return f"EncryptedFile({self.file_id})"


def write_encrypted(
    table: pa.Table, path: Path, *, file_id: str, file_key: bytes, classes: Mapping[str, str]
) -> WrittenFile:
    """Write a flat table as an encrypted file that appears whole or not at all.

    Args:
        table: the rows.
        path: where to.
        file_id: new for every file.
        file_key: 32 random bytes, new for every file.
        classes: one of `CLASSES` for each column.

    Raises:
        ConfigurationError: when a column has no class or an unknown one, or is nested.
        StorageError: when the folder cannot be written.
    """
    client = FileKeys(file_id, checked_file_key(file_key), ())
    configuration = pe.EncryptionConfiguration(
        footer_key=key_id(file_id, FOOTER),
        column_keys=_column_keys(table.schema, file_id, classes),
        encryption_algorithm="AES_GCM_V1",
        plaintext_footer=False,
        double_wrapping=True,
        data_key_length_bits=256,
    )
    table = table.replace_schema_metadata(
        {_CLASSES_ENTRY: json.dumps({name: classes[name] for name in table.schema.names})}
    )
    factory = pe.CryptoFactory(lambda _: client)
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), configuration)

    def write(sink: io.RawIOBase) -> None:
        with pq.ParquetWriter(
            sink,
            table.schema,
            encryption_properties=properties,
            compression="zstd",
            data_page_version="1.0",
        ) as writer:
            writer.write_table(table)

    return write_atomically(path, write, table.num_rows)


def open_encrypted(
    files: Sequence[EncryptedFile], *, allowed: Collection[str], schema: pa.Schema
) -> EncryptedDataset:
    """Open encrypted files as one Arrow dataset; DuckDB and Arrow push filters and projections into it.

    Args:
        files: what to read; all are of one table.
        allowed: the sensitivity classes that the reader may read.
        schema: the table's whole schema. Columns of other classes are absent from the dataset's schema, and
            their keys cannot be unwrapped by it.

    Raises:
        SealBroken: when a file is not the one that its id and key belong to.
        StorageError: when a file is missing.
        ConfigurationError: when a class does not exist.
    """
    if not set(allowed) <= set(CLASSES):
        raise ConfigurationError("A reader is allowed an unknown class.", remedy=f"Classes are {CLASSES}.")
    with broken_seals():
        opened = [_opened(file, allowed) for file in files]
    closed = {
        column: sensitivity
        for file, (_, own) in zip(files, opened, strict=True)
        for column, sensitivity in (*file.classes.items(), *own.items())
        if sensitivity not in allowed
    }
    readable = pa.schema([field for field in schema if field.name not in closed])
    fragments = [fragment for fragment, _ in opened]
    return EncryptedDataset(fragments, readable, closed)


class EncryptedDataset(ds.FileSystemDataset):  # type: ignore[misc]
    """A dataset of encrypted files. Arrow's own methods raise this library's errors.

    DuckDB scans it without going through these methods; run such queries inside `broken_seals`.
    """

    def __init__(
        self, fragments: list[ds.ParquetFileFragment], schema: pa.Schema, closed: Mapping[str, str]
    ) -> None:
        super().__init__(fragments, schema, ds.ParquetFileFormat(), pa_fs.LocalFileSystem())
        self.closed = dict(closed)

    def require(self, columns: Collection[str]) -> None:
        """Raise AccessDenied, naming column and class, if one of the columns is closed to the reader."""
        for column in columns:
            if column in self.closed:
                raise denied(column, self.closed[column])

    def scanner(self, columns: Any = None, filter: ds.Expression | None = None, **options: Any) -> ds.Scanner:  # noqa: A002
        """Return a scanner, as `pyarrow.dataset.Dataset.scanner` does; AccessDenied for a closed column."""
        self.require([one for one in columns or () if isinstance(one, str)])
        expressions = [*columns.values()] if isinstance(columns, dict) else []
        asked = " ".join(map(str, [*expressions, filter]))
        try:
            with broken_seals():
                return super().scanner(columns=columns, filter=filter, **options)
        except (pa.ArrowInvalid, KeyError):
            self.require([column for column in self.closed if column in asked])
            raise

    def to_table(self, columns: Any = None, filter: ds.Expression | None = None, **options: Any) -> pa.Table:  # noqa: A002
        """Return the rows; SealBroken when a file was altered, AccessDenied for a closed column."""
        scanner = self.scanner(columns, filter, **options)
        with broken_seals():
            return scanner.to_table()

    def to_batches(
        self,
        columns: Any = None,
        filter: ds.Expression | None = None,  # noqa: A002
        **options: Any,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows; SealBroken when a file was altered, AccessDenied for a closed column."""
        scanner = self.scanner(columns, filter, **options)
        with broken_seals():
            yield from scanner.to_batches()


@contextmanager
def broken_seals() -> Iterator[None]:
    """Turn Arrow's and the system's complaints about a file's content into SealBroken."""
    try:
        yield
    except (OSError, pa.ArrowNotImplementedError, pa.ArrowSerializationError):
        raise broken() from None


def _column_keys(schema: pa.Schema, file_id: str, classes: Mapping[str, str]) -> dict[str, list[str]]:
    if any(pa.types.is_nested(kind) for kind in schema.types):
        raise ConfigurationError("A derived table has a nested column.", remedy="Use flat columns only.")
    keys: dict[str, list[str]] = defaultdict(list)
    for column in schema.names:
        if classes.get(column) not in CLASSES:
            raise ConfigurationError(
                f"Column {column!r} has no sensitivity class.", remedy=f"Give it one of {CLASSES}."
            )
        keys[key_id(file_id, classes[column])].append(column)
    return dict(keys)


def _opened(file: EncryptedFile, allowed: Collection[str]) -> tuple[ds.ParquetFileFragment, dict[str, str]]:
    client = FileKeys(file.file_id, file.file_key, {FOOTER, *allowed})
    factory = pe.CryptoFactory(lambda _: client)
    properties = factory.file_decryption_properties(
        pe.KmsConnectionConfig(), pe.DecryptionConfiguration(cache_lifetime=_FOREVER)
    )
    options = ds.ParquetFragmentScanOptions(decryption_properties=properties)
    with stored(file.path) as source:
        if source.read(len(_MAGIC)) != _MAGIC:
            raise broken()
    form = ds.ParquetFileFormat(default_fragment_scan_options=options)
    fragment = form.make_fragment(str(file.path), pa_fs.LocalFileSystem())
    try:
        fragment.ensure_complete_metadata()
    except pa.ArrowException:
        raise broken() from None
    # Arrow reads a plaintext file although decryption was asked for. Only a footer that this client opened counts,
    # and the fragment keeps it, so that putting another file in place afterwards is found out too.
    if not client.footer_opened:
        raise broken()
    classes = _own_classes(fragment.metadata)
    _unwrap_all(fragment.metadata, classes, allowed)
    client.forget()
    return fragment, classes


def _unwrap_all(metadata: pq.FileMetaData, classes: Mapping[str, str], allowed: Collection[str]) -> None:
    """Look at each readable column once, so that its key is unwrapped now and never during a scan.

    The classes are the file's own: Arrow ends the process when a key is refused at this place.
    """
    for at, column in enumerate(metadata.schema.names):
        if classes[column] in allowed and metadata.num_row_groups:
            metadata.row_group(0).column(at)


def _own_classes(metadata: pq.FileMetaData) -> dict[str, str]:
    """Return the class that each column was sealed under, from the encrypted footer."""
    try:
        classes = dict(json.loads((metadata.metadata or {})[_CLASSES_ENTRY]))
    except (KeyError, ValueError, TypeError):
        raise broken() from None
    if not set(metadata.schema.names) <= set(classes):
        raise broken()
    return classes
