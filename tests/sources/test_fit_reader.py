"""The FIT reader that reads a message's fields at once decodes what the decoder it stands in for decodes."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import fitdecode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.sources.fit_reader import Reader
from tests.sources.synthetic.garmin_fit import seeds

if TYPE_CHECKING:
    from pathlib import Path

FAILURES = (
    fitdecode.FitError,
    struct.error,
    AssertionError,
    AttributeError,
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
)
SEEDS = list(seeds().values())


def read(reader: type[Any], content: bytes, *, verify: bool) -> list[object]:
    """Return all that a reader says of a file; the kind of its error at the end, if it has one."""
    check = fitdecode.CrcCheck.RAISE if verify else fitdecode.CrcCheck.DISABLED
    found: list[object] = []
    ignore = fitdecode.ErrorHandling.IGNORE
    try:
        with reader(io.BytesIO(content), processor=None, check_crc=check, error_handling=ignore) as frames:
            for frame in frames:
                kind = frame.frame_type
                found.append((kind, frames.fit_file_index))
                if kind == fitdecode.FIT_FRAME_DATA:
                    fields = [
                        (one.name, one.def_num, repr(one.value), repr(one.raw_value)) for one in frame.fields
                    ]
                    found.append((frame.name, frame.local_mesg_num, fields))
    except FAILURES as error:
        found.append(type(error))
    return found


@pytest.mark.parametrize("content", SEEDS)
def test_synthetic_files_read_the_same(content: bytes) -> None:
    for verify in (True, False):
        found = read(Reader, content, verify=verify)
        assert len(found) > 3
        assert found == read(fitdecode.FitReader, content, verify=verify)


def test_files_of_others_read_the_same(samples: Path) -> None:
    paths = sorted(samples.rglob("*.fit"), key=lambda path: path.stat().st_size)
    assert paths
    for path in [path for path in paths if path.stat().st_size < 300_000]:
        content = path.read_bytes()
        assert read(Reader, content, verify=True) == read(fitdecode.FitReader, content, verify=True)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_damaged_files_read_the_same_or_are_refused_alike(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    for one in (bytes(damaged), cut):
        ours, theirs = (read(reader, one, verify=False) for reader in (Reader, fitdecode.FitReader))
        failed = isinstance(ours[-1], type) if ours else False
        assert failed == (isinstance(theirs[-1], type) if theirs else False)
        assert [x for x in ours if not isinstance(x, type)] == [x for x in theirs if not isinstance(x, type)]


def test_a_checksum_covers_every_byte() -> None:
    damaged = bytearray(SEEDS[0])
    damaged[-1] ^= 1
    assert read(Reader, bytes(damaged), verify=True)[-1] is fitdecode.FitCRCError
