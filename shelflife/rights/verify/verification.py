"""The verification itself: every store, one after the other, in one snapshot of the control database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.copies.declarations import SCHEMES
from shelflife.copies.registry import open_inspector
from shelflife.copies.remembered import standing
from shelflife.rights.verify import scene as scenes
from shelflife.rights.verify.changes import check_changes
from shelflife.rights.verify.control import check_control, searched_ids, searched_texts
from shelflife.rights.verify.copies import check_copies
from shelflife.rights.verify.dagster_home import check_dagster_home
from shelflife.rights.verify.derived import check_derived
from shelflife.rights.verify.inbox import check_inbox
from shelflife.rights.verify.keys import check_keys, check_old_database, is_final
from shelflife.rights.verify.lineage import check_ledger, check_lineage
from shelflife.rights.verify.needles import Needles
from shelflife.rights.verify.people import check_aliases, living
from shelflife.rights.verify.raw import check_raw, check_strangers
from shelflife.rights.verify.recorded import check_recorded
from shelflife.rights.verify.retention import check_retention, read_rules
from shelflife.rights.verify.storage import check_storage, listing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from shelflife.copies.declarations import CopyDeclaration
    from shelflife.estate import Estate
    from shelflife.rights.verify.inspection import Verification
    from shelflife.rights.verify.scene import Scene
    from shelflife.rights.verify.storage import Listed
    from shelflife.rights.verify.targets import Target


def verify(
    estate: Estate,
    *,
    now: dt.datetime,
    targets: Sequence[Target] = (),
    dagster_home: Path | None = None,
    copies: bool = True,
    leave_out_copies: Collection[str] = (),
    old_database: Path | None = None,
) -> Verification:
    """Look at everything that physically exists and say what must not be there. Changes nothing.

    Args:
        estate: the estate.
        now: the time that windows, deadlines and leases are compared with.
        targets: people of whom nothing may be left.
        dagster_home: Dagster's storage, looked at too when given.
        copies: whether copies are looked at.
        leave_out_copies: copies whose erasure is recorded as not done yet; nothing is claimed about them.
        old_database: an older copy of the control database, which must not open what was destroyed since.

    Raises:
        ConfigurationError: a policy, a model or the declarations of copies are wrong, or `old_database` is no
            control database.
    """
    settings = estate.settings
    # Files are registered before they are written: whatever is listed first is in the catalog that is read next.
    listed = listing(settings.home, leave_out=[settings.inbox, *([dagster_home] if dagster_home else [])])
    if not settings.journal_folder.is_relative_to(settings.home):
        listed += listing(settings.journal_folder, as_if_in="journal")
    with estate.database.read() as conn:
        scene = scenes.look(settings, estate.database, conn, now, targets)
        needles = _needles(scene)
        check_keys(scene)
        _check_files(scene, listed, needles)
        check_control(scene, needles)
        check_changes(scene)
        check_inbox(scene, needles)
        check_lineage(scene, needles)
        check_ledger(scene, estate.ledger.verifier_key, estate.witness)
        check_recorded(scene, estate)
        if dagster_home is not None:
            check_dagster_home(scene, dagster_home, needles)
        else:
            scene.inspection.not_seen("dagster", "no DAGSTER_HOME was named")
        if copies:
            _check_copies(scene, estate, leave_out_copies)
        else:
            scene.inspection.not_seen("copies", "they were left out on request")
        if old_database is not None:
            check_old_database(scene, old_database)
        return scene.inspection.conclude(now, final=is_final(scene))


def _check_files(scene: Scene, listed: list[Listed], needles: Needles) -> None:
    """Look at everything under `home`: files as such, sealed rows, derived rows, windows."""
    rules = read_rules(scene.settings)
    folders = [
        scene.settings.home / one.location for one in _standing(scene).values() if not SCHEMES[one.kind]
    ]
    check_storage(scene, listed, needles, rules.deadline_of, folders)
    check_raw(scene)
    check_strangers(scene, listed)
    people = living(scene)
    check_aliases(scene)
    check_derived(scene, listed, people, needles)
    check_retention(scene, rules)


def _check_copies(scene: Scene, estate: Estate, leave_out: Collection[str]) -> None:
    standing = _standing(scene)
    check_copies(scene, standing, lambda name: open_inspector(estate, standing[name]), leave_out)


def _standing(scene: Scene) -> dict[str, CopyDeclaration]:
    """Return the copies that are declared, and those that were and are not emptied yet."""
    return standing(scene.settings)


def _needles(scene: Scene) -> Needles:
    return Needles(searched_texts(scene), searched_ids(scene))
