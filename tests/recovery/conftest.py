"""An estate whose control database can be lost, and ways to look at what is left of it."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import polars as pl
import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import subject, tombstone
from shelflife.control.tables import derivation, partition
from shelflife.estate import Estate
from shelflife.journal.destruction import Destruction
from shelflife.journal.journal import record
from shelflife.keys import leases
from shelflife.lake.catalog import destroy_partitions, files_of_partition, files_of_partitions, partitions
from shelflife.lake.collect import collect
from shelflife.lake.unseal import HELD, read_partition
from shelflife.ledger.ledger import verify
from shelflife.recovery.backup import backup
from shelflife.retention.destroying import closed, keys_of
from shelflife.rights.verify import recorded_targets
from shelflife.rights.verify import verify as look_everywhere
from tests.conftest import NOW
from tests.lake.conftest import put, settings, settings_in
from tests.lake.state import derived_rows, names
from tests.rights.conftest import Clock, clock, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from shelflife.config import Settings

__all__ = ["clock", "put", "settings"]


def residue(owner: Estate, clock: Clock) -> list[str]:
    """What the independent verifier finds of everybody who was erased and everything that expired."""
    with owner.database.read() as conn:
        targets = recorded_targets(owner, conn)
    found = look_everywhere(owner, now=clock(), targets=targets)
    return [f"{finding.rule} {finding.place}" for finding in found.findings]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an estate of a few people, and one backup of it."""
    folder = tmp_path_factory.mktemp("template")
    made = Estate.create(settings_in(folder), NOW)

    def place(content: bytes, account: str, name: str) -> None:
        inbox = made.settings.inbox / account
        inbox.mkdir(parents=True)
        (inbox / name).write_bytes(content)

    fill(made, place, Clock())
    backup(made, folder / "backups", clock=Clock())
    made.close()
    return folder


@pytest.fixture
def backups(template: Path, tmp_path: Path) -> Path:
    """The backup of the estate, in a folder of its own."""
    shutil.copytree(template / "backups", tmp_path / "backups")
    return tmp_path / "backups"


@pytest.fixture
def filled(template: Path, settings: Settings, backups: Path) -> Iterator[Estate]:
    """The estate, living, with the backup that was just made of it."""
    del backups
    shutil.copytree(template / "estate", settings.home)
    found = Estate.open(settings, NOW)
    yield found
    found.close()


def lose(lost: Estate) -> None:
    """Lose the control database, as a dead disk would."""
    lost.close()
    shutil.rmtree(lost.settings.home / "control")


def purge(owner: Estate, table: str, period: str, clock: Clock) -> str:
    """Destroy a raw partition as applying a plan does; return its id."""
    with owner.database.commit() as tx:
        homes = partitions(tx.conn, zone="raw", tables=[table], periods=[period])
        files = files_of_partitions(tx.conn, [home.partition_id for home in homes])
        keys = keys_of(homes, files)
        gone = Destruction(
            kind="purge",
            record_id="9" * 64,
            at=clock(),
            keys=keys,
            partitions=closed(homes),
            files=[file.file_id for file in files],
        )
        record(owner, tx.conn, gone)
        destroy_partitions(owner, tx, homes, keys, clock())
        leases.advance_epoch(tx)
        owner.ledger.append(tx, [{"type": "purge", "partitions": len(homes)}], clock())
    collect(owner, clock())
    [home] = homes
    return home.partition_id


def people_in(rows) -> set[str]:
    """The names of everybody who has a row."""
    tables = rows.values()
    return {name for table in tables if "pid" in table.columns for name in table["pid"]}


def landed(owner: Estate) -> dict[tuple[str, str], pl.DataFrame]:
    """Every landed row by table and period, those that a hold keeps left out: nobody but counsel reads them."""
    found = {}
    with owner.database.read() as conn:
        known = names(owner, conn, "raw")
        for home in partitions(conn, zone="raw"):
            files = files_of_partition(conn, home.partition_id)
            if files and not home.table_name.startswith(HELD):
                rows = pl.DataFrame(pl.from_arrow(read_partition(owner, conn, home, files)))
                found[home.table_name, home.period] = rows.with_columns(
                    pid=pl.Series([known[pid] for pid in rows["pid"].to_list()], dtype=pl.String)
                ).sort(rows.columns, nulls_last=True)
    return found


def digest(owner: Estate) -> str:
    """One digest over everything that readers can see, and what is refused or closed."""
    state = hashlib.sha256()
    for key, rows in sorted(landed(owner).items()):
        state.update(f"{key}{rows.height}".encode() + rows.write_csv().encode())
    for name, rows in sorted(derived_rows(owner).items()):
        state.update(name.encode() + rows.write_csv().encode())
    with owner.database.read() as conn:
        for table in (subject, tombstone, derivation):
            state.update(str(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar()).encode())
        homes = sa.select(partition.c.table_name, partition.c.period, partition.c.state)
        state.update(str(sorted(map(tuple, conn.execute(homes)))).encode())
    return state.hexdigest()


def check_ledger(owner: Estate) -> int:
    """Verify the whole ledger against its witness; return its size."""
    with owner.database.read() as conn:
        report = verify(conn, owner.ledger.verifier_key, owner.witness)
    assert report.unwitnessed == 0
    return report.size


@pytest.fixture
def reopen(clock: Clock) -> Iterator[Callable[[Settings], Estate]]:
    """Open estates again and close them in the end."""
    opened: list[Estate] = []

    def again(settings: Settings) -> Estate:
        opened.append(Estate.open(settings, clock()))
        return opened[-1]

    yield again
    for one in opened:
        one.close()
