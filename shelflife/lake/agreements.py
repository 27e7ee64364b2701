"""Consent at the door: which rows of a batch may land, by what people have agreed to when they arrive.

Rows are judged by arrival, as erasure is: what was observed while consent was live is refused when it comes after the
withdrawal. Decisions that come with a batch count for all of that batch, wherever in it they lie, and become true
in its commit.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from shelflife.errors import CommitConflict, SourceError
from shelflife.lake.inbox import is_sealed
from shelflife.lake.sorting import with_refusals
from shelflife.lake.unseal import UNCLASSIFIED
from shelflife.policy.consent_events import STREAM_NAMES
from shelflife.policy.loading import load_consent_policy
from shelflife.sources.canonical import CanonicalNdjson
from shelflife.sources.canonical_consent import CONSENT, begins_with_consent, consents_in
from shelflife.sources.containers import open_content
from shelflife.sources.registry import detect
from shelflife.sources.source import ACCOUNT, ByteSource
from shelflife.subjects.consent import Standing, state_at
from shelflife.subjects.consent_ledger import Decisions, arrived, decisions_of, lengths, record
from shelflife.subjects.directory import Alias, ensure, owners
from shelflife.subjects.periods import contain
from shelflife.subjects.tombstones import refused_periods

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.lake.accounting import FileOutcome
    from shelflife.lake.inbox import InboxFile
    from shelflife.lake.uploads import Uploads
    from shelflife.policy.consent import ConsentPolicy
    from shelflife.policy.consent_events import ConsentEvent
    from shelflife.sources.source import ConsentRecord
    from shelflife.subjects.directory import Subject

NO_CONSENT = "no_consent"
_FIRST_LINE = 4096
_COLLECTION = "collection"
Named = list[tuple[Alias, "ConsentEvent"]]


@dataclass
class Agreements:
    """What the people of one batch have agreed to.

    Attributes:
        now: when the batch arrives.
        policy: what consent is needed for; None where the estate relies on another lawful basis.
        ahead: files whose decisions count for the whole batch already; one that turns out broken starts it again.
    """

    estate: Estate
    now: datetime
    policy: ConsentPolicy | None = None
    ahead: set[int] = field(default_factory=set)
    _pending: defaultdict[bytes, list[ConsentEvent]] = field(
        default_factory=lambda: defaultdict(list), repr=False
    )
    _taken: Named = field(default_factory=list, repr=False)
    _seen: dict[bytes, int] = field(default_factory=dict, repr=False)

    @classmethod
    def of_batch(
        cls, estate: Estate, files: Mapping[int, InboxFile], uploads: Uploads, now: datetime
    ) -> Agreements:
        """Read the decisions of a batch before its samples.

        Args:
            estate: the estate.
            files: the files that will be read, by index.
            uploads: opens those of them that are sealed.
            now: the time.

        Raises:
            ConfigurationError: consent is required and the consent policy is missing or wrong.
        """
        if estate.settings.consent != "required":
            return cls(estate, now)
        made = cls(estate, now, load_consent_policy(estate.settings.policies))
        found: Named = []
        for index, file in files.items():
            decided = _read_ahead(file, uploads)
            if decided:
                made.ahead.add(index)
                found += decided
        if found:
            with estate.database.commit() as tx:
                made._pending |= _by_person(estate, tx, found, now)
        return made

    @property
    def required(self) -> bool:
        """Whether rows need consent."""
        return self.policy is not None

    def take(self, records: Sequence[ConsentRecord], account: str | None, outcome: FileOutcome) -> None:
        """Keep the decisions of a file that was read to its end, for the commit; those of nobody are counted."""
        named = _named(records, account)
        self._taken += named
        nobody = len(records) - len(named)
        if nobody:
            outcome.ignored[CONSENT] -= nobody
            outcome.ignored["consent of nobody"] += nobody

    def refuse(self, frame: pl.DataFrame, people: Sequence[Subject]) -> pl.DataFrame:
        """Refuse the rows of streams that their person has no live consent for.

        Rows of no known stream are set aside only for people who agreed to the collection of any.

        Args:
            frame: rows with `who` (index into `people`), `stream` and `refusal`.
            people: the people of the rows.
        """
        if self.policy is None:
            return frame
        with self.estate.database.read() as conn:
            pids = [person.identity_pid for person in people]
            known = decisions_of(self.estate, conn, pids)
            length = lengths(conn, pids)
        gone: list[tuple[str, int]] = []
        for who, pid in enumerate(pids):
            self._seen.setdefault(pid, length.get(pid, 0))
            ledger = known.get(pid, Decisions())
            fresh = [arrived(event, self.now) for event in ledger.fresh(self._pending.get(pid, ()))]
            live = _collected(self.policy, [*ledger.events, *fresh], self.now)
            gone += [(stream, who) for stream in STREAM_NAMES if stream not in live]
            gone += [] if live else [(UNCLASSIFIED, who)]
        refused = pl.DataFrame(gone, schema={"stream": pl.String, "who": pl.Int32}, orient="row")
        return with_refusals(frame, refused, NO_CONSENT)

    def allow_facts(self, tx: Transaction, name: Alias) -> bool:
        """Return whether facts about whoever has an alias may be kept: only of people who agreed to the collection of any."""
        if self.policy is None:
            return True
        turns = owners(self.estate, tx.conn, [name]).get(name, ())
        pids = [turn.person.identity_pid for turn in turns]
        known = decisions_of(self.estate, tx.conn, pids)
        return any(
            _collected(self.policy, known[pid].events if pid in known else [], self.now) for pid in pids
        )

    def commit(self, tx: Transaction, now: datetime) -> None:
        """Record the batch's decisions in the transaction that lands it.

        Raises:
            CommitConflict: somebody in the batch decided anew since their rows were judged.
        """
        found = lengths(tx.conn, self._seen)
        if any(found.get(pid, 0) != length for pid, length in self._seen.items()):
            raise CommitConflict("Somebody in this batch decided anew meanwhile.", remedy="Run it again.")
        if self._taken:
            record(self.estate, tx, _by_person(self.estate, tx, self._taken, now), now)


def _collected(policy: ConsentPolicy, events: Sequence[ConsentEvent], now: datetime) -> set[str]:
    """Return the streams whose collection needs no consent, or whose person's consent is live."""
    states = state_at(events, now, policy.validity)
    return set(STREAM_NAMES) - set(policy.required_for) | {
        stream
        for (stream, purpose), state in states.items()
        if purpose == _COLLECTION and state is Standing.LIVE
    }


def strangers(frame: pl.DataFrame, whos: Iterable[int]) -> pl.DataFrame:
    """Refuse the rows of aliases that nobody is known by: without a decision there is no consent."""
    unknown = pl.DataFrame({"who": list(whos)}, schema={"who": pl.Int32})
    return with_refusals(frame, unknown, NO_CONSENT)


def consents_first(files: Sequence[InboxFile]) -> list[InboxFile]:
    """Return files with those first that begin with a consent record, so that they count for all the others."""
    first = {place for place, file in enumerate(files) if _begins_with_consent(file)}
    rest = [file for place, file in enumerate(files) if place not in first]
    return [*(files[place] for place in sorted(first)), *rest]


def _begins_with_consent(file: InboxFile) -> bool:
    try:
        with open_content(ByteSource.from_path(file.path)) as stream:
            head = stream.read(_FIRST_LINE)
    except (SourceError, OSError, EOFError):
        return False
    return begins_with_consent(head.lstrip().partition(b"\n")[0])


def _read_ahead(file: InboxFile, uploads: Uploads) -> Named:
    """Return the decisions in a file; none where it cannot be read, which is told when it is read as a whole."""
    try:
        upload = uploads.open(file) if is_sealed(file) else None
        source = upload.source if upload else ByteSource.from_path(file.path)
        if not isinstance(detect(source), CanonicalNdjson):
            return []
        records = list(consents_in(source))
        if upload:
            records = [uploads.consent(upload, one) for one in records]
    except SourceError:
        return []
    return _named(records, file.account)


def _named(records: Sequence[ConsentRecord], account: str | None) -> Named:
    found = []
    for one in records:
        kind, value = (one.alias_kind or ACCOUNT, one.alias) if one.alias else (ACCOUNT, account)
        name = Alias(kind, value or "")
        if name.value:
            found.append((name, one.event))
    return found


def _by_person(
    estate: Estate, tx: Transaction, named: Named, now: datetime
) -> dict[bytes, list[ConsentEvent]]:
    """Return decisions by identity pseudonym; those that an erased person took before the erasure are left out."""
    refused = refused_periods(estate, tx.conn, sorted({name for name, _ in named}))
    kept = [(name, event) for name, event in named if not contain(refused.get(name, ()), event.decided_at)]
    names = sorted({name for name, _ in kept})
    ensure(estate, tx, names, now)
    turns = owners(estate, tx.conn, names)
    found: defaultdict[bytes, list[ConsentEvent]] = defaultdict(list)
    for name, event in kept:
        decided_at = arrived(event, now).decided_at
        # Where a name passed on, the decision is that of whoever had it then.
        for turn in turns[name]:
            if contain(turn.periods, decided_at):
                found[turn.person.identity_pid].append(event)
    return found
