"""Holds, purges, copies, requests, certificates, policy versions, tombstones that can be lifted, estates being restored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shelflife.errors import ConfigurationError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of the lifecycle."""
    op.create_table(
        "awaiting_rewrite",
        sa.Column("table_name", sa.String(length=128), nullable=False),
        sa.Column("pid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "pid", name=op.f("pk_awaiting_rewrite")),
    )
    op.create_index(op.f("ix_awaiting_rewrite_request_id"), "awaiting_rewrite", ["request_id"], unique=False)

    op.create_table(
        "copy_item",
        sa.Column("copy_name", sa.String(length=64), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("dataset", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("key_number", sa.BigInteger(), nullable=True),
        sa.Column("inputs_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'live', 'removed')", name=op.f("ck_copy_item_state")),
        sa.PrimaryKeyConstraint("copy_name", "item", name=op.f("pk_copy_item")),
    )
    op.create_index(op.f("ix_copy_item_copy_name_state"), "copy_item", ["copy_name", "state"], unique=False)

    op.create_table(
        "hold",
        sa.Column("hold_id", sa.String(length=32), nullable=False),
        sa.Column("matter", sa.String(length=64), nullable=False),
        sa.Column("streams", sa.JSON(), nullable=False),
        sa.Column("first_day", sa.String(length=10), nullable=True),
        sa.Column("last_day", sa.String(length=10), nullable=True),
        sa.Column("everyone", sa.Boolean(), nullable=False),
        sa.Column("bases", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("review_on", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("key_number", sa.BigInteger(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('active', 'released')", name=op.f("ck_hold_state")),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_hold")),
    )
    op.create_index(op.f("ix_hold_state"), "hold", ["state"], unique=False)

    op.create_table(
        "policy_version",
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("adopted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lengthens", sa.Boolean(), nullable=False),
        sa.Column("principal", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("policy", "version", name=op.f("pk_policy_version")),
    )
    op.create_table(
        "purge_plan",
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.CheckConstraint("state IN ('applying', 'applied')", name=op.f("ck_purge_plan_state")),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_purge_plan")),
    )
    op.create_table(
        "request",
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("streams", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("regimes", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key_number", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("manifest", sa.LargeBinary(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('export', 'erasure', 'restriction', 'rectification')", name=op.f("ck_request_kind")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_request")),
    )
    op.create_index(op.f("ix_request_state"), "request", ["state"], unique=False)

    op.create_table(
        "certificate",
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("stage IN ('effective', 'final')", name=op.f("ck_certificate_stage")),
        sa.ForeignKeyConstraint(
            ["request_id"], ["request.request_id"], name=op.f("fk_certificate_request_id_request")
        ),
        sa.PrimaryKeyConstraint("request_id", "stage", name=op.f("pk_certificate")),
    )
    op.create_table(
        "hold_subject",
        sa.Column("hold_id", sa.String(length=32), nullable=False),
        sa.Column("identity_pid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("hold_pid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.hold_id"], name=op.f("fk_hold_subject_hold_id_hold")),
        sa.PrimaryKeyConstraint("hold_id", "identity_pid", name=op.f("pk_hold_subject")),
        sa.UniqueConstraint("hold_pid", name=op.f("uq_hold_subject_hold_pid")),
    )
    op.create_table(
        "request_event",
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["request.request_id"], name=op.f("fk_request_event_request_id_request")
        ),
        sa.PrimaryKeyConstraint("request_id", "position", name=op.f("pk_request_event")),
    )
    op.create_table(
        "request_outcome",
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=128), nullable=False),
        sa.Column("outcome", sa.String(length=24), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('deleted', 'already_absent', 'restricted_hold', 'exempt', 'deferred_until', 'unsupported', 'failed')",
            name=op.f("ck_request_outcome_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["request.request_id"], name=op.f("fk_request_outcome_request_id_request")
        ),
        sa.PrimaryKeyConstraint("request_id", "target", name=op.f("pk_request_outcome")),
    )
    op.add_column("estate", sa.Column("restoring", sa.Boolean(), server_default=sa.false(), nullable=False))

    op.add_column("tombstone", sa.Column("registered_again_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Refuse: dropping the tables would drop holds, tombstones and the proof of what was erased.

    Raises:
        ConfigurationError: always.
    """
    raise ConfigurationError(
        "The schema cannot be taken back: that would drop holds and the record of erasures.",
        remedy="Restore a backup that was made before the upgrade.",
    )
