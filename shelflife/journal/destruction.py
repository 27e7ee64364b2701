"""What the journal keeps of one destruction: enough to repeat it on an older copy of the control database.

Numbers, pseudonyms and ids only. A key number means something to one estate's key trees, a pseudonym to one zone.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence  # noqa: TC003  pydantic reads them at run time
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  pydantic reads it at run time
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from shelflife.errors import LedgerBroken

_FORMAT = b"\x01"


@dataclass(frozen=True)
class _Stored:
    """Fields that are stored as JSON, bytes in hexadecimal, names that a later version adds refused."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        ser_json_bytes="hex", val_json_bytes="hex", extra="forbid", arbitrary_types_allowed=False
    )


@dataclass(frozen=True)
class Tombstone(_Stored):
    """An alias that data is refused under from now on, as the table of tombstones holds it.

    Attributes:
        periods: where the name passed on, what is refused: pairs of ISO 8601 times; everything when absent.
    """

    alias_mac: bytes = field(repr=False)
    reason: str
    erased_at: datetime
    periods: Sequence[Sequence[str | None]] | None = None


@dataclass(frozen=True)
class DestroyedPartition(_Stored):
    """A partition whose key was destroyed.

    It is told by its name, not only by its id: a restored database may lack it, and must not open it anew.
    """

    partition_id: str
    zone: str
    table_name: str
    stream: str | None
    retention_class: str
    period: str


@dataclass(frozen=True)
class AwaitingRewrite(_Stored):
    """A pseudonym of the derived zone whose rows every read of a table must leave out until the rewrite."""

    table_name: str
    pid: bytes = field(repr=False)
    request_id: str
    due_at: datetime


@dataclass(frozen=True)
class ConsentRow(_Stored):
    """A row of somebody's ledger of consent by which consent ended; sealed under the person's own key."""

    pid: bytes = field(repr=False)
    position: int
    sealed: bytes = field(repr=False)
    recorded_at: datetime


@dataclass(frozen=True)
class Continuation(_Stored):
    """What a request needs to go on from this destruction although its row may be lost.

    Attributes:
        request_id: the request.
        row: the columns of its row that are plain text, numbers or lists.
        sealed: what the request keeps sealed and needs for its next steps; opaque here.
    """

    request_id: str
    row: Mapping[str, Any]
    sealed: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Destruction(_Stored):
    """One destruction, whole: everything that one commit takes away.

    Attributes:
        kind: `erasure`, `purge`, `release`, ...: what sort of step destroys.
        record_id: opaque id of the request or plan behind it.
        at: aware time.
        keys: by zone, the numbers of the keys that are destroyed.
        subjects: identity-zone pseudonyms whose rows go, with all of their aliases.
        alias_macs: aliases whose rows go although their subject stays.
        tombstones: aliases that data is refused under from now on.
        keyrings: by zone, the pseudonyms whose keyring rows go.
        partitions: partitions that are closed for ever.
        files: ids of data files that no longer stand for anything.
        awaiting: rows that reads leave out until a rewrite.
        holds: ids of holds that are released.
        streams: the streams that are forgotten; none when it is everything.
        requests: requests whose sealed parts are destroyed.
        revoked_devices: keyed digests of devices whose uploads are refused from now on.
        withdrawals: rows by which consent ended, and that a restored database must have again.
        continuation: what the request behind this needs to go on.
    """

    kind: str
    record_id: str
    at: datetime
    keys: Mapping[str, Sequence[int]] = field(default_factory=dict)
    subjects: Sequence[bytes] = field(default=(), repr=False)
    alias_macs: Sequence[bytes] = field(default=(), repr=False)
    tombstones: Sequence[Tombstone] = field(default=(), repr=False)
    keyrings: Mapping[str, Sequence[bytes]] = field(default_factory=dict, repr=False)
    partitions: Sequence[DestroyedPartition] = ()
    files: Sequence[str] = ()
    awaiting: Sequence[AwaitingRewrite] = field(default=(), repr=False)
    holds: Sequence[str] = ()
    streams: Sequence[str] | None = None
    requests: Sequence[str] = ()
    revoked_devices: Sequence[bytes] = field(default=(), repr=False)
    withdrawals: Sequence[ConsentRow] = field(default=(), repr=False)
    continuation: Continuation | None = None


_ADAPTER = TypeAdapter(Destruction)


def encode(destruction: Destruction) -> bytes:
    """Return a destruction as bytes: a format byte and compressed JSON."""
    return _FORMAT + zlib.compress(_ADAPTER.dump_json(destruction), 6)


def decode(content: bytes) -> Destruction:
    """Read what `encode` wrote.

    Raises:
        LedgerBroken: it is of another version.
    """
    try:
        return _ADAPTER.validate_json(zlib.decompress(content.removeprefix(_FORMAT)))
    except (ValidationError, zlib.error):
        # The cause's text would quote pseudonyms.
        raise LedgerBroken(
            "A record of the journal of destructions is of another version.",
            remedy="Read this journal with the version of shelflife that wrote it, or a newer one.",
        ) from None
