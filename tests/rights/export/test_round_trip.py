"""What was landed and derived comes out again, read by programs that know nothing of shelflife."""

from __future__ import annotations

import csv
import hashlib
import json
import math

import polars as pl
import pyarrow.parquet as pq
import pytest

from shelflife.signals.sample import QualityFlag
from shelflife.signals.vocabulary import SIGNALS
from tests.lake.state import derived_rows, raw_rows

RENAMED = {
    "value": "value_num",
    "unit": "unit_ucum",
    "received_value": "value_raw",
    "received_unit": "unit_raw",
    "device_software": "device_sw",
}
TEXT = ("signal", "value_code", "comparator", "iana_tz", "tz_basis", "statistic", "stage", "source_platform")


@pytest.fixture(scope="module")
def landed_rows(exported) -> dict[str, pl.DataFrame]:
    """The person's rows in the vault, by stream, read by other code than the export's."""
    found: dict[str, list[pl.DataFrame]] = {}
    for (table, _), rows in raw_rows(exported.estate).items():
        mine = rows.filter(pl.col("pid") == exported.person.alias).drop("pid")
        if mine.height:
            name = "quarantined" if table.startswith("quarantine_") else table
            found.setdefault(name, []).append(mine)
    return {name: pl.concat(parts) for name, parts in found.items()}


def test_every_landed_row_is_in_every_format(exported, landed_rows):
    assert {"heart", "sleep", "glucose", "activity", "body", "respiration", "quarantined"} == set(landed_rows)
    for name, rows in landed_rows.items():
        data = exported.folder / "data"
        with (data / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) == rows.height
        assert len((data / f"{name}.ndjson").read_text("utf-8").splitlines()) == rows.height
        assert pq.ParquetFile(data / f"{name}.parquet").metadata.num_rows == rows.height
    assert exported.report.rows == sum(rows.height for rows in landed_rows.values()) + sum(
        rows.filter(pl.col("pid") == exported.person.alias).height
        for name, rows in derived_rows(exported.estate).items()
        if name != "cohort_weekly"
    )


@pytest.mark.parametrize("stream", ["heart", "sleep", "glucose", "activity", "body", "respiration"])
def test_parquet_holds_the_very_values(exported, landed_rows, stream):
    found = pl.read_parquet(exported.folder / "data" / f"{stream}.parquet")
    stored = landed_rows[stream]
    columns = [name for name in found.columns if name not in ("loinc", "quality_flags")]
    expected = stored.select(pl.col(RENAMED.get(name, name)).alias(name) for name in columns)
    assert (
        found.select(columns).sort(columns, nulls_last=True).equals(expected.sort(columns, nulls_last=True))
    )
    assert found["start_utc"].is_sorted()
    for signal, loinc in found.select("signal", "loinc").unique().iter_rows():
        assert loinc == SIGNALS[signal].loinc
    flagged = {flag for words in found["quality_flags"].drop_nulls().to_list() for flag in words.split()}
    bits = {flag.name for flag in QualityFlag for bits in stored["quality_flags"].drop_nulls() if bits & flag}
    assert flagged == bits


@pytest.mark.parametrize("stream", ["heart", "glucose", "quarantined"])
def test_csv_and_ndjson_say_what_parquet_says(exported, stream):
    data = exported.folder / "data"
    rows = pl.read_parquet(data / f"{stream}.parquet").to_dicts()
    lines = [json.loads(line) for line in (data / f"{stream}.ndjson").read_text("utf-8").splitlines()]
    with (data / f"{stream}.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert rows
    for row, line, cell in zip(rows, lines, cells, strict=True):
        assert set(row) == set(line) == set(cell)
        assert line["value"] == row["value"]
        assert (
            cell["value"] == "" if row["value"] is None else math.isclose(float(cell["value"]), row["value"])
        )
        for name in TEXT:
            assert line[name] == row[name]
            assert cell[name] == (row[name] or "")
        for name in ("start_utc", "end_utc"):
            # A time that could not be read is missing, not made up.
            text = row[name].strftime("%Y-%m-%dT%H:%M:%S.%fZ") if row[name] else None
            assert (line[name], cell[name]) == (text, text or "")


def test_derived_tables_are_whole_and_without_the_pseudonym(exported):
    for name, everybody in derived_rows(exported.estate).items():
        path = exported.folder / "data" / "derived" / f"{name}.parquet"
        if name == "cohort_weekly":
            assert not path.exists()
            continue
        expected = everybody.filter(pl.col("pid") == exported.person.alias).drop("pid").sort("local_date")
        assert expected.height >= (1 if name == "hrv_recordings" else 6)
        assert pl.read_parquet(path).equals(expected)
        with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) == expected.height


def test_the_dictionary_names_every_column_of_every_table(exported):
    tables = json.loads((exported.folder / "dictionary.json").read_text("utf-8"))["tables"]
    with (exported.folder / "dictionary.csv").open(encoding="utf-8", newline="") as file:
        listed = {(row["table"], row["column"]): row for row in csv.DictReader(file)}
    files = sorted((exported.folder / "data").rglob("*.parquet"))
    assert len(files) == 12
    for path in files:
        described = {column["name"]: column for column in tables[path.stem]["columns"]}
        assert list(described) == pq.read_schema(path).names
        for name, column in described.items():
            assert len(column["meaning"]) > 3
            assert listed[path.stem, name]["meaning"] == column["meaning"]
            kind = str(pq.read_schema(path).field(name).type)
            assert ("timestamp" in kind) == (column["kind"] == "timestamp")
            assert bool(column["time_zone"]) == ("timestamp" in kind or "date" in kind)
        for file in tables[path.stem]["files"]:
            assert (exported.folder / file).is_file()
    values = {name: tables[name]["columns"][2]["sensitivity"] for name in ("heart", "glucose")}
    assert values == {"heart": "sensitive", "glucose": "special"}


def test_the_manifest_lists_every_file_with_its_hash(exported):
    manifest = json.loads((exported.folder / "manifest.json").read_bytes())
    listed = {member["name"]: member for member in manifest["members"]}
    present = {
        path.relative_to(exported.folder).as_posix() for path in exported.folder.rglob("*") if path.is_file()
    }
    assert present == set(listed) | {"manifest.json", "manifest.sig"}
    assert exported.report.members == len(listed)
    assert exported.opened.files == len(present)
    for name, member in listed.items():
        content = (exported.folder / name).read_bytes()
        assert (member["bytes"], member["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert listed["data/heart.csv"]["rows"] == listed["data/heart.parquet"]["rows"] > 1000
    digest = hashlib.sha256((exported.folder / "manifest.json").read_bytes()).hexdigest()
    assert exported.report.manifest_sha256 == digest
    assert exported.report.sha256 == hashlib.sha256(exported.sealed).hexdigest()
    assert exported.report.bytes == len(exported.sealed)


def test_the_ledger_records_the_export_and_nothing_of_the_person(exported):
    from shelflife.control.tables import ledger_leaf

    with exported.estate.database.read() as conn:
        bodies = [row.body for row in conn.execute(ledger_leaf.select())]
    [entry] = [json.loads(body) for body in bodies if json.loads(body)["type"] == "export_packed"]
    assert entry["manifest_sha256"] == exported.report.manifest_sha256
    assert entry["export"] == exported.report.export_id
    assert set(entry) == {
        "type", "at", "request", "export", "regimes", "manifest_sha256", "withheld", "recipients", "expires_at",
    }  # fmt: skip
