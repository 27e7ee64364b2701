"""Names that pass from person to person, consent, landing keys and devices of sealed uploads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shelflife.errors import ConfigurationError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of uploads and consent, and let an alias belong to several people in turn."""
    _widen_alias()
    op.create_table(
        "consent",
        sa.Column("pid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("position", _POSITION, autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["pid"], ["subject.pid"], name=op.f("fk_consent_pid_subject")),
        sa.PrimaryKeyConstraint("pid", "position", name=op.f("pk_consent")),
    )
    op.create_table(
        "landing_key",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("key_number", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('current', 'previous', 'retired')", name=op.f("ck_landing_key_state")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_landing_key")),
    )
    op.create_index(op.f("ix_landing_key_state"), "landing_key", ["state"], unique=False)
    op.create_table(
        "upload_device",
        sa.Column("device_mac", sa.LargeBinary(length=32), nullable=False),
        sa.Column("pid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("highest_sequence", _POSITION, nullable=False),
        sa.Column("seen", sa.LargeBinary(length=8), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('active', 'revoked')", name=op.f("ck_upload_device_state")),
        sa.ForeignKeyConstraint(["pid"], ["subject.pid"], name=op.f("fk_upload_device_pid_subject")),
        sa.PrimaryKeyConstraint("device_mac", name=op.f("pk_upload_device")),
    )
    op.create_index(op.f("ix_upload_device_pid"), "upload_device", ["pid"], unique=False)
    op.add_column("tombstone", sa.Column("periods", sa.JSON(none_as_null=True), nullable=True))
    _create_identity_change()


def downgrade() -> None:
    """Refuse: going back would lose who owned what, and what people agreed to."""
    raise ConfigurationError(
        "The control database cannot go back to an older schema.",
        remedy="Restore a backup from before the update instead.",
    )


def _create_identity_change() -> None:
    """Make the register of merges, splits and names that pass on."""
    states = "'prepared', 'moved', 'settled', 'cleared', 'rewritten', 'done', 'withdrawn'"
    op.create_table(
        "identity_change",
        sa.Column("change_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("plan_digest", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("pid", sa.LargeBinary(length=16), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('merge', 'split', 'transfer')", name=op.f("ck_identity_change_kind")),
        sa.CheckConstraint(f"state IN ({states})", name=op.f("ck_identity_change_state")),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_identity_change")),
    )
    op.create_index(op.f("ix_identity_change_pid"), "identity_change", ["pid"], unique=False)
    op.create_index(op.f("ix_identity_change_state"), "identity_change", ["state"], unique=False)


_POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _widen_alias() -> None:
    """Make the person a part of the key. SQLite cannot change a key, so the table is made anew there."""
    op.rename_table("alias", "alias_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE alias_before RENAME CONSTRAINT pk_alias TO pk_alias_before")
        op.execute("ALTER TABLE alias_before RENAME CONSTRAINT fk_alias_pid_subject TO fk_alias_before")
    op.drop_index(op.f("ix_alias_pid"), table_name="alias_before")
    op.create_table(
        "alias",
        sa.Column("alias_mac", sa.LargeBinary(length=32), nullable=False),
        sa.Column("pid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_periods", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["pid"], ["subject.pid"], name=op.f("fk_alias_pid_subject")),
        sa.PrimaryKeyConstraint("alias_mac", "pid", name=op.f("pk_alias")),
    )
    op.execute(
        "INSERT INTO alias (alias_mac, pid, kind, sealed, created_at) "
        "SELECT alias_mac, pid, kind, sealed, created_at FROM alias_before"
    )
    op.drop_table("alias_before")
    op.create_index(op.f("ix_alias_pid"), "alias", ["pid"], unique=False)
