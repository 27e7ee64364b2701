"""The loader of one batch: holds parsed rows until there are enough, then seals them into pending files.

Nothing that it writes is true before the batch is committed. It never writes plaintext: rows go from memory to
sealed blocks, and a group that would not fit is sealed in parts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from shelflife.keys import leases
from shelflife.lake import sorting
from shelflife.lake.agreements import strangers
from shelflife.lake.catalog import (
    Partition,
    PartitionName,
    ensure_partitions,
    files_by_partition,
    partitions,
    register_all_pending,
)
from shelflife.lake.sealing import Planned, seal_groups
from shelflife.lake.unseal import (
    QUARANTINE,
    partition_keys_of,
    read_partition,
    schema_of,
)
from shelflife.policy.classes import class_of
from shelflife.policy.loading import load_policies
from shelflife.signals.sample import IDENTITY
from shelflife.subjects.directory import Alias, Subject, Turn, mint
from shelflife.subjects.directory import owners as owners_of
from shelflife.subjects.periods import ALWAYS
from shelflife.subjects.tombstones import refused_periods

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from shelflife.estate import Estate
    from shelflife.lake.accounting import FileOutcome
    from shelflife.lake.agreements import Agreements
    from shelflife.lake.batches import Batch
    from shelflife.lake.sealing import Sealed
    from shelflife.subjects.periods import Periods

RAW = "raw"

Homes = dict[tuple[str, str], Partition]
Keys = dict[tuple[str, int], bytes | None]


@dataclass
class Loader:
    """What one batch has read and sealed so far.

    Attributes:
        accounts: the account of each file of the batch, by index.
        outcomes: the accounting of each file of the batch, by index.
        clock: gives the time.
        agreements: what the people of the batch have agreed to.
        lease: leave to hold keys; renewed with each flush, so that the largest file may take its time.
        seen: the version of each partition that duplicates were looked for in; the commit is refused if one moved.
        sealed: the pending files.
        subjects: raw-zone pseudonyms of everyone whose alias the batch names.
    """

    estate: Estate
    batch: Batch
    accounts: Sequence[str | None]
    outcomes: Sequence[FileOutcome]
    now: datetime
    clock: Callable[[], datetime]
    lease: leases.Lease
    agreements: Agreements
    seen: dict[str, int] = field(default_factory=dict)
    sealed: list[Sealed] = field(default_factory=list)
    subjects: set[bytes] = field(default_factory=set, repr=False)
    quarantined: Counter[tuple[int, str]] = field(default_factory=Counter)
    touched: set[tuple[str, str]] = field(default_factory=set)
    _waiting: list[pa.Table] = field(default_factory=list, repr=False)
    _rows: int = 0
    _classes: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows that wait in memory."""
        return self._rows

    def add(self, batches: Sequence[pa.RecordBatch], index: int) -> None:
        """Take parsed rows of file `index` (schema PARSED_SCHEMA)."""
        for part in batches:
            marked = pa.Table.from_batches([part])
            marked = marked.append_column("file", pa.array(np.full(len(part), index, dtype=np.int32)))
            self._waiting.append(marked)
            self._rows += len(part)
            self.outcomes[index].samples_in += len(part)

    def flush(self) -> None:
        """Seal everything that waits into pending files, and account for it."""
        if not self._waiting:
            return
        table, self._waiting, self._rows = pa.concat_tables(self._waiting), [], 0
        frame, names = sorting.with_people(table, self.accounts)
        people, turns, erased = self._people(names)
        frame = sorting.with_fate(frame, erased, arrived=self.now.strftime("%Y-%m"))
        if self.agreements.required:
            frame = strangers(frame, [who for who, owners in enumerate(turns) if not owners])
        frame = self.agreements.refuse(sorting.with_owners(frame, turns), people)
        homes = self._homes(frame)
        keys = self._keys(homes, people)
        frame = _refuse_late(frame, homes, keys)
        self._count_refused(frame)
        kept = frame.filter(pl.col("refusal").is_null())
        fresh = sorting.without_duplicates(kept, self._existing(kept, people))
        self._count(kept, fresh)
        self._write(fresh, homes, people, keys)

    def _people(
        self, names: Sequence[Alias]
    ) -> tuple[list[Subject], list[list[tuple[int, Periods]]], dict[int, Periods]]:
        """Return the people of a batch; for each alias who of them has or had it, and when it was an erased person's."""
        with self.estate.database.commit() as tx:
            self.lease = leases.renew(tx, self.lease, self.clock(), self.estate.settings.lease_seconds)
            refused = refused_periods(self.estate, tx.conn, names)
            kept = [name for name in names if refused.get(name) != ALWAYS]
            known = owners_of(self.estate, tx.conn, kept)
            # Nobody becomes a subject by rows that are refused for want of consent.
            new = set() if self.agreements.required else set(kept) - set(known)
            minted = mint(self.estate, tx, dict.fromkeys(sorted(new), ALWAYS), self.now)
        for name, person in minted.items():
            known[name] = (Turn(person, ALWAYS),)
        people = {turn.person.raw_pid: turn.person for turns in known.values() for turn in turns}
        self.subjects |= people.keys()
        number = {pid: who for who, pid in enumerate(people)}
        turns = [
            [(number[turn.person.raw_pid], turn.periods) for turn in known.get(name, ())] for name in names
        ]
        place = {name: who for who, name in enumerate(names)}
        return list(people.values()), turns, {place[name]: periods for name, periods in refused.items()}

    def _homes(self, frame: pl.DataFrame) -> Homes:
        """Return the partition of every table and period that has rows to keep."""
        kept = frame.filter(pl.col("refusal").is_null())
        wanted = kept.select("table_name", "period", "stream").unique().sort("table_name", "period")
        names = [
            PartitionName(table_name, period, self._class_of(table_name), stream)
            for table_name, period, stream in wanted.iter_rows()
        ]
        with self.estate.database.commit() as tx:
            made = ensure_partitions(self.estate, tx, RAW, names, keyed=True)
        homes = {(home.table_name, home.period): home for home in made}
        for home in homes.values():
            self.seen.setdefault(home.partition_id, home.version)
        return homes

    def _class_of(self, table_name: str) -> str:
        """Return the retention class that rows of a table live under, by the policies.

        Raises:
            ConfigurationError: no rule matches; data without one must not be kept.
        """
        if table_name not in self._classes:
            where = self.estate.settings
            policies = load_policies(where.policies)
            self._classes[table_name] = class_of(policies, table_name, where.jurisdiction, where.purpose)
        return self._classes[table_name]

    def _keys(self, homes: Homes, owners: Sequence[Subject]) -> Keys:
        """Look up the keys of every person for every stream that has rows; None where one was destroyed."""
        people = {owner.raw_pid: who for who, owner in enumerate(owners)}
        keys: Keys = {}
        with self.estate.database.read() as conn:
            for stream in sorted({home.stream or "" for home in homes.values()}):
                found = self.estate.keyrings[RAW].keys(conn, list(people), stream)
                keys |= {(stream, who): found.get(pid) for pid, who in people.items()}
        return keys

    def _existing(self, kept: pl.DataFrame, owners: Sequence[Subject]) -> pl.DataFrame | None:
        """Return the landed rows of the same people around the same days, as far as duplicates need them.

        The neighbouring periods are looked at too: the same moment sent again with another offset from UTC can have
        another local date.
        """
        around = sorting.people_around(kept)
        found = []
        with self.estate.database.read() as conn:
            tables, periods = sorted({t for t, _ in around}), sorted({p for _, p in around})
            homes = partitions(conn, zone=RAW, tables=tables, periods=periods)
            ids = [home.partition_id for home in homes]
            landed_files = files_by_partition(conn, ids, batch_id=self.batch.batch_id)
            for home in homes:
                present = around.get((home.table_name, home.period), set())
                people = {owners[who].raw_pid: who for who in present}
                self.seen.setdefault(home.partition_id, home.version)
                files = landed_files.get(home.partition_id)
                if files and people:
                    broken = () if home.table_name == home.stream else sorting.BROKEN_COLUMNS
                    columns = [*IDENTITY, *broken]
                    landed = read_partition(
                        self.estate, conn, home, files, people=set(people), columns=columns
                    )
                    found.append(_with_who(landed, people))
        return pl.concat(found) if found else None

    def _count_refused(self, frame: pl.DataFrame) -> None:
        refused = frame.filter(pl.col("refusal").is_not_null()).group_by("file", "refusal").len()
        for index, reason, rows in refused.iter_rows():
            self.outcomes[index].refused += rows
            self.outcomes[index].reasons[reason] += rows

    def _count(self, kept: pl.DataFrame, fresh: pl.DataFrame) -> None:
        files = len(self.outcomes)
        before, after = sorting.counts_by_file(kept, files), sorting.counts_by_file(fresh, files)
        sound = sorting.counts_by_file(fresh.filter(pl.col("problem").is_null()), files)
        for index, outcome in enumerate(self.outcomes):
            outcome.duplicates += before[index] - after[index]
            outcome.landed += sound[index]
            outcome.quarantined += after[index] - sound[index]
        bad = fresh.filter(pl.col("problem").is_not_null())
        for index, reason, count in bad.group_by("file", "problem").len().iter_rows():
            self.outcomes[index].reasons[reason] += count
            self.quarantined[index, reason] += count

    def _write(self, fresh: pl.DataFrame, homes: Homes, owners: Sequence[Subject], keys: Keys) -> None:
        """Seal and write one pending file for each partition that has fresh rows."""
        rows, groups = sorting.in_sealing_order(fresh)
        schema = schema_of(QUARANTINE)
        table = rows.select(schema.names).to_arrow().cast(schema)
        own = [homes[group.table_name, group.period] for group in groups]
        with self.estate.database.commit() as tx:
            files = register_all_pending(
                tx, homes=own, batch_id=self.batch.batch_id, bucket=0, key_number=None, now=self.now
            )
        with self.estate.database.read() as conn:
            partition_keys = partition_keys_of(self.estate, conn, own)
        planned = [
            Planned(
                group,
                file,
                home,
                [key for who in group.who if (key := keys[home.stream or "", who])],
                [owners[who].raw_pid for who in group.who],
                partition_key,
            )
            for group, home, file, partition_key in zip(groups, own, files, partition_keys, strict=True)
        ]
        self.sealed += seal_groups(self.estate, table, planned)
        self.touched |= {
            (home.stream, home.period) for home in own if home.stream and home.table_name == home.stream
        }


def _refuse_late(frame: pl.DataFrame, homes: Homes, keys: Keys) -> pl.DataFrame:
    """Refuse rows for partitions that expired and for streams that their person had forgotten."""
    closed = [place for place, home in homes.items() if home.state != "open"]
    expired = pl.DataFrame(closed, schema={"table_name": pl.String, "period": pl.String}, orient="row")
    gone = [place for place, key in keys.items() if key is None]
    forgotten = pl.DataFrame(gone, schema={"stream": pl.String, "who": pl.Int32}, orient="row")
    return sorting.with_refusals(sorting.with_refusals(frame, expired, "expired"), forgotten, "erased")


def _with_who(landed: pa.Table, people: dict[bytes, int]) -> pl.DataFrame:
    index = pl.DataFrame(
        {"pid": list(people), "who": list(people.values())}, schema={"pid": pl.Binary, "who": pl.Int32}
    )
    frame = pl.DataFrame(pl.from_arrow(landed)).join(index, on="pid", how="inner")
    absent = [
        pl.lit(None, pl.String).alias(name) for name in sorting.BROKEN_COLUMNS if name not in frame.columns
    ]
    return frame.with_columns(*absent).select("who", *IDENTITY, *sorting.BROKEN_COLUMNS)
