"""The errors that shelflife raises: one root, each with what happened and what to do.

No error carries a value, an identifier or a path that names a person. `Terminal` errors do not go away by
trying again; `Transient` ones may. Exit codes are the command line's contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable


class ShelflifeError(Exception):
    """Root of every error that shelflife raises on purpose.

    Args:
        what: what happened, without any personal value.
        remedy: what the reader can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __reduce__(self) -> tuple[Callable[..., ShelflifeError], tuple[type[ShelflifeError], str, str]]:
        """Let an error travel between processes: a pool breaks on one that cannot be pickled."""
        return _rebuilt, (type(self), self.what, self.remedy)

    def diagnostics(self) -> str:
        """Return what happened and what to do next, as two lines of plain text."""
        return f"{self.what}\nWhat to do: {self.remedy}"


def _rebuilt(kind: type[ShelflifeError], what: str, remedy: str) -> ShelflifeError:
    return kind(what, remedy=remedy)


class Terminal(ShelflifeError):
    """Trying the same thing again fails the same way."""


class Transient(ShelflifeError):
    """Trying again later can succeed."""

    exit_code: ClassVar[int] = 6


class ConfigurationError(Terminal):
    """A setting, a policy or a model header is missing, unknown or contradictory."""

    exit_code: ClassVar[int] = 3


class SourceError(Terminal):
    """A file cannot be read as the format it claims or seems to be. The only error a parser raises."""

    exit_code: ClassVar[int] = 4


class SealBroken(Terminal):
    """Sealed data does not open: altered, moved, swapped, truncated, or sealed under another key."""

    exit_code: ClassVar[int] = 5


class KeyDestroyed(SealBroken):
    """The key that would open this data was destroyed."""


class KeyTreeUnopenable(SealBroken):
    """The key database is older than every root key that the root slot still holds, or was altered."""


class LedgerBroken(Terminal):
    """The ledger, a signature on it or its witness does not check out."""

    exit_code: ClassVar[int] = 5


class AccessDenied(Terminal):
    """The caller's role or purpose does not allow this."""

    exit_code: ClassVar[int] = 7


class StorageError(Terminal):
    """A disk, a permission or a path keeps data from being read or written."""

    exit_code: ClassVar[int] = 8


class CommitConflict(Transient):
    """Another process committed first; what this commit was computed from has moved."""


class LeaseExpired(Transient):
    """The keys that this step leased may have been destroyed since; they must be looked up again."""


class PlanRefused(Terminal):
    """A plan would do what its policy, its brake or a hold does not allow."""

    exit_code: ClassVar[int] = 10


class PlanOutdated(Transient):
    """The estate is no longer what a plan was made from; make a new plan."""


class RequestRefused(Terminal):
    """A person's request cannot go on as it is: a state, a missing identity check or a hold is in the way."""

    exit_code: ClassVar[int] = 11


class ResidueFound(Terminal):
    """Something that was destroyed, expired or never registered can still be read or found."""

    exit_code: ClassVar[int] = 9


class RestoreIncomplete(Terminal):
    """A backup was put back, and the destructions since it was made are not all replayed."""

    exit_code: ClassVar[int] = 12


class CopyUnreachable(Transient):
    """A place that holds a copy does not answer; what is to be done there stays to be done."""


class ReadersRemain(Transient):
    """Readers that looked keys up before a destruction may still hold them; their leases run out."""
