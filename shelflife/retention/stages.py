"""A purge plan: two tables, keep and remove, and the stages that both its explanation and its execution walk through.

Everything here is counts, opaque ids, table names and days, so that a plan can be printed, mailed and kept.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003  pydantic reads it at run time
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shelflife.retention.state import HeldShare  # noqa: TC001  pydantic reads it at run time

FORMAT: Literal[1] = 1
_PLURALS = {"erased person": "erased people"}


@dataclass(frozen=True)
class Line:
    """One partition of a plan: what becomes of it and why.

    Attributes:
        reason: "kept: P2Y from 2026-11-02 ends 2028-11-02", "removed: ...", "kept: hold ...".
        version: the version of the partition that the plan was made from.
        files_digest: SHA-256 (hexadecimal) over the ids of its files then.
        keys: keys that are destroyed when it goes.
        held: what holds keep of it when it goes.
    """

    partition_id: str
    zone: str
    table_name: str
    retention_class: str
    period: str
    version: int
    files_digest: str
    rows: int
    size: int
    files: int
    keys: int
    reason: str
    held: tuple[HeldShare, ...] = ()


@dataclass(frozen=True)
class RecordLine:
    """Records of one kind that go: those of a day and before."""

    kind: str
    through: dt.date
    rows: int
    reason: str


@dataclass(frozen=True)
class CopyLine:
    """One object of a copy that goes."""

    copy_name: str
    item: str
    dataset: str
    rows: int
    size: int
    reason: str


@dataclass(frozen=True)
class Cost:
    """What a stage is estimated to do: keys destroyed, files unlinked, rows sealed again, rows of records deleted."""

    keys: int = 0
    files: int = 0
    rows_resealed: int = 0
    records: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Return both together."""
        return Cost(
            self.keys + other.keys,
            self.files + other.files,
            self.rows_resealed + other.rows_resealed,
            self.records + other.records,
        )


@dataclass(frozen=True)
class PreserveHeld:
    """Seal rows under hold again, before anything is destroyed."""

    partition_ids: tuple[str, ...]
    holds: tuple[str, ...]
    rows: int
    stage: Literal["preserve_held"] = "preserve_held"

    def describe(self) -> str:
        """Return what this stage does."""
        where = _count(len(self.partition_ids), "partition")
        return f"seal {_count(self.rows, 'row')} of {where} again under {_count(len(self.holds), 'hold')}"

    def cost(self) -> Cost:
        """Return what this stage is estimated to cost."""
        return Cost(rows_resealed=self.rows)


@dataclass(frozen=True)
class ExpirePartitions:
    """Destroy the keys of partitions and remove old records, in one commit."""

    lines: tuple[Line, ...]
    records: tuple[RecordLine, ...] = ()
    stage: Literal["expire_partitions"] = "expire_partitions"

    def describe(self) -> str:
        """Return what this stage does."""
        cost = self.cost()
        keys = f"destroy {_count(cost.keys, 'key')} of {_count(len(self.lines), 'partition')}"
        return f"{keys} and delete {_count(cost.records, 'old record')}" if self.records else keys

    def cost(self) -> Cost:
        """Return what this stage is estimated to cost."""
        return Cost(keys=sum(one.keys for one in self.lines), records=sum(one.rows for one in self.records))


@dataclass(frozen=True)
class ExpireCopyItems:
    """Remove objects of copies whose time to live is over."""

    items: tuple[CopyLine, ...]
    stage: Literal["expire_copy_items"] = "expire_copy_items"

    def describe(self) -> str:
        """Return what this stage does."""
        copies = {one.copy_name for one in self.items}
        return f"remove {_count(len(self.items), 'object')} of the copies {', '.join(sorted(copies))}"

    def cost(self) -> Cost:
        """Return what this stage is estimated to cost."""
        return Cost(files=len(self.items))


@dataclass(frozen=True)
class RefreshCopies:
    """Publish copies again that were made from what expires, so that they no longer hold it."""

    copies: tuple[str, ...]
    stage: Literal["refresh_copies"] = "refresh_copies"

    def describe(self) -> str:
        """Return what this stage does."""
        return f"publish the copies {', '.join(self.copies)} again without what expired"

    def cost(self) -> Cost:
        """Return what this stage is estimated to cost."""
        return Cost()


@dataclass(frozen=True)
class RewriteErased:
    """Write derived files anew without people who were erased, before the deadline for that."""

    tables: tuple[str, ...]
    people: int
    stage: Literal["rewrite_erased"] = "rewrite_erased"

    def describe(self) -> str:
        """Return what this stage does."""
        return f"rewrite {', '.join(self.tables)} without rows of {_count(self.people, 'erased person')}"

    def cost(self) -> Cost:
        """Return what this stage is estimated to cost."""
        return Cost()


@dataclass(frozen=True)
class CollectFiles:
    """Unlink files whose keys are gone."""

    files: int
    size: int
    stage: Literal["collect_files"] = "collect_files"

    def describe(self) -> str:
        """Return what this stage does."""
        return f"unlink {_count(self.files, 'file')} ({self.size:,} bytes)"

    def cost(self) -> Cost:
        """Return what this stage is estimated to cost."""
        return Cost(files=self.files)


Stage: TypeAlias = (
    PreserveHeld | ExpirePartitions | ExpireCopyItems | RefreshCopies | RewriteErased | CollectFiles
)


@dataclass(frozen=True)
class PolicyUsed:
    """A policy that a plan was made from, by the digest over its content."""

    policy: str
    version: str
    digest: str


@dataclass(frozen=True)
class Plan:
    """What a purge will do, and from what that follows.

    Attributes:
        made_at: the time that windows were compared with.
        policies: the policies, by name.
        holds_digest: digest over what the active holds cover.
        brake_percent: the share of rows that may go without more ado.
        above_brake: the count of rows that was typed to go above it.
        rows_now: rows in all open partitions.
        keep: every partition that stays, with the reason.
        stages: what is done, in this order.
    """

    made_at: dt.datetime
    policies: tuple[PolicyUsed, ...]
    holds_digest: str
    brake_percent: int
    above_brake: int | None
    rows_now: int
    keep: tuple[Line, ...]
    stages: tuple[Stage, ...]
    format: Literal[1] = FORMAT

    @property
    def remove(self) -> tuple[Line, ...]:
        """Every partition that goes, with the reason."""
        return tuple(
            line for stage in self.stages if isinstance(stage, ExpirePartitions) for line in stage.lines
        )

    @property
    def records(self) -> tuple[RecordLine, ...]:
        """Every kind of record of which rows go."""
        return tuple(
            line for stage in self.stages if isinstance(stage, ExpirePartitions) for line in stage.records
        )

    @property
    def copy_items(self) -> tuple[CopyLine, ...]:
        """Every object of a copy that goes."""
        return tuple(
            line for stage in self.stages if isinstance(stage, ExpireCopyItems) for line in stage.items
        )

    @property
    def rows_removed(self) -> int:
        """Rows of the partitions that go, with those that holds keep elsewhere."""
        return sum(line.rows for line in self.remove)

    @property
    def cost(self) -> Cost:
        """What all stages are estimated to cost."""
        return sum((stage.cost() for stage in self.stages), Cost())

    @property
    def does_nothing(self) -> bool:
        """Whether nothing would change."""
        return not self.stages


def explain(plan: Plan) -> list[str]:
    """Return what a plan does, one line a stage, in the order in which `apply_plan` does it."""
    return [f"{number}. {stage.describe()}" for number, stage in enumerate(plan.stages, start=1)]


def _count(number: int, what: str) -> str:
    """Return a number with its noun, in the plural where it is one."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {_PLURALS.get(what, what + 's')}"
