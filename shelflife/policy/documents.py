"""A retention policy as one canonical text, so that two readings of it can be told apart by a digest."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import rfc8785
from pydantic import ValidationError

from shelflife.errors import ConfigurationError
from shelflife.policy.retention import RetentionPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def document(policy: RetentionPolicy) -> str:
    """Return a policy as canonical JSON (RFC 8785).

    What makes no difference to its meaning makes none here: comments, the order of rules and of names in a list, and
    a default that is written out.
    """
    plain = policy.model_dump(mode="json", exclude_defaults=True)
    rules = sorted((_sorted_lists(rule) for rule in plain["rules"]), key=json.dumps)
    return rfc8785.dumps({**plain, "rules": rules}).decode()


def digest(policy: RetentionPolicy) -> bytes:
    """Return the SHA-256 of a policy's canonical text."""
    return hashlib.sha256(document(policy).encode()).digest()


def read_document(text: str) -> RetentionPolicy:
    """Return the policy that a canonical text stands for.

    Raises:
        ConfigurationError: the text is of a policy that this version cannot read.
    """
    try:
        return RetentionPolicy.model_validate(json.loads(text))
    except (ValidationError, json.JSONDecodeError):
        raise ConfigurationError(
            "An adopted policy cannot be read by this version.",
            remedy="Use the version of shelflife that adopted it, or a later one.",
        ) from None


def version_key(version: str) -> tuple[str, int]:
    """Return what versions are ordered by: the date, then its suffix as a number (`.10` comes after `.9`)."""
    day, _, number = version.partition(".")
    return day, int(number or 0)


def _sorted_lists(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _ordered(value) if isinstance(value, list) else value for name, value in sorted(rule.items())
    }


def _ordered(names: Sequence[str]) -> list[str]:
    return sorted(set(names))
