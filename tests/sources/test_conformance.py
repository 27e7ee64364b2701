"""Every source adapter keeps to the same rules, proved with all of its small files: new adapters come in by themselves.

The files are the `seeds()` of `tests/sources/synthetic/`. What is peculiar to a format is tested beside it; what damaged
bytes do is tried here with a few examples an adapter and by `make fuzz` for as long as wanted.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import zipfile
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.signals.sample import PARSED_SCHEMA
from shelflife.sources.archive import Archive
from shelflife.sources.registry import ADAPTERS
from shelflife.sources.source import ByteSource
from tests.fuzz.seeds import by_adapter, every_seed
from tests.sources import conformance
from tests.sources.conformance import ZONE, parsed, sound, unpacked
from tests.sources.damage import CANARY, damaged, survive, with_anything
from tests.sources.reading import NOW, read

if TYPE_CHECKING:
    from shelflife.sources.source import SourceAdapter

SEEDS = every_seed()
OF = {name: by_adapter().get(name, {}) for name in (*(one.name for one in ADAPTERS), Archive.name)}
EVERY_ADAPTER = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.name)
EVERY_SEED = pytest.mark.parametrize(
    ("adapter", "content"),
    [
        pytest.param(adapter, content, id=f"{adapter.name}-{name}")
        for adapter in ADAPTERS
        for name, content in OF[adapter.name].items()
    ],
)
NAMELESS = {"glucose_ml", "google_fit_metrics", "samsung_health_binning"}
"""Formats of times and numbers only, where no name has a place."""
UNPLACED = {"fitbit_takeout": {"heart_rate", "activities"}}
"""Records whose clock is documented nowhere: they stay wall-clock times, whatever the account's zone."""


TIMES = (
    "start_utc", "end_utc", "utc_offset_min", "iana_tz", "tz_basis", "local_date", "source_modified_at", "quality_flags",
)  # fmt: skip


def documents(adapter: SourceAdapter) -> dict[str, bytes]:
    """Return the seeds of an adapter that are one JSON document with something in it."""
    found = {}
    for name, content in OF[adapter.name].items():
        try:
            if json.loads(content):
                found[name] = content
        except ValueError:
            continue
    return found


def test_every_seed_is_of_one_adapter() -> None:
    assert sorted(name for seeds in OF.values() for name in seeds) == sorted(SEEDS)


@EVERY_ADAPTER
def test_an_adapter_has_seeds_with_rows_and_names(adapter: SourceAdapter) -> None:
    seeds = OF[adapter.name]
    profiles_only = all(one.signal is None for one in adapter.types)
    assert any(sound(parsed(adapter, content)[0]).num_rows for content in seeds.values()) != profiles_only
    named = any(CANARY.encode() in unpacked(content) for content in seeds.values())
    assert named != (adapter.name in NAMELESS)


@EVERY_SEED
def test_one_adapter_recognises_a_file_and_no_cut_head_makes_it_fail(
    adapter: SourceAdapter, content: bytes
) -> None:
    conformance.check_recognition(adapter, content, ADAPTERS)


@EVERY_SEED
def test_rows_and_totals_are_of_the_vocabulary_and_name_nobody(
    adapter: SourceAdapter, content: bytes
) -> None:
    rows, parsing = parsed(adapter, content)
    conformance.check_problems(rows)
    conformance.check_totals(parsing)
    conformance.check_sound_rows(sound(rows), adapter)
    conformance.check_names(sound(rows), adapter)


@EVERY_SEED
def test_the_same_bytes_give_the_same_rows(adapter: SourceAdapter, content: bytes) -> None:
    (first, once), (second, again) = parsed(adapter, content), parsed(adapter, content)
    assert first.equals(second)
    assert (once.records, once.ignored) == (again.records, again.ignored)
    assert (once.profile, once.profiles, once.consents) == (again.profile, again.profiles, again.consents)


@EVERY_SEED
def test_rows_come_in_batches_of_a_bounded_size(
    adapter: SourceAdapter, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = parsed(adapter, content)
    for name, module in list(sys.modules.items()):
        for bound in ("MAX_BATCH_ROWS", "_BATCH_ROWS"):
            if name.startswith("shelflife.sources.") and hasattr(module, bound):
                monkeypatch.setattr(module, bound, 2)
    batches = list(adapter.parse(ByteSource.from_bytes(content), now=NOW))
    assert all(batch.num_rows <= 2 for batch in batches)
    assert Counter(map(str, pa.Table.from_batches(batches, PARSED_SCHEMA).to_pylist())) == Counter(
        map(str, expected.to_pylist())
    )


@EVERY_SEED
def test_a_container_changes_nothing(adapter: SourceAdapter, content: bytes) -> None:
    plain = unpacked(content)
    expected, _ = read(plain, adapter.name)
    for packed in (gzip.compress(plain), zipped({"a.bin": plain})):
        assert read(packed, adapter.name)[0].equals(expected)


@EVERY_SEED
def test_the_zone_of_the_account_places_wall_clock_times(adapter: SourceAdapter, content: bytes) -> None:
    without, placed = parsed(adapter, content)[0], parsed(adapter, content, ZONE)[0]
    assert parsed(adapter, content, "No/Where")[0].equals(without)
    conformance.check_sound_rows(sound(placed), adapter)
    assert placed.drop_columns(list(TIMES)).equals(without.drop_columns(list(TIMES)))
    for row in sound(placed).to_pylist():
        declared = row["record_path"].partition("/")[0] in UNPLACED.get(adapter.name, ())
        assert (row["tz_basis"] == "unknown") == declared
        assert row["tz_basis"] != "account" or row["iana_tz"]


def test_all_files_in_one_archive_are_read_as_if_they_stood_alone() -> None:
    parts = {name: unpacked(content) for name, content in SEEDS.items() if name not in OF["archive"]}
    whole, parsing = read(zipped(parts), "archive")
    alone = [read(content) for content in parts.values()]
    assert whole.equals(pa.concat_tables([rows for rows, _ in alone]))
    assert parsing.ignored == sum((each.ignored for _, each in alone), Counter())
    assert parsing.consents == [one for _, each in alone for one in each.consents]
    facts = [one for _, each in alone for one in (*each.profiles, each.profile) if not one.empty]
    assert [one for one in parsing.profiles if not one.empty] == facts


@EVERY_ADAPTER
@settings(max_examples=100)
@given(data=st.data())
def test_damaged_files_end_in_rows_or_one_error(adapter: SourceAdapter, data: st.DataObject) -> None:
    content = data.draw(damaged(OF[adapter.name]))
    survived(content, adapter, data.draw(st.sampled_from([None, ZONE])))


@pytest.mark.parametrize(
    "adapter",
    [one for one in ADAPTERS if documents(one)],
    ids=lambda one: one.name,
)
@settings(max_examples=60)
@given(data=st.data())
def test_any_value_may_stand_anywhere_in_a_document(adapter: SourceAdapter, data: st.DataObject) -> None:
    survived(data.draw(with_anything(documents(adapter))), adapter, ZONE)


@settings(max_examples=40)
@given(damaged(OF["archive"]))
def test_damaged_archives_end_in_rows_or_one_error(content: bytes) -> None:
    survive(content)


def survived(content: bytes, adapter: SourceAdapter, zone: str | None) -> None:
    """Check what comes of damaged bytes: what lands is of the vocabulary all the same."""
    batches = survive(content, adapter, zone)
    conformance.check_batches(batches)
    rows = pa.Table.from_batches(batches, PARSED_SCHEMA)
    conformance.check_problems(rows)
    conformance.check_sound_rows(sound(rows), adapter)


def zipped(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()
