# ruff: noqa: PT012 - what raises is the transaction around several statements
from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from shelflife.control.tables import key_counter, key_page
from shelflife.errors import ConfigurationError, KeyTreeUnopenable, SealBroken
from shelflife.keys import tree as tree_module
from shelflife.keys.slots import FileRootSlot
from shelflife.keys.tree import KEYS_A_KIND, KeyKind, KeyTree

if TYPE_CHECKING:
    from pathlib import Path

    from shelflife.control.database import ControlDatabase

WEEK = dt.timedelta(days=7)


def _insert(database: ControlDatabase, tree: KeyTree, count: int, kind: KeyKind = KeyKind.FILE) -> range:
    with database.commit() as tx:
        return tree.insert(tx, kind, count)


def _lookup(database: ControlDatabase, tree: KeyTree, numbers: range | list[int]) -> list[bytes | None]:
    with database.read() as conn:
        return tree.lookup(conn, numbers)


def _pages(database: ControlDatabase) -> dict[tuple[int, int], bytes]:
    with database.read() as conn:
        rows = conn.execute(sa.select(key_page.c.level, key_page.c.number, key_page.c.blob))
        return {(level, number): blob for level, number, blob in rows}


def test_keys_are_random_and_come_back_in_any_order(database: ControlDatabase, tree: KeyTree) -> None:
    numbers = _insert(database, tree, 600)
    keys = _lookup(database, tree, numbers)
    assert len(set(keys)) == 600
    assert {len(key or b"") for key in keys} == {32}
    shuffled = random.Random(1).sample(list(numbers), 600)
    by_number = dict(zip(numbers, keys, strict=True))
    assert _lookup(database, tree, [*shuffled, shuffled[0]]) == [
        by_number[n] for n in [*shuffled, shuffled[0]]
    ]


def test_numbers_go_on_and_each_kind_has_its_own(database: ControlDatabase, tree: KeyTree) -> None:
    assert _insert(database, tree, 3) == range(2 * KEYS_A_KIND, 2 * KEYS_A_KIND + 3)
    assert _insert(database, tree, 2) == range(2 * KEYS_A_KIND + 3, 2 * KEYS_A_KIND + 5)
    assert _insert(database, tree, 1, KeyKind.KEYRING) == range(1)
    assert _insert(database, tree, 1, KeyKind.SECRET) == range(3 * KEYS_A_KIND, 3 * KEYS_A_KIND + 1)
    assert len(_insert(database, tree, 0)) == 0


def test_what_was_never_made_is_none(database: ControlDatabase, tree: KeyTree) -> None:
    assert _lookup(database, tree, [0, 5, 4 * KEYS_A_KIND - 1]) == [None, None, None]
    with pytest.raises(ValueError, match="range"):
        _lookup(database, tree, [4 * KEYS_A_KIND])


def test_groups_never_straddle_a_page(database: ControlDatabase, tree: KeyTree) -> None:
    with database.commit() as tx:
        tree.insert(tx, KeyKind.KEYRING, 3)
        first = tree.insert_groups(tx, KeyKind.KEYRING, 100, 8)
        tree.insert(tx, KeyKind.KEYRING, 1)
        second = tree.insert_groups(tx, KeyKind.KEYRING, 2, 8)
    assert first == range(8, 808, 8)
    assert second == range(816, 832, 8)
    assert all(start // 256 == (start + 7) // 256 for start in [*first, *second])
    assert None not in _lookup(database, tree, [start + slot for start in first for slot in range(8)])


@pytest.mark.parametrize("size", [0, 3, 512])
def test_a_group_size_that_does_not_fit_is_refused(
    database: ControlDatabase, tree: KeyTree, size: int
) -> None:
    with pytest.raises(ValueError, match="256"), database.commit() as tx:
        tree.insert_groups(tx, KeyKind.KEYRING, 1, size)


def test_a_kind_that_is_full_is_an_error(database: ControlDatabase, tree: KeyTree) -> None:
    _insert(database, tree, 1)
    with database.commit() as tx:
        tx.conn.execute(sa.update(key_counter).values(next=KEYS_A_KIND - 1))
    _insert(database, tree, 1)
    with pytest.raises(ConfigurationError):
        _insert(database, tree, 1)


def test_destroying_takes_exactly_those_keys(
    database: ControlDatabase, tree: KeyTree, now: dt.datetime
) -> None:
    numbers = _insert(database, tree, 70_000)
    before = _lookup(database, tree, numbers)
    doomed = set(random.Random(2).sample(list(numbers), 500))
    with database.commit() as tx:
        assert tree.destroy(tx, [*doomed, numbers.stop + 9], now) == 500
    after = _lookup(database, tree, numbers)
    expected = [None if number in doomed else key for number, key in zip(numbers, before, strict=True)]
    assert after == expected


def test_destroying_again_changes_nothing(
    database: ControlDatabase, tree: KeyTree, slot: FileRootSlot, now: dt.datetime
) -> None:
    numbers = _insert(database, tree, 3)
    with database.commit() as tx:
        tree.destroy(tx, numbers[:1], now)
    pages, roots = _pages(database), slot.read()
    with database.commit() as tx:
        assert tree.destroy(tx, [numbers[0], 77], now) == 0
    assert (_pages(database), slot.read()) == (pages, roots)


def test_an_insert_rewrites_one_page_a_destruction_the_path(
    database: ControlDatabase, tree: KeyTree, now: dt.datetime
) -> None:
    numbers = _insert(database, tree, 300)
    before = _pages(database)
    _insert(database, tree, 1)
    after = _pages(database)
    last = numbers[-1] // 256
    assert {place for place in after if after[place] != before.get(place)} == {(0, last)}
    with database.commit() as tx:
        tree.destroy(tx, numbers[:1], now)
    final = _pages(database)
    path = {(level, numbers[0] // 256 ** (level + 1)) for level in range(4)}
    assert {place for place in final if final[place] != after[place]} == path


def test_several_destructions_in_one_transaction(
    database: ControlDatabase, tree: KeyTree, slot: FileRootSlot, now: dt.datetime
) -> None:
    numbers = _insert(database, tree, 4)
    with database.commit() as tx:
        tree.destroy(tx, numbers[:1], now)
        tree.destroy(tx, numbers[1:2], now)
        tree.insert(tx, KeyKind.FILE, 1)
    keys = _lookup(database, tree, range(numbers.start, numbers.stop + 1))
    assert [key is None for key in keys] == [True, True, False, False, False]
    assert [root.retired_at is None for root in slot.read()] == [False, False, True]
    with database.read() as conn:
        assert tree.is_reconciled(conn)


def test_a_rolled_back_destruction_leaves_no_trace(
    database: ControlDatabase, tree: KeyTree, slot: FileRootSlot, now: dt.datetime
) -> None:
    numbers = _insert(database, tree, 3)
    keys, roots = _lookup(database, tree, numbers), slot.read()
    with pytest.raises(ZeroDivisionError), database.commit() as tx:
        tree.destroy(tx, numbers, now)
        tree.rotate(tx, now)
        assert len(slot.read()) == 3
        _ = 1 / 0
    assert slot.read() == roots
    assert _lookup(database, tree, numbers) == keys


def test_a_late_clean_up_does_not_reach_another_attempt(
    database: ControlDatabase, tree: KeyTree, slot: FileRootSlot, now: dt.datetime
) -> None:
    """A generation that some attempt put is not used again while it is in the slot."""
    slot.put(2, bytes(32), now)
    numbers = _insert(database, tree, 1)
    with database.commit() as tx:
        tree.destroy(tx, numbers, now)
    slot.destroy(2)
    with database.read() as conn:
        assert tree.generation(conn) == 3
        assert tree.is_reconciled(conn)


def test_rotation_keeps_every_key(
    database: ControlDatabase, tree: KeyTree, slot: FileRootSlot, now: dt.datetime
) -> None:
    numbers = _insert(database, tree, 300)
    keys = _lookup(database, tree, numbers)
    with database.commit() as tx:
        tree.rotate(tx, now)
    assert _lookup(database, tree, numbers) == keys
    assert [root.generation for root in slot.read()] == [1, 2]


def test_finality_comes_after_the_window(
    database: ControlDatabase, tree: KeyTree, slot: FileRootSlot, now: dt.datetime
) -> None:
    numbers = _insert(database, tree, 2)
    with database.commit() as tx:
        tree.destroy(tx, numbers[:1], now)
        generation = tree.generation(tx.conn)
    for later, destroyed, final in ((now + WEEK - dt.timedelta(seconds=1), 0, False), (now + WEEK, 1, True)):
        with database.commit() as tx:
            assert tree.finalize(tx, later, WEEK) == destroyed
        assert tree.is_final(generation) is final
    assert [root.generation for root in slot.read()] == [generation]
    assert _lookup(database, tree, numbers)[1] is not None


def test_finalizing_waits_for_the_commit(
    database: ControlDatabase, tree: KeyTree, slot: FileRootSlot, now: dt.datetime
) -> None:
    with database.commit() as tx:
        tree.rotate(tx, now)
    with pytest.raises(ZeroDivisionError), database.commit() as tx:
        tree.finalize(tx, now + WEEK, WEEK)
        _ = 1 / 0
    assert len(slot.read()) == 2


def test_finalizing_never_takes_the_root_of_an_uncommitted_past(
    database: ControlDatabase, tree: KeyTree, slot: FileRootSlot, now: dt.datetime
) -> None:
    with pytest.raises(ZeroDivisionError), database.commit() as tx:
        tree.rotate(tx, now)
        tree.finalize(tx, now, dt.timedelta(0))
        _ = 1 / 0
    assert _lookup(database, tree, [1]) == [None]


def test_a_tree_is_made_once(database: ControlDatabase, tree: KeyTree, now: dt.datetime) -> None:
    with database.read() as conn:
        assert tree.exists(conn)
        assert not KeyTree("derived", tree._slot).exists(conn)
    with pytest.raises(ConfigurationError), database.commit() as tx:
        tree.create(tx, now)


def test_without_a_tree_nothing_opens(database: ControlDatabase, slot: FileRootSlot) -> None:
    with pytest.raises(KeyTreeUnopenable):
        _lookup(database, KeyTree("raw", slot), [1])


def test_another_slot_does_not_open_it(
    database: ControlDatabase, tree: KeyTree, tmp_path: Path, now: dt.datetime
) -> None:
    numbers = _insert(database, tree, 1)
    stranger = FileRootSlot(tmp_path / "other" / "raw")
    with pytest.raises(KeyTreeUnopenable):
        _lookup(database, KeyTree("raw", stranger), numbers)
    stranger.put(1, bytes(32), now)
    with pytest.raises(KeyTreeUnopenable):
        _lookup(database, KeyTree("raw", stranger), numbers)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("position", [0, 5, 4_000, -1])
def test_a_flipped_bit_is_noticed(
    database: ControlDatabase, tree: KeyTree, now: dt.datetime, level: int, position: int
) -> None:
    numbers = _insert(database, tree, 1)
    with database.commit() as tx:
        blob = bytearray(
            tx.conn.execute(sa.select(key_page.c.blob).where(key_page.c.level == level)).scalar_one()
        )
        blob[position] ^= 1
        tx.conn.execute(sa.update(key_page).where(key_page.c.level == level).values(blob=bytes(blob)))
    for work in (
        lambda tx: tree.lookup(tx.conn, numbers),
        lambda tx: tree.destroy(tx, numbers, now),
        lambda tx: tree.insert(tx, KeyKind.FILE, 1),
    ):
        with pytest.raises(SealBroken), database.commit() as tx:
            work(tx)


def test_pages_cannot_change_places(database: ControlDatabase, tree: KeyTree) -> None:
    """Not even two leaves under one parent, nor the same place in another zone."""
    numbers = _insert(database, tree, 512)
    leaves = sorted(place[1] for place in _pages(database) if place[0] == 0)
    blobs = [_pages(database)[0, leaf] for leaf in leaves]
    with database.commit() as tx:
        for leaf, blob in zip(leaves, blobs[::-1], strict=True):
            tx.conn.execute(
                sa.update(key_page).where(key_page.c.level == 0, key_page.c.number == leaf).values(blob=blob)
            )
    with pytest.raises(KeyTreeUnopenable):
        _lookup(database, tree, numbers)


def test_a_missing_page_is_noticed(database: ControlDatabase, tree: KeyTree) -> None:
    numbers = _insert(database, tree, 1)
    with database.commit() as tx:
        tx.conn.execute(sa.delete(key_page).where(key_page.c.level == 0))
    with pytest.raises(KeyTreeUnopenable):
        _lookup(database, tree, numbers)


def test_zones_share_a_database_but_no_key(
    database: ControlDatabase, tree: KeyTree, tmp_path: Path, now: dt.datetime
) -> None:
    other = KeyTree("derived", FileRootSlot(tmp_path / "roots" / "derived"))
    with database.commit() as tx:
        other.create(tx, now)
    mine, theirs = _insert(database, tree, 5), _insert(database, other, 5)
    assert mine == theirs
    assert not set(_lookup(database, tree, mine)) & set(_lookup(database, other, theirs))
    with database.commit() as tx:
        other.destroy(tx, theirs, now)
    assert None not in _lookup(database, tree, mine)


def test_work_in_small_portions_gives_the_same(
    database: ControlDatabase, tree: KeyTree, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_module, "_LEAVES_AT_ONCE", 2)
    numbers = _insert(database, tree, 256 * 7 + 5)
    with database.commit() as tx:
        assert tree.destroy(tx, numbers[::3], now) == len(numbers[::3])
    keys = _lookup(database, tree, numbers)
    assert [key is None for key in keys] == [position % 3 == 0 for position in range(len(numbers))]


def test_no_error_or_text_shows_a_key(database: ControlDatabase, tree: KeyTree, slot: FileRootSlot) -> None:
    root = slot.read()[0]
    for text in (repr(root), str(root), repr(tree), repr(slot)):
        assert root.key.hex() not in text
        assert repr(root.key)[2:-1] not in text
