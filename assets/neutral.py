"""The boundary to Dagster: whatever goes wrong inside leaves as a failure whose text holds no value."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import dagster as dg

from shelflife.errors import ShelflifeError, Transient

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_ROOT = Path(__file__).resolve().parent.parent


def neutral(work: Callable[[], T]) -> T:
    """Do the work; turn every error into a `dagster.Failure` that is safe to keep.

    An error of shelflife keeps its text, which never holds a value. Of any other only the type and the line of
    code that it passed through are told: its own text may quote a row.

    Raises:
        Failure: the work failed; retried only where trying again can help.
    """
    try:
        return work()
    except ShelflifeError as error:
        failure = dg.Failure(error.diagnostics(), allow_retries=isinstance(error, Transient))
    except Exception as error:  # noqa: BLE001  the text of a third party's error may quote personal data
        failure = dg.Failure(describe(error), allow_retries=False)
    # Raised after the handler, so that the original is neither its cause nor its context.
    raise failure


def describe(error: BaseException) -> str:
    """Return an error's type and the last line of this project's code that it passed through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and ".venv" not in path.parts:
            return f"Unexpected {type(error).__name__} at {path.relative_to(_ROOT)}:{frame.lineno}."
    return f"Unexpected {type(error).__name__}."
