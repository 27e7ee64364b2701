"""Whatever is done to a real file, a parser gives rows or a SourceError, and loses no record."""

from __future__ import annotations

import gzip
import io
import json
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import SourceError
from shelflife.sources.registry import ADAPTERS
from shelflife.sources.source import ByteSource, SourceAdapter
from tests.sources.reading import NOW, read
from tests.sources.test_apple_health import HR, SLEEP, entry, export, record
from tests.sources.test_tables import clarity

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "Zyzzogeton"


@cache
def seeds() -> dict[str, bytes]:
    """Small files of every format, with a name in each that no error may repeat."""
    sample = {
        "subject": CANARY,
        "signal": "heart_rate",
        "value": 61.5,
        "unit": "/min",
        "start": "2026-11-03T07:30:00+01:00",
    }
    table = pa.Table.from_pylist([sample] * 5)
    out = io.BytesIO()
    pq.write_table(table, out)
    clarity_file = clarity(
        f"1,,FirstName,,{CANARY},,,,,,,",
        "2,2026-10-24T11:24:17,EGV,,,,iPhone G6,103,,,,",
        "3,2026-10-24T11:29:17,EGV,,,,iPhone G6,Low,,,,",
    )
    apple = export(
        record(sourceName=CANARY, inside=entry("HKTimeZone", "Europe/Paris")),
        record(SLEEP, "HKCategoryValueSleepAnalysisAsleepDeep", ""),
        f"<Correlation>{record(HR)}</Correlation>",
    )
    profile = {"record": "profile", "account": "a", "family_name": CANARY}
    return {
        "apple": apple,
        "clarity": clarity_file,
        "clarity_gzip": gzip.compress(clarity_file, mtime=0),
        "glucose": b"timestamp,glucose_value_mg_dl\n2016-11-21 15:28:00,110\n2016-11-21 15:33:00,Low\n" * 2,
        "fitbit": f"Id,Time,Value\n{CANARY},4/12/2016 7:21:00 AM,97\n2,4/12/2016 7:21:05 AM,102\n".encode(),
        "epochs": b"id,epoch_s,local_naive_if_us_eastern,hr\n2,1460460060,2016-04-12 07:21:00,97\n",
        "ndjson": "\n".join([json.dumps(profile), json.dumps(sample)]).encode(),
        "parquet": out.getvalue(),
    }


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A real file with some bytes changed, removed, repeated or put in."""
    content = bytearray(seeds()[draw(st.sampled_from(sorted(seeds())))])
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.integers(0, 12))
        kind = draw(st.sampled_from(["replace", "remove", "repeat", "cut", "splice"]))
        if kind == "replace":
            content[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "remove":
            del content[place : place + length]
        elif kind == "repeat":
            content[place:place] = bytes(content[place : place + length]) * draw(st.integers(1, 50))
        elif kind == "cut":
            del content[place:]
        else:
            words = [
                '"',
                ",",
                "\r",
                "\n",
                "\0",
                "<",
                "&#0;",
                "é",
                "٣",
                "-",
                "9" * 40,
                "1e400",
                "NaN",
                "\ufeff",
                "\u2028",
            ]
            content[place:place] = draw(st.sampled_from(words)).encode()
    return bytes(content)


def refusal(work: Callable[[], object]) -> SourceError | None:
    """Return the SourceError that the work ends with, if it ends with one; any other error goes through."""
    try:
        work()
    except SourceError as error:
        return error
    return None


def check_silence(error: SourceError) -> None:
    """Check that neither the error nor what a traceback would print above it repeats the data."""
    assert CANARY not in error.diagnostics()
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def survive(content: bytes) -> None:
    error = refusal(lambda: read(content))
    if error is not None:
        check_silence(error)


@settings(max_examples=400, deadline=None)
@given(mutations())
def test_mutated_files(content: bytes) -> None:
    survive(content)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(seeds())))
def test_real_beginnings_with_anything_behind(tail: bytes, name: str) -> None:
    content = seeds()[name]
    survive(content[: len(content) * 2 // 3] + tail)


@settings(max_examples=60, deadline=None)
@given(mutations(), st.sampled_from(ADAPTERS))
def test_every_adapter_survives_every_file(content: bytes, adapter: SourceAdapter) -> None:
    parsing = adapter.parse(ByteSource.from_bytes(content), now=NOW)
    rows: list[int] = []
    error = refusal(lambda: rows.extend(batch.num_rows for batch in parsing))
    if error is None:
        assert parsing.records == sum(rows) + parsing.ignored.total()
    else:
        check_silence(error)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
            st.text("0123456789.,-eE\"' ", max_size=8),
        ),
        max_size=8,
    )
)
def test_any_text_in_fields_of_a_table(rows: list[tuple[str, str]]) -> None:
    text = "timestamp,glucose_value_mg_dl\n" + "".join(f"{time},{value}\n" for time, value in rows)
    survive(text.encode())


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["signal", "value", "unit", "start", "end", "subject", "window_s", "tz", "modified", "statistic"]
        ),
        st.one_of(
            st.none(),
            st.text(max_size=30),
            st.integers(),
            st.floats(),
            st.booleans(),
            st.lists(st.none(), max_size=2),
        ),
    )
)
def test_any_json_in_a_sample(sample: dict[str, object]) -> None:
    first = {"signal": "heart_rate", "value": 1, "start": "2026-11-03T07:30:00Z"}
    table, _ = read("\n".join([json.dumps(first), json.dumps(sample)]).encode())
    assert table.num_rows == 2


@pytest.mark.parametrize("name", sorted(seeds()))
def test_the_seeds_themselves_are_sound(name: str) -> None:
    assert read(seeds()[name])[0].num_rows >= 1
