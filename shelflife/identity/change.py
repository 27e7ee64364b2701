"""The register of identity changes: prepared with a preview, run by an opaque id, recorded as counts.

Whom a change is about lies sealed under the identity key of the person who keeps the record: of a merge the one that
remains, else the one whose rows move. Once it is done, a merge keeps who was merged, and the others keep nothing.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.subject_tables import identity_change
from shelflife.errors import ConfigurationError, KeyDestroyed
from shelflife.identity.selection import Selection, selection_from
from shelflife.seal.values import open_value, seal_value
from shelflife.subjects.directory import Alias, profile_key, subject_from
from shelflife.subjects.joined import context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.subjects.directory import Subject


class Kind(StrEnum):
    """What changes."""

    MERGE = "merge"
    SPLIT = "split"
    TRANSFER = "transfer"


class State(StrEnum):
    """How far a change is; each state is recorded with the outcome of the step that leads to it."""

    PREPARED = "prepared"
    MOVED = "moved"
    SETTLED = "settled"
    CLEARED = "cleared"
    REWRITTEN = "rewritten"
    DONE = "done"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Terms:
    """What a change is about; never printed.

    Attributes:
        source: whose rows move.
        target: to whom.
        newcomer: the alias that the target is minted under, when nobody has it yet.
        selection: which rows move.
        passed: the alias that passes on with them, if one does.
        at: from when on that alias is the target's.
    """

    kind: Kind
    source: Subject = field(repr=False)
    target: Subject = field(repr=False)
    newcomer: Alias | None = field(default=None, repr=False)
    selection: Selection = field(default_factory=Selection)
    passed: Alias | None = field(default=None, repr=False)
    at: datetime | None = None

    @property
    def keeper(self) -> Subject:
        """Who keeps the record: someone who is known before the change and after it."""
        return self.target if self.kind is Kind.MERGE else self.source


@dataclass(frozen=True)
class Change:
    """One change as the register shows it; nothing in it names anybody."""

    change_id: str
    kind: Kind
    state: State
    plan_digest: str
    facts: Mapping[str, object]
    files: tuple[str, ...]
    started_at: datetime
    finished_at: datetime | None


def register(
    estate: Estate, tx: Transaction, terms: Terms, digest: str, facts: Mapping[str, object], now: datetime
) -> str:
    """Write a prepared change down; return its opaque id."""
    change_id = uuid.uuid4().hex
    keeper = terms.keeper
    key = profile_key(estate, tx.conn, keeper.identity_pid)
    tx.conn.execute(
        identity_change.insert().values(
            change_id=change_id,
            kind=terms.kind,
            state=State.PREPARED,
            plan_digest=digest,
            facts=dict(facts),
            pid=keeper.identity_pid,
            sealed=seal_value(key, _written(terms), context(change_id)),
            files=[],
            started_at=now,
        )
    )
    return change_id


def terms_of(estate: Estate, conn: sa.Connection, change_id: str) -> Terms:
    """Open what a change is about.

    Raises:
        KeyDestroyed: it is done, or the person was erased meanwhile.
        ConfigurationError: there is no change of this id.
    """
    row = _row(conn, change_id)
    if row.sealed is None or row.pid is None:
        raise KeyDestroyed("Nothing says any more whom this change is about.", remedy="See its counts.")
    key = profile_key(estate, conn, bytes(row.pid))
    body = json.loads(open_value(key, bytes(row.sealed), context(change_id)))
    names = {name: Alias(*body[name]) if body[name] else None for name in ("newcomer", "passed")}
    return Terms(
        kind=Kind(row.kind),
        source=subject_from(estate, conn, bytes.fromhex(body["source"])),
        target=subject_from(estate, conn, bytes.fromhex(body["target"])),
        newcomer=names["newcomer"],
        selection=selection_from(body["selection"]),
        passed=names["passed"],
        at=datetime.fromisoformat(body["at"]) if body["at"] else None,
    )


def get(estate: Estate, change_id: str) -> Change:
    """Return one change.

    Raises:
        ConfigurationError: there is none with this id.
    """
    with estate.database.read() as conn:
        return change_in(conn, change_id)


def change_in(conn: sa.Connection, change_id: str) -> Change:
    """Return one change as a transaction sees it.

    Raises:
        ConfigurationError: there is none with this id.
    """
    return _change(_row(conn, change_id))


def changes(conn: sa.Connection) -> list[Change]:
    """Return every change, oldest first."""
    order = (identity_change.c.started_at, identity_change.c.change_id)
    return [_change(row) for row in conn.execute(sa.select(identity_change).order_by(*order))]


def move_on(
    tx: Transaction, change_id: str, state: State, facts: Mapping[str, object], **values: object
) -> None:
    """Record what a step did, and move a change on."""
    known = dict(_row(tx.conn, change_id).facts)
    here = identity_change.c.change_id == change_id
    tx.conn.execute(
        identity_change.update().where(here).values(state=state, facts={**known, **facts}, **values)
    )


def withdraw(estate: Estate, change_id: str, now: datetime) -> None:
    """Give a prepared change up; nothing was done for it yet.

    Raises:
        ConfigurationError: it is past that.
    """
    with estate.database.commit() as tx:
        if change_in(tx.conn, change_id).state is not State.PREPARED:
            raise ConfigurationError("The change was begun.", remedy="Run it to its end.")
        move_on(tx, change_id, State.WITHDRAWN, {}, pid=None, sealed=None, finished_at=now)


def _written(terms: Terms) -> bytes:
    body = {
        "source": terms.source.subject_id.hex(),
        "target": terms.target.subject_id.hex(),
        "newcomer": [terms.newcomer.kind, terms.newcomer.value] if terms.newcomer else None,
        "passed": [terms.passed.kind, terms.passed.value] if terms.passed else None,
        "selection": terms.selection.as_json(),
        "at": None if terms.at is None else terms.at.isoformat(),
    }
    return json.dumps(body).encode()


def _row(conn: sa.Connection, change_id: str) -> sa.Row[tuple[object, ...]]:
    row = conn.execute(
        sa.select(identity_change).where(identity_change.c.change_id == change_id)
    ).one_or_none()
    if row is None:
        raise ConfigurationError(
            "No identity change has this id.", remedy="See `shelflife subjects changes`."
        )
    return row


def _change(row: sa.Row[tuple[object, ...]]) -> Change:
    return Change(
        change_id=row.change_id,
        kind=Kind(row.kind),
        state=State(row.state),
        plan_digest=row.plan_digest,
        facts=row.facts,
        files=tuple(row.files),
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
