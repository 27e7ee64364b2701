"""Row accounting: every sample that came in is landed, duplicate, quarantined or refused with a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shelflife.errors import Terminal


class AccountingBroken(Terminal):
    """Rows in do not equal rows accounted for; nothing is committed."""


@dataclass
class FileOutcome:
    """What became of one inbox file.

    Attributes:
        handle: the first characters of the file's keyed digest; names the file without naming a person.
        source: the format it was read as, or None when it was not recognised.
        state: "landed", "already_landed", "refused".
        ignored: records that are not samples, by type.
        reasons: quarantined and refused rows by reason.
        error: why the whole file was refused, with its remedy.
    """

    handle: str
    source: str | None = None
    state: str = "landed"
    samples_in: int = 0
    landed: int = 0
    duplicates: int = 0
    quarantined: int = 0
    refused: int = 0
    profiles: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    error: str | None = None
    remedy: str | None = None

    def check(self) -> None:
        """Raise AccountingBroken unless every row in is accounted for."""
        if self.samples_in != self.landed + self.duplicates + self.quarantined + self.refused:
            raise AccountingBroken(
                f"{self.samples_in} rows came in from file {self.handle} and "
                f"{self.landed + self.duplicates + self.quarantined + self.refused} are accounted for.",
                remedy="Nothing was committed and the file is still in the inbox; report this as a defect.",
            )


@dataclass
class LandingReport:
    """What a landing did, without a single value: safe to print, log and keep.

    Attributes:
        files: one outcome a file.
        batches: the commits that were made.
        touched: the (stream, period) pairs whose raw data changed.
    """

    files: list[FileOutcome] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    touched: set[tuple[str, str]] = field(default_factory=set)
    subjects: int = 0
    seconds: float = 0.0

    def total(self, name: str) -> int:
        """Return the sum of one count over all files."""
        return sum(getattr(file, name) for file in self.files)

    @property
    def refused_files(self) -> list[FileOutcome]:
        """The files that were refused whole; they are still in the inbox."""
        return [file for file in self.files if file.state == "refused"]

    def reasons(self) -> Counter[str]:
        """Return quarantined and refused rows by reason over all files."""
        return sum((file.reasons for file in self.files), Counter())

    def ignored(self) -> dict[str, int]:
        """Return records that are not samples by type over all files."""
        return dict(sorted(sum((file.ignored for file in self.files), Counter()).items()))
