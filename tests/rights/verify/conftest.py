"""A filled estate, copied afresh for each test, and an erasure that a test carries out itself, step by step."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
import yaml

from shelflife.config import Settings, load_settings
from shelflife.control.subject_tables import alias, consent, subject
from shelflife.control.tables import data_file
from shelflife.copies.erasing import erase_from_copies
from shelflife.copies.publish import publish
from shelflife.copies.tokens import copy_token
from shelflife.estate import Estate
from shelflife.keys import leases
from shelflife.keys.keyrings import KEYRING_SLOTS
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.checks import check_batches, unjudged
from shelflife.lake.collect import collect
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.lake.rewrite import rewrite_without
from shelflife.lake.scrub import scrub
from shelflife.rights.verify import Target, Verification, verify
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.tombstones import bury
from shelflife.synthetic.inbox import write_inbox
from tests.conftest import NOW
from tests.copies.estates import declared

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
COPY = "member_cache"
TABLES = ("heart_daily", "hrv_recordings", "glucose_daily", "sleep_nightly", "activity_daily")


def clock():
    return NOW


def settings_in(folder: Path) -> Settings:
    return load_settings(
        home=folder / "estate", inbox=folder / "inbox", models=ROOT / "sql", policies=folder / "policies"
    )


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with a landed, derived and published estate, closed; and the accounts of its people."""
    folder = tmp_path_factory.mktemp("template")
    settings = settings_in(folder)
    settings.policies.mkdir()
    shutil.copy(ROOT / "retention_policies" / "default.yaml", settings.policies)
    copy = declared("sqlite_cache", name=COPY, datasets=["heart_daily"])
    (settings.policies / "copies.yaml").write_text(yaml.safe_dump({"copies": [copy]}))
    estate = Estate.create(settings, NOW)
    invented = write_inbox(settings.inbox, people=6, days=2, seed=11, until=NOW.date())
    land(estate, list_inbox(settings.inbox), clock=clock)
    check_batches(estate, unjudged(estate))
    derive(estate, clock=clock)
    assert [one.state for one in publish(estate, clock=clock).copies] == ["published"]
    estate.close()
    return folder, invented.accounts


@pytest.fixture(scope="session")
def erased_template(template, tmp_path_factory) -> tuple[Path, Target]:
    """The same estate after its first person was erased, closed; and that person as a target."""
    folder = tmp_path_factory.mktemp("erased")
    shutil.copytree(template[0], folder, dirs_exist_ok=True)
    estate = Estate.open(settings_in(folder), NOW)
    target = erase(estate, template[1][0])
    estate.close()
    return folder, target


@pytest.fixture
def before(template) -> Path:
    """The home of the estate as it was before anybody was erased; to be read only."""
    return template[0] / "estate"


@pytest.fixture
def account(template) -> str:
    """The account of the person who is erased in `erased` and known in `estate`."""
    return template[1][0]


@pytest.fixture
def estate(template, tmp_path) -> Iterator[Estate]:
    yield from _copied(template[0], tmp_path)


@pytest.fixture
def erased(erased_template, tmp_path) -> Iterator[Estate]:
    yield from _copied(erased_template[0], tmp_path)


@pytest.fixture
def target(erased_template) -> Target:
    """The person who was erased from `erased`."""
    return erased_template[1]


def _copied(source: Path, folder: Path) -> Iterator[Estate]:
    shutil.copytree(source, folder, dirs_exist_ok=True)
    made = Estate.open(settings_in(folder), NOW)
    yield made
    made.close()


def subject_of(estate: Estate, account: str) -> bytes:
    name = Alias("account", account)
    with estate.database.read() as conn:
        return find(estate, conn, [name])[name].subject_id


def target_of(estate: Estate, account: str) -> Target:
    """Everything that an erasure knows about a person before it begins."""
    subject_id = subject_of(estate, account)
    with estate.database.read() as conn:
        pids = {
            zone: pseudonym(estate.pepper(conn, zone), subject_id) for zone in ("identity", "raw", "derived")
        }
        rings = {
            zone: estate.keyrings[zone].numbers(conn, [pids[zone]])[pids[zone]]
            for zone in ("identity", "raw")
        }
        token = copy_token(estate, conn, COPY, subject_id)
    return Target(
        pids={zone: (pid,) for zone, pid in pids.items()},
        aliases=(Alias("account", account),),
        tokens={COPY: (token,)},
        keys={zone: tuple(range(ring, ring + KEYRING_SLOTS)) for zone, ring in rings.items()},
    )


def destroy_keys(estate: Estate, target: Target) -> None:
    """Tombstone, keys, rows, epoch: the commit that makes an erasure effective, and nothing after it."""
    with estate.database.commit() as tx:
        bury(estate, tx, target.aliases, reason="erasure", now=NOW)
        for zone in ("identity", "raw"):
            estate.keyrings[zone].destroy(tx, target.pids[zone], NOW)
        [pid] = target.pids["identity"]
        tx.conn.execute(sa.delete(consent).where(consent.c.pid == pid))
        tx.conn.execute(sa.delete(alias).where(alias.c.pid == pid))
        tx.conn.execute(sa.delete(subject).where(subject.c.pid == pid))
        leases.advance_epoch(tx)


def erase(estate: Estate, account: str) -> Target:
    """Erase a person everywhere, as far as a clean verification needs it."""
    target, subject_id = target_of(estate, account), subject_of(estate, account)
    destroy_keys(estate, target)
    erase_from_copies(estate, [subject_id], streams=None, now=NOW)
    rewrite_without(estate, dict.fromkeys(TABLES, target.pids["derived"]), clock=clock)
    derive(estate, names=["cohort_weekly"], clock=clock)
    scrub(estate, target.pids["raw"])
    collect(estate, NOW)
    forget_log(estate)
    return target


def forget_log(estate: Estate) -> None:
    """Empty the control database's write-ahead log."""
    with closing(sqlite3.connect(estate.settings.home / "control" / "control.db")) as connection:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy


def found(estate: Estate, *targets: Target, **how: object) -> Verification:
    return verify(estate, now=how.pop("now", NOW), targets=targets, **how)


def rules(outcome: Verification) -> set[str]:
    return {finding.rule for finding in outcome.findings}


COVERED: set[str] = set()
"""Rules that some test plants a canary for; `test_rules` compares them with all that there are."""


def plants(*names: str):
    """Note which rules a test plants a canary for."""
    COVERED.update(names)

    def noted(test):
        test.plants = names
        return test

    return noted


def one(estate: Estate, query: sa.Select) -> sa.Row:
    """Return the first row of a query."""
    with estate.database.read() as conn:
        return conn.execute(query).first()


def change(estate: Estate, statement: sa.Executable) -> None:
    """Change the control database behind everybody's back."""
    with estate.database.commit() as tx:
        assert tx.conn.execute(statement).rowcount


def live(zone: str, table: str | None = None) -> sa.Select:
    """Select the live files of a zone."""
    query = sa.select(data_file).where(data_file.c.zone == zone, data_file.c.state == "live")
    return query if table is None else query.where(data_file.c.table_name == table)


def path_of(estate: Estate, file: sa.Row) -> Path:
    return estate.settings.zone_folder(file.zone) / file.path


def write(path: Path, content: bytes) -> Path:
    """Write a file as the estate's own files are: closed to others."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def put_back(estate: Estate, before: Path, file: sa.Row) -> None:
    """Put a raw file's former bytes back, with a catalog that says that they are right."""
    content = (before / "zones" / file.zone / file.path).read_bytes()
    write(path_of(estate, file), content)
    here = data_file.c.file_id == file.file_id
    change(
        estate,
        data_file.update().where(here).values(sha256=hashlib.sha256(content).digest(), bytes=len(content)),
    )
