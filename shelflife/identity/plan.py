"""The preview of an identity change: counts by stream and partition, and what stands in its way. No names."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.errors import KeyDestroyed
from shelflife.identity.change import Kind
from shelflife.identity.moves import RAW, moves
from shelflife.identity.persons import devices_count
from shelflife.retention.holds import covering
from shelflife.rights.requests import still_open, subject_of
from shelflife.subjects.consent import governing
from shelflife.subjects.consent_ledger import decisions_of
from shelflife.subjects.directory import known_names, owners
from shelflife.subjects.periods import ALWAYS
from shelflife.subjects.profile import read_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.identity.change import Terms
    from shelflife.subjects.directory import Subject

REASONS = {
    "hold": "a hold covers one of the people",
    "open_request": "a request of one of the people is open",
    "restricted": "the data of one of the people is restricted",
    "forgotten_stream": "the receiving person had a stream forgotten that rows belong to",
    "name_taken": "the name that the receiving person was to get is somebody else's by now",
    "nothing": "there is nothing to change",
}
"""Why a change is refused; nothing of it names anybody."""


@dataclass(frozen=True, order=True)
class Line:
    """What moves in one partition, in counts."""

    table_name: str
    period: str
    rows: int
    duplicates: int


@dataclass(frozen=True)
class Plan:
    """What a change does, in counts.

    Attributes:
        lines: by partition, rows that move and those of them that the other person has already.
        files: sealed files that are written anew.
        names: aliases that pass on.
        consents: decisions about consent that pass on.
        devices: upload devices that pass on.
        profile_facts: facts of the profile that pass on.
        profile_conflicts: facts that differ; those of the remaining person are kept.
        obstacles: codes of `REASONS`; a change with any is refused.
    """

    kind: Kind
    lines: tuple[Line, ...]
    files: int
    names: int
    consents: int
    devices: int
    profile_facts: int
    profile_conflicts: int
    obstacles: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows that move, with those that the other person has already."""
        return sum(line.rows for line in self.lines)

    @property
    def duplicates(self) -> int:
        """Rows that the other person has already; they are not kept twice."""
        return sum(line.duplicates for line in self.lines)

    def facts(self) -> dict[str, int]:
        """Return the plan as counts."""
        return {
            "partitions": len(self.lines),
            "files": self.files,
            "rows": self.rows,
            "duplicates": self.duplicates,
            "names": self.names,
            "consents": self.consents,
            "devices": self.devices,
            "profile_facts": self.profile_facts,
            "profile_conflicts": self.profile_conflicts,
        }

    @property
    def digest(self) -> str:
        """Identifies what was previewed: a change is run only while this is what it would do."""
        lines = [[one.table_name, one.period, one.rows, one.duplicates] for one in self.lines]
        body = [self.kind, lines, self.facts(), self.obstacles]
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def plan(estate: Estate, conn: sa.Connection, terms: Terms) -> Plan:
    """Return what a change would do now. Changes nothing.

    Args:
        estate: the estate.
        conn: a read snapshot.
        terms: what the change is about.
    """
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    files, streams = 0, set[str]()
    for move in moves(estate, conn, terms):
        place = (move.home.table_name, move.home.period)
        rows, duplicates = counts.get(place, (0, 0))
        counts[place] = (rows + move.selected, duplicates + move.duplicates)
        files += 1
        streams.add(move.home.stream or "")
    lines = tuple(Line(*place, *found) for place, found in sorted(counts.items()))
    merging = terms.kind is Kind.MERGE
    names = len(known_names(estate, conn, [terms.source.identity_pid]).get(terms.source.identity_pid) or {})
    passed = names if merging else int(terms.passed is not None)
    ledgers = decisions_of(estate, conn, [terms.source.identity_pid]) if merging else {}
    facts, conflicts = _profile(estate, conn, terms) if merging else (0, 0)
    found = set(obstacles(estate, conn, terms, streams))
    if not lines and not passed:
        found.add("nothing")
    return Plan(
        kind=terms.kind,
        lines=lines,
        files=files,
        names=passed,
        consents=sum(len(one.placed) for one in ledgers.values()),
        devices=devices_count(conn, terms.source.identity_pid) if merging else 0,
        profile_facts=facts,
        profile_conflicts=conflicts,
        obstacles=tuple(sorted(found)),
    )


def _profile(estate: Estate, conn: sa.Connection, terms: Terms) -> tuple[int, int]:
    """Return how many facts pass on, and how many differ."""
    given, kept = (read_profile(estate, conn, one) for one in (terms.source, terms.target))
    conflicts = [name for name in given if name in kept and isinstance(given[name], str)]
    return (
        len(given) - len(conflicts),
        sum(given[name] != kept[name] for name in conflicts),
    )


def obstacles(estate: Estate, conn: sa.Connection, terms: Terms, streams: Iterable[str]) -> Iterator[str]:
    """Yield codes of `REASONS` for what stands in the way of a change that moves rows of some streams."""
    both = (terms.source, terms.target)
    pids = [one.identity_pid for one in both]
    if covering(conn, pids):
        yield "hold"
    if any(_is_about(estate, conn, one.request_id, both) for one in still_open(conn)):
        yield "open_request"
    if _restricted(estate, conn, pids):
        yield "restricted"
    for stream in streams:
        found = estate.keyrings[RAW].keys(conn, [terms.target.raw_pid], stream)
        if found.get(terms.target.raw_pid, b"new") is None:
            yield "forgotten_stream"
    if terms.newcomer is not None:
        turns = owners(estate, conn, [terms.newcomer]).get(terms.newcomer, ())
        if any(turn.person != terms.target or turn.periods != ALWAYS for turn in turns):
            yield "name_taken"


def _is_about(estate: Estate, conn: sa.Connection, request_id: str, people: Iterable[Subject]) -> bool:
    try:
        subject_id = subject_of(estate, conn, request_id)
    except KeyDestroyed:
        # Certified, and only waiting for its root keys to end: it is about nobody whom the directory knows.
        return False
    return any(one.subject_id == subject_id for one in people)


def _restricted(estate: Estate, conn: sa.Connection, pids: list[bytes]) -> bool:
    """Tell whether a withdrawal that still stands restricts data of one of the people."""
    for ledger in decisions_of(estate, conn, pids).values():
        restricting = {one.of for one in ledger.acted if one.action == "restrict"}
        if any(one.place in restricting for one in governing(ledger.placed).values()):
            return True
    return False
