"""What a copy is published from: rows of models cut to its classes, under its own tokens, without the erased and those who do not consent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.copies.protocol import TOKEN, Dataset
from shelflife.copies.tokens import token_map
from shelflife.lake.awaiting import awaiting, without
from shelflife.lake.catalog import live_files
from shelflife.lake.inputs import derived_files
from shelflife.lake.left_out import left_out, unshared
from shelflife.lake.model_header import PID
from shelflife.lake.models import load_models
from shelflife.seal.parquet import open_encrypted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from shelflife.copies.declarations import CopyDeclaration
    from shelflife.estate import Estate
    from shelflife.lake.catalog import DataFile
    from shelflife.lake.models import Model

_DERIVED = "derived"


@dataclass(frozen=True)
class Input:
    """One model that a copy holds, as it stands now.

    Attributes:
        model: the model.
        files: its live files.
        left_out: pseudonyms whose rows still lie in the files and go into no copy: erased, without consent to their
            collection, or not to be shared.
    """

    model: Model
    files: Sequence[DataFile]
    left_out: frozenset[bytes]


def inputs_of(estate: Estate, conn: sa.Connection, declaration: CopyDeclaration) -> list[Input]:
    """Return what a copy would be published from."""
    models = load_models(estate.settings.models)
    gone = left_out(estate, conn, models)
    # Whoever is given a copy is a recipient, so that a refusal to share keeps people out of every one.
    refused = unshared(estate, conn, models)
    found = []
    for name in declaration.datasets:
        model = models[name]
        without_consent = gone.get(name, frozenset()) | refused.get(name, frozenset())
        files = live_files(conn, model.zone, name)
        found.append(Input(model, files, awaiting(conn, name) | without_consent))
    return found


def digest_of(declaration: CopyDeclaration, inputs: Sequence[Input]) -> bytes:
    """Return a digest over everything that a publication follows from: equal digests, equal content."""
    told = [
        f"{declaration.kind} {declaration.location} {declaration.encryption} {declaration.ttl}",
        *sorted(declaration.classes),
        *(f"{name}={value}" for name, value in sorted(declaration.options.items())),
    ]
    for one in inputs:
        told += [one.model.name, one.model.digest.hex(), *(file.file_id for file in one.files)]
        told += [pid.hex() for pid in sorted(one.left_out)]
    return hashlib.sha256("\n".join(told).encode()).digest()


def read_datasets(
    estate: Estate, conn: sa.Connection, declaration: CopyDeclaration, inputs: Sequence[Input]
) -> tuple[list[Dataset], int]:
    """Return the datasets of a copy, and how many rows were left out because their person is erased or does not consent.

    Raises:
        SealBroken: a file was altered.
    """
    tokens = token_map(estate, conn, declaration.name, _DERIVED)
    datasets, left_out = [], 0
    for one in inputs:
        rows = _rows(estate, conn, declaration, one)
        if PID in one.model.columns:
            named = _named(without(rows, one.left_out), tokens)
            left_out += rows.num_rows - named.num_rows
            datasets.append(Dataset(one.model.name, named, about_people=True))
        else:
            datasets.append(Dataset(one.model.name, rows, about_people=False))
    return datasets, left_out


def _rows(estate: Estate, conn: sa.Connection, declaration: CopyDeclaration, one: Input) -> pa.Table:
    """Return a model's rows in the columns that the copy may hold."""
    allowed = set(declaration.classes)
    schema = pa.schema([field for field in one.model.schema if one.model.classes[field.name] in allowed])
    files = derived_files(estate, conn, one.model, one.files)
    if not files:
        return schema.empty_table()
    return open_encrypted(files, allowed=allowed, schema=one.model.schema).to_table()


def _named(rows: pa.Table, tokens: Mapping[bytes, bytes]) -> pa.Table:
    """Put tokens in place of pseudonyms, first; rows of people who have none are left out."""
    codes = pc.dictionary_encode(rows.column(PID).combine_chunks())
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    own = pa.array([tokens.get(pid) for pid in codes.dictionary.to_pylist()], type=pa.binary())
    column = own.take(codes.indices)
    table = rows.drop_columns([PID]).add_column(0, TOKEN, column)
    return table.filter(pc.is_valid(column))
