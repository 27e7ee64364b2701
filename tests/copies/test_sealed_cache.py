"""The format of the SQLite cache: what goes in comes out, nothing is told without the key, nothing altered is believed."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.copies.datasets import dataset_of, in_one_form, same
from shelflife.copies.protocol import TOKEN
from shelflife.copies.sealed_cache import SealedCache, database_of, people_of
from shelflife.errors import SealBroken
from tests.copies.estates import canary, datasets, expected, rows_of, token

ITEM = "0" * 32 + ".sqlite"
KEY = bytes(range(32))

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            TOKEN: st.sampled_from([token(number) for number in range(4)]),
            "day": st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
            "number": st.none() | st.floats(allow_nan=False),
            "count": st.none() | st.integers(-(2**63), 2**63 - 1),
            "text": st.none() | st.text(max_size=20),
            "yes": st.none() | st.booleans(),
        }
    ),
    max_size=30,
)
SCHEMA = pa.schema(
    [
        (TOKEN, pa.binary()),
        ("day", pa.date32()),
        ("number", pa.float64()),
        ("count", pa.int64()),
        ("text", pa.string()),
        ("yes", pa.bool_()),
    ]
)


def written(content: bytes) -> Path:
    path = Path(tempfile.mkdtemp()) / ITEM
    path.write_bytes(content)
    return path


@settings(max_examples=40)
@given(rows=ROWS, about_people=st.booleans())
def test_any_rows_come_back_as_they_were(rows, about_people):
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    given_rows = table if about_people else table.drop_columns([TOKEN])
    meant = [in_one_form(dataset_of("one", given_rows)), in_one_form(dataset_of("two", table.slice(0, 1)))]
    path = written(database_of(meant, item=ITEM, key=KEY))
    with closing(SealedCache(path, item=ITEM, key=KEY)) as cache:
        found = [dataset_of(name, back) for name, back in cache.everything().items()]
        assert same(meant, found)
        for number in range(4):
            mine = [row for row in rows if row[TOKEN] == token(number)]
            got = cache.get(token(number), "one")
            if about_people and mine:
                assert rows_of(got) == rows_of(pa.Table.from_pylist(mine, schema=SCHEMA))
            else:
                assert got is None


def test_without_the_key_the_file_tells_only_how_many_values_it_has():
    content = database_of([in_one_form(one) for one in datasets()], item=ITEM, key=KEY)
    for number in range(6):
        assert token(number) not in content
        assert canary(number).encode() not in content
    for name in (b"heart_daily", b"mean_bpm", b"subject_token"):
        assert name not in content
    again = database_of([in_one_form(one) for one in datasets()], item=ITEM, key=os.urandom(32))
    with closing(sqlite3.connect(written(content))) as one, closing(sqlite3.connect(written(again))) as two:
        tags = [{tag for (tag,) in db.execute("SELECT tag FROM entry")} for db in (one, two)]
    assert len(tags[0]) == len(tags[1]) == 1 + 6 + 4
    assert not tags[0] & tags[1]


def test_a_value_opens_in_its_own_place_only():
    path = written(database_of([in_one_form(one) for one in datasets()], item=ITEM, key=KEY))
    with closing(SealedCache(path, item=ITEM, key=KEY)) as cache:
        assert rows_of(cache.get(token(1), "heart_daily")) == expected(1)["heart_daily"]
    with pytest.raises(SealBroken):
        SealedCache(path, item="1" * 32 + ".sqlite", key=KEY)
    with pytest.raises(SealBroken):
        SealedCache(path, item=ITEM, key=bytes(32))
    with closing(sqlite3.connect(path)) as db, db:
        tags = [tag for (tag,) in db.execute("SELECT tag FROM entry ORDER BY tag")]
        values = [sealed for (sealed,) in db.execute("SELECT sealed FROM entry ORDER BY tag")]
        for tag, sealed in zip(tags, values[1:] + values[:1], strict=True):
            db.execute("UPDATE entry SET sealed = ? WHERE tag = ?", (sealed, tag))
    with pytest.raises(SealBroken):
        SealedCache(path, item=ITEM, key=KEY)


@settings(max_examples=30)
@given(data=st.data())
def test_an_altered_value_is_never_believed(data):
    path = written(database_of([in_one_form(one) for one in datasets()], item=ITEM, key=KEY))
    with closing(sqlite3.connect(path)) as db, db:
        tags = [tag for (tag,) in db.execute("SELECT tag FROM entry ORDER BY tag")]
        tag = data.draw(st.sampled_from(tags))
        [(sealed,)] = db.execute("SELECT sealed FROM entry WHERE tag = ?", (tag,))
        at = data.draw(st.integers(0, len(sealed) - 1))
        broken = sealed[:at] + bytes([sealed[at] ^ data.draw(st.integers(1, 255))]) + sealed[at + 1 :]
        db.execute("UPDATE entry SET sealed = ? WHERE tag = ?", (broken, tag))
    with pytest.raises(SealBroken), closing(SealedCache(path, item=ITEM, key=KEY)) as cache:
        cache.everything()


def test_a_persons_value_carries_nothing_of_their_neighbours():
    """A slice of an Arrow array shares bytes with what is beside it: eight yes-or-no answers lie in one."""

    def contents(neighbour: bool) -> dict[bytes, bytes]:
        rows = [{TOKEN: token(number % 3), "yes": neighbour if number % 3 else None} for number in range(9)]
        rows += [{TOKEN: token(1), "yes": True}]
        schema = pa.schema([(TOKEN, pa.binary()), ("yes", pa.bool_())])
        dataset = in_one_form(dataset_of("one", pa.Table.from_pylist(rows, schema=schema)))
        return {who: batch.serialize().to_pybytes() for who, batch in people_of(dataset)}

    assert contents(True)[token(0)] == contents(False)[token(0)]


def test_sizes_tell_only_an_order_of_magnitude():
    """Values are padded: people with one day more do not stand out by a byte."""
    path = written(database_of([in_one_form(one) for one in datasets()], item=ITEM, key=KEY))
    with closing(sqlite3.connect(path)) as db:
        sizes = {len(sealed) for (sealed,) in db.execute("SELECT sealed FROM entry")}
    assert len(sizes) < 6
