"""Landing: from files in the inbox to sealed blocks in the raw zone, in one commit a batch.

A batch either becomes true as a whole or leaves nothing: its files are pending until the commit, and the commit
is refused when a partition that it looked for duplicates in has moved, or when someone was erased meanwhile. An
inbox file is removed only after its commit; landing the same file again changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import landed_file, quarantine_count
from shelflife.errors import (
    CommitConflict,
    KeyDestroyed,
    LeaseExpired,
    ShelflifeError,
    SourceError,
    StorageError,
)
from shelflife.lake import record
from shelflife.lake.accounting import FileOutcome, LandingReport
from shelflife.lake.agreements import Agreements, consents_first
from shelflife.lake.batches import Batch, give_up_dead, open_batch
from shelflife.lake.catalog import check_partitions, make_all_live, move_partitions
from shelflife.lake.inbox import HANDLE_LENGTH, FileState, InboxFile, digest, is_sealed, remove, state_of
from shelflife.lake.leasing import held_lease
from shelflife.lake.loader import Loader
from shelflife.lake.uploads import Uploads
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource, ProfileFacts
from shelflife.subjects.directory import Alias, ensure, owners
from shelflife.subjects.periods import ALWAYS
from shelflife.subjects.profile import facts_of, merge_profile, time_zone_of
from shelflife.subjects.tombstones import refused_periods

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.lake.uploads import Opened
    from shelflife.sources.source import SourceAdapter
    from shelflife.subjects.periods import Periods

GROUP_BYTES = 64 << 20
GROUP_FILES = 500
ATTEMPTS = 5
UNREADABLE = "unreadable"
COUNTS = ("samples_in", "landed", "duplicates", "quarantined", "refused")
Progress = Callable[[int, int], None]
Clock = Callable[[], "datetime"]


class _BrokeOffError(Exception):
    """A file turned out broken after some of its rows were sealed; the batch starts again without it."""

    def __init__(self, index: int, error: SourceError) -> None:
        super().__init__("a file broke off halfway")
        self.index, self.error = index, error


@dataclass
class _Entry:
    """One file of a group: what it is, what became of it."""

    file: InboxFile
    state: FileState
    digest: bytes = field(repr=False)
    outcome: FileOutcome
    twin: FileOutcome | None = None


def land(
    estate: Estate,
    files: Sequence[InboxFile],
    *,
    clock: Clock,
    keep: bool = False,
    progress: Progress | None = None,
) -> LandingReport:
    """Land files, each exactly once.

    Args:
        estate: the estate.
        files: the files, in the order in which a repeated row's first sight counts.
        clock: gives the time; called at the start and at each commit.
        keep: leave landed files in the inbox.
        progress: called with (files done, files in all).

    Returns:
        What became of every file and every row. A file that cannot be read as what it seems to be is refused
        whole, stays in the inbox and stops nothing else.

    Raises:
        StorageError: the disk, a permission or a path; nothing of the current batch was landed.
        CommitConflict: other processes kept changing the same partitions; run it again.
    """
    started = time.monotonic()
    give_up_dead(estate, clock())
    report = LandingReport()
    ordered = Uploads(estate, clock()).in_order(files)
    for group in _groups(consents_first(ordered) if estate.settings.consent == "required" else ordered):
        _land_group(estate, group, report, clock=clock, keep=keep)
        if progress:
            progress(len(report.files), len(files))
    record.publish(estate, clock())
    report.seconds = time.monotonic() - started
    return report


def _groups(files: Sequence[InboxFile]) -> Iterator[list[InboxFile]]:
    """Put small files into one commit together; a large one has a commit of its own."""
    group: list[InboxFile] = []
    size = 0
    for file in files:
        length = _length(file)
        if group and (size + length > GROUP_BYTES or len(group) >= GROUP_FILES):
            yield group
            group, size = [], 0
        group.append(file)
        size += length
    if group:
        yield group


def _length(file: InboxFile) -> int:
    try:
        return state_of(file)[1]
    except StorageError:
        return 0


def _land_group(
    estate: Estate, group: list[InboxFile], report: LandingReport, *, clock: Clock, keep: bool
) -> None:
    broken: dict[int, SourceError] = {}
    conflicts = 0
    while True:
        try:
            entries = _land_batch(estate, group, broken, report, clock)
            break
        except _BrokeOffError as halfway:
            broken[halfway.index] = halfway.error
        except (CommitConflict, LeaseExpired, KeyDestroyed):
            conflicts += 1
            if conflicts >= ATTEMPTS:
                raise
    _settle_twins(entries)
    report.files += [entry.outcome for entry in entries]
    for entry in entries:
        if entry.outcome.state != "refused" and not keep:
            remove(entry.file, entry.state, estate.settings.inbox)
    reached("land.inbox_removed")


def _land_batch(
    estate: Estate,
    group: list[InboxFile],
    broken: dict[int, SourceError],
    report: LandingReport,
    clock: Clock,
) -> list[_Entry]:
    entries = [_entry(estate, file) for file in group]
    for index, error in broken.items():
        _refuse(entries[index].outcome, error)
    _mark_known(estate, entries)
    if not any(entry.outcome.state == "landed" for entry in entries):
        return entries
    now = clock()
    with held_lease(estate, "landing", clock) as lease, open_batch(estate, now) as batch:
        accounts, outcomes = [e.file.account for e in entries], [e.outcome for e in entries]
        uploads = Uploads(estate, now)
        read = {index: e.file for index, e in enumerate(entries) if e.outcome.state == "landed"}
        agreements = Agreements.of_batch(estate, read, uploads, now)
        loader = Loader(estate, batch, accounts, outcomes, now, clock, lease, agreements)
        profiles: list[tuple[int, ProfileFacts]] = []
        for index, entry in enumerate(entries):
            if entry.outcome.state == "landed":
                _read(loader, entry, index, profiles, uploads)
        if not any(entry.outcome.state == "landed" for entry in entries):
            return entries
        with _disk_errors():
            loader.flush()
        reached("land.before_commit")
        _commit(estate, batch, loader, entries, profiles, uploads, clock)
        reached("land.committed")
    report.batches.append(batch.batch_id)
    report.touched |= loader.touched
    report.subjects += len(loader.subjects)
    return entries


def _entry(estate: Estate, file: InboxFile) -> _Entry:
    try:
        return _readable_entry(estate, file)
    except StorageError as error:
        # One file that cannot be read keeps no other from landing.
        outcome = FileOutcome(UNREADABLE)
        _refuse(outcome, error)
        return _Entry(file, (0, 0, 0), b"", outcome)


def _readable_entry(estate: Estate, file: InboxFile) -> _Entry:
    # Taken before the first byte is read: whatever changes from here on shows.
    state = state_of(file)
    with estate.database.read() as conn:
        named = digest(estate, conn, file)
    return _Entry(file, state, named, FileOutcome(named.hex()[:HANDLE_LENGTH]))


def _mark_known(estate: Estate, entries: Sequence[_Entry]) -> None:
    """Find the files that were landed before, and files that stand twice in this group.

    A file with rows that were refused is read again: what was in their way, such as missing consent, may be gone. A
    sealed upload is not, since its sequence number was used up.
    """
    with estate.database.read() as conn:
        query = sa.select(landed_file).where(
            landed_file.c.digest_mac.in_([entry.digest for entry in entries])
        )
        sealed = {entry.digest for entry in entries if entry.digest and is_sealed(entry.file)}
        known: dict[bytes, str | None] = {
            bytes(row.digest_mac): row.source
            for row in conn.execute(query)
            if not row.refused or bytes(row.digest_mac) in sealed
        }
    first: dict[bytes, FileOutcome] = {}
    for entry in entries:
        if entry.outcome.state != "landed":
            continue
        if entry.digest in known:
            entry.outcome.state, entry.outcome.source = "already_landed", known[entry.digest]
        elif entry.digest in first:
            entry.outcome.state, entry.twin = "already_landed", first[entry.digest]
        else:
            first[entry.digest] = entry.outcome


def _settle_twins(entries: Sequence[_Entry]) -> None:
    """A copy of a file in the same group shares its fate: it was landed only if that one was."""
    for entry in entries:
        if entry.twin is not None:
            entry.outcome.source = entry.twin.source
            if entry.twin.state == "refused":
                entry.outcome.state = "refused"
                entry.outcome.error, entry.outcome.remedy = entry.twin.error, entry.twin.remedy


def _read(
    loader: Loader,
    entry: _Entry,
    index: int,
    profiles: list[tuple[int, ProfileFacts]],
    uploads: Uploads,
) -> None:
    """Read one file into the loader; a file that breaks off before anything was sealed is just refused."""
    waiting: list[pa.RecordBatch] = []
    rows, sealed_some = 0, False
    try:
        upload = uploads.open(entry.file) if is_sealed(entry.file) else None
        source = upload.source if upload else ByteSource.from_path(entry.file.path)
        adapter = detect(source)
        entry.outcome.source = adapter.name
        if upload is None:
            _check_account(adapter, entry.file)
        parsing = adapter.parse(source, now=loader.now, zone=_zone(loader.estate, entry.file, upload))
        for part in parsing:
            waiting.append(uploads.checked(upload, part) if upload else part)
            rows += len(part)
            if loader.rows + rows >= loader.estate.settings.batch_rows:
                with _disk_errors():
                    loader.add(waiting, index)
                    loader.flush()
                waiting, rows, sealed_some = [], 0, True
        found = [known for known in (parsing.profile, *parsing.profiles) if not known.empty]
        consents = parsing.consents
        if upload:
            found = [uploads.profile(upload, known) for known in found]
            consents = [uploads.consent(upload, decided) for decided in consents]
        _check_unchanged(entry)
    except SourceError as error:
        if sealed_some or index in loader.agreements.ahead:
            raise _BrokeOffError(index, error) from None
        _refuse(entry.outcome, error)
        return
    if upload:
        uploads.accept(upload)
    loader.add(waiting, index)
    entry.outcome.ignored = Counter(parsing.ignored)
    loader.agreements.take(consents, entry.file.account, entry.outcome)
    profiles += [(index, known) for known in found]
    entry.outcome.profiles = sum(index == of for of, _ in profiles)


def _check_unchanged(entry: _Entry) -> None:
    try:
        unchanged = state_of(entry.file) == entry.state
    except StorageError:
        unchanged = False
    if not unchanged:
        raise SourceError(
            "The file changed while it was read.",
            remedy="Land it again once it is complete; write under a name with a leading dot and rename at the end.",
        )


def _check_account(adapter: SourceAdapter, file: InboxFile) -> None:
    if adapter.subject_scope == "file" and file.account is None:
        raise SourceError(
            "Nothing says which account this file belongs to.",
            remedy="Put it into a folder named after the account, or land it with --account.",
        )


def _refuse(outcome: FileOutcome, error: ShelflifeError) -> None:
    outcome.state, outcome.error, outcome.remedy = "refused", error.what, error.remedy


def _commit(
    estate: Estate,
    batch: Batch,
    loader: Loader,
    entries: Sequence[_Entry],
    profiles: Sequence[tuple[int, ProfileFacts]],
    uploads: Uploads,
    clock: Clock,
) -> None:
    """Make the batch true: files, accounting, profiles, lineage and ledger in one transaction.

    Raises:
        CommitConflict: a partition moved, or a file of the batch was landed by another process.
        LeaseExpired: an erasure happened since the keys were looked up.
    """
    now = clock()
    landed = [entry for entry in entries if entry.outcome.state == "landed"]
    for entry in landed:
        entry.outcome.check()
    with estate.database.commit() as tx:
        loader.lease.check(tx.conn, now)
        homes = {sealed.home.partition_id for sealed in loader.sealed}
        move_partitions(tx, {home: version for home, version in loader.seen.items() if home in homes})
        check_partitions(tx, {home: version for home, version in loader.seen.items() if home not in homes})
        make_all_live(tx, [sealed.made for sealed in loader.sealed])
        loader.agreements.commit(tx, now)
        for index, known in profiles:
            _merge(estate, tx, entries[index], known, loader.agreements, now)
        uploads.commit(tx)
        _account(tx, batch, landed, loader, now)
        record.landing(estate, tx, batch, loader.sealed, [entry.outcome for entry in landed], now)
        reached("land.in_commit")


def _merge(
    estate: Estate,
    tx: Transaction,
    entry: _Entry,
    known: ProfileFacts,
    agreements: Agreements,
    now: datetime,
) -> None:
    """Put direct identifiers into the identity zone, never anywhere else."""
    kind, value = (
        (known.alias_kind or "account", known.alias) if known.alias else ("account", entry.file.account)
    )
    if value is None:
        return
    name = Alias(kind, value)
    refused = None
    if _of_erased(entry.outcome, refused_periods(estate, tx.conn, [name]).get(name, ())):
        refused = "profile of the erased"
    elif not agreements.allow_facts(tx, name):
        refused = "profile without consent"
    if refused:
        entry.outcome.profiles -= 1
        entry.outcome.ignored[refused] += 1
        return
    turns = owners(estate, tx.conn, [name]).get(name, ())
    # Facts carry no time: where a name passed on, nothing says of which of its owners they are.
    if all(turn.periods == ALWAYS for turn in turns):
        merge_profile(estate, tx, ensure(estate, tx, [name], now)[name], facts_of(known))


def _of_erased(outcome: FileOutcome, periods: Periods) -> bool:
    """Tell whether facts are those of an erased person, by when rows of their alias are.

    Facts carry no time. Of somebody who came back, a file whose rows are all from before is an old one.
    """
    kept = outcome.landed + outcome.duplicates + outcome.quarantined
    return periods == ALWAYS or (bool(periods) and outcome.reasons["erased"] > 0 and not kept)


def _zone(estate: Estate, file: InboxFile, upload: Opened | None) -> str | None:
    """Return the time zone of whoever a file belongs to, as far as it is known."""
    account = Alias("account", file.account) if file.account is not None else None
    name = upload.owner if upload else account
    if name is None:
        return None
    with estate.database.read() as conn:
        return time_zone_of(estate, conn, name)


def _with_earlier(tx: Transaction, entry: _Entry) -> dict[str, int]:
    """Return a file's accounting with that of an earlier reading that refused some of its rows, whose row goes."""
    outcome, here = entry.outcome, landed_file.c.digest_mac == entry.digest
    counts = {name: int(getattr(outcome, name)) for name in COUNTS}
    earlier = tx.conn.execute(sa.select(landed_file).where(here, landed_file.c.refused > 0)).one_or_none()
    if earlier is not None:
        tx.conn.execute(landed_file.delete().where(here))
        for name in ("landed", "quarantined"):
            counts[name] += getattr(earlier, name)
        taken = counts["landed"] + counts["quarantined"] + counts["refused"]
        counts["duplicates"] = max(counts["samples_in"] - taken, 0)
    return counts


def _account(tx: Transaction, batch: Batch, landed: Sequence[_Entry], loader: Loader, now: datetime) -> None:
    record.close_batch(tx, batch, now)
    for entry in landed:
        counts = _with_earlier(tx, entry)
        try:
            tx.conn.execute(
                landed_file.insert().values(
                    digest_mac=entry.digest,
                    batch_id=batch.batch_id,
                    source=entry.outcome.source or "",
                    bytes=entry.state[1],
                    landed_at=now,
                    **counts,
                )
            )
        except sa.exc.IntegrityError:
            raise CommitConflict(
                "Another process landed one of these files first.", remedy="Run it again."
            ) from None
    quarantined: Counter[tuple[str, str]] = Counter()
    for (index, reason), rows in loader.quarantined.items():
        quarantined[loader.outcomes[index].source or "", reason] += rows
    for (source, reason), rows in sorted(quarantined.items()):
        tx.conn.execute(
            quarantine_count.insert().values(batch_id=batch.batch_id, source=source, reason=reason, rows=rows)
        )


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn a full disk or a missing permission into one clear error."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The estate's storage refused a write: {error.strerror}.",
            remedy="Free space or restore write permission on `home`; nothing of this batch was landed.",
        ) from None
