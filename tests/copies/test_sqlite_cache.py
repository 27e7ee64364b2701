"""The SQLite cache: the conformance suite, and the machinery that all copies in folders share."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.copies.protocol import Dataset
from shelflife.copies.registry import opening_of
from shelflife.copies.sealed_cache import _sealed
from shelflife.copies.sqlite_cache import SqliteCache
from shelflife.errors import StorageError
from tests.conftest import NOW
from tests.copies.conformance import NAME, FolderConformance, Place
from tests.copies.estates import PEOPLE, datasets, declared, expected, rows_of, token

ANYBODY = st.sets(st.integers(0, PEOPLE - 1))
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.integers(0, PEOPLE)),
    st.tuples(st.just("erase"), ANYBODY),
    st.tuples(st.just("forget_steps"), ANYBODY),
    st.tuples(st.just("expire"), st.just(None)),
)


class TestSqliteCache(FolderConformance):
    kind = "sqlite_cache"

    def plant(self, place, person):
        [item] = place.opening.items.live()
        tag, sealed = _sealed(item.item, item.key, (b"planted",), b"\0\0\0\x01x" + token(person))
        with sqlite3.connect(self.only_file(place)) as connection:
            connection.execute("INSERT INTO entry VALUES (?, ?)", (tag, sealed))
        connection.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("cache"), declared("sqlite_cache", name=NAME))
    yield made
    made.estate.close()


@settings(max_examples=12)
@given(steps=st.lists(STEPS, min_size=1, max_size=6))
def test_after_any_steps_a_copy_holds_what_it_should_and_nothing_else(place, steps):
    place.adapter.publish([], NOW)
    model: dict[int, dict[str, list[str]]] = {}
    for step, who in steps:
        if step == "publish":
            place.adapter.publish(datasets(who), NOW)
            model = {person: expected(person) for person in range(who)}
        elif step == "expire":
            place.adapter.expire(NOW + place.declaration.lifetime)
            model = {}
        else:
            only = ["activity_daily"] if step == "forget_steps" else None
            lost = sum(
                len(rows)
                for person in who
                for name, rows in model.get(person, {}).items()
                if only is None or name in only
            )
            erased = place.adapter.erase([token(person) for person in who], NOW, datasets=only)
            assert (erased.outcome, erased.removed) == ("deleted" if lost else "already_absent", lost)
            for person in who & model.keys():
                model[person] = {
                    name: rows for name, rows in model[person].items() if only and name not in only
                }
    adapter = place.adapter
    for person in range(PEOPLE):
        held = {name: rows_of(rows) for name, rows in adapter.export(token(person)).items()}
        assert held == model.get(person, {})
    assert adapter.inventory() == place.known()
    gone = [person for person in range(PEOPLE) if not model.get(person)]
    assert place.inspect(*gone) == []


def test_a_file_that_does_not_give_back_what_was_written_never_stands(place):
    class Forgetful(SqliteCache):
        def write(self, item, path, given):
            cut = [Dataset(one.name, one.rows.slice(1), about_people=True) for one in given]
            return super().write(item, path, cut)

    place.publish()
    known = place.known()
    adapter = Forgetful(opening_of(place.estate, place.declaration))
    with pytest.raises(StorageError, match="does not give back"):
        adapter.publish(datasets(shift=1.0), NOW)
    with pytest.raises(StorageError, match="does not give back"):
        adapter.erase([token(1)], NOW)
    assert place.known() == known
    assert place.adapter.inventory() == known
    assert {name: rows_of(rows) for name, rows in place.adapter.export(token(1)).items()} == expected(1)
