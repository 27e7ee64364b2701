"""Every table of the control database.

No column holds anything that names a person in clear: aliases are keyed MACs, profiles are sealed, people are
pseudonyms of one zone. A change here needs a migration in `control/migrations/versions/` and a new `REVISION`.
"""

from __future__ import annotations

import sqlalchemy as sa

from shelflife.control.types import Position, UtcDateTime

REVISION = "0001"
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


def _state(column: str, *allowed: str) -> sa.CheckConstraint:
    """Allow a column only the named words."""
    words = ", ".join(f"'{word}'" for word in allowed)
    return sa.CheckConstraint(f"{column} IN ({words})", name=column)


estate = sa.Table(
    "estate",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.CheckConstraint("id = 1", name="one_row"),
    sa.Column("estate_id", sa.String(32), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # Grows with every change of any profile, so that cohorts made from older attributes are stale.
    sa.Column("attributes_version", sa.BigInteger, nullable=False, server_default="0"),
)

# --- keys -------------------------------------------------------------------------------------------------

key_tree = sa.Table(
    "key_tree",
    metadata,
    sa.Column("zone", sa.String(32), primary_key=True),
    sa.Column("generation", sa.BigInteger, nullable=False),
)

key_page = sa.Table(
    "key_page",
    metadata,
    sa.Column("zone", sa.String(32), primary_key=True),
    sa.Column("level", sa.Integer, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("blob", sa.LargeBinary, nullable=False),
)

key_counter = sa.Table(
    "key_counter",
    metadata,
    sa.Column("zone", sa.String(32), primary_key=True),
    sa.Column("kind", sa.Integer, primary_key=True),
    sa.Column("next", sa.BigInteger, nullable=False),
)

keyring = sa.Table(
    "keyring",
    metadata,
    sa.Column("zone", sa.String(32), primary_key=True),
    sa.Column("pid", sa.LargeBinary(16), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

erasure_epoch = sa.Table(
    "erasure_epoch",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.CheckConstraint("id = 1", name="one_row"),
    sa.Column("value", sa.BigInteger, nullable=False),
)

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("lease_id", sa.String(32), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.String(200), nullable=False),
    sa.Column("issued_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# --- subjects ---------------------------------------------------------------------------------------------

subject = sa.Table(
    "subject",
    metadata,
    sa.Column("pid", sa.LargeBinary(16), primary_key=True),
    sa.Column("sealed_id", sa.LargeBinary, nullable=False),
    sa.Column("sealed_profile", sa.LargeBinary),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

alias = sa.Table(
    "alias",
    metadata,
    sa.Column("alias_mac", sa.LargeBinary(32), primary_key=True),
    sa.Column("pid", sa.LargeBinary(16), sa.ForeignKey(subject.c.pid), nullable=False, index=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

tombstone = sa.Table(
    "tombstone",
    metadata,
    sa.Column("alias_mac", sa.LargeBinary(32), primary_key=True),
    sa.Column("erased_at", UtcDateTime, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
)

# --- landing and files ------------------------------------------------------------------------------------

partition = sa.Table(
    "partition",
    metadata,
    sa.Column("partition_id", sa.String(32), primary_key=True),
    sa.Column("zone", sa.String(32), nullable=False),
    sa.Column("table_name", sa.String(128), nullable=False),
    sa.Column("stream", sa.String(32)),
    sa.Column("retention_class", sa.String(128), nullable=False),
    sa.Column("period", sa.String(10), nullable=False),
    sa.Column("key_number", sa.BigInteger),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    _state("state", "open", "destroyed"),
    sa.UniqueConstraint("zone", "table_name", "retention_class", "period"),
)

batch = sa.Table(
    "batch",
    metadata,
    sa.Column("batch_id", sa.String(32), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("committed_at", UtcDateTime),
    sa.Column("verdict", sa.String(16)),
    _state("state", "open", "committed", "abandoned"),
    _state("verdict", "passed", "failed"),
)

landed_file = sa.Table(
    "landed_file",
    metadata,
    sa.Column("digest_mac", sa.LargeBinary(32), primary_key=True),
    sa.Column("batch_id", sa.ForeignKey(batch.c.batch_id), nullable=False, index=True),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("samples_in", sa.BigInteger, nullable=False),
    sa.Column("landed", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Column("quarantined", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    sa.Column("landed_at", UtcDateTime, nullable=False),
)

quarantine_count = sa.Table(
    "quarantine_count",
    metadata,
    sa.Column("batch_id", sa.ForeignKey(batch.c.batch_id), primary_key=True),
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("reason", sa.String(64), primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
)

data_file = sa.Table(
    "data_file",
    metadata,
    sa.Column("file_id", sa.String(32), primary_key=True),
    sa.Column("zone", sa.String(32), nullable=False),
    sa.Column("table_name", sa.String(128), nullable=False),
    sa.Column("partition_id", sa.ForeignKey(partition.c.partition_id), nullable=False),
    sa.Column("batch_id", sa.ForeignKey(batch.c.batch_id), index=True),
    sa.Column("bucket", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("key_number", sa.BigInteger),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("samples", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("replaced_at", UtcDateTime),
    sa.Index(None, "partition_id", "state"),
    _state("state", "pending", "live", "replaced", "collected"),
)

derivation = sa.Table(
    "derivation",
    metadata,
    sa.Column("model", sa.String(128), primary_key=True),
    sa.Column("period", sa.String(10), primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True),
    sa.Column("inputs_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("model_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("file_id", sa.String(32)),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("derived_at", UtcDateTime, nullable=False),
)

# --- lineage ----------------------------------------------------------------------------------------------

lineage_run = sa.Table(
    "lineage_run",
    metadata,
    sa.Column("run_id", sa.String(32), primary_key=True),
    sa.Column("job", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("emitted", sa.Boolean, nullable=False, default=False, index=True),
)

lineage_input = sa.Table(
    "lineage_input",
    metadata,
    sa.Column("run_id", sa.ForeignKey(lineage_run.c.run_id), primary_key=True),
    sa.Column("dataset", sa.String(200), primary_key=True),
    sa.Column("item", sa.String(200), primary_key=True),
    sa.Index(None, "dataset", "item"),
)

lineage_output = sa.Table(
    "lineage_output",
    metadata,
    sa.Column("run_id", sa.ForeignKey(lineage_run.c.run_id), primary_key=True),
    sa.Column("dataset", sa.String(200), primary_key=True),
    sa.Column("item", sa.String(200), primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Index(None, "dataset", "item"),
)

column_edge = sa.Table(
    "column_edge",
    metadata,
    sa.Column("model", sa.String(128), primary_key=True),
    sa.Column("column_name", sa.String(128), primary_key=True),
    sa.Column("source_table", sa.String(128), primary_key=True),
    sa.Column("source_column", sa.String(128), primary_key=True),
    sa.Column("transformation", sa.String(64), nullable=False),
)

# --- evidence ---------------------------------------------------------------------------------------------

ledger_leaf = sa.Table(
    "ledger_leaf",
    metadata,
    sa.Column("position", Position, primary_key=True, autoincrement=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
)

ledger_checkpoint = sa.Table(
    "ledger_checkpoint",
    metadata,
    sa.Column("size", Position, primary_key=True, autoincrement=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("signed_at", UtcDateTime, nullable=False),
)

query_audit = sa.Table(
    "query_audit",
    metadata,
    sa.Column("query_id", sa.String(32), primary_key=True),
    sa.Column("asked_at", UtcDateTime, nullable=False, index=True),
    sa.Column("principal", sa.String(200), nullable=False),
    sa.Column("role", sa.String(64), nullable=False),
    sa.Column("purpose", sa.String(64), nullable=False),
    sa.Column("fingerprint", sa.String(128), nullable=False),
    sa.Column("sealed_sql", sa.LargeBinary, nullable=False),
    sa.Column("tables", sa.JSON, nullable=False),
    sa.Column("decision", sa.String(32), nullable=False),
    sa.Column("rows", sa.BigInteger),
)

attribute_disclosure = sa.Table(
    "attribute_disclosure",
    metadata,
    sa.Column("disclosure_id", sa.String(32), primary_key=True),
    sa.Column("asked_at", UtcDateTime, nullable=False, index=True),
    sa.Column("purpose", sa.String(64), nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("subjects", sa.BigInteger, nullable=False),
)
