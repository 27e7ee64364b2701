"""The second readers of the stored formats agree with the first ones, and with the published vectors."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from shelflife.control.tables import key_page
from shelflife.keys.tree import KeyKind
from shelflife.rights.verify import blocks, key_pages
from shelflife.rights.verify.blocks import SealedRow, columns_of, file_context, open_row, samples_of
from shelflife.rights.verify.primitives import locator_owners, opened_value
from shelflife.rights.verify.survey import PartitionRow
from shelflife.seal.blocks import BlockContext, seal_blocks
from shelflife.seal.integers import pack
from shelflife.seal.layout import zigzag
from shelflife.seal.values import seal_value
from shelflife.signals.sample import SAMPLE_SCHEMA
from tests.conftest import NOW

VECTORS = json.loads((Path(__file__).parents[2] / "seal" / "vectors.json").read_text(encoding="utf-8"))
PARTITION_KEY, STREAM_KEY, PID = bytes(range(32)), bytes(range(32, 64)), bytes(range(16))
HOME = PartitionRow("p", "raw", "heart", "heart", "heart/default", "2026-11", 1, "open")


def sealed(days: list[dt.date | None]) -> SealedRow:
    rows = [
        dict.fromkeys(SAMPLE_SCHEMA.names)
        | {"signal": "heart_rate", "value_num": 60.5 + at, "local_date": day}
        for at, day in enumerate(days)
    ]
    batch = seal_blocks(
        pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA),
        np.array([0, len(days)]),
        [STREAM_KEY],
        [PID],
        partition_key=PARTITION_KEY,
        context=BlockContext("raw", "heart", "heart/default", "2026-11", "heart", "f" * 32),
    )
    return SealedRow(0, *(batch.column(name)[0].as_py() for name in ("locator", "commitment", "body")))


@given(
    st.lists(st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)) | st.none(), min_size=1, max_size=40)
    | st.builds(
        lambda first, steps: [first + dt.timedelta(days=step) for step in sorted(steps)],
        st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
        st.lists(st.integers(0, 31), min_size=1, max_size=40),
    )
)
@of_hypothesis(max_examples=60)
def test_the_block_reader_counts_rows_and_reads_days(days):
    row = sealed(days)
    plain = open_row(row, file_context(HOME, "f" * 32), PARTITION_KEY, STREAM_KEY)
    assert plain is not None
    found = samples_of(plain, columns_of("heart"))
    known = [day for day in days if day is not None]
    assert found is not None
    assert (found.count, found.earliest, found.latest) == (
        len(days),
        min(known, default=None),
        max(known, default=None),
    )


@given(st.lists(st.integers(-(2**31), 2**31), min_size=1, max_size=40), st.booleans())
def test_whole_numbers_are_read_as_offsets_and_as_steps(values, steps):
    packed = pack(np.array(values), np.array([len(values)]), steps=steps)
    tag, parameter = int(packed.tags[0]) & 0xFF, int(packed.tags[0]) >> 8
    number = zigzag(int(packed.details[0]))
    found = blocks._integers(tag, parameter, number, packed.segments[0] or b"", len(values))
    assert set(found.tolist()) == set(values)


def test_a_row_opens_in_its_own_place_only():
    row = sealed([dt.date(2026, 11, 1)])
    context = file_context(HOME, "f" * 32)
    assert open_row(row, context, PARTITION_KEY, STREAM_KEY) is not None
    for other in (
        (row, file_context(HOME, "e" * 32), PARTITION_KEY, STREAM_KEY),
        (row, file_context(HOME._replace(period="2026-12"), "f" * 32), PARTITION_KEY, STREAM_KEY),
        (row, context, STREAM_KEY, STREAM_KEY),
        (row, context, PARTITION_KEY, bytes(32)),
        (SealedRow(1, row.locator, row.commitment, row.body), context, PARTITION_KEY, STREAM_KEY),
        (SealedRow(0, row.locator, row.commitment, row.body[:-1] + b"x"), context, PARTITION_KEY, STREAM_KEY),
        (SealedRow(0, row.locator, row.commitment, b""), context, PARTITION_KEY, STREAM_KEY),
    ):
        assert open_row(*other) is None


@given(st.binary(max_size=200))
def test_what_is_no_plaintext_is_not_read(content):
    samples_of(content, columns_of("heart"))


def test_locators_are_those_of_the_published_vectors():
    key = bytes.fromhex(VECTORS["partition_key"])
    for block in VECTORS["blocks"]:
        assert locator_owners(key, bytes.fromhex(block["locator"])) == [bytes.fromhex(block["raw_id"])]


@given(st.binary(max_size=100), st.lists(st.binary(max_size=9) | st.text(max_size=9), max_size=4))
def test_sealed_values_open_in_their_place_only(content, context):
    value = seal_value(STREAM_KEY, content, context)
    assert opened_value(STREAM_KEY, value, context) == content
    assert opened_value(STREAM_KEY, value, [*context, b""]) is None
    assert opened_value(PARTITION_KEY, value, context) is None
    assert opened_value(STREAM_KEY, value[:-1], context) is None


def read_tree(estate, zone: str) -> key_pages.ZoneKeys:
    with estate.database.read() as conn:
        roots = key_pages.read_roots(estate.settings.root_slot_folder / f"{zone}.root")
        tree = key_pages.living_tree(conn, zone, roots)
        assert tree is not None
        # Leaves are fetched while the snapshot is open.
        for number in tree.numbers():
            tree.key(number)
        return tree


def test_the_key_reader_finds_exactly_the_keys_that_are_there(estate):
    tree = estate.trees["derived"]
    with estate.database.commit() as tx:
        made = [*tree.insert(tx, KeyKind.FILE, 700), *tree.insert_groups(tx, KeyKind.KEYRING, 90, 8)]
        tree.destroy(tx, made[::3], NOW)
        expected = {number: key for number, key in zip(made, tree.lookup(tx.conn, made), strict=True) if key}
    found = read_tree(estate, "derived")
    assert found.whole
    assert {number: found.key(number) for number in expected} == expected
    assert not any(found.holds(number) for number in made[::3])
    assert set(found.numbers()) >= set(expected)
    with estate.database.read() as conn:
        assert found.pages == len(conn.execute(key_page.select().where(key_page.c.zone == "derived")).all())
    assert found.key(10**9) is None


def test_what_is_no_root_slot_holds_no_root(tmp_path):
    for content in (
        b"",
        b"{}",
        b"[1]",
        b'{"format": 2, "roots": []}',
        b'{"format": 1, "roots": [{"key": "zz"}]}',
    ):
        (tmp_path / "x").write_bytes(content)
        assert key_pages.read_roots(tmp_path / "x") == []
    assert key_pages.read_roots(tmp_path / "missing") == []
