"""Publication: a declared copy is made to hold what the warehouse holds now, and nobody who is erased.

A copy whose inputs did not move is left alone until its time to live ends. The rows are read under a lease that is
checked in the commit which makes the publication true: whoever is erased meanwhile is not published.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from shelflife.control.crashpoints import reached
from shelflife.copies import recording
from shelflife.copies.catalog_items import Change, InCommit, unchanged
from shelflife.copies.locking import copy_lock
from shelflife.copies.reading_models import Input, digest_of, inputs_of, read_datasets
from shelflife.copies.registry import declaration_of, load_declarations, open_adapter
from shelflife.copies.remembered import place_of, remember, remembered
from shelflife.errors import CommitConflict, KeyDestroyed, LeaseExpired, ShelflifeError
from shelflife.lake.leasing import held_lease
from shelflife.lake.record import publish as emit_lineage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.copies.declarations import CopyDeclaration
    from shelflife.estate import Estate
    from shelflife.keys.leases import Lease

ATTEMPTS = 5
Clock: TypeAlias = "Callable[[], datetime]"


@dataclass(frozen=True)
class Published:
    """What became of one copy.

    Attributes:
        copy: its name.
        state: `published`; `unchanged` where its inputs did not move and it has time left; `failed`.
        rows: rows that it holds from this publication.
        items: objects that it consists of.
        left_out: rows that were not published because their person is erased or does not consent.
        error: what kept it from being published.
    """

    copy: str
    state: Literal["published", "unchanged", "failed"]
    rows: int = 0
    items: int = 0
    left_out: int = 0
    error: ShelflifeError | None = None


@dataclass
class PublishReport:
    """What a publication did: counts and names of copies, never a value."""

    copies: list[Published] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[Published]:
        """The copies that could not be published."""
        return [one for one in self.copies if one.state == "failed"]


def publish(estate: Estate, names: Collection[str] | None = None, *, clock: Clock) -> PublishReport:
    """Publish declared copies; one that fails keeps no other from being published.

    Args:
        estate: the estate.
        names: copies to publish; all that are declared when absent.
        clock: gives the time.

    Raises:
        ConfigurationError: the declarations are wrong, or a named copy is not declared.
    """
    started = time.monotonic()
    declared = load_declarations(estate.settings)
    chosen = [
        declaration_of(estate.settings, name) for name in (sorted(declared) if names is None else names)
    ]
    report = PublishReport()
    for declaration in chosen:
        try:
            report.copies.append(publish_copy(estate, declaration, clock=clock))
        except ShelflifeError as error:
            report.copies.append(Published(declaration.name, "failed", error=error))
    emit_lineage(estate, clock())
    report.seconds = time.monotonic() - started
    return report


def publish_copy(estate: Estate, declaration: CopyDeclaration, *, clock: Clock) -> Published:
    """Publish one copy, again from the start where an erasure or another process came in between.

    Raises:
        CommitConflict: others kept changing what it is published from.
        CopyUnreachable: its place does not answer.
        StorageError: its place refuses a write.
    """
    with copy_lock(estate, declaration.name):
        _leave_former_place(estate, declaration, clock())
        remember(estate.settings, declaration)
        for _ in range(ATTEMPTS - 1):
            try:
                return _publish_once(estate, declaration, clock)
            except (CommitConflict, LeaseExpired, KeyDestroyed):
                continue
        return _publish_once(estate, declaration, clock)


def _leave_former_place(estate: Estate, declaration: CopyDeclaration, now: datetime) -> None:
    """Empty the place that a copy was published in before it was declared for another one."""
    former = remembered(estate.settings).get(declaration.name)
    if former is not None and place_of(former) != place_of(declaration):
        record = recording.removes(estate, declaration.name, "moved")
        open_adapter(estate, former, in_commit=record).publish([], now)
        reached("copies.publish.left_former_place")


def _publish_once(estate: Estate, declaration: CopyDeclaration, clock: Clock) -> Published:
    name, started = declaration.name, clock()
    with held_lease(estate, "publish", clock) as lease:
        with estate.database.read() as conn:
            inputs = inputs_of(estate, conn, declaration)
            inputs_hash = digest_of(declaration, inputs)
            known = unchanged(conn, name, inputs_hash, started)
            if known is not None and known <= set(open_adapter(estate, declaration).inventory()):
                return Published(name, "unchanged", items=len(known))
            datasets, left_out = read_datasets(estate, conn, declaration, inputs)
        reached("copies.publish.read")
        record = _recorder(estate, name, inputs, inputs_hash, lease, started, clock)
        adapter = open_adapter(estate, declaration, inputs_hash=inputs_hash, in_commit=record)
        items = adapter.publish(datasets, started)
    return Published(name, "published", sum(item.rows for item in items), len(items), left_out)


def _recorder(
    estate: Estate,
    name: str,
    inputs: Sequence[Input],
    inputs_hash: bytes,
    lease: Lease,
    started: datetime,
    clock: Clock,
) -> InCommit:
    """Return what the publication's commit does besides: check the lease, write lineage and ledger."""

    def record(tx: Transaction, change: Change) -> None:
        lease.check(tx.conn, clock())
        recording.publication(
            estate, tx, name, inputs, change.items, inputs_hash=inputs_hash, started=started, now=clock()
        )

    return record
