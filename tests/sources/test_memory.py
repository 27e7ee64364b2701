"""Memory stays bounded however large a file is: a long file of each kind of stream, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIMIT_MB = 200
"""What reading may add to what the imports take; a file's rows in memory would be far more."""

_PROGRAM = """
import datetime as dt, io, resource, sys, time
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource

class Long(io.RawIOBase):
    def __init__(self, head, line, tail, size):
        self.parts, self.at = self.pieces(head, line, tail, size), b""
    @staticmethod
    def pieces(head, line, tail, size):
        yield head
        block = line * ((1 << 20) // len(line))
        for _ in range(size // len(block)):
            yield block
        yield tail
    def read(self, size=-1):
        while len(self.at) < size:
            piece = next(self.parts, None)
            if piece is None:
                break
            self.at += piece
        given, self.at = self.at[:size], self.at[size:]
        return given
    def seek(self, offset, whence=0):
        assert offset == 0 and self.at
        return 0

class Rewindable(Long):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.first = b""
    def read(self, size=-1):
        if size == 4 and not self.first:
            self.first = super().read(4)
            return self.first
        return super().read(size)
    def seek(self, offset, whence=0):
        self.at = self.first + self.at
        self.first = b" "
        return 0

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

head, line, tail = (part.encode().decode("unicode_escape").encode() for part in sys.argv[1:4])
size = int(sys.argv[4]) << 20
def parse(size):
    source = ByteSource(lambda: Rewindable(head, line, tail, size), size)
    parsing = detect(source).parse(source, now=dt.datetime(2026, 11, 23, tzinfo=dt.UTC))
    rows = sum(batch.num_rows for batch in parsing)
    return rows, rows + parsing.ignored.total(), parsing.records
parse(1 << 20)
before, start = peak(), time.perf_counter()
rows, known, records = parse(size)
assert known == records > 0 < rows, (rows, known, records)
print(peak() - before, peak(), (size >> 20) / (time.perf_counter() - start), rows)
"""
_DEVICE = "&lt;&lt;HKDevice: 0x28a1&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,2&gt;"
_RECORD = (
    f' <Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Ada Apple Watch" device="{_DEVICE}" '
    'unit="count/min" creationDate="2026-11-03 07:30:05 +0100" startDate="2026-11-03 07:30:00 +0100" '
    'endDate="2026-11-03 07:30:00 +0100" value="61"/>\\n'
)
_APPLE = (
    "<?xml version='1.0'?>\\n<HealthData><ExportDate value='2026-11-22 10:00:00 +0100'/>",
    _RECORD,
    "</HealthData>",
)
_BEATS = "".join(
    f'<InstantaneousBeatsPerMinute bpm="60" time="07:30:{second:02d},00"/>' for second in range(60)
)
_APPLE_BEATS = (
    _APPLE[0],
    _RECORD.replace("HeartRate", "HeartRateVariabilitySDNN", 1)
    .replace("count/min", "ms")
    .replace('endDate="2026-11-03 07:30:00', 'endDate="2026-11-03 07:31:00')
    .replace(
        "/>", f"><HeartRateVariabilityMetadataList>{_BEATS}</HeartRateVariabilityMetadataList></Record>"
    ),
    _APPLE[2],
)
_APPLE_NAMES = (_APPLE[0], _RECORD.replace("Ada Apple Watch", "x" * 50_000), _APPLE[2])
_FITBIT = ("Id,Time,Value\\n", "2022484408,4/12/2016 7:21:05 AM,102\\n", "")
_NDJSON = (
    "",
    '{"subject": "acct-1", "signal": "heart_rate", "value": 61, "unit": "/min", "start": "2026-11-03T07:30:00+01:00"}\\n',
    "",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "megabytes"),
    [(_APPLE, 200), (_APPLE_BEATS, 120), (_APPLE_NAMES, 400), (_FITBIT, 200), (_NDJSON, 120)],
    ids=["apple_health", "apple_beats", "apple_names", "fitbit", "ndjson"],
)
def test_a_large_file_is_read_in_bounded_memory(parts: tuple[str, str, str], megabytes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *parts, str(megabytes)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    grown, peak, speed, rows = (float(part) for part in done.stdout.split())
    assert grown < LIMIT_MB, f"peak {peak:.0f} MB (+{grown:.0f}), {speed:.0f} MB/s, {rows:.0f} rows"
