from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from shelflife.control.bulk import chunks, select_in, write_rows
from shelflife.control.tables import keyring

if TYPE_CHECKING:
    from shelflife.control.database import ControlDatabase

COLUMNS = (keyring.c.zone, keyring.c.pid, keyring.c.number)


def test_rows_come_back_whatever_their_number(database: ControlDatabase) -> None:
    rows = {os.urandom(16): number for number in range(17_000)}
    with database.commit() as tx:
        write_rows(tx.conn, COLUMNS, (("raw", pid, number) for pid, number in rows.items()))
        write_rows(tx.conn, COLUMNS, [("derived", next(iter(rows)), 99)])
    with database.read() as conn:
        found = list(select_in(conn, COLUMNS[1:], {keyring.c.zone: "raw"}, keyring.c.pid, rows))
        few = list(
            select_in(conn, COLUMNS[1:], {keyring.c.zone: "raw"}, keyring.c.pid, [bytes(16), *list(rows)[:3]])
        )
        none = list(select_in(conn, COLUMNS[1:], {keyring.c.zone: "raw"}, keyring.c.pid, []))
    assert {bytes(pid): number for pid, number in found} == rows
    assert len(few) == 3
    assert none == []


def test_a_row_takes_the_place_of_another_only_when_told(database: ControlDatabase) -> None:
    pid = bytes(16)
    with database.commit() as tx:
        write_rows(tx.conn, COLUMNS, [("raw", pid, 1)])
        write_rows(
            tx.conn, COLUMNS, [("raw", pid, 2), ("raw", bytes([1]) * 16, 3)], replacing=[keyring.c.number]
        )
        write_rows(tx.conn, COLUMNS, [], replacing=[keyring.c.number])
    with pytest.raises(sa.exc.DBAPIError), database.commit() as tx:
        write_rows(tx.conn, COLUMNS, [("raw", pid, 4)])
    with database.read() as conn:
        assert sorted(conn.execute(sa.select(keyring.c.number)).scalars()) == [2, 3]


def test_chunks_keep_everything_in_order() -> None:
    assert list(chunks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks([], 3)) == []
