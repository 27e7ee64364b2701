"""The metadata that every table of the control database belongs to, and the revision that it stands for.

No column of any table holds anything that names a person in clear: aliases are keyed MACs, profiles are sealed, people
are pseudonyms of one zone. The tables are in `tables` and `subject_tables`; whoever walks all of them imports both. A change of a table needs a migration in `control/migrations/versions/` and a new `REVISION`.
"""

from __future__ import annotations

import sqlalchemy as sa

REVISION = "0003"
"""The Alembic revision whose schema equals `metadata`."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def words(column: str, *allowed: str) -> sa.CheckConstraint:
    """Allow a column only the named words."""
    listed = ", ".join(f"'{word}'" for word in allowed)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)
