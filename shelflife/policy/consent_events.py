"""The words of consent, and one decision as it was taken. Pure.

Consent is given and taken back for one stream and one purpose: collecting, sharing and selling are decided apart
(GDPR Article 7 and recital 43; Washington's My Health My Data Act asks for collection, sharing and sale apart).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    import datetime as dt

Stream: TypeAlias = Literal["heart", "sleep", "glucose", "activity", "body", "respiration"]
Purpose: TypeAlias = Literal["collection", "sharing", "sale"]
Decision: TypeAlias = Literal["granted", "withdrawn"]
Method: TypeAlias = Literal["in_app", "web_form", "paper", "verbal_recorded", "imported"]

STREAM_NAMES: tuple[str, ...] = get_args(Stream)
PURPOSES: tuple[str, ...] = get_args(Purpose)
DECISIONS: tuple[str, ...] = get_args(Decision)
METHODS: tuple[str, ...] = get_args(Method)

Matter: TypeAlias = tuple[str, str]
"""What is decided on: a stream and a purpose."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ConsentEvent:
    """One decision of one person.

    Attributes:
        decision: `granted` or `withdrawn`.
        stream: the stream that it is about.
        purpose: what the data may, or may no longer, be used for.
        method: how the decision was taken.
        decided_at: when it was taken; aware.
        notice_sha256: SHA-256 of the notice that was shown, as 64 hexadecimal digits; a grant has one.
        expires_at: when a grant ends by itself; None where nothing was said.
    """

    decision: str
    stream: str
    purpose: str
    method: str
    decided_at: dt.datetime
    notice_sha256: str | None = None
    expires_at: dt.datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what is no decision.

        Raises:
            ValueError: a word is not one of the fixed ones, a time has no zone, a grant shows no notice or ends before
                it begins. The text never repeats what was given.
        """
        known = (
            self.decision in DECISIONS,
            self.stream in STREAM_NAMES,
            self.purpose in PURPOSES,
            self.method in METHODS,
        )
        if not all(known):
            raise ValueError("a decision, stream, purpose or method is not one of the fixed words")
        times = [self.decided_at] if self.expires_at is None else [self.decided_at, self.expires_at]
        if any(time.tzinfo is None for time in times):
            raise ValueError("a time has no offset from UTC")
        if self.notice_sha256 is not None and not _SHA256.fullmatch(self.notice_sha256):
            raise ValueError("the hash of the notice is not 64 hexadecimal digits")
        if self.decision == "granted" and self.notice_sha256 is None:
            raise ValueError("a grant needs the hash of the notice that was shown")
        if self.expires_at is not None and (
            self.decision == "withdrawn" or self.expires_at <= self.decided_at
        ):
            raise ValueError("only a grant ends, and after it began")

    @property
    def matter(self) -> Matter:
        """What it decides on."""
        return self.stream, self.purpose
