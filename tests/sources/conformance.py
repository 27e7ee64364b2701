"""What every source adapter keeps to, whatever it reads: the checks of `test_conformance.py`, one by one.

An adapter that is not in the registry yet can be checked with them as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.rules import PROBLEMS
from shelflife.signals.sample import MAX_BATCH_ROWS, PARSED_SCHEMA, QualityFlag
from shelflife.signals.vocabulary import SIGNALS, STAGES, STATISTICS, TZ_BASES
from shelflife.sources.containers import open_content
from shelflife.sources.source import HEAD_BYTES, ByteSource
from tests.sources.damage import CANARY
from tests.sources.reading import NOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shelflife.sources.source import Parsing, SourceAdapter

ZONE = "Europe/Berlin"
WITH_LABELS_OF_THEIR_OWN = {"canonical_ndjson", "canonical_parquet"}
"""Our own format: whoever writes it says where a row comes from, in any words or none."""
_WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/,-]{0,79}", re.ASCII)
"""Types of records, as totals and messages name them."""
_PLACE = re.compile(rf"({_WORDS.pattern})?#\d+", re.ASCII)
"""The same with the number of a record that does not land; a line that cannot be split has no type."""
_LABEL = re.compile(r"[\w.,+/() -]{1,60}")
_LABELS = ("source_platform", "source_app", "device_make", "device_model", "modality")
_VOCABULARIES: tuple[tuple[str, Iterable[str]], ...] = (
    ("signal", SIGNALS),
    ("statistic", STATISTICS),
    ("stage", STAGES),
    ("tz_basis", TZ_BASES),
    ("modality", ("sensed", "self_reported")),
    ("comparator", ("<", ">")),
)


def unpacked(content: bytes) -> bytes:
    """Return what a gzip file or a zip file with a main member holds; other bytes as they are."""
    whole = b""
    with open_content(ByteSource.from_bytes(content)) as stream:
        while chunk := stream.read(1 << 20):
            whole += chunk
    return whole


def parsed(adapter: SourceAdapter, content: bytes, zone: str | None = None) -> tuple[pa.Table, Parsing]:
    """Parse bytes and check the batches and that every record is a row or counted."""
    parsing = adapter.parse(ByteSource.from_bytes(content), now=NOW, zone=zone)
    batches = list(parsing)
    check_batches(batches)
    assert parsing.records == sum(batch.num_rows for batch in batches) + parsing.ignored.total()
    return pa.Table.from_batches(batches, PARSED_SCHEMA), parsing


def check_batches(batches: Sequence[pa.RecordBatch]) -> None:
    """Check schema and size of batches."""
    for batch in batches:
        assert batch.schema.equals(PARSED_SCHEMA)
        assert 0 < batch.num_rows <= MAX_BATCH_ROWS
        batch.validate(full=True)


def check_totals(parsing: Parsing) -> None:
    """Check that what is counted is named by words, of which none comes from a person."""
    for word, count in parsing.ignored.items():
        assert _WORDS.fullmatch(word), word
        assert CANARY.lower() not in word.lower()
        assert count > 0


def check_recognition(adapter: SourceAdapter, content: bytes, adapters: Sequence[SourceAdapter]) -> None:
    """Check that this adapter and no other recognises a file, and that half a head makes none of them fail."""
    head = unpacked(content)[:HEAD_BYTES]
    assert [one.name for one in adapters if one.recognises(head)] == [adapter.name]
    for cut in {*range(min(len(head), 400)), *range(0, len(head), max(1, len(head) // 400))}:
        assert isinstance(adapter.recognises(head[:cut]), bool)
    for cut in range(0, len(head), max(1, len(head) // 16)):
        assert sum(one.recognises(head[:cut]) for one in adapters) <= 1


def check_sound_rows(rows: pa.Table, adapter: SourceAdapter) -> None:
    """Check rows that land: words of the vocabulary, a value of one kind, half-open intervals, a place in time."""
    for name, words in _VOCABULARIES:
        assert set(rows.column(name).drop_null().to_pylist()) <= set(words), name
    assert set(rows.column("signal").to_pylist()) <= {one.signal for one in adapter.types}
    for name in (
        "signal",
        "start_utc",
        "end_utc",
        "local_date",
        "tz_basis",
        "record_path",
    ):
        assert rows.column(name).null_count == 0, name
    assert all(_WORDS.fullmatch(path) for path in _words(rows, "record_path"))
    for name in () if adapter.name in WITH_LABELS_OF_THEIR_OWN else _LABELS:
        assert name != "source_platform" or rows.column(name).null_count == 0
        for word in _words(rows, name):
            assert _LABEL.fullmatch(word), (name, word)
    for row in rows.to_pylist():
        _check_row(row)
        assert adapter.subject_scope == "row" or (row["alias"], row["alias_kind"]) == (None, None)


def _check_row(row: dict[str, Any]) -> None:
    known = SIGNALS[row["signal"]]
    assert (row["value_num"] is None) == (known.kind == "coded")
    assert (row["value_code"] is None) == (known.kind != "coded")
    assert row["unit_ucum"] == known.unit
    assert (row["stage"] is None) == (row["signal"] != "sleep_stage")
    assert row["end_utc"] >= row["start_utc"]
    assert row["window_s"] is None or row["window_s"] > 0
    lost = row["tz_basis"] == "unknown"
    assert (row["utc_offset_min"] is None) == lost
    assert bool(row["quality_flags"] & QualityFlag.TZ_UNKNOWN) == lost


def check_problems(rows: pa.Table) -> None:
    """Check that every row that does not land says why, in a word of the vocabulary, and where it stood."""
    assert set(rows.column("problem").drop_null().to_pylist()) <= set(PROBLEMS)
    bad = rows.filter(pc.is_valid(rows.column("problem")))
    for path in bad.column("record_path").to_pylist():
        assert _PLACE.fullmatch(path), path


def check_names(rows: pa.Table, adapter: SourceAdapter) -> None:
    """Check that the name that stands in a file is in no column but that of the person whom the row is about."""
    for name in rows.column_names:
        if not (adapter.subject_scope == "row" and name == "alias"):
            assert CANARY.lower() not in str(rows.column(name).to_pylist()).lower(), name


def sound(rows: pa.Table) -> pa.Table:
    """Return the rows that land."""
    return rows.filter(pc.is_null(rows.column("problem")))


def _words(rows: pa.Table, name: str) -> list[str]:
    words: list[str] = rows.column(name).drop_null().unique().to_pylist()
    return words
