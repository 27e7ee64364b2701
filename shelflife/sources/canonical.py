"""The canonical exchange format: NDJSON and Parquet files with one sample a row.

| Column | Meaning |
|---|---|
| `signal`, `value`, `start` | required: vocabulary name, number or code, ISO 8601 date-time |
| `unit` | UCUM or a usual spelling; required for numbers |
| `end` | ISO 8601; `start` when absent |
| `subject`, `subject_kind` | who, and what kind of name that is (`account`); the file's account when absent |
| `tz`, `tz_basis` | IANA zone, which places a time without offset; where the offset comes from (`sample`) |
| `statistic`, `window_s`, `comparator`, `parent`, `modality` | as in the canonical sample |
| `platform`, `app`, `device_make`, `device_model`, `device_software` | where it was measured |
| `id`, `modified` | the source's own id and time of last change |

A time with neither offset nor `tz` is in the account's zone when it is known, else of an unknown one.

NDJSON may also hold profiles: `{"record": "profile", "account": ..., "given_name": ..., "family_name": ...,
"birth_date": ..., "sex": ..., ...}`, and decisions about consent (see `canonical_consent`). Keys that the format does not have make a sample's row `bad_record`.
"""

from __future__ import annotations

import codecs
import io
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shelflife.errors import SourceError
from shelflife.signals.sample import MAX_BATCH_ROWS
from shelflife.signals.vocabulary import SIGNALS
from shelflife.sources.canonical_columns import COLUMNS, REQUIRED, canonical_batch
from shelflife.sources.canonical_consent import CONSENT, consent_of, json_object
from shelflife.sources.containers import open_content
from shelflife.sources.delimited import text_pieces
from shelflife.sources.profile_text import sex
from shelflife.sources.rows import broken_batch, in_batches
from shelflife.sources.source import ACCOUNT, Parsing, ProfileFacts, SourceType

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from shelflife.sources.source import ByteSource

_PARQUET_MAGIC = b"PAR1"
_LARGEST_ROW_GROUP = 1 << 30
_LONGEST_TEXT = 65_536
_LARGEST_PACKED = 256 * 1024 * 1024
_UNPACKED_BYTES = 1024 * 1024
_COLUMN_SET = frozenset(COLUMNS)
_PROFILE_KEYS = frozenset(
    {"record", "account", "subject_kind", "sex", "given_name", "family_name", "birth_date"}
)


_TYPES: tuple[SourceType, ...] = tuple(
    SourceType(name, name, known.unit and "any usual unit") for name, known in SIGNALS.items()
)


class CanonicalNdjson:
    """Reads canonical NDJSON, plain or gzip."""

    name = "canonical_ndjson"
    title = "canonical NDJSON"
    subject_scope: Literal["file", "row"] = "row"
    types = _TYPES

    def recognises(self, head: bytes) -> bool:
        """Return whether the first line is a sample or a profile."""
        line = head.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")[0]
        first = json_object(line)
        return first is not None and ("record" in first or set(REQUIRED) <= first.keys())

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; each row names its person or belongs to the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            with open_content(source) as stream:
                for piece in text_pieces(stream):
                    yield from _piece(piece, parsing, now, zone)

        return Parsing(rows)


class CanonicalParquet:
    """Reads canonical Parquet."""

    name = "canonical_parquet"
    title = "canonical Parquet"
    subject_scope: Literal["file", "row"] = "row"
    types = _TYPES

    def recognises(self, head: bytes) -> bool:
        """Return whether this is a Parquet file; its columns are known only when it is parsed."""
        return head.startswith(_PARQUET_MAGIC)

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; each row names its person or belongs to the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            with _open_anywhere(source) as raw:
                schema = pq.read_schema(raw)
                texts = [field.name for field in schema if pa.types.is_string(field.type)]
                raw.seek(0)
                file = pq.ParquetFile(raw, read_dictionary=texts)
                _check_parquet(file)
                for batch in file.iter_batches(batch_size=MAX_BATCH_ROWS, use_threads=False):
                    text = {name: _text(batch, name) for name in COLUMNS}
                    positions = range(parsing.records + 1, parsing.records + batch.num_rows + 1)
                    parsing.records += batch.num_rows
                    yield from in_batches(canonical_batch(text, positions, now=now, zone=zone))

        return Parsing(rows)


@contextmanager
def _open_anywhere(source: ByteSource) -> Iterator[BinaryIO]:
    """Open a Parquet file to be read at any place; what comes packed is unpacked in memory, up to a bound."""
    with source.open() as raw:
        if raw.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC:
            raw.seek(0)
            yield raw
            return
    whole = io.BytesIO()
    with open_content(source) as stream:
        while chunk := stream.read(_UNPACKED_BYTES):
            if whole.tell() + len(chunk) > _LARGEST_PACKED:
                raise SourceError(
                    "A packed Parquet file is larger than 256 MiB.",
                    remedy="Give the file itself: Parquet is packed already.",
                )
            whole.write(chunk)
    yield whole


def _piece(piece: bytes, parsing: Parsing, now: dt.datetime, zone: str | None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of some lines; profiles go to the parsing."""
    samples: list[dict[str, Any]] = []
    positions: list[int] = []
    broken: list[str] = []
    broken_positions: list[int] = []
    people: list[str | None] = []
    for line in piece.splitlines():
        if not line.strip():
            continue
        found = json_object(line)
        if found is not None and found.get("record") == "profile" and _learn(found, parsing):
            continue
        if found is not None and found.get("record") == CONSENT and _agree(found, parsing):
            continue
        parsing.records += 1
        if found is not None and found.keys() <= _COLUMN_SET:
            samples.append(found)
            positions.append(parsing.records)
        else:
            broken.append(line.decode())
            broken_positions.append(parsing.records)
            people.append(_person(found))
    present = set[str]().union(*samples)
    absent = pa.nulls(len(samples), pa.string())
    text = {name: _column(samples, name) if name in present else absent for name in COLUMNS}
    yield from in_batches(canonical_batch(text, positions, now=now, zone=zone))
    named = {"alias": pa.array(people, pa.string()), "alias_kind": ACCOUNT}
    yield from in_batches(broken_batch(broken, broken_positions, named, now=now))


def _column(samples: list[dict[str, Any]], name: str) -> pa.Array:
    values = [row.get(name) for row in samples]
    try:
        # Most columns hold text or nothing, which needs no look at each value.
        return pa.array(values, pa.string())
    except (pa.ArrowException, TypeError, UnicodeError):
        return pa.array([_as_text(value) for value in values], pa.string())


def _person(found: dict[str, Any] | None) -> str | None:
    """Return whom a record that cannot be read is about, so that even it is erased with them."""
    person = (found or {}).get("subject") or (found or {}).get("account")
    return _as_text(person) if isinstance(person, str) else None


def _agree(record: dict[str, Any], parsing: Parsing) -> bool:
    """Take a consent record; False when it is not sound."""
    decided = consent_of(record)
    if decided is None:
        return False
    parsing.consents.append(decided)
    parsing.ignore(CONSENT)
    return True


def _learn(record: dict[str, Any], parsing: Parsing) -> bool:
    """Take a profile record; False when it names nobody or holds something else than text."""
    facts = {key: value for key, value in record.items() if value is not None}
    if not all(isinstance(value, str) for value in facts.values()) or not facts.get("account"):
        return False
    known = ProfileFacts(
        alias_kind=facts.get("subject_kind", ACCOUNT),
        alias=facts["account"],
        sex=sex(facts.get("sex", "")),
        given_name=facts.get("given_name"),
        family_name=facts.get("family_name"),
        birth_date=facts.get("birth_date"),
        other={key: value for key, value in facts.items() if key not in _PROFILE_KEYS},
    )
    parsing.profiles.append(known)
    parsing.ignore("profile")
    return True


def _as_text(value: object) -> str | None:
    """Return a JSON value as text: numbers as they read, nested values as JSON (which no column accepts)."""
    if value is None or isinstance(value, str):
        # A lone surrogate is valid JSON and no valid text.
        return None if value is None else value.encode("utf-8", "replace").decode()
    return repr(value) if type(value) in {int, float} else json.dumps(value)


def _check_parquet(file: pq.ParquetFile) -> None:
    schema, metadata = file.schema_arrow, file.metadata
    wrong = [field for field in schema if field.name not in _COLUMN_SET or not _flat(field.type)]
    if wrong or not set(REQUIRED) <= set(schema.names) or len(set(schema.names)) != len(schema.names):
        raise SourceError(
            "The Parquet columns are not those of the canonical format.",
            remedy=f"Use flat columns out of: {', '.join(sorted(COLUMNS))}.",
        )
    largest = max((metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)), default=0)
    if largest > _LARGEST_ROW_GROUP:
        raise SourceError("A Parquet row group is larger than 1 GiB.", remedy="Write smaller row groups.")


def _flat(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating)
    return any(check(kind) for check in (*checks, pa.types.is_timestamp, pa.types.is_null))


def _text(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Return one column as text; columns that the file lacks are null."""
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, pa.string())
    column = batch.column(name)
    if pa.types.is_dictionary(column.type):
        # Long texts in a dictionary would multiply when they are spread over the rows.
        if any(text is not None and len(text) > _LONGEST_TEXT for text in column.dictionary.to_pylist()):
            raise SourceError("A text is longer than 65,536 characters.", remedy="Samples hold no such text.")
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type):
        return _timestamps(column)
    return column.cast(pa.string())


def _timestamps(column: pa.Array) -> pa.Array:
    """Return instants as ISO text: with `Z` when the column has a zone, since Arrow stores those in UTC."""
    clock = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.timestamp("us"))
    texts = pc.strftime(clock, format="%Y-%m-%dT%H:%M:%S")
    return pc.binary_join_element_wise(texts, "Z" if column.type.tz else "", "")
