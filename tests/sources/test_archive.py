"""Zip files: which part is the main one, and how much may come out of all of them together."""

from __future__ import annotations

import io
import zipfile

import pytest

from shelflife.errors import SourceError
from tests.sources.reading import read
from tests.sources.synthetic.health_connect import Phone

GLUCOSE = b"timestamp,glucose_value_mg_dl\n2016-11-21 15:28:00,110\n"


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return out.getvalue()


def test_a_database_is_the_main_part_whatever_lies_beside_it():
    phone = Phone()
    phone.beats([61, 62])
    table, parsing = read(zipped(export__db=phone.content(), readme__txt=b"words"), "health_connect")
    assert table.num_rows == 2
    assert parsing.records == 2 + parsing.ignored.total()


def test_parts_are_read_one_by_one_and_what_nobody_knows_is_counted():
    table, parsing = read(
        zipped(one__csv=GLUCOSE, two__csv=GLUCOSE, photo__jpg=b"\xff\xd8", song__mp3=b"x"), "archive"
    )
    assert table.num_rows == 2
    assert parsing.ignored == {"archive/jpg": 1, "archive/other": 1}


def test_parts_that_expand_like_a_bomb_only_together_are_refused():
    # Each part is small enough to pack well by chance; all of them together are not.
    part = GLUCOSE + b"\n" * (9 << 20)
    with pytest.raises(SourceError, match="expands more than"):
        read(zipped(one__csv=part, two__csv=part))
