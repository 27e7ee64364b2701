"""Tokens: how a subject is known inside one copy, and in no other place."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from shelflife.estate import Secret
from shelflife.keys.pseudonyms import pseudonym
from shelflife.subjects.directory import everyone

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

    from shelflife.estate import Estate

TOKEN_BYTES = 16


def copy_token(estate: Estate, conn: sa.Connection, copy_name: str, subject_id: bytes) -> bytes:
    """Return a subject's token in a copy: HMAC(HMAC(secret, copy name), subject id), 16 bytes of SHA-256.

    Args:
        estate: the estate.
        conn: a connection to its control database.
        copy_name: the copy.
        subject_id: the subject's random id, 16 bytes.
    """
    return copy_tokens(estate, conn, copy_name, [subject_id])[0]


def copy_tokens(
    estate: Estate, conn: sa.Connection, copy_name: str, subject_ids: Iterable[bytes]
) -> list[bytes]:
    """Return the tokens of many subjects, in their order; see `copy_token`."""
    key = hmac.digest(estate.secret(conn, "identity", Secret.COPIES), copy_name.encode(), "sha256")
    return [hmac.digest(key, subject_id, "sha256")[:TOKEN_BYTES] for subject_id in subject_ids]


def token_map(estate: Estate, conn: sa.Connection, copy_name: str, zone: str) -> dict[bytes, bytes]:
    """Return the token of every subject who is not erased, by their pseudonym of a zone; for the core alone."""
    pepper = estate.pepper(conn, zone)
    subject_ids = [one.subject_id for one in everyone(estate, conn)]
    tokens = copy_tokens(estate, conn, copy_name, subject_ids)
    return dict(zip((pseudonym(pepper, one) for one in subject_ids), tokens, strict=True))
