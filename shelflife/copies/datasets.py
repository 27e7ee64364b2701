"""Datasets in memory: brought to one form, cut, compared. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.copies.protocol import TOKEN, Dataset

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def dataset_of(name: str, rows: pa.Table) -> Dataset:
    """Return rows as a dataset; they are about people where they have tokens."""
    return Dataset(name, rows, about_people=TOKEN in rows.schema.names)


def in_one_form(dataset: Dataset) -> Dataset:
    """Return a dataset without dictionaries and metadata, rows about people ordered by token."""
    return Dataset(dataset.name, ordered(_dense(dataset.rows)), about_people=dataset.about_people)


def ordered(rows: pa.Table) -> pa.Table:
    """Return rows about people ordered by token, each person's in the order that they came in."""
    if TOKEN not in rows.schema.names:
        return rows
    return rows.take(pc.sort_indices(rows.column(TOKEN)))


def without(dataset: Dataset, tokens: Collection[bytes], only: Collection[str] | None = None) -> Dataset:
    """Return a dataset without some people's rows.

    Args:
        dataset: the dataset.
        tokens: the people.
        only: names of datasets that are cut; all when absent.
    """
    if not dataset.about_people or (only is not None and dataset.name not in only):
        return dataset
    gone = pa.array(sorted(set(tokens)), type=pa.binary())
    stays = pc.invert(pc.is_in(dataset.rows.column(TOKEN), value_set=gone))
    return Dataset(dataset.name, dataset.rows.filter(stays), about_people=True)


def of_person(dataset: Dataset, token: bytes) -> pa.Table:
    """Return one person's rows of a dataset; none of a dataset that is not about people."""
    if not dataset.about_people:
        return dataset.rows.slice(0, 0)
    return dataset.rows.filter(pc.equal(dataset.rows.column(TOKEN), pa.scalar(token, pa.binary())))


def same(one: Sequence[Dataset], other: Sequence[Dataset]) -> bool:
    """Tell whether two lists of datasets hold the same rows in the same order."""
    rows = {dataset.name: dataset.rows for dataset in one}
    return len(rows) == len(other) and all(
        dataset.name in rows and rows[dataset.name].equals(dataset.rows) for dataset in other
    )


def _dense(rows: pa.Table) -> pa.Table:
    fields = [
        pa.field(field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields)).combine_chunks()
