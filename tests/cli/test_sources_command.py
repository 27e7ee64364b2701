"""`shelflife sources`: all formats, one of them, or the page."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from shelflife.cli.main import app
from shelflife.sources.registry import ADAPTERS
from shelflife.sources.type_table import type_table


def shown(*arguments: str, code: int = 0) -> str:
    done = CliRunner(env={"TERM": "dumb", "COLUMNS": "200"}).invoke(app, ["sources", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_every_format_is_listed():
    text = shown()
    assert all(adapter.name in text and adapter.title in text for adapter in ADAPTERS)


def test_one_format_shows_its_record_types_and_no_other():
    text = shown("garmin_fit")
    assert "record.heart_rate" in text
    assert "HKQuantityTypeIdentifierHeartRate" not in text


@pytest.mark.parametrize(("named", "count"), [((), len(ADAPTERS)), (("whoop",), 1)])
def test_json_names_adapters_and_their_types(named, count):
    found = json.loads(shown(*named, "--json"))
    assert len(found) == count
    assert all({"record", "signal", "LOINC"} <= row.keys() for rows in found.values() for row in rows)


def test_the_page_is_printed_as_it_stands_in_the_documentation():
    assert shown("--markdown") == type_table(ADAPTERS)


def test_an_unknown_format_is_wrong_usage():
    assert "shelflife sources" in shown("vinyl", code=2)
