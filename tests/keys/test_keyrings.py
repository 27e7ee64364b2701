from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from shelflife.control.tables import keyring
from shelflife.errors import ConfigurationError
from shelflife.keys.keyrings import KEYRING_SLOTS, SLOT_NAMES, Keyrings, slot_of

if TYPE_CHECKING:
    import datetime as dt

    from shelflife.control.database import ControlDatabase
    from shelflife.keys.tree import KeyTree

PIDS = [bytes([number]) * 16 for number in range(1, 101)]


@pytest.fixture
def keyrings(tree: KeyTree) -> Keyrings:
    return Keyrings("raw", tree)


def _ensure(database: ControlDatabase, keyrings: Keyrings, pids: list[bytes]) -> dict[bytes, int]:
    with database.commit() as tx:
        return keyrings.ensure(tx, pids)


def _keys(
    database: ControlDatabase, keyrings: Keyrings, pids: list[bytes], stream: str
) -> dict[bytes, bytes | None]:
    with database.read() as conn:
        return keyrings.keys(conn, pids, stream)


def test_the_stored_positions_do_not_move() -> None:
    assert [slot_of(name) for name in SLOT_NAMES] == list(range(KEYRING_SLOTS))
    assert (slot_of("heart"), slot_of("respiration"), slot_of("unclassified"), slot_of("profile")) == (
        0,
        5,
        6,
        7,
    )
    with pytest.raises(ConfigurationError):
        slot_of("mood")


def test_rings_are_made_once(database: ControlDatabase, keyrings: Keyrings) -> None:
    first = _ensure(database, keyrings, [*PIDS[:60], PIDS[0]])
    assert len(first) == 60
    again = _ensure(database, keyrings, PIDS)
    assert {pid: again[pid] for pid in first} == first
    assert set(again) == set(PIDS)
    assert len(set(again.values())) == 100
    assert all(number // 256 == (number + 7) // 256 for number in again.values())


def test_every_stream_of_every_subject_has_its_own_key(database: ControlDatabase, keyrings: Keyrings) -> None:
    _ensure(database, keyrings, PIDS)
    keys = [key for name in SLOT_NAMES for key in _keys(database, keyrings, PIDS, name).values()]
    assert None not in keys
    assert len(set(keys)) == 800


def test_a_subject_without_a_ring_is_absent(database: ControlDatabase, keyrings: Keyrings) -> None:
    _ensure(database, keyrings, PIDS[:1])
    assert set(_keys(database, keyrings, PIDS[:2], "heart")) == {PIDS[0]}
    assert _keys(database, keyrings, [], "heart") == {}


def test_one_stream_is_forgotten_and_no_other(
    database: ControlDatabase, keyrings: Keyrings, now: dt.datetime
) -> None:
    _ensure(database, keyrings, PIDS)
    before = {name: _keys(database, keyrings, PIDS, name) for name in SLOT_NAMES}
    with database.commit() as tx:
        assert keyrings.destroy(tx, PIDS[:2], now, streams=["glucose", "sleep"]) == 4
    for name in SLOT_NAMES:
        lost = dict.fromkeys(PIDS[:2]) if name in {"glucose", "sleep"} else {}
        assert _keys(database, keyrings, PIDS, name) == before[name] | lost


def test_a_whole_ring_goes_with_its_row(
    database: ControlDatabase, keyrings: Keyrings, now: dt.datetime
) -> None:
    old = _ensure(database, keyrings, PIDS)
    others = _keys(database, keyrings, PIDS[3:], "heart")
    with database.commit() as tx:
        assert keyrings.destroy(tx, [*PIDS[:3], os.urandom(16)], now) == 24
    assert _keys(database, keyrings, PIDS, "heart") == others
    with database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(keyring)).scalar() == 97
    with database.commit() as tx:
        assert keyrings.destroy(tx, PIDS[:3], now) == 0
    # Somebody who comes back gets new keys under new numbers.
    assert not set(_ensure(database, keyrings, PIDS[:3]).values()) & set(old.values())


def test_zones_do_not_see_each_others_rings(
    database: ControlDatabase, keyrings: Keyrings, tree: KeyTree
) -> None:
    _ensure(database, keyrings, PIDS)
    with database.read() as conn:
        assert Keyrings("derived", tree).numbers(conn, PIDS) == {}
