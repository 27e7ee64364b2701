"""Alembic's entry point: runs migrations on the connection, and in the transaction, of the caller."""

from __future__ import annotations

from alembic import context

from shelflife.control.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter most things in place; Alembic then copies the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
