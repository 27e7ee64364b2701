"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shelflife.errors import ConfigurationError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "attribute_disclosure",
        sa.Column("disclosure_id", sa.String(length=32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("subjects", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("disclosure_id", name=op.f("pk_attribute_disclosure")),
    )
    op.create_index(
        op.f("ix_attribute_disclosure_asked_at"), "attribute_disclosure", ["asked_at"], unique=False
    )
    op.create_table(
        "batch",
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.CheckConstraint("state IN ('open', 'committed', 'abandoned')", name=op.f("ck_batch_state")),
        sa.CheckConstraint("verdict IN ('passed', 'failed')", name=op.f("ck_batch_verdict")),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_batch")),
    )
    op.create_table(
        "column_edge",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("column_name", sa.String(length=128), nullable=False),
        sa.Column("source_table", sa.String(length=128), nullable=False),
        sa.Column("source_column", sa.String(length=128), nullable=False),
        sa.Column("transformation", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint(
            "model", "column_name", "source_table", "source_column", name=op.f("pk_column_edge")
        ),
    )
    op.create_table(
        "derivation",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("inputs_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("model_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("file_id", sa.String(length=32), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("derived_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model", "period", "bucket", name=op.f("pk_derivation")),
    )
    op.create_table(
        "erasure_epoch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_erasure_epoch_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure_epoch")),
    )
    op.create_table(
        "estate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("estate_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attributes_version", sa.BigInteger, nullable=False, server_default="0"),
        sa.CheckConstraint("id = 1", name=op.f("ck_estate_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_estate")),
    )
    op.create_table(
        "key_counter",
        sa.Column("zone", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("zone", "kind", name=op.f("pk_key_counter")),
    )
    op.create_table(
        "key_page",
        sa.Column("zone", sa.String(length=32), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("zone", "level", "number", name=op.f("pk_key_page")),
    )
    op.create_table(
        "key_tree",
        sa.Column("zone", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("zone", name=op.f("pk_key_tree")),
    )
    op.create_table(
        "keyring",
        sa.Column("zone", sa.String(length=32), nullable=False),
        sa.Column("pid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("zone", "pid", name=op.f("pk_keyring")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lease",
        sa.Column("lease_id", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lease_id", name=op.f("pk_lease")),
    )
    op.create_index(op.f("ix_lease_expires_at"), "lease", ["expires_at"], unique=False)
    op.create_table(
        "ledger_checkpoint",
        sa.Column(
            "size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_ledger_checkpoint")),
    )
    op.create_table(
        "ledger_leaf",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_ledger_leaf")),
    )
    op.create_table(
        "lineage_run",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("job", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("emitted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_lineage_run")),
    )
    op.create_index(op.f("ix_lineage_run_emitted"), "lineage_run", ["emitted"], unique=False)
    op.create_table(
        "partition",
        sa.Column("partition_id", sa.String(length=32), nullable=False),
        sa.Column("zone", sa.String(length=32), nullable=False),
        sa.Column("table_name", sa.String(length=128), nullable=False),
        sa.Column("stream", sa.String(length=32), nullable=True),
        sa.Column("retention_class", sa.String(length=128), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("key_number", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'destroyed')", name=op.f("ck_partition_state")),
        sa.PrimaryKeyConstraint("partition_id", name=op.f("pk_partition")),
        sa.UniqueConstraint(
            "zone",
            "table_name",
            "retention_class",
            "period",
            name=op.f("uq_partition_zone_table_name_retention_class_period"),
        ),
    )
    op.create_table(
        "query_audit",
        sa.Column("query_id", sa.String(length=32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("principal", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("sealed_sql", sa.LargeBinary(), nullable=False),
        sa.Column("tables", sa.JSON(), nullable=False),
        sa.Column("decision", sa.String(length=32), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("query_id", name=op.f("pk_query_audit")),
    )
    op.create_index(op.f("ix_query_audit_asked_at"), "query_audit", ["asked_at"], unique=False)
    op.create_table(
        "subject",
        sa.Column("pid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed_id", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_profile", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pid", name=op.f("pk_subject")),
    )
    op.create_table(
        "tombstone",
        sa.Column("alias_mac", sa.LargeBinary(length=32), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("alias_mac", name=op.f("pk_tombstone")),
    )
    op.create_table(
        "alias",
        sa.Column("alias_mac", sa.LargeBinary(length=32), nullable=False),
        sa.Column("pid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["pid"], ["subject.pid"], name=op.f("fk_alias_pid_subject")),
        sa.PrimaryKeyConstraint("alias_mac", name=op.f("pk_alias")),
    )
    op.create_index(op.f("ix_alias_pid"), "alias", ["pid"], unique=False)
    op.create_table(
        "data_file",
        sa.Column("file_id", sa.String(length=32), nullable=False),
        sa.Column("zone", sa.String(length=32), nullable=False),
        sa.Column("table_name", sa.String(length=128), nullable=False),
        sa.Column("partition_id", sa.String(length=32), nullable=False),
        sa.Column("batch_id", sa.String(length=32), nullable=True),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key_number", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'live', 'replaced', 'collected')", name=op.f("ck_data_file_state")
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("fk_data_file_batch_id_batch")),
        sa.ForeignKeyConstraint(
            ["partition_id"], ["partition.partition_id"], name=op.f("fk_data_file_partition_id_partition")
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_data_file")),
    )
    op.create_index(op.f("ix_data_file_batch_id"), "data_file", ["batch_id"], unique=False)
    op.create_index(
        op.f("ix_data_file_partition_id_state"), "data_file", ["partition_id", "state"], unique=False
    )
    op.create_index(op.f("ix_data_file_state"), "data_file", ["state"], unique=False)
    op.create_table(
        "landed_file",
        sa.Column("digest_mac", sa.LargeBinary(length=32), nullable=False),
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("samples_in", sa.BigInteger(), nullable=False),
        sa.Column("landed", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("landed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("fk_landed_file_batch_id_batch")),
        sa.PrimaryKeyConstraint("digest_mac", name=op.f("pk_landed_file")),
    )
    op.create_index(op.f("ix_landed_file_batch_id"), "landed_file", ["batch_id"], unique=False)
    op.create_table(
        "lineage_input",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=200), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["lineage_run.run_id"], name=op.f("fk_lineage_input_run_id_lineage_run")
        ),
        sa.PrimaryKeyConstraint("run_id", "dataset", "item", name=op.f("pk_lineage_input")),
    )
    op.create_index(op.f("ix_lineage_input_dataset_item"), "lineage_input", ["dataset", "item"], unique=False)
    op.create_table(
        "lineage_output",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=200), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["lineage_run.run_id"], name=op.f("fk_lineage_output_run_id_lineage_run")
        ),
        sa.PrimaryKeyConstraint("run_id", "dataset", "item", name=op.f("pk_lineage_output")),
    )
    op.create_index(
        op.f("ix_lineage_output_dataset_item"), "lineage_output", ["dataset", "item"], unique=False
    )
    op.create_table(
        "quarantine_count",
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batch.batch_id"], name=op.f("fk_quarantine_count_batch_id_batch")
        ),
        sa.PrimaryKeyConstraint("batch_id", "source", "reason", name=op.f("pk_quarantine_count")),
    )


def downgrade() -> None:
    """Refuse: dropping the tables would drop the keys.

    Raises:
        ConfigurationError: always.
    """
    raise ConfigurationError(
        "The first schema cannot be taken back: that would drop every key.",
        remedy="Restore a backup, or start an estate in another folder.",
    )
