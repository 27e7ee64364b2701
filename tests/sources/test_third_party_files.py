"""Files that nobody here wrote: every record is a row or counted, against counts made by other parsers."""

from __future__ import annotations

import csv
import gzip
import io
import xml.etree.ElementTree as ET
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pytest

from shelflife.errors import SourceError
from shelflife.signals.sample import QualityFlag
from shelflife.sources.apple_types import SIGNAL_OF_TYPE
from tests.sources.reading import problems, read

if TYPE_CHECKING:
    from pathlib import Path

SMALL_EXPORTS = ("export.xml", "zip_contents/apple_health_export/export.xml")


def repaired_export(samples: Path) -> bytes:
    """The short extract was cut by hand and is not well formed: put back the two tags that it lacks."""
    text = (samples / "apple_health" / "exportSmall.xml").read_bytes()
    text = text.replace(b"</Record>\n \n </Record>", b"</Record>")
    text = text.replace(b" </Correlation>\n", b"", 1)
    return text.replace(b" <Workout ", b" </Correlation>\n <Workout ", 1)


def records_by_kind(content: bytes) -> tuple[int, Counter[str]]:
    """Count an export with ElementTree: records that have a signal, and the others by type."""
    root = ET.fromstring(content)
    rows, others = 0, Counter[str]()
    for element in root:
        if element.tag in {"ExportDate", "Me"}:
            continue
        kind = element.get("type", element.tag) if element.tag == "Record" else element.tag
        if kind in SIGNAL_OF_TYPE:
            rows += 1
        else:
            others[kind] += 1
        others["Correlation/Record"] += len(element.findall("Record"))
        for child in ("WorkoutEvent", "WorkoutRoute"):
            others[child] += len(element.findall(child))
        others["WorkoutRoute/Location"] += len(element.findall("WorkoutRoute/Location"))
    return rows, +others


def test_apple_extract(samples: Path) -> None:
    content = repaired_export(samples)
    rows, others = records_by_kind(content)
    table, parsing = read(content, "apple_health")
    assert (table.num_rows, parsing.ignored) == (rows, others)
    assert (rows, others["Correlation"], others["Correlation/Record"]) == (55, 13, 49)
    assert content.count(b"<Record ") == 73
    assert problems(table) == {}


def test_apple_extract_as_it_is_is_refused(samples: Path) -> None:
    with pytest.raises(SourceError, match=r"not well formed \(byte \d+\)"):
        read(samples / "apple_health" / "exportSmall.xml")


def test_apple_extract_values(samples: Path) -> None:
    table, parsing = read(repaired_export(samples))
    rows = table.to_pylist()
    high = [row for row in rows if row["value_num"] == 666]
    assert len(high) == 2
    assert all(row["quality_flags"] & QualityFlag.OUT_OF_RANGE for row in high)
    assert {row["modality"] for row in high} == {"self_reported", "sensed"}
    # The same reading from two applications stays two rows, told apart by the application.
    same = [row for row in rows if row["value_num"] == 166]
    assert {row["source_app"] for row in same} == {"mysugr", "one_drop"}
    pillow = [row for row in rows if row["source_app"] == "pillow"]
    assert {row["stage"] for row in pillow} == {"asleep_unspecified", "in_bed"}
    # The phone wrote +0200 in summer; the record's own zone says +0300.
    assert {(row["utc_offset_min"], row["iana_tz"], row["tz_basis"]) for row in pillow} == {
        (180, "Asia/Jerusalem", "sample")
    }
    assert {row["tz_basis"] for row in rows} == {"sample", "export"}
    assert "Human" in parsing.profile.source_names


@pytest.mark.parametrize("name", SMALL_EXPORTS)
def test_apple_layouts(samples: Path, name: str) -> None:
    path = samples / "apple_health" / "healthkit_to_sqlite" / name
    rows, others = records_by_kind(path.read_bytes())
    table, parsing = read(path, "apple_health")
    assert (table.num_rows, parsing.ignored) == (rows, others)
    assert (parsing.profile.birth_date, parsing.profile.sex) == ("1990-02-02", "male")
    row = table.to_pylist()[0]
    assert (row["device_make"], row["device_model"], row["device_sw"]) == ("Apple", "Watch2,4", "4.3.1")


def test_clarity(samples: Path) -> None:
    path = samples / "dexcom_clarity" / "test_file.csv"
    table, parsing = read(path, "dexcom_clarity")
    with path.open(encoding="utf-8-sig", newline="") as text:
        events = Counter(row["Event Type"] for row in csv.DictReader(text))
    assert table.num_rows == events.pop("EGV") == 2148
    assert parsing.ignored == events
    # The mean that a second reading of the file gives (reference, section 3).
    assert pc.mean(table.column("value_num")).as_py() == pytest.approx(111.896648, abs=1e-6)
    facts = parsing.profile
    assert (facts.given_name, facts.family_name, facts.birth_date) == ("Joe", "Schmoe", "1970-01-01")
    assert problems(table) == {}


def test_fitbit_seconds(samples: Path) -> None:
    path = samples / "fitbit_fitabase" / "example_heart_5.csv.gz"
    table, _ = read(path, "fitbit_fitabase")
    with gzip.open(path, "rt") as text:
        next(text)
        total, count = 0, 0
        for line in text:
            total, count = total + int(line.rsplit(",", 1)[1]), count + 1
    assert table.num_rows == count == 791_446
    assert pc.sum(table.column("value_num")).as_py() == total
    assert pc.count_distinct(table.column("alias")).as_py() == 5
    assert table.column("utc_offset_min").unique().to_pylist() == [-240]
    assert problems(table) == {}


@pytest.mark.parametrize(
    ("name", "signal"),
    [("heartrate_seconds_merged", "heart_rate"), ("minuteStepsNarrow_merged", "step_count")],
)
def test_fitbit_snippets(samples: Path, name: str, signal: str) -> None:
    path = samples / "fitbit_fitabase" / f"{name}.csv"
    lines = [line for line in path.read_text().splitlines() if line]
    table, _ = read(path, "fitbit_fitabase")
    assert table.num_rows == len(lines) - 1 == 49
    assert table.column("signal").unique().to_pylist() == [signal]
    assert problems(table) == {}


def test_fitbit_intensities_are_refused_and_so_stay_in_the_inbox(samples: Path) -> None:
    with pytest.raises(SourceError, match="intensity"):
        read(samples / "fitbit_fitabase" / "minuteIntensitiesNarrow_merged.csv")


@pytest.mark.parametrize(
    ("dataset", "people", "rows"),
    [("BIGIDEAs", 16, 36_898), ("PhysioCGM", 9, 201_586), ("Hall_2018", 57, 105_426)],
)
def test_glucose_ml(samples: Path, dataset: str, people: int, rows: int) -> None:
    files = sorted((samples / "glucose_ml" / dataset / f"{dataset}-extracted-glucose-files").glob("*.csv"))
    tables = [read(path, "glucose_ml")[0] for path in files]
    texts = [value for path in files for value in _values(path)]
    assert (len(files), sum(table.num_rows for table in tables), len(texts)) == (people, rows, rows)
    lows = sum(pc.sum(pc.equal(table.column("comparator"), "<")).as_py() or 0 for table in tables)
    assert lows == sum(text == "Low" for text in texts)
    assert all(problems(table) == {} for table in tables)
    assert all(table.column("alias").null_count == table.num_rows for table in tables)


def _values(path: Path) -> list[str]:
    with path.open(newline="") as text:
        return [row["glucose_value_mg_dl"] for row in csv.DictReader(text)]


@pytest.mark.parametrize("dataset", ["BIGIDEAs", "PhysioCGM", "Hall_2018"])
def test_glucose_ml_people(samples: Path, dataset: str) -> None:
    path = samples / "glucose_ml" / dataset / f"{dataset}-metadata.csv"
    people = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    table, parsing = read(path, "glucose_ml_metadata")
    assert table.num_rows == 0
    assert [facts.alias for facts in parsing.profiles] == [row["person_id"] for row in people]
    assert [facts.sex for facts in parsing.profiles] == [row["gender"] or None for row in people]
