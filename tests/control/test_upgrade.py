"""A database of the schema before sources: its aliases, tombstones and people are there after the upgrade, and usable."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from shelflife.control import schema, subject_tables
from shelflife.control.database import ControlDatabase
from shelflife.control.metadata import metadata
from shelflife.errors import ConfigurationError

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
PIDS = [bytes([number]) * 16 for number in range(1, 4)]


def upgrade(engine: sa.Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", schema.MIGRATIONS)
    with engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, revision)


@pytest.fixture
def before(url, tmp_path):
    """A database of revision 0002 with three people, four aliases and two tombstones; one came back."""
    (tmp_path / "control").mkdir(exist_ok=True)
    engine = sa.create_engine(url)
    upgrade(engine, "0002")
    with engine.begin() as conn:
        old = sa.MetaData()
        old.reflect(conn, only=["subject", "alias", "tombstone"])
        subject, alias, tombstone = (old.tables[name] for name in ("subject", "alias", "tombstone"))
        people = [{"pid": pid, "sealed_id": b"id" + pid, "created_at": NOW} for pid in PIDS]
        conn.execute(subject.insert(), people)
        names = [
            {
                "alias_mac": bytes([40 + number]) * 32,
                "pid": PIDS[number % 3],
                "kind": "account",
                "sealed": b"name%d" % number,
                "created_at": NOW,
            }
            for number in range(4)
        ]
        conn.execute(alias.insert(), names)
        stones = [
            {
                "alias_mac": bytes([number]) * 32,
                "erased_at": NOW,
                "reason": "erasure",
                "registered_again_at": back,
            }
            for number, back in ((90, None), (91, NOW))
        ]
        conn.execute(tombstone.insert(), stones)
    yield engine
    engine.dispose()


def test_an_estate_of_the_schema_before_is_not_opened(before, url):
    with pytest.raises(ConfigurationError):
        ControlDatabase.open(url)


def test_every_row_is_there_after_the_upgrade(before, url):
    upgrade(before, "head")
    database = ControlDatabase.open(url)
    with database.read() as conn:
        aliases = conn.execute(
            sa.select(subject_tables.alias).order_by(subject_tables.alias.c.alias_mac)
        ).all()
        stones = conn.execute(
            sa.select(subject_tables.tombstone).order_by(subject_tables.tombstone.c.alias_mac)
        ).all()
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        assert list(compare_metadata(context, metadata)) == []
    assert [(bytes(row.pid), bytes(row.sealed), row.sealed_periods) for row in aliases] == [
        (PIDS[number % 3], b"name%d" % number, None) for number in range(4)
    ]
    assert {row.created_at.astimezone(dt.UTC) for row in aliases} == {NOW}
    assert [(row.periods, row.registered_again_at) for row in stones] == [(None, None), (None, NOW)]
    database.close()


def test_a_name_can_belong_to_a_second_person_after_the_upgrade_and_to_nobody_unknown(before, url):
    upgrade(before, "head")
    database = ControlDatabase.open(url)
    row = {"alias_mac": bytes([40]) * 32, "kind": "account", "sealed": b"other", "created_at": NOW}
    with database.commit() as tx:
        tx.conn.execute(subject_tables.alias.insert().values(pid=PIDS[1], **row))
    with database.commit() as tx:
        tx.conn.execute(
            subject_tables.consent.insert().values(pid=PIDS[0], position=1, sealed=b"x", recorded_at=NOW)
        )
    for pid in (PIDS[1], b"?" * 16):
        with pytest.raises(sa.exc.DBAPIError), database.commit() as tx:
            tx.conn.execute(subject_tables.alias.insert().values(pid=pid, **row))
    with database.read() as conn:
        count = sa.select(sa.func.count()).select_from(subject_tables.alias)
        assert conn.execute(count).scalar_one() == 5
    database.close()
