"""Reconciliation: what physically lies in the copies against what is registered and declared.

Whatever lies where a copy may lie and was not put there by a publication is a finding. Nothing undeclared is removed
unless it is asked for: it may be somebody's only clue to how it came there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import copy_item
from shelflife.copies import recording
from shelflife.copies.declarations import FOLDER, SCHEMES
from shelflife.copies.locking import copy_lock
from shelflife.copies.protocol import CopyFinding
from shelflife.copies.registry import load_declarations, open_adapter
from shelflife.copies.remembered import forget, remembered, standing
from shelflife.errors import ShelflifeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from shelflife.copies.declarations import CopyDeclaration
    from shelflife.copies.protocol import CopyAdapter
    from shelflife.estate import Estate

UNREGISTERED = "unregistered_object"
MISSING = "missing_object"
UNDECLARED = "undeclared_location"
UNREACHABLE = "unreachable"
LOST = "withdrawn_and_unknown"


@dataclass
class ReconcileReport:
    """What was found and done: names of copies and objects, never of a person.

    Attributes:
        findings: what must not be there, is not there, or could not be looked at.
        expired: objects removed because their time to live is over, by copy.
        withdrawn: copies removed because their declaration was withdrawn.
        removed: undeclared objects removed because it was asked for.
    """

    findings: list[CopyFinding] = field(default_factory=list)
    expired: dict[str, int] = field(default_factory=dict)
    withdrawn: list[str] = field(default_factory=list)
    removed: list[CopyFinding] = field(default_factory=list)


def expire_copies(estate: Estate, clock: Callable[[], datetime]) -> dict[str, int]:
    """Remove what is past its time to live from every copy, withdrawn ones included.

    A copy that fails is left for the next call; `reconcile` tells of it.

    Returns:
        How many objects were removed, by copy.
    """
    found: dict[str, int] = {}
    for name, declaration in standing(estate.settings).items():
        try:
            gone = _expire_one(estate, declaration, clock)
        except ShelflifeError:
            continue
        if gone:
            found[name] = gone
    return found


def reconcile(estate: Estate, clock: Callable[[], datetime], *, remove: bool = False) -> ReconcileReport:
    """Compare every copy with the catalog; remove what is expired or withdrawn, report what is undeclared.

    Args:
        estate: the estate.
        clock: gives the time.
        remove: also remove undeclared objects from the locations of declared copies.

    Raises:
        ConfigurationError: the declarations are wrong.
    """
    report = ReconcileReport(expired=expire_copies(estate, clock))
    declared = load_declarations(estate.settings)
    for name in sorted({*remembered(estate.settings), *_published(estate)} - set(declared)):
        _withdraw(estate, name, report, clock)
    for name, declaration in sorted(declared.items()):
        try:
            with copy_lock(estate, name):
                _compare(estate, open_adapter(estate, declaration), report, remove=remove)
        except ShelflifeError:
            report.findings.append(CopyFinding(name, UNREACHABLE, name))
    report.findings += _undeclared(estate)
    return report


def _published(estate: Estate) -> set[str]:
    """Return the copies that something stands for, or was begun for."""
    query = sa.select(copy_item.c.copy_name).where(copy_item.c.state != "removed").distinct()
    with estate.database.read() as conn:
        return set(conn.execute(query).scalars())


def _expire_one(estate: Estate, declaration: CopyDeclaration, clock: Callable[[], datetime]) -> int:
    record = recording.removes(estate, declaration.name, "expired")
    with copy_lock(estate, declaration.name):
        return len(open_adapter(estate, declaration, in_commit=record).expire(clock()))


def _withdraw(estate: Estate, name: str, report: ReconcileReport, clock: Callable[[], datetime]) -> None:
    """Empty a copy that nothing declares any more, and forget it."""
    declaration = remembered(estate.settings).get(name)
    if declaration is None:
        report.findings.append(CopyFinding(name, LOST, name))
        return
    record = recording.removes(estate, name, "withdrawn")
    try:
        with copy_lock(estate, name):
            open_adapter(estate, declaration, in_commit=record).publish([], clock())
            forget(estate.settings, name)
    except ShelflifeError:
        report.findings.append(CopyFinding(name, UNREACHABLE, name))
        return
    report.withdrawn.append(name)


def _compare(estate: Estate, adapter: CopyAdapter, report: ReconcileReport, *, remove: bool) -> None:
    """Compare what lies in a copy's location with what is registered as standing for it."""
    query = sa.select(copy_item.c.item).where(
        copy_item.c.copy_name == adapter.name, copy_item.c.state == "live"
    )
    with estate.database.read() as conn:
        live = set(conn.execute(query).scalars())
    found = set(adapter.inventory())
    strays = sorted(found - live)
    gone = set(adapter.discard(strays)) if remove and strays else set()
    for item in strays:
        finding = CopyFinding(adapter.name, UNREGISTERED, item)
        (report.removed if item in gone else report.findings).append(finding)
    report.findings += [CopyFinding(adapter.name, MISSING, item) for item in sorted(live - found)]


def _undeclared(estate: Estate) -> Iterator[CopyFinding]:
    """Yield files among the copies' folders that lie in no declared copy's folder."""
    home = estate.settings.home
    places = [home / one.location for one in standing(estate.settings).values() if not SCHEMES[one.kind]]
    own = home / FOLDER / ".declared"
    for path in sorted((home / FOLDER).rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        if not any(place in path.parents for place in (*places, own)):
            where = path.relative_to(home).as_posix()
            yield CopyFinding(FOLDER, UNDECLARED, where)
