from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shelflife.control import schema
from shelflife.control.database import ControlDatabase
from shelflife.control.metadata import REVISION, metadata
from shelflife.errors import ConfigurationError

if TYPE_CHECKING:
    import sqlalchemy as sa


def _differences(conn: sa.Connection) -> list[object]:
    context = MigrationContext.configure(conn, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


def test_the_migrations_end_in_the_tables(database: ControlDatabase) -> None:
    with database.read() as conn:
        assert _differences(conn) == []


def test_the_comparison_can_fail(database: ControlDatabase) -> None:
    with database.commit() as tx:
        tx.conn.exec_driver_sql("ALTER TABLE lease ADD COLUMN stray INTEGER")
        assert _differences(tx.conn) != []


def test_the_named_revision_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", schema.MIGRATIONS)
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_creating_again_changes_nothing(database: ControlDatabase, url: str) -> None:
    again = ControlDatabase.create(url)
    with again.read() as conn:
        assert schema.is_current(conn)
    again.close()


def test_two_can_create_at_once(url: str) -> None:
    failures: list[BaseException] = []

    def create() -> None:
        try:
            ControlDatabase.create(url).close()
        except BaseException as failure:  # noqa: BLE001
            failures.append(failure)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    ControlDatabase.open(url).close()


@pytest.mark.parametrize(
    "change", ["UPDATE alembic_version SET version_num = '9999'", "DELETE FROM alembic_version"]
)
def test_another_schema_version_is_not_opened(database: ControlDatabase, url: str, change: str) -> None:
    with database.commit() as tx:
        tx.conn.exec_driver_sql(change)
    with pytest.raises(ConfigurationError):
        ControlDatabase.open(url)
