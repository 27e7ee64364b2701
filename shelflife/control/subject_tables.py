"""The tables about people: who they are, what they are called, what they agreed to, and the devices that they upload with.

What names somebody or shows what they decided is sealed under their own identity key, or is a keyed digest.
"""

from __future__ import annotations

import sqlalchemy as sa

from shelflife.control.metadata import metadata, words
from shelflife.control.types import Position, UtcDateTime

# --- subjects ---------------------------------------------------------------------------------------------

subject = sa.Table(
    "subject",
    metadata,
    sa.Column("pid", sa.LargeBinary(16), primary_key=True),
    sa.Column("sealed_id", sa.LargeBinary, nullable=False),
    sa.Column("sealed_profile", sa.LargeBinary),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# A name that passed from one person to another, as a re-sold device's does, has a row for each of them.
alias = sa.Table(
    "alias",
    metadata,
    sa.Column("alias_mac", sa.LargeBinary(32), primary_key=True),
    sa.Column("pid", sa.LargeBinary(16), sa.ForeignKey(subject.c.pid), primary_key=True, index=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    # From when until when the name was this person's, sealed under their key; always theirs when absent.
    sa.Column("sealed_periods", sa.LargeBinary),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

tombstone = sa.Table(
    "tombstone",
    metadata,
    sa.Column("alias_mac", sa.LargeBinary(32), primary_key=True),
    sa.Column("erased_at", UtcDateTime, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    # The person came back on purpose: what was observed from then on belongs to a new subject.
    sa.Column("registered_again_at", UtcDateTime),
    # What is refused where the name passed on: pairs of times, each open end a null; everything when absent.
    sa.Column("periods", sa.JSON(none_as_null=True)),
)

# Names, rows or people that change hands. What the change is about lies sealed under the key of the person `pid`.
identity_change = sa.Table(
    "identity_change",
    metadata,
    sa.Column("change_id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("plan_digest", sa.String(64), nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("pid", sa.LargeBinary(16), index=True),
    sa.Column("sealed", sa.LargeBinary),
    # Ids of replaced files that are to be overwritten before they are unlinked.
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    words("kind", "merge", "split", "transfer"),
    words("state", "prepared", "moved", "settled", "cleared", "rewritten", "done", "withdrawn"),
)

# What a person agreed to and took back, oldest first; nothing of it is in clear.
consent = sa.Table(
    "consent",
    metadata,
    sa.Column("pid", sa.LargeBinary(16), sa.ForeignKey(subject.c.pid), primary_key=True),
    sa.Column("position", Position, primary_key=True, autoincrement=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
)

# --- sealed uploads ---------------------------------------------------------------------------------------

landing_key = sa.Table(
    "landing_key",
    metadata,
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    # The private key, sealed under a key of the identity zone's tree that is destroyed when this one is retired.
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("key_number", sa.BigInteger),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("accepted_until", UtcDateTime),
    words("state", "current", "previous", "retired"),
)

upload_device = sa.Table(
    "upload_device",
    metadata,
    sa.Column("device_mac", sa.LargeBinary(32), primary_key=True),
    sa.Column("pid", sa.LargeBinary(16), sa.ForeignKey(subject.c.pid), nullable=False, index=True),
    # The device's signature key, sealed under its owner's key.
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    # Anti-replay window (RFC 4303, section 3.4.3): the highest sequence number, and which of the 64 up to it were seen.
    sa.Column("highest_sequence", Position, nullable=False),
    sa.Column("seen", sa.LargeBinary(8), nullable=False),
    sa.Column("registered_at", UtcDateTime, nullable=False),
    words("state", "active", "revoked"),
)
