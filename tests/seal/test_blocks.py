"""Sealed blocks: what goes in comes out, bit for bit, and nothing else ever does."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError, SealBroken
from shelflife.seal.blocks import SEALED_SCHEMA, BlockContext, open_blocks, seal_blocks
from shelflife.seal.locators import locators

from .tables import CONTEXT, PARTITION_KEY, batches, exact, in_file_order, opened, people, sealed

CANARY = "canary-7d1f33"
SMALL = pa.table(
    {
        "signal": ["heart_rate"] * 6,
        "value_num": [61.0, 62.0, 61.5, None, 99.25, 70.0],
        "note": ["a", "b", "a", None, CANARY, "d"],
        "start_utc": pa.array([1, 6, 11, 16, 21, 26], pa.timestamp("s", "UTC")),
    }
)
BOUNDS = np.array([0, 4, 5, 6])


@settings(max_examples=300, deadline=None)
@given(batches())
def test_everything_comes_back_bit_for_bit(batch: tuple[pa.Table, np.ndarray]) -> None:
    table, bounds = batch
    rows, key_of = sealed(table, bounds)
    found, found_bounds = opened(rows, key_of, table.schema)
    parts, order = in_file_order(table, bounds, rows)
    expected = pa.concat_tables(parts) if parts else table.slice(0, 0)
    found.validate(full=True)
    assert found.schema.equals(table.schema)
    assert np.array_equal(np.diff(found_bounds), np.diff(bounds)[order])
    for name in table.column_names:
        assert exact(found[name]) == exact(expected[name])


@settings(max_examples=100, deadline=None)
@given(batches(), st.data())
def test_a_projection_is_the_same_columns(batch: tuple[pa.Table, np.ndarray], data: st.DataObject) -> None:
    table, bounds = batch
    rows, key_of = sealed(table, bounds)
    chosen = data.draw(st.lists(st.sampled_from(table.column_names), unique=True))
    everything, _ = opened(rows, key_of, table.schema)
    found, found_bounds = opened(rows, key_of, table.schema, columns=chosen)
    assert found.column_names == chosen
    assert found_bounds[-1] == table.num_rows
    assert [exact(found[name]) for name in chosen] == [exact(everything[name]) for name in chosen]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_flipped_bit_breaks_the_seal(data: st.DataObject) -> None:
    rows, key_of = sealed(SMALL, BOUNDS)
    row = data.draw(st.integers(0, rows.num_rows - 1))
    name = data.draw(st.sampled_from(SEALED_SCHEMA.names))
    columns = {column: rows.column(column).to_pylist() for column in SEALED_SCHEMA.names}
    value = bytearray(columns[name][row])
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    value[bit // 8] ^= 1 << bit % 8
    # The reader knows the right key, whatever the locator says now.
    owners = dict(zip(locators(PARTITION_KEY, list(key_of)), key_of.values(), strict=True))
    keys = [owners[locator] for locator in columns["locator"]]
    columns[name][row] = bytes(value)
    altered = pa.RecordBatch.from_pydict(columns, schema=SEALED_SCHEMA)
    with pytest.raises(SealBroken) as caught:
        open_blocks(
            altered, range(3), keys, partition_key=PARTITION_KEY, context=CONTEXT, schema=SMALL.schema
        )
    assert type(caught.value) is SealBroken
    assert caught.value.__cause__ is None
    assert CANARY not in caught.value.diagnostics()


@pytest.mark.parametrize("cut", [0, 1, 2, 17, 40])
def test_a_truncated_body_breaks_the_seal(cut: int) -> None:
    rows, key_of = sealed(SMALL, BOUNDS)
    bodies = [body[:cut] for body in rows.column("body").to_pylist()]
    altered = rows.set_column(2, SEALED_SCHEMA.field("body"), pa.array(bodies, pa.binary()))
    with pytest.raises(SealBroken):
        opened(altered, key_of, SMALL.schema)


def test_swapped_rows_and_missing_rows_break_the_seal() -> None:
    rows, key_of = sealed(SMALL, BOUNDS)
    for order in ([1, 0, 2], [0, 2, 1], [1, 2], [0, 0, 2]):
        with pytest.raises(SealBroken):
            opened(rows.take(pa.array(order)), key_of, SMALL.schema)


def test_two_blocks_of_one_person_cannot_be_exchanged() -> None:
    keys, ids = people(1)
    rows = seal_blocks(SMALL, BOUNDS, keys * 3, ids * 3, partition_key=PARTITION_KEY, context=CONTEXT)
    key_of = dict(zip(ids, keys, strict=True))
    assert opened(rows, key_of, SMALL.schema)[0].equals(SMALL)
    with pytest.raises(SealBroken):
        opened(rows.take(pa.array([1, 0, 2])), key_of, SMALL.schema)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(BlockContext)])
def test_every_field_of_the_context_is_bound(field: str) -> None:
    rows, key_of = sealed(SMALL, BOUNDS)
    with pytest.raises(SealBroken):
        opened(rows, key_of, SMALL.schema, context=dataclasses.replace(CONTEXT, **{field: "other"}))


def test_fields_of_the_context_cannot_run_into_each_other() -> None:
    rows, key_of = sealed(SMALL, BOUNDS, context=dataclasses.replace(CONTEXT, zone="ra", table="wsamples"))
    with pytest.raises(SealBroken):
        opened(rows, key_of, SMALL.schema, context=dataclasses.replace(CONTEXT, zone="raw", table="samples"))


def test_wrong_keys_break_the_seal() -> None:
    rows, key_of = sealed(SMALL, BOUNDS)
    with pytest.raises(SealBroken):
        opened(rows, {owner: bytes(32) for owner in key_of}, SMALL.schema)
    with pytest.raises(SealBroken):
        opened(rows, key_of, SMALL.schema, partition_key=bytes(32))
    with pytest.raises(SealBroken):
        opened(rows, dict.fromkeys(key_of, b""), SMALL.schema)


def test_another_schema_breaks_the_seal() -> None:
    rows, key_of = sealed(SMALL, BOUNDS)
    renamed = SMALL.rename_columns(["signal", "value_num", "note", "end_utc"]).schema
    for schema in (renamed, SMALL.select(["value_num", "signal", "note", "start_utc"]).schema):
        with pytest.raises(SealBroken):
            opened(rows, key_of, schema)


def test_a_dictionary_can_be_asked_for_and_changes_nothing() -> None:
    rows, key_of = sealed(SMALL, BOUNDS)
    encoded = pa.dictionary(pa.int32(), pa.string())
    asked = SMALL.schema.set(0, pa.field("signal", encoded)).set(2, pa.field("note", encoded))
    found, _ = opened(rows, key_of, asked)
    found.validate(full=True)
    assert found.schema.field("note").type == encoded
    assert found["note"].to_pylist() == opened(rows, key_of, SMALL.schema)[0]["note"].to_pylist()


def test_a_block_holds_only_its_own_texts() -> None:
    keys, ids = people(3)
    rows = seal_blocks(SMALL, BOUNDS, keys, ids, partition_key=PARTITION_KEY, context=CONTEXT)
    without = SMALL.set_column(2, "note", pa.array(["a", "b", "a", None, "x", "d"]))
    others = seal_blocks(without, BOUNDS, keys, ids, partition_key=PARTITION_KEY, context=CONTEXT)
    changed = [
        one != other
        for one, other in zip(rows.column("body").to_pylist(), others.column("body").to_pylist(), strict=True)
    ]
    assert sum(changed) == 1


def test_rows_are_ordered_by_locator_and_show_nothing() -> None:
    rows, _ = sealed(SMALL, BOUNDS)
    found = rows.column("locator").to_pylist()
    assert found == sorted(found)
    raw = b"".join(rows.column("body").to_pylist())
    assert CANARY.encode() not in raw
    assert b"heart_rate" not in raw


def test_the_locator_of_a_person_differs_in_every_partition() -> None:
    _, ids = people(1)
    assert locators(PARTITION_KEY, ids) != locators(bytes(32), ids)


def test_arguments_that_do_not_fit_are_refused() -> None:
    keys, ids = people(3)
    place: dict[str, Any] = {"partition_key": PARTITION_KEY, "context": CONTEXT}
    for bounds in ([0, 4, 5], [0, 5, 4, 6], [1, 4, 5, 6], [0, 4, 5, 5], []):
        with pytest.raises(ConfigurationError):
            seal_blocks(SMALL, np.array(bounds), keys, ids, **place)
    with pytest.raises(ConfigurationError):
        seal_blocks(SMALL, BOUNDS, [b"short"] * 3, ids, **place)
    with pytest.raises(ConfigurationError):
        seal_blocks(SMALL, BOUNDS, keys, [b"short"] * 3, **place)
    nested = pa.table({"x": [[1], [2], [3], [4], [5], [6]]})
    with pytest.raises(ConfigurationError):
        seal_blocks(nested, BOUNDS, keys, ids, **place)
    rows, key_of = sealed(SMALL, BOUNDS)
    with pytest.raises(ConfigurationError):
        opened(rows, key_of, SMALL.schema, columns=["absent"])


def test_equal_sizes_hide_small_differences() -> None:
    tables = [SMALL.set_column(1, "value_num", pa.array([60.0 + shift] * 6)) for shift in range(5)]
    sizes = {len(sealed(table, np.array([0, 6]))[0].column("body")[0].as_py()) for table in tables}
    assert len(sizes) == 1


@pytest.mark.slow
def test_many_small_blocks_take_tens_of_microseconds_each() -> None:
    count, size = 3_000, 100
    table = pa.table({"value": np.arange(count * size) % 97, "unit": pa.repeat("/min", count * size)})
    begin = time.perf_counter()
    rows, key_of = sealed(table, np.arange(count + 1) * size)
    assert (time.perf_counter() - begin) / count < 1e-3
    assert opened(rows, key_of, table.schema)[0].num_rows == count * size
