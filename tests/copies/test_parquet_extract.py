"""Parquet extracts: the conformance suite, and what only they have."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shelflife.copies.parquet_extract import read_extract
from shelflife.copies.protocol import TOKEN
from shelflife.errors import SealBroken
from tests.conftest import NOW
from tests.copies.conformance import ERASED, NAME, FolderConformance, Place
from tests.copies.estates import declared, expected, rows_of, token


class TestParquetExtract(FolderConformance):
    kind = "parquet_extract"
    publish_points = ("copies.file.written",)
    erase_points = ("copies.items.settled",)
    expire_points = ()

    def plant(self, place, person):
        """Somebody saves a table of their own beside the extract, compressed."""
        rows = pa.table({TOKEN: pa.array([token(person)] * 2, pa.binary()), "mean_bpm": [61.0, 62.0]})
        pq.write_table(rows, Path(place.opening.location) / "mine.parquet", compression="zstd")

    def test_each_dataset_is_a_file_under_a_key_of_its_own(self, place):
        place.publish()
        live = place.opening.items.live()
        assert sorted(item.dataset for item in live) == ["activity_daily", "heart_daily"]
        assert len({item.key for item in live}) == 2

    def test_erasing_touches_only_the_files_that_hold_the_person(self, place):
        place.publish()
        before = {item.dataset: item.item for item in place.opening.items.live()}
        # Person 0 has no steps.
        erased = place.adapter.erase([token(0)], NOW)
        after = {item.dataset: item.item for item in place.opening.items.live()}
        assert [item.dataset for item in erased.items] == ["heart_daily"]
        assert after["activity_daily"] == before["activity_daily"]
        assert after["heart_daily"] != before["heart_daily"]

    def test_a_copy_of_the_former_file_opens_with_no_key_that_is_left(self, place, tmp_path):
        place.publish()
        [former] = [item for item in place.opening.items.live() if item.dataset == "heart_daily"]
        kept = tmp_path / former.item
        kept.write_bytes((Path(place.opening.location) / former.item).read_bytes())
        file_id = former.item.partition(".")[0]
        assert read_extract(kept, file_id=file_id, key=former.key).num_rows > 0
        place.adapter.erase([token(2)], NOW)
        for item in place.opening.items.live():
            with pytest.raises(SealBroken):
                read_extract(kept, file_id=file_id, key=item.key)


def test_an_extract_in_clear_is_plain_parquet_without_the_erased(tmp_path):
    reason = "The tool that reads it cannot decrypt."
    place = Place(
        tmp_path, declared("parquet_extract", name=NAME, encryption="none", encryption_reason=reason)
    )
    place.publish()
    assert "erased_person" in {finding.rule for finding in place.inspect(ERASED[0])}
    place.adapter.erase([token(person) for person in ERASED], NOW)
    assert place.inspect(*ERASED) == []
    folder = Path(place.opening.location)
    tables = [pq.read_table(folder / name) for name in place.known()]
    found = {value for table in tables for value in table.column(TOKEN).to_pylist()}
    assert token(1) in found
    assert not found & {token(person) for person in ERASED}
    held = {name: rows_of(rows) for name, rows in place.adapter.export(token(1)).items()}
    assert held == expected(1)
    place.estate.close()
