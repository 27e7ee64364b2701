"""Adopting policies: which version is in force, since when, by whose decision, and why it keeps anything longer.

Files say what somebody wrote; an adoption says that it was decided. A version that lengthens retention or drops a rule
is recorded only with a newer version and a new reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import policy_version
from shelflife.errors import ConfigurationError
from shelflife.policy.changes import Change, adoption
from shelflife.policy.documents import digest, document, read_document, version_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON
    from shelflife.policy.changes import Adoption
    from shelflife.policy.retention import RetentionPolicy

_ENDED = "-ended"
"""What the version of a policy's last row ends in, once the policy is no longer in force."""


@dataclass(frozen=True)
class AdoptedVersion:
    """The version of a policy that is in force, and the SHA-256 of its canonical text."""

    version: str
    digest: bytes


@dataclass(frozen=True)
class Adopted:
    """What an adoption did.

    Attributes:
        changes: what differs from what was in force before.
        lengthens: whether anything is kept longer for it, or a rule is gone.
        recorded: the policies of which a version was recorded; none when nothing had changed.
        ledger_position: where the ledger has it; None when nothing was recorded.
    """

    changes: tuple[Change, ...]
    lengthens: bool
    recorded: tuple[str, ...]
    ledger_position: int | None


def adopt(estate: Estate, policies: Sequence[RetentionPolicy], now: datetime, principal: str) -> Adopted:
    """Put a set of policies in force, in place of every one that was. The same set again changes nothing.

    Args:
        estate: the estate that they are for.
        policies: every policy that holds from now on.
        now: aware time of the decision.
        principal: who decided, 1 to 200 characters.

    Raises:
        ConfigurationError: a changed policy has no newer version, or one that keeps longer has no new reason; all
            that is missing is named.
    """
    if not 0 < len(principal.strip()) <= 200:
        raise ConfigurationError(
            "An adoption has no principal of 1 to 200 characters.", remedy="Name who decided it."
        )
    with estate.database.commit() as tx:
        judged = adoption(adopted_policies(tx.conn), policies)
        problems = [*judged.problems, *_come_back(tx.conn, policies)]
        if problems:
            raise ConfigurationError(
                "The policies cannot be adopted:\n" + "\n".join(problems),
                remedy="Set `version` and `reason` in the files named; `shelflife policy diff` shows what changed.",
            )
        rows = _rows(tx.conn, policies, judged, now, principal.strip())
        if not rows:
            return Adopted((), lengthens=False, recorded=(), ledger_position=None)
        tx.conn.execute(policy_version.insert(), rows)
        reached("policy.adopt.recorded")
        position = _ledger_entry(estate, tx, rows, judged, now)
    recorded = tuple(str(row["policy"]) for row in rows)
    return Adopted(judged.changes, judged.lengthens, recorded, position)


def adopted(conn: sa.Connection) -> dict[str, AdoptedVersion]:
    """Return what is in force, by policy."""
    return {
        name: AdoptedVersion(row.version, bytes(row.digest))
        for name, row in _newest(conn).items()
        if not row.version.endswith(_ENDED)
    }


def adopted_policies(conn: sa.Connection) -> list[RetentionPolicy]:
    """Return the policies that are in force, as they were adopted.

    Raises:
        ConfigurationError: one was adopted by a version of shelflife that this one cannot read.
    """
    return [
        read_document(row.document)
        for _, row in sorted(_newest(conn).items())
        if not row.version.endswith(_ENDED)
    ]


def _newest(conn: sa.Connection) -> dict[str, sa.Row[tuple[str, str, bytes, str]]]:
    """Return the last row of every policy that was ever adopted; versions only ever grow."""
    columns = [policy_version.c[name] for name in ("policy", "version", "digest", "document")]
    rows = conn.execute(sa.select(*columns)).all()
    return {row.policy: row for row in sorted(rows, key=lambda row: _order(row.version))}


def _order(version: str) -> tuple[tuple[str, int], bool]:
    return version_key(version.removesuffix(_ENDED)), version.endswith(_ENDED)


def _come_back(conn: sa.Connection, policies: Sequence[RetentionPolicy]) -> list[str]:
    """Return what forbids policies that were ended to come back: a version that they had already."""
    newest = _newest(conn)
    return [
        f"{policy.policy}: it was in force until {last.removesuffix(_ENDED)}, so its version must be newer"
        for policy in policies
        if policy.policy in newest
        and (last := newest[policy.policy].version).endswith(_ENDED)
        and _order(policy.version) < _order(last)
    ]


def _rows(
    conn: sa.Connection,
    policies: Sequence[RetentionPolicy],
    judged: Adoption,
    now: datetime,
    principal: str,
) -> list[dict[str, object]]:
    """Return one row for each policy that is new, changed or ended."""
    known = adopted(conn)
    lengthening = {change.policy for change in judged.changes if change.lengthens}
    common = {"adopted_at": now, "principal": principal}
    changed = [
        {
            "policy": policy.policy,
            "version": policy.version,
            "digest": digest(policy),
            "document": document(policy),
            "reason": policy.reason,
            "lengthens": policy.policy in lengthening,
            **common,
        }
        for policy in policies
        if policy.policy not in known or known[policy.policy].digest != digest(policy)
    ]
    reasons = " / ".join(str(row["reason"]) for row in changed)
    ended = [
        {
            "policy": name,
            "version": known[name].version + _ENDED,
            "digest": hashlib.sha256().digest(),
            "document": "",
            "reason": reasons,
            "lengthens": True,
            **common,
        }
        for name in sorted(known.keys() - {policy.policy for policy in policies})
    ]
    return [*changed, *ended]


def _ledger_entry(
    estate: Estate, tx: Transaction, rows: Sequence[dict[str, object]], judged: Adoption, now: datetime
) -> int:
    """Write the adoption down: digests and counts; who decided stays in the database."""
    versions: list[JSON] = [
        {"policy": str(row["policy"]), "version": str(row["version"]), "sha256": _hex(row["digest"])}
        for row in rows
    ]
    entry: dict[str, JSON] = {
        "type": "policy",
        "versions": versions,
        "changes": len(judged.changes),
        "lengthening": sum(change.lengthens for change in judged.changes),
    }
    return estate.ledger.append(tx, [entry], now)[0]


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else ""
