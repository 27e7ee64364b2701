"""Deadlines: when erased rows are physically gone at the latest, and which requests are due. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shelflife.policy.retention import RetentionPolicy
    from shelflife.rights.manifest import Manifest

DEFAULT_DEADLINE = timedelta(days=7)
"""Where no policy says how long files may outlive their keys."""


def physical_deadline(policies: Iterable[RetentionPolicy], manifests: Sequence[Manifest]) -> timedelta:
    """Return the shortest time that any rule about the touched tables allows between keys and files."""
    names = {table for manifest in manifests for table in manifest.tables}
    whole = any(manifest.whole_person for manifest in manifests)
    named = {stream for manifest in manifests for stream in manifest.streams or []}
    lengths = [
        timedelta(days=rule.physical_deadline.approximate_days())
        for policy in policies
        for rule in policy.rules
        if set(rule.applies_to) & (names | named) or "any" in rule.applies_to or whole
    ]
    return min(lengths, default=DEFAULT_DEADLINE)
