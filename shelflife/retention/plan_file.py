"""Plan files: canonical JSON (RFC 8785) under `home/plans/`, each named by the SHA-256 of its content.

A changed byte changes the name, so a plan that was looked at is the plan that is applied. A file with its right name
is still no authority: `apply` checks every line against the estate.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import rfc8785
from pydantic import TypeAdapter, ValidationError

from shelflife.errors import PlanRefused, StorageError
from shelflife.retention.stages import Plan

if TYPE_CHECKING:
    from shelflife.config import Settings

_ADAPTER = TypeAdapter(Plan, config=None)
_ID = re.compile(r"[0-9a-f]{64}")
_UNCHANGED = "Make a new plan with `shelflife plan`; a plan file is never edited."


def plan_bytes(plan: Plan) -> bytes:
    """Return a plan as canonical JSON."""
    return rfc8785.dumps(_ADAPTER.dump_python(plan, mode="json"))


def plan_id(plan: Plan) -> str:
    """Return a plan's id: the SHA-256 of its bytes, 64 hexadecimal digits."""
    return hashlib.sha256(plan_bytes(plan)).hexdigest()


def plan_folder(settings: Settings) -> Path:
    """Return where plan files lie."""
    return settings.home / "plans"


def write_plan(settings: Settings, plan: Plan) -> str:
    """Write a plan's file and return its id; the same plan again is the same file.

    Raises:
        StorageError: the folder cannot be written.
    """
    content, name = plan_bytes(plan), plan_id(plan)
    folder = plan_folder(settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / f".{name}.part"
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / f"{name}.json")
    except OSError as error:
        raise StorageError(
            f"A plan file cannot be written: {error.strerror}.",
            remedy="Free space or restore write permission on `home`.",
        ) from None
    return name


def read_plan(settings: Settings, named: str) -> tuple[str, Plan]:
    """Read a plan by its id or its file, and check that no byte of it changed.

    Args:
        settings: the estate's settings.
        named: the id, its first eight or more digits, or the path of a file.

    Returns:
        The plan's id and the plan.

    Raises:
        PlanRefused: there is no such plan, or it was changed.
    """
    path = _path(settings, named)
    try:
        content = path.read_bytes()
    except OSError:
        raise PlanRefused("The plan file cannot be read.", remedy=_UNCHANGED) from None
    found = hashlib.sha256(content).hexdigest()
    if found != path.stem:
        raise PlanRefused("The plan file was changed: its content does not fit its name.", remedy=_UNCHANGED)
    try:
        plan = _ADAPTER.validate_json(content)
    except ValidationError:
        raise PlanRefused("The plan file is of another version.", remedy=_UNCHANGED) from None
    if plan_bytes(plan) != content:
        raise PlanRefused("The plan file is not in its canonical form.", remedy=_UNCHANGED)
    return found, plan


def _path(settings: Settings, named: str) -> Path:
    folder = plan_folder(settings)
    if re.fullmatch(r"[0-9a-f]{8,64}", named):
        matching = sorted(folder.glob(f"{named}*.json"))
        if len(matching) == 1:
            return matching[0]
        if len(matching) > 1:
            raise PlanRefused("Several plans begin with these digits.", remedy="Give more of the id.")
    path = Path(named)
    if not _ID.fullmatch(path.stem) or not path.is_file():
        raise PlanRefused(
            "There is no plan of this id.", remedy="Name a plan as `shelflife plan` printed it."
        )
    return path
