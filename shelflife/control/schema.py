"""The schema of the control database: bringing it up to date and telling whether it is."""

from __future__ import annotations

import sqlalchemy as sa

from shelflife.control.metadata import REVISION

MIGRATIONS = "shelflife.control:migrations"
"""Where Alembic finds the migrations: inside the installed package."""


def upgrade(conn: sa.Connection) -> None:
    """Run the missing migrations inside the caller's transaction."""
    # Alembic is imported only here: opening a database that is up to date does not need it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def is_current(conn: sa.Connection) -> bool:
    """Tell whether the database has exactly the schema of `control.metadata`."""
    if not sa.inspect(conn).has_table("alembic_version"):
        return False
    revisions = conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all()
    return list(revisions) == [REVISION]
