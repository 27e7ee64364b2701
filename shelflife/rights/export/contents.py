"""What an export is made of, as plain values: nothing here reads the estate or writes a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from shelflife.subjects.directory import Alias

Kind = Literal["samples", "quarantine", "derived", "copy"]
Facts = dict[str, str | list[str]]


@dataclass(frozen=True)
class Controller:
    """Who answers for the data: what the person reads as sender and where they can turn to.

    Attributes:
        name: the organisation; empty when nobody said.
        contact: an address for questions, requests and complaints; empty when nobody said.
    """

    name: str = ""
    contact: str = ""


@dataclass(frozen=True)
class Recipient:
    """Somebody outside the vault who was given data of the person, or a place that holds a copy.

    Attributes:
        name: the organisation or the copy.
        kind: what it is to the controller.
        contact: an e-mail address or online mechanism by which it can be reached.
        data: what it was given, in words or table names.
        purpose: what for.
        basis: on which legal basis or consent.
        first: the day of the first disclosure, where known.
        last: the day of the last one, where known.
        transfer: for a recipient in a third country, where and under which safeguard.
    """

    name: str
    kind: Literal["processor", "affiliate", "third_party", "authority", "copy"]
    contact: str = ""
    data: tuple[str, ...] = ()
    purpose: str = ""
    basis: str = ""
    first: dt.date | None = None
    last: dt.date | None = None
    transfer: str = ""


@dataclass(frozen=True)
class Column:
    """One column of a table of the export: what it holds, in which unit, and how to read its times."""

    name: str
    kind: str
    meaning: str
    unit: str = ""
    time_zone: str = ""
    sensitivity: str = "ordinary"


@dataclass(frozen=True)
class ExportTable:
    """One table about the person.

    Attributes:
        name: the stream, the model, or `quarantined`; of what a copy holds, `<copy>/<dataset>`.
        kind: whether it holds samples, rows that were set aside, figures computed from samples, or what a copy has of
            such figures.
        grain: what one row is, in words.
        columns: its columns, in order.
        batches: gives its rows from the start, a bounded number at a time, in the order of time.
    """

    name: str
    kind: Kind
    grain: str
    columns: tuple[Column, ...]
    batches: Callable[[], Iterator[pa.Table]] = field(repr=False)


@dataclass(frozen=True)
class Person:
    """Direct identifiers, all of them personal."""

    facts: Facts = field(repr=False)
    aliases: tuple[Alias, ...] = field(repr=False)
    since: dt.date


@dataclass(frozen=True)
class Look:
    """One query over tables that hold rows of the person. Who asked is the employee's own data and stays out."""

    at: dt.datetime
    purpose: str
    role: str
    tables: tuple[str, ...]
    outcome: str


@dataclass(frozen=True)
class Handover:
    """Once, coarse attributes of everybody left the identity zone for a purpose."""

    at: dt.datetime
    purpose: str
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class Decided:
    """One decision of the person about consent, and whether it is the one that counts.

    Attributes:
        notice_sha256: SHA-256 of the notice that was shown, in hexadecimal digits.
        recorded_on: the day on which it was recorded.
        counts: whether no later decision stands in its place.
    """

    stream: str
    purpose: str
    decision: str
    method: str
    decided_at: dt.datetime
    expires_at: dt.datetime | None
    notice_sha256: str | None
    recorded_on: dt.date
    counts: bool


@dataclass(frozen=True)
class Retention:
    """How long one table's rows are kept, in words, and when the person's oldest and newest rows expire."""

    table: str
    retention_class: str
    keep: str
    words: str
    files_gone: str
    first_expiry: dt.date | None
    last_expiry: dt.date | None
    reason: str
    owner: str
    policy: str


@dataclass(frozen=True)
class Withheld:
    """Something that the export leaves out: what it is, why, and by which rule."""

    category: str
    what: str
    why: str
    rule: str


@dataclass(frozen=True)
class Computed:
    """How one derived table is computed: the logic behind every figure about the person."""

    table: str
    grain: str
    formulas: Mapping[str, str]


@dataclass(frozen=True)
class Right:
    """What the person can ask for under one regime, and by when it is answered."""

    regime: str
    rule: str
    rights: tuple[str, ...]
    answer: str
    complaint: str


@dataclass(frozen=True)
class Contents:
    """Everything that goes into a package.

    Attributes:
        copies: what each copy outside of the vault holds of the tables; may be older than they are.
        looked_for: in words, what the regimes forbid to send and was therefore looked for, found or not.
    """

    request_id: str
    export_id: str
    made_at: dt.datetime
    expires_at: dt.datetime
    controller: Controller
    person: Person = field(repr=False)
    tables: Sequence[ExportTable]
    copies: Sequence[ExportTable]
    looks: Sequence[Look]
    handovers: Sequence[Handover]
    consents: Sequence[Decided]
    retention: Sequence[Retention]
    recipients: Sequence[Recipient]
    withheld: Sequence[Withheld]
    looked_for: Sequence[str]
    computed: Sequence[Computed]
    rights: Sequence[Right]
