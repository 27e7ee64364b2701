"""The tables of keys, data, lineage, evidence, retention, copies and requests; those about people are `subject_tables`."""

from __future__ import annotations

import sqlalchemy as sa

from shelflife.control.metadata import metadata, words
from shelflife.control.types import Position, UtcDateTime

estate = sa.Table(
    "estate",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.CheckConstraint("id = 1", name="one_row"),
    sa.Column("estate_id", sa.String(32), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # Grows with every change of any profile, so that cohorts made from older attributes are stale.
    sa.Column("attributes_version", sa.BigInteger, nullable=False, server_default="0"),
    # True from the moment that a backup was put back until every later destruction was replayed on it.
    sa.Column("restoring", sa.Boolean, nullable=False, server_default=sa.false()),
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
    words("state", "open", "destroyed"),
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
    words("state", "open", "committed", "abandoned"),
    words("verdict", "passed", "failed"),
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
    words("state", "pending", "live", "replaced", "collected"),
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

# --- retention --------------------------------------------------------------------------------------------

policy_version = sa.Table(
    "policy_version",
    metadata,
    sa.Column("policy", sa.String(64), primary_key=True),
    sa.Column("version", sa.String(32), primary_key=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("adopted_at", UtcDateTime, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("lengthens", sa.Boolean, nullable=False),
    sa.Column("principal", sa.String(200), nullable=False),
)

hold = sa.Table(
    "hold",
    metadata,
    sa.Column("hold_id", sa.String(32), primary_key=True),
    sa.Column("matter", sa.String(64), nullable=False),
    sa.Column("streams", sa.JSON, nullable=False),
    sa.Column("first_day", sa.String(10)),
    sa.Column("last_day", sa.String(10)),
    sa.Column("everyone", sa.Boolean, nullable=False),
    sa.Column("bases", sa.JSON, nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("review_on", sa.String(10), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("key_number", sa.BigInteger),
    sa.Column("placed_at", UtcDateTime, nullable=False),
    sa.Column("released_at", UtcDateTime),
    words("state", "active", "released"),
)

# The people of a hold. Held rows lie under the pseudonym `hold_pid`, which nothing else shares.
hold_subject = sa.Table(
    "hold_subject",
    metadata,
    sa.Column("hold_id", sa.ForeignKey(hold.c.hold_id), primary_key=True),
    sa.Column("identity_pid", sa.LargeBinary(16), primary_key=True),
    sa.Column("hold_pid", sa.LargeBinary(16), nullable=False, unique=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

purge_plan = sa.Table(
    "purge_plan",
    metadata,
    sa.Column("plan_id", sa.String(64), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("applied_at", UtcDateTime),
    sa.Column("facts", sa.JSON, nullable=False),
    words("state", "applying", "applied"),
)

# --- copies -----------------------------------------------------------------------------------------------

copy_item = sa.Table(
    "copy_item",
    metadata,
    sa.Column("copy_name", sa.String(64), primary_key=True),
    sa.Column("item", sa.String(200), primary_key=True),
    sa.Column("dataset", sa.String(128), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.LargeBinary(32)),
    sa.Column("key_number", sa.BigInteger),
    sa.Column("inputs_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("published_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("removed_at", UtcDateTime),
    sa.Index(None, "copy_name", "state"),
    words("state", "pending", "live", "removed"),
)

# --- requests ---------------------------------------------------------------------------------------------

request = sa.Table(
    "request",
    metadata,
    sa.Column("request_id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("streams", sa.JSON, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("regimes", sa.JSON, nullable=False),
    sa.Column("state", sa.String(24), nullable=False, index=True),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("key_number", sa.BigInteger),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("manifest", sa.LargeBinary),
    sa.Column("facts", sa.JSON, nullable=False),
    words("kind", "export", "erasure", "restriction", "rectification"),
)

request_event = sa.Table(
    "request_event",
    metadata,
    sa.Column("request_id", sa.ForeignKey(request.c.request_id), primary_key=True),
    sa.Column("position", Position, primary_key=True, autoincrement=False),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
)

request_outcome = sa.Table(
    "request_outcome",
    metadata,
    sa.Column("request_id", sa.ForeignKey(request.c.request_id), primary_key=True),
    sa.Column("target", sa.String(128), primary_key=True),
    sa.Column("outcome", sa.String(24), nullable=False),
    sa.Column("until", UtcDateTime),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    words(
        "outcome",
        "deleted",
        "already_absent",
        "restricted_hold",
        "exempt",
        "deferred_until",
        "unsupported",
        "failed",
    ),
)

# Pseudonyms of the derived zone whose rows are still in files: every read leaves them out until the rewrite.
awaiting_rewrite = sa.Table(
    "awaiting_rewrite",
    metadata,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("pid", sa.LargeBinary(16), primary_key=True),
    sa.Column("request_id", sa.String(32), nullable=False, index=True),
    sa.Column("due_at", UtcDateTime, nullable=False),
)

certificate = sa.Table(
    "certificate",
    metadata,
    sa.Column("request_id", sa.ForeignKey(request.c.request_id), primary_key=True),
    sa.Column("stage", sa.String(16), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("issued_at", UtcDateTime, nullable=False),
    words("stage", "effective", "final"),
)
