"""Files made to harm, or of no format at all: a SourceError, soon, and without a value in its text."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shelflife.errors import SourceError
from shelflife.sources.apple_health import AppleHealth
from shelflife.sources.containers import Gunzip
from shelflife.sources.delimited import text_pieces
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource
from tests.sources.reading import NOW, read

if TYPE_CHECKING:
    from pathlib import Path

HEAD = b'<?xml version="1.0"?>\n'
RECORD = b'<Record type="HKQuantityTypeIdentifierHeartRate" value="SECRET" unit="count/min"/>'
CSV = b"timestamp,glucose_value_mg_dl\n"


class Endless:
    """A stream that repeats one piece for ever and counts what was taken from it."""

    def __init__(self, start: bytes, repeated: bytes) -> None:
        self._pending, self._repeated, self.taken = start, repeated, 0

    def read(self, size: int = -1, /) -> bytes:
        while len(self._pending) < size:
            self._pending += self._repeated
        given, self._pending = self._pending[:size], self._pending[size:]
        self.taken += len(given)
        return given


class EndlessFile(Endless):
    """The same as a file that can be opened and rewound."""

    def seek(self, offset: int, /) -> int:
        return offset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def parse_endless(start: bytes, repeated: bytes) -> int:
    """Parse an endless export; returns how much was read before it was refused."""
    streams: list[EndlessFile] = []

    def opened() -> BinaryIO:
        streams.append(EndlessFile(start, repeated))
        return streams[-1]  # type: ignore[return-value]

    with pytest.raises(SourceError):
        for _ in AppleHealth().parse(ByteSource(opened, 1 << 40), now=NOW):
            pass
    return max(stream.taken for stream in streams)


def refused(content: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        read(content)
    text = caught.value.diagnostics()
    assert "SECRET" not in text
    assert caught.value.remedy
    return text


@pytest.mark.parametrize(
    "declaration",
    [
        b'<!ENTITY a "b">',
        b'<!entity a "b">',
        b'<!ENTITY % a SYSTEM "file:///etc/passwd">',
        b'<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;"><!ENTITY lol3 "&lol2;&lol2;">',
    ],
)
def test_entities_are_refused(declaration: bytes) -> None:
    body = b"<HealthData>" + RECORD + b"</HealthData>"
    assert "entities" in refused(HEAD + b"<!DOCTYPE HealthData [" + declaration + b"]>" + body)


def test_a_second_document_type_is_refused() -> None:
    refused(HEAD + b"<HealthData><!DOCTYPE x [<!ENTITY a 'b'>]></HealthData>")


def test_an_entity_that_the_document_type_could_have_declared() -> None:
    refused(
        HEAD + b'<!DOCTYPE HealthData SYSTEM "http://example.com/x.dtd"><HealthData>&secret;</HealthData>'
    )


@pytest.mark.parametrize("cut", [60, 120, -1, -5, -14])
def test_a_truncated_export(cut: int) -> None:
    whole = HEAD + b"<HealthData>" + RECORD * 3 + b"</HealthData>"
    refused(whole[:cut])


def test_an_export_with_something_after_its_end() -> None:
    refused(HEAD + b"<HealthData></HealthData><HealthData></HealthData>")


@pytest.mark.parametrize(
    ("start", "repeated"),
    [
        (HEAD + b"<HealthData>", b"<a>" * 9),
        (HEAD + b"<HealthData a='", b"x" * 4096),
        (HEAD + b"<HealthData><Record type='", b"x" * 4096),
        (HEAD + b"<HealthData><!--", b"x" * 4096),
        (HEAD + b"<!DOCTYPE HealthData [", b"<!ELEMENT a EMPTY>" * 99),
        (HEAD, b" " * 4096),
    ],
)
def test_endless_constructs_are_given_up_early(start: bytes, repeated: bytes) -> None:
    assert parse_endless(start, repeated) < 4 << 20


def test_a_line_without_end_is_given_up_early() -> None:
    endless = Endless(CSV, b"1" * 4096)
    with pytest.raises(SourceError, match="longer"):
        list(text_pieces(endless))
    assert endless.taken < 8 << 20


def test_white_space_without_end_is_no_format() -> None:
    endless = EndlessFile(b"", b" \n" * 4096)
    with pytest.raises(SourceError, match="No source adapter"):
        detect(ByteSource(lambda: endless, 3 << 30))  # type: ignore[arg-type,return-value]
    assert endless.taken < 1 << 20


def test_a_gzip_bomb() -> None:
    assert "expands" in refused(gzip.compress(CSV + b"\n" * (64 << 20)))


def test_a_zip_bomb() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/export.xml", HEAD + b"<HealthData>" + b" " * (64 << 20))
    assert "expands" in refused(packed.getvalue())


def test_a_zip_whose_directory_lies_about_the_size() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/export.xml", HEAD + b"<HealthData>" + b" " * (64 << 20))
    true_size = len(HEAD + b"<HealthData>") + (64 << 20)
    refused(packed.getvalue().replace(true_size.to_bytes(4, "little"), (9000).to_bytes(4, "little")))


def test_a_part_of_an_archive_that_does_not_fit_its_checksum() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", CSV + b"2016-11-21 15:28:00,110\n")
        archive.writestr("b.csv", CSV + b"2016-11-21 15:28:00,120\n")
    assert "damaged" in refused(packed.getvalue().replace(b"00,120", b"00,121"))


@pytest.mark.parametrize("cut", [1, 9, 30, -1, -9])
def test_a_truncated_gzip(cut: int) -> None:
    refused(gzip.compress(CSV + b"2016-11-21 15:28:00,110\n" * 50)[:cut])


def test_gzip_of_nothing_and_gzip_in_gzip() -> None:
    refused(gzip.compress(b""))
    refused(gzip.compress(gzip.compress(CSV)))


def test_a_gzip_stream_never_gives_more_than_asked() -> None:
    stream = Gunzip(io.BytesIO(gzip.compress(b"a" * 100_000)))
    sizes = []
    while piece := stream.read(1000):
        sizes.append(len(piece))
    assert (max(sizes), sum(sizes)) == (1000, 100_000)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"SECRET",
        bytes(range(256)) * 300,
        b"PAR1",
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"{}",
        b"[]",
        b'{"signal": 1}',
        b"<HealthData>" * 5,
        b"<?xml version='1.0'?><gpx>SECRET</gpx>",
        (CSV + b"2016-11-21 15:28:00,SECRET\n").decode().encode("utf-16"),
        zlib.compress(b"SECRET"),
    ],
)
def test_what_is_no_format(content: bytes) -> None:
    refused(content)


@pytest.mark.parametrize("wrong", [b"\xff", b"\0", "é".encode("latin-1")])
def test_bytes_that_are_no_text_are_refused_with_their_position(wrong: bytes) -> None:
    good = CSV + b"2016-11-21 15:28:00,110\n"
    assert f"byte {len(good)}" in refused(good + wrong + b"SECRET\n")


def test_a_zero_byte_in_xml() -> None:
    refused(HEAD + b"<HealthData>\0" + RECORD + b"</HealthData>")


def test_a_damaged_parquet_file() -> None:
    out = io.BytesIO()
    pq.write_table(
        pa.table({"signal": ["heart_rate"] * 99, "value": ["SECRET"] * 99, "start": ["x"] * 99}), out
    )
    whole = out.getvalue()
    for place in range(4, len(whole), 37):
        broken = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        with suppress(SourceError):
            read(broken)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened"):
        ByteSource.from_path(tmp_path / "gone.csv")


def test_a_byte_source_has_no_name(tmp_path: Path) -> None:
    path = tmp_path / "anna-smith.csv"
    path.write_bytes(CSV)
    source = ByteSource.from_path(path)
    assert (source.size, source.suffix) == (len(CSV), ".csv")
    assert "anna" not in repr(source)
