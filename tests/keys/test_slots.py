from __future__ import annotations

import datetime as dt
import os
import threading
from typing import TYPE_CHECKING

import pytest

from shelflife.errors import KeyTreeUnopenable, StorageError
from shelflife.keys import shredding
from shelflife.keys.slots import FileRootSlot, RootKey

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))


def test_a_root_goes_through_its_life(slot: FileRootSlot, now: dt.datetime) -> None:
    later = now + dt.timedelta(days=1)
    assert slot.read() == []
    slot.put(1, KEY, now)
    slot.put(2, KEY[::-1], later)
    slot.retire(1, later)
    slot.retire(1, later + dt.timedelta(days=5))
    assert slot.read() == [RootKey(1, KEY, now, later), RootKey(2, KEY[::-1], later)]
    slot.destroy(1)
    assert slot.read() == [RootKey(2, KEY[::-1], later)]


def test_steps_can_be_repeated(slot: FileRootSlot, now: dt.datetime) -> None:
    slot.put(1, KEY, now)
    slot.destroy(1)
    slot.destroy(1)
    slot.retire(1, now)
    assert slot.read() == []


def test_a_generation_is_put_once(slot: FileRootSlot, now: dt.datetime) -> None:
    slot.put(1, KEY, now)
    with pytest.raises(StorageError):
        slot.put(1, KEY[::-1], now)
    assert slot.read()[0].key == KEY
    with pytest.raises(ValueError, match="32"):
        slot.put(2, KEY[:16], now)


def test_only_the_owner_can_read(slot: FileRootSlot, tmp_path: Path, now: dt.datetime) -> None:
    slot.put(1, KEY, now)
    slot.put(2, KEY, now)
    folder = tmp_path / "roots"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert sorted(path.name for path in folder.iterdir()) == ["raw", "raw.lock"]


def test_the_old_file_is_overwritten_before_it_goes(
    slot: FileRootSlot, tmp_path: Path, now: dt.datetime
) -> None:
    slot.put(1, KEY, now)
    slot.put(2, KEY[::-1], now)
    path = tmp_path / "roots" / "raw"
    size = path.stat().st_size
    with path.open("rb") as still_open:
        slot.destroy(1)
        content = still_open.read()
    assert len(content) == size
    assert KEY.hex().encode() not in content
    assert b"generation" not in content


def test_what_a_crash_left_is_overwritten_on_the_next_read(
    slot: FileRootSlot, tmp_path: Path, now: dt.datetime
) -> None:
    slot.put(1, KEY, now)
    path = tmp_path / "roots" / "raw"
    left = [path.with_name("raw.former"), path.with_name("raw.fresh")]
    for file in left:
        file.write_bytes(KEY.hex().encode())
    with left[0].open("rb") as first, left[1].open("rb") as second:
        assert len(slot.read()) == 1
        assert KEY.hex().encode() not in first.read() + second.read()
    assert not any(file.exists() for file in left)


def test_a_second_name_of_the_file_in_use_is_only_unlinked(
    slot: FileRootSlot, tmp_path: Path, now: dt.datetime
) -> None:
    slot.put(1, KEY, now)
    path = tmp_path / "roots" / "raw"
    os.link(path, path.with_name("raw.former"))
    assert len(slot.read()) == 1
    assert len(slot.read()) == 1
    assert not shredding.needs_sweep(path)


def test_changes_at_the_same_time_lose_nothing(slot: FileRootSlot, tmp_path: Path, now: dt.datetime) -> None:
    path = tmp_path / "roots" / "raw"
    failures: list[BaseException] = []

    def change(start: int) -> None:
        try:
            for generation in range(start, start + 10):
                FileRootSlot(path).put(generation, KEY, now)
                FileRootSlot(path).read()
        except BaseException as failure:  # noqa: BLE001
            failures.append(failure)

    threads = [threading.Thread(target=change, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(slot.read()) == 30


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b'{"format": 2, "roots": []}',
        b'{"format": 1, "roots": [{"key": "deadbeef"}]}',
    ],
)
def test_a_damaged_file_is_named_without_its_content(
    slot: FileRootSlot, tmp_path: Path, now: dt.datetime, content: bytes
) -> None:
    slot.put(1, KEY, now)
    (tmp_path / "roots" / "raw").write_bytes(content)
    with pytest.raises(KeyTreeUnopenable) as caught:
        slot.read()
    assert "deadbeef" not in caught.value.diagnostics()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(KeyTreeUnopenable):
        slot.put(2, KEY, now)


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        FileRootSlot(tmp_path / "file" / "raw").read()
    assert str(tmp_path) not in caught.value.diagnostics()


def test_no_text_shows_a_key(now: dt.datetime) -> None:
    root = RootKey(1, b"A" * 32, now)
    assert "AAAA" not in repr(root)
    assert "4141" not in str(root)
