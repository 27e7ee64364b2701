"""Pseudonyms: how a subject is known inside one zone, and in no other."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PSEUDONYM_BYTES = 16
PEPPER_BYTES = 32


def pseudonym(pepper: bytes, subject_id: bytes) -> bytes:
    """Return a subject's pseudonym: the first 16 bytes of HMAC-SHA256(pepper, subject id).

    Args:
        pepper: the zone's secret, 32 bytes.
        subject_id: the subject's random id, 16 bytes.
    """
    return pseudonyms(pepper, [subject_id])[0]


def pseudonyms(pepper: bytes, subject_ids: Iterable[bytes]) -> list[bytes]:
    """Return the pseudonyms of many subjects, in their order; arguments as in `pseudonym`."""
    if len(pepper) != PEPPER_BYTES:
        raise ValueError("A pepper has 32 bytes.")
    return [hmac.digest(pepper, subject_id, "sha256")[:PSEUDONYM_BYTES] for subject_id in subject_ids]
