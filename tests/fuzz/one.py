"""Coverage-guided fuzzing of one parser in this process (atheris, libFuzzer).

    python -m tests.fuzz.one ADAPTER CORPUS [libFuzzer options]

Ends with an error at the first input that raises anything but a SourceError, loses a record, takes longer than the
`-timeout` or more memory than the `-rss_limit_mb` of libFuzzer.
"""

from __future__ import annotations

import datetime as dt
import sys

import atheris

with atheris.instrument_imports(include=["shelflife.sources", "fitdecode"]):
    from shelflife.sources.registry import ADAPTERS
    from shelflife.sources.source import HEAD_BYTES, ByteSource

from shelflife.errors import SourceError

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def survive(name: str, content: bytes) -> None:
    """Parse bytes with one adapter: rows that are accounted for, or a SourceError."""
    adapter = next(one for one in ADAPTERS if one.name == name)
    adapter.recognises(content[:HEAD_BYTES])
    parsing = adapter.parse(ByteSource.from_bytes(content), now=NOW, zone="America/New_York")
    try:
        rows = sum(batch.num_rows for batch in parsing)
    except SourceError:
        return
    if parsing.records != rows + parsing.ignored.total():
        raise AssertionError("a record is neither a row nor counted")


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda content: survive(name, content))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
