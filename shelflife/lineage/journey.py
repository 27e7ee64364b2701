"""Where a batch of data went: the walk downstream from the inbox to every file and copy made of it.

A run says that all of its outputs depend on all of its inputs, so a step that makes independent units records one run
for each of them. A run that ended before its input was written did not see it and is left out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import sqlalchemy as sa

from shelflife.control.tables import (
    data_file,
    derivation,
    lineage_input,
    lineage_output,
    lineage_run,
    partition,
)
from shelflife.lineage.record import FAILED, INBOX

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Sequence

_Key: TypeAlias = "tuple[str, str]"
_CHUNK = 400
_T = TypeVar("_T")


@dataclass(frozen=True)
class Place:
    """One item of a dataset that holds data of the batch, or what was made of it.

    Attributes:
        dataset: such as `raw/heart`.
        item: a partition's id, or period and bucket.
        period: the day or month that it covers, when known.
        rows: rows that the step wrote; of the batch itself in a raw partition.
        job: the step that wrote it; empty when only the catalog knows of it.
        files: (file id, state) of the files that hold it now.
        branches: what was made of it.
        repeated: whether it is shown with its branches elsewhere in the tree.
    """

    dataset: str
    item: str
    period: str
    rows: int
    job: str
    files: tuple[tuple[str, str], ...] = ()
    branches: tuple[Place, ...] = ()
    repeated: bool = False

    @property
    def label(self) -> str:
        """The line that a terminal shows."""
        if self.repeated:
            return f"{self.dataset} {self.period or self.item}  (see above)"
        states = ", ".join(f"{file_id[:8]} {state}" for file_id, state in self.files) or "no file"
        return f"{self.dataset} {self.period or self.item}  {self.rows:,} rows  {states}"


@dataclass(frozen=True)
class Journey:
    """Everything that a batch went into."""

    batch_id: str
    branches: tuple[Place, ...]

    @property
    def label(self) -> str:
        """The line that a terminal shows."""
        return f"batch {self.batch_id}" if self.branches else f"batch {self.batch_id}  went nowhere"

    def places(self) -> Iterator[Place]:
        """Yield every place once."""
        waiting: list[Place] = list(self.branches)
        while waiting:
            place = waiting.pop(0)
            if not place.repeated:
                yield place
            waiting.extend(place.branches)


def where_did(conn: sa.Connection, batch_id: str) -> Journey:
    """Return where a batch's data went: partitions and files, what was derived of them, and copies of that.

    Args:
        conn: a connection with one consistent view.
        batch_id: the landing batch.
    """
    walk = _Walk(conn, batch_id)
    walk.follow()
    return Journey(batch_id, walk.tree((INBOX, batch_id)))


@dataclass
class _Walk:
    """A walk through the recorded runs, one query a level."""

    conn: sa.Connection
    batch_id: str
    # Outputs reached from each key: (key, rows, job).
    reached: dict[_Key, dict[_Key, tuple[int, str]]] = field(default_factory=lambda: defaultdict(dict))
    files: dict[_Key, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    periods: dict[_Key, str] = field(default_factory=dict)
    shown: set[_Key] = field(default_factory=set)

    def follow(self) -> None:
        """Walk until nothing new is reached, then look up what holds it now."""
        start: _Key = (INBOX, self.batch_id)
        since: dict[_Key, dt.datetime | None] = {start: None}
        level = [start]
        while level:
            found = self._next(level, since)
            if level == [start]:
                found = dict.fromkeys(self._catalogued()) | found
            level = [key for key in found if key not in since or _is_earlier(found[key], since[key])]
            since |= {key: found[key] for key in level}
        self._look_up(set(since) - {start})

    def tree(self, key: _Key) -> tuple[Place, ...]:
        """Return the places below a key."""
        return tuple(self._place(below, *how) for below, how in sorted(self.reached.get(key, {}).items()))

    def _place(self, key: _Key, rows: int, job: str) -> Place:
        repeated = key in self.shown
        self.shown.add(key)
        branches = () if repeated else self.tree(key)
        period = self.periods.get(key, "")
        return Place(*key, period, rows, job, tuple(self.files[key]), branches, repeated)

    def _next(
        self, level: Sequence[_Key], since: dict[_Key, dt.datetime | None]
    ) -> dict[_Key, dt.datetime | None]:
        """Record and return what was written by runs that read any of these keys after it was there."""
        readers: dict[str, set[_Key]] = defaultdict(set)
        ended: dict[str, dt.datetime | None] = {}
        for row in self._readers(level):
            key, written = (row.dataset, row.item), since[row.dataset, row.item]
            if written is None or row.ended_at is None or row.ended_at >= written:
                readers[row.run_id].add(key)
                ended[row.run_id] = row.ended_at
        found: dict[_Key, dt.datetime | None] = {}
        for row in self._written(sorted(readers)):
            output: _Key = (row.dataset, row.item)
            for key in readers[row.run_id] - {output}:
                self.reached[key][output] = (row.rows, row.job)
            found[output] = (
                _earlier(found[output], ended[row.run_id]) if output in found else ended[row.run_id]
            )
        return found

    def _readers(self, level: Sequence[_Key]) -> Iterator[Any]:
        for some in _chunks(level):
            wanted = sa.tuple_(lineage_input.c.dataset, lineage_input.c.item).in_(some)
            query = (
                sa.select(
                    lineage_run.c.run_id,
                    lineage_input.c.dataset,
                    lineage_input.c.item,
                    lineage_run.c.ended_at,
                )
                .join(lineage_run, lineage_run.c.run_id == lineage_input.c.run_id)
                .where(wanted, lineage_run.c.state != FAILED)
            )
            yield from self.conn.execute(query)

    def _written(self, runs: Sequence[str]) -> Iterator[Any]:
        for some in _chunks(runs):
            query = (
                sa.select(
                    lineage_output.c.run_id,
                    lineage_output.c.dataset,
                    lineage_output.c.item,
                    lineage_output.c.rows,
                    lineage_run.c.job,
                )
                .join(lineage_run, lineage_run.c.run_id == lineage_output.c.run_id)
                .where(lineage_output.c.run_id.in_(some))
                .order_by(lineage_run.c.started_at)
            )
            yield from self.conn.execute(query)

    def _catalogued(self) -> list[_Key]:
        """Record and return the partitions that the catalog says the batch has files in."""
        query = (
            sa.select(
                data_file.c.zone,
                data_file.c.table_name,
                data_file.c.partition_id,
                sa.func.sum(data_file.c.rows),
            )
            .where(data_file.c.batch_id == self.batch_id, data_file.c.zone == "raw")
            .group_by(data_file.c.zone, data_file.c.table_name, data_file.c.partition_id)
        )
        keys: list[_Key] = []
        for zone, table, partition_id, rows in self.conn.execute(query):
            keys.append((f"{zone}/{table}", partition_id))
            self.reached[INBOX, self.batch_id].setdefault(keys[-1], (int(rows), ""))
        return keys

    def _look_up(self, keys: set[_Key]) -> None:
        """Look up the files that hold the reached items now, and the period of each partition."""
        by_item = {item: (dataset, item) for dataset, item in keys}
        for some in _chunks(sorted(item for item in by_item if "/" not in item)):
            periods = sa.select(partition.c.partition_id, partition.c.period).where(
                partition.c.partition_id.in_(some)
            )
            self.periods |= {by_item[item]: period for item, period in self.conn.execute(periods)}
            files = sa.select(data_file.c.partition_id, data_file.c.file_id, data_file.c.state).where(
                data_file.c.partition_id.in_(some), data_file.c.batch_id == self.batch_id
            )
            for item, file_id, state in self.conn.execute(files.order_by(data_file.c.file_id)):
                self.files[by_item[item]].append((file_id, state))
        self._look_up_derived({key for key in keys if "/" in key[1]})

    def _look_up_derived(self, keys: set[_Key]) -> None:
        for model in sorted({dataset.partition("/")[2] for dataset, _ in keys}):
            query = (
                sa.select(derivation.c.period, derivation.c.bucket, data_file.c.file_id, data_file.c.state)
                .join(data_file, data_file.c.file_id == derivation.c.file_id)
                .where(derivation.c.model == model)
            )
            for period, bucket, file_id, state in self.conn.execute(query):
                for zone in ("derived", "analytics"):
                    if (key := (f"{zone}/{model}", f"{period}/{bucket}")) in keys:
                        self.files[key].append((file_id, state))


def _earlier(one: dt.datetime | None, other: dt.datetime | None) -> dt.datetime | None:
    """Return the earlier end of two; a run still under way may have written at any time."""
    return None if one is None or other is None else min(one, other)


def _is_earlier(one: dt.datetime | None, other: dt.datetime | None) -> bool:
    return other is not None and (one is None or one < other)


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield items in lists short enough for one statement's parameters."""
    rest = list(items)
    for start in range(0, len(rest), _CHUNK):
        yield rest[start : start + _CHUNK]
