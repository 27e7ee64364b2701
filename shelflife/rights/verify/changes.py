"""The register of identity changes: what is sealed in it opens, and names nobody who must be gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shelflife.control.subject_tables import identity_change
from shelflife.rights.verify.control import came_back
from shelflife.rights.verify.people import IDENTITY, PID_BYTES, secret
from shelflife.rights.verify.primitives import mac, opened_value
from shelflife.rights.verify.raw import POSITIONS

if TYPE_CHECKING:
    from shelflife.rights.verify.scene import Scene


def check_changes(scene: Scene) -> None:
    """Open every record of an identity change; one lies under one person's key and names the other, too."""
    columns = (identity_change.c.change_id, identity_change.c.pid, identity_change.c.sealed)
    held = sa.or_(identity_change.c.pid.is_not(None), identity_change.c.sealed.is_not(None))
    for change_id, pid, sealed in scene.conn.execute(sa.select(*columns).where(held)):
        scene.inspection.looked("control", "identity changes")
        body = None if pid is None or sealed is None else _opened(scene, change_id, bytes(pid), bytes(sealed))
        if body is None:
            scene.inspection.found("identity_change_of_nobody", f"identity change {change_id}")
        elif _names_target(scene, body):
            scene.inspection.found("identity_change_names_target", f"identity change {change_id}")


def _opened(scene: Scene, change_id: str, pid: bytes, sealed: bytes) -> dict[str, Any] | None:
    ring = scene.survey.rings.get(IDENTITY, {}).get(pid)
    key = None if ring is None else scene.key(IDENTITY, ring + POSITIONS["profile"])
    content = None if key is None else opened_value(key, sealed, ("identity-change", change_id))
    found: dict[str, Any] | None = None if content is None else json.loads(content)
    return found


def _names_target(scene: Scene, body: dict[str, Any]) -> bool:
    """Tell whether the terms of a change name a target; who was merged stays named in the record of a merge."""
    pepper = secret(scene, IDENTITY, "pepper")
    ids = [bytes.fromhex(body[name]) for name in ("source", "target") if body.get(name)]
    pids = {mac(pepper, one)[:PID_BYTES] for one in ids} if pepper is not None else set()
    names = {tuple(body[name]) for name in ("newcomer", "passed") if body.get(name)}
    for target in scene.whole_targets():
        aliases = {(one.kind, one.value) for one in target.aliases if not came_back(scene, one)}
        if pids & set(target.pids_in(IDENTITY)) or names & aliases:
            return True
    return False
