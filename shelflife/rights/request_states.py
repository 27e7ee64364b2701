"""The states of a person's request and the words that it is recorded in. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(StrEnum):
    """What a person can ask for."""

    EXPORT = "export"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    RECTIFICATION = "rectification"


class State(StrEnum):
    """How far a request is; each state of an erasure is recorded before the next step begins."""

    RECEIVED = "received"
    VERIFIED = "verified"
    PLANNED = "planned"
    FENCED = "fenced"
    PRESERVED = "preserved"
    KEYS_DESTROYED = "keys_destroyed"
    EFFECTIVE = "effective"
    COPIES_ERASED = "copies_erased"
    REWRITTEN = "rewritten"
    COLLECTED = "collected"
    CHECKED = "checked"
    CERTIFIED = "certified"
    FINAL = "final"
    DELIVERED = "delivered"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"


ERASING = (
    State.VERIFIED,
    State.PLANNED,
    State.FENCED,
    State.PRESERVED,
    State.KEYS_DESTROYED,
    State.EFFECTIVE,
    State.COPIES_ERASED,
    State.REWRITTEN,
    State.COLLECTED,
    State.CHECKED,
    State.CERTIFIED,
)
"""The states of an erasure in their order; each step leads from one to the next."""

CLOSED = frozenset({State.FINAL, State.DELIVERED, State.DENIED, State.WITHDRAWN})

METHODS = (
    "signed_in_session",
    "two_data_points",
    "three_data_points_and_declaration",
    "authorised_agent",
    "official_document",
    "in_person",
)
"""How an identity was checked. The method and its outcome are kept; the evidence is not (regulation: 11 CCR 7060-7062)."""

EVENTS = (
    "received",
    "acknowledged",
    "authentication_failed",
    "authenticated",
    "clarification_asked",
    "clarified",
    "extended",
    "extension_told",
    "recipient_notified",
    "denied",
    "withdrawn",
    "delivered",
    "certified",
    "final",
)

SEVERITY = (
    "already_absent",
    "deleted",
    "exempt",
    "restricted_hold",
    "deferred_until",
    "unsupported",
    "failed",
)
"""The outcomes of one place, best first."""


def worst(outcomes: Iterable[str]) -> str:
    """Return the worst outcome; a request is never better than it."""
    return max(outcomes, key=SEVERITY.index, default="already_absent")


def can_still_be_stopped(state: State) -> bool:
    """Tell whether nothing was destroyed for a request yet."""
    return state in {State.RECEIVED, State.VERIFIED, State.PLANNED}
