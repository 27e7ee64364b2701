"""Vendors' files together in one archive: each part is read as if it stood alone, also by adapters that read it twice."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from tests.sources.reading import read
from tests.sources.synthetic import dexcom_api, libreview, nightscout, oura, whoop, withings

PARTS = {
    name: content
    for module in (dexcom_api, libreview, nightscout, oura, whoop, withings)
    for name, content in module.seeds().items()
}


def zipped(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_parts_of_an_archive_are_read_as_if_they_stood_alone() -> None:
    table, parsing = read(zipped(PARTS), "archive")
    alone = [read(content) for content in PARTS.values()]
    assert table.num_rows == sum(rows.num_rows for rows, _ in alone)
    assert parsing.records == sum(each.records for _, each in alone)
    assert parsing.ignored.total() == sum(each.ignored.total() for _, each in alone)
    assert {row["source_platform"] for row in table.to_pylist()} >= {
        "dexcom",
        "libreview",
        "nightscout",
        "oura",
        "whoop",
        "withings",
    }


@pytest.mark.parametrize("name", sorted(PARTS))
def test_packed_files_say_what_plain_ones_say(name: str) -> None:
    plain = read(PARTS[name])[0]
    assert read(gzip.compress(PARTS[name]))[0].equals(plain)
    assert read(zipped({name: PARTS[name]}))[0].equals(plain)
