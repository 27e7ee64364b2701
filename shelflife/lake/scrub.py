"""Scrubbing: the blocks of erased people are overwritten with zeros where they lie in raw files.

Their keys are gone already, so that nothing readable is changed: every other block of the file stays as it is, byte for
byte, and a torn write harms nobody. Cost follows the erased blocks and the size of the files that hold them in
ciphertext; no other block is opened or sealed again (ADR 12).
"""

from __future__ import annotations

import hashlib
import mmap
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import data_file
from shelflife.errors import KeyDestroyed, StorageError
from shelflife.keys.shredding import alone
from shelflife.lake.catalog import (
    DataFile,
    Partition,
    files_by_id,
    files_of_partition,
    partitions,
    partitions_by_id,
    path_of,
)
from shelflife.lake.unseal import HELD, partition_keys_of
from shelflife.seal.files import read_sealed
from shelflife.seal.locators import locators

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from shelflife.estate import Estate

_BEING_SCRUBBED = b""
"""Stands for a file's digest between the first overwritten byte and the last."""


@dataclass(frozen=True)
class Scrubbed:
    """What was overwritten, in counts."""

    files: int = 0
    blocks: int = 0
    bytes: int = 0

    def __add__(self, other: Scrubbed) -> Scrubbed:
        """Return both together."""
        return Scrubbed(self.files + other.files, self.blocks + other.blocks, self.bytes + other.bytes)


def scrub(estate: Estate, people: Collection[bytes], streams: Collection[str] | None = None) -> Scrubbed:
    """Overwrite the blocks of people whose keys were destroyed, and of nobody else.

    Args:
        estate: the estate.
        people: pseudonyms of the raw zone.
        streams: the streams that were erased; all when absent. What a hold keeps is never touched.

    Raises:
        StorageError: a file cannot be written; what was overwritten stays so, run it again.
    """
    with estate.database.read() as conn:
        homes = [
            home
            for home in partitions(conn, zone="raw")
            if not home.table_name.startswith(HELD) and (streams is None or home.stream in streams)
        ]
    done = Scrubbed()
    for home in homes:
        done += _scrub_partition(estate, home, sorted(people))
    return done


def scrub_replaced(estate: Estate, file_ids: Collection[str], people: Collection[bytes]) -> Scrubbed:
    """Overwrite the blocks of people in raw files that other files stand for by now, before they are unlinked.

    Unlike the erased, these people keep their keys: what they no longer own must not stay where it can be found.

    Args:
        estate: the estate.
        file_ids: the replaced files; nobody reads them any more.
        people: pseudonyms of the raw zone.

    Raises:
        StorageError: a file cannot be written; what was overwritten stays so, run it again.
    """
    with estate.database.read() as conn:
        files = [file for file in files_by_id(conn, sorted(file_ids)) if file.state == "replaced"]
        homes = partitions_by_id(conn, [file.partition_id for file in files])
    done = Scrubbed()
    for file in files:
        if path_of(estate, file).exists():
            done += _scrub_files(estate, homes[file.partition_id], [file], sorted(people))
    return done


def _scrub_partition(estate: Estate, home: Partition, people: list[bytes]) -> Scrubbed:
    with estate.database.read() as conn:
        files = files_of_partition(conn, home.partition_id)
    return _scrub_files(estate, home, files, people)


def _scrub_files(estate: Estate, home: Partition, files: Sequence[DataFile], people: list[bytes]) -> Scrubbed:
    with estate.database.read() as conn:
        try:
            [key] = partition_keys_of(estate, conn, [home])
        except KeyDestroyed:
            # A purge came first: nothing in these files opens, and they are about to be unlinked.
            return Scrubbed()
    theirs = pa.array(locators(key, people), pa.binary(16))
    done = Scrubbed()
    for file in files:
        path = path_of(estate, file)
        found = read_sealed(path, columns=["locator"]).column("locator")
        places = pc.indices_nonzero(pc.is_in(found, value_set=theirs)).to_pylist()
        if places or file.sha256 == _BEING_SCRUBBED:
            done += _scrub_file(estate, file, places)
    return done


def _scrub_file(estate: Estate, file: DataFile, places: list[int]) -> Scrubbed:
    path = path_of(estate, file)
    # Two erasures in one file take turns: each ends with a digest over what both have overwritten so far.
    with _disk_errors(), alone(estate.settings.home, "scrub"):
        _remember_digest(estate, file, _BEING_SCRUBBED)
        reached("scrub.begun")
        blocks = read_sealed(path).take(pa.array(places, pa.int64()))
        written = _overwrite(path, blocks)
        reached("scrub.overwritten")
        _remember_digest(estate, file, _digest(path))
    return Scrubbed(1, len(places), written)


def _overwrite(path: Path, blocks: pa.Table) -> int:
    """Overwrite the values of some rows, found by their own bytes; return how many bytes.

    A sealed file is uncompressed and not encoded, so that each value stands in it as it is, in the order of the rows.
    Values of 16 random bytes and more do not occur elsewhere by chance.
    """
    written = 0
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        # The locator goes last: as long as it stands, a rerun finds the block again.
        for name in ("body", "commitment", "locator"):
            at = 0
            for value in blocks.column(name).to_pylist():
                at = content.find(value, at)
                if at < 0:
                    raise StorageError(
                        "A raw file is not laid out as sealed files are.",
                        remedy="Restore the file from a backup, then run the erasure again.",
                    )
                content[at : at + len(value)] = bytes(len(value))
                at += len(value)
                written += len(value)
                reached("scrub.value_overwritten")
        content.flush()
        os.fsync(file.fileno())
    return written


def _remember_digest(estate: Estate, file: DataFile, digest: bytes) -> None:
    with estate.database.commit() as tx:
        tx.conn.execute(sa.update(data_file).where(data_file.c.file_id == file.file_id).values(sha256=digest))


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"A raw file cannot be overwritten: {error.strerror}.",
            remedy="Restore write permission on the zone folders, then run it again.",
        ) from None
