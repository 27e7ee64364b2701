"""Consent records of canonical NDJSON: one decision a line.

    {"record": "consent", "account": ..., "subject_kind": ..., "stream": "heart", "purpose": "collection",
     "decision": "granted", "notice_sha256": ..., "method": "in_app", "at": ..., "expires": ...}

`account` may be absent where the file lies in an account's folder; `subject_kind` is `account` when absent; `at` and
`expires` are ISO 8601 with an offset from UTC.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from shelflife.policy.consent_events import ConsentEvent
from shelflife.sources.containers import open_content
from shelflife.sources.delimited import text_pieces
from shelflife.sources.source import ACCOUNT, ConsentRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.source import ByteSource

CONSENT = "consent"
_MARK = b'"consent"'
_KEYS = frozenset(
    {
        "record",
        "account",
        "subject_kind",
        "stream",
        "purpose",
        "decision",
        "notice_sha256",
        "method",
        "at",
        "expires",
    }
)


def consent_of(record: Mapping[str, Any]) -> ConsentRecord | None:
    """Return the decision that a record holds; None where a key, a word or a time is wrong.

    Args:
        record: the JSON object of a line whose `record` is `consent`.
    """
    given = {key: value for key, value in record.items() if value is not None}
    if not given.keys() <= _KEYS or not all(isinstance(value, str) for value in given.values()):
        return None
    account = given.get("account")
    if account is not None and not account.strip():
        return None
    try:
        event = ConsentEvent(
            decision=given["decision"],
            stream=given["stream"],
            purpose=given["purpose"],
            method=given["method"],
            decided_at=_time(given["at"]),
            notice_sha256=given.get("notice_sha256"),
            expires_at=_time(given["expires"]) if "expires" in given else None,
        )
    except (KeyError, ValueError):
        return None
    kind = None if account is None else given.get("subject_kind", ACCOUNT)
    return ConsentRecord(kind, account, event)


def consents_in(source: ByteSource) -> Iterator[ConsentRecord]:
    """Yield the sound consent records of a canonical NDJSON file, without reading its samples.

    Raises:
        SourceError: it is not UTF-8 text, or its container is damaged.
    """
    with open_content(source) as stream:
        for piece in text_pieces(stream):
            # A search for the word costs a small part of what parsing every line does.
            if _MARK in piece:
                yield from _in_lines(piece)


def json_object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line; None when it is none, or nested without end."""
    try:
        # Decoding first spares the guess at the encoding; a head may end inside a character.
        found = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def begins_with_consent(line: bytes) -> bool:
    """Return whether a file's first line is a consent record."""
    found = json_object(line) if _MARK in line else None
    return found is not None and found.get("record") == CONSENT


def _in_lines(piece: bytes) -> Iterator[ConsentRecord]:
    for line in piece.splitlines():
        found = json_object(line) if _MARK in line else None
        if found is not None and found.get("record") == CONSENT:
            decided = consent_of(found)
            if decided is not None:
                yield decided


def _time(text: str) -> dt.datetime:
    """Read a time with an offset.

    Raises:
        ValueError: it is no time, has no offset, or lies outside of the years that can be counted in UTC.
    """
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time has no offset from UTC")
    try:
        return time.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("a time is out of range") from None
