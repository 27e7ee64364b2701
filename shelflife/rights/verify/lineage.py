"""The ledger checks out with its witness, and no lineage event names a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.errors import LedgerBroken
from shelflife.ledger.verification import verify

if TYPE_CHECKING:
    from shelflife.ledger.notes import VerifierKey
    from shelflife.ledger.witness import Witness
    from shelflife.rights.verify.needles import Needles
    from shelflife.rights.verify.scene import Scene


def check_ledger(scene: Scene, public_key: VerifierKey, witness: Witness) -> None:
    """Recompute the whole ledger and compare it with what the witness remembers."""
    try:
        report = verify(scene.conn, public_key, witness)
    except LedgerBroken:
        scene.inspection.found("ledger_broken", "see `shelflife ledger verify`")
        return
    scene.inspection.looked("ledger", "entries", report.size)
    scene.inspection.looked("ledger", "checkpoints", report.checkpoints)


def check_lineage(scene: Scene, needles: Needles) -> None:
    """Search the event files of lineage, line by line."""
    folder = scene.settings.lineage_folder
    for path in sorted(folder.glob("*.ndjson")):
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                scene.inspection.looked("lineage", "events")
                if needles and needles.within(line):
                    scene.inspection.found("target_in_lineage", f"{path.name}, line {number}")
