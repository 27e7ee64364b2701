"""Changes of many catalog rows at a time: all of them found their row, or the commit is refused."""

from __future__ import annotations

import pytest

from shelflife.errors import CommitConflict
from shelflife.lake.catalog import (
    Made,
    PartitionName,
    ensure_partitions,
    files_by_partition,
    make_all_live,
    move_partitions,
    partitions,
    register_all_pending,
)
from tests.conftest import NOW

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


@pytest.fixture
def homes(estate):
    names = [PartitionName("heart", day, "heart/default", "heart") for day in DAYS]
    with estate.database.commit() as tx:
        return ensure_partitions(estate, tx, "raw", names, keyed=True)


def test_each_partition_moves_by_one(estate, homes):
    with estate.database.commit() as tx:
        move_partitions(tx, {home.partition_id: home.version for home in homes[:2]})
    with estate.database.read() as conn:
        assert [home.version for home in partitions(conn, zone="raw")] == [1, 1, 0]


def test_one_partition_that_moved_refuses_all(estate, homes):
    with pytest.raises(CommitConflict), estate.database.commit() as tx:
        move_partitions(tx, {home.partition_id: int(home is homes[1]) for home in homes})
    with estate.database.read() as conn:
        assert [home.version for home in partitions(conn, zone="raw")] == [0, 0, 0]


def test_files_become_true_with_what_they_hold(estate, homes):
    with estate.database.commit() as tx:
        files = register_all_pending(tx, homes=homes, batch_id=None, bucket=0, key_number=None, now=NOW)
        make_all_live(
            tx, [Made(file.file_id, at, 10 * at, 100, bytes([at])) for at, file in enumerate(files)]
        )
    with estate.database.read() as conn:
        found = files_by_partition(conn, [home.partition_id for home in homes])
    assert [found[home.partition_id][0].file_id for home in homes] == [file.file_id for file in files]
    told = [
        (file.rows, file.samples, file.size, file.sha256) for [file] in (found[h.partition_id] for h in homes)
    ]
    assert told == [(0, 0, 100, b"\0"), (1, 10, 100, b"\1"), (2, 20, 100, b"\2")]


def test_one_file_that_is_not_pending_refuses_all(estate, homes):
    with estate.database.commit() as tx:
        files = register_all_pending(tx, homes=homes, batch_id=None, bucket=0, key_number=None, now=NOW)
        make_all_live(tx, [Made(files[1].file_id, 1, 1, 1, b"")])
    with pytest.raises(CommitConflict), estate.database.commit() as tx:
        make_all_live(tx, [Made(file.file_id, 1, 1, 1, b"") for file in files])
    with estate.database.read() as conn:
        assert set(files_by_partition(conn, [home.partition_id for home in homes])) == {homes[1].partition_id}
