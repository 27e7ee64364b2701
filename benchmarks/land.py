"""Landing large files of every format, end to end, beside the plainest parser of the format.

    nice -n 10 python -m benchmarks.land [--megabytes 64] [--format NAME]... [--apple-gigabyte] [--folder /tmp] [--json FILE]

Each line is one file of one format and three processes. "Land" is everything: digest of the file, detection, parsing,
rules, duplicates, sealing, flushing to disk, commit, ledger, lineage, and removal of the inbox file; its time is from the
start of `land` to its return, its memory the peak of the whole process (Python and libraries included, about 250 MB before
the first byte is read). "Parse" is the adapter alone, its rows thrown away. The peer reads every record and keeps nothing.
Files are generated, lie in the operating system's cache, and hold one signal every few seconds, which is dense: what a person
exports has more kinds of record and fewer of each. Plaintext files are written by the benchmark only.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.land_files.registry import FORMATS, write_file
from benchmarks.land_peers import PEERS
from shelflife.config import load_settings
from shelflife.estate import Estate
from shelflife.lake.inbox import InboxFile
from shelflife.lake.landing import land
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GIGABYTE = 1_000_000_000


def landed(path: Path, folder: Path) -> dict[str, Any]:
    """Land a file in a new estate."""
    settings = load_settings(
        home=folder / "estate",
        inbox=folder / "inbox",
        models=ROOT / "sql",
        policies=ROOT / "retention_policies",
        consent="not_relied_on",
    )
    estate = Estate.create(settings, NOW)
    started = time.perf_counter()
    report = land(estate, [InboxFile(path, "someone")], clock=lambda: NOW, keep=True)
    seconds = time.perf_counter() - started
    estate.close()
    [outcome] = report.files
    if outcome.state != "landed" or not outcome.landed:
        raise SystemExit(f"{outcome.state}: {outcome.error} {dict(outcome.reasons)}")
    return {"seconds": seconds, "samples": outcome.landed, "accounted": outcome.samples_in}


def parsed(path: Path) -> dict[str, Any]:
    """Parse a file and throw its rows away."""
    source = ByteSource.from_path(path)
    started = time.perf_counter()
    samples = sum(batch.num_rows for batch in detect(source).parse(source, now=NOW))
    return {"seconds": time.perf_counter() - started, "samples": samples}


def read_by_peer(path: Path, name: str) -> dict[str, Any]:
    """Read a file with the peer of its format."""
    started = time.perf_counter()
    samples = PEERS[name][1](path)
    return {"seconds": time.perf_counter() - started, "samples": samples}


def child(what: str, name: str, path: Path, folder: Path) -> dict[str, Any]:
    """Run one step in a process of its own and return its figures with its peak memory."""
    command = [sys.executable, "-m", "benchmarks.land", "--child", what, name, str(path), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_child(what: str, name: str, path: Path, folder: Path) -> None:
    """Run one step here and print its figures."""
    steps = {
        "land": lambda: landed(path, folder),
        "parse": lambda: parsed(path),
        "peer": lambda: read_by_peer(path, name),
    }
    found = steps[what]()
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


def measured(name: str, size: int, folder: Path) -> dict[str, Any]:
    """Write one large file of a format and measure all three readers of it."""
    path = folder / f"{name}.bin"
    write_file(name, path, size)
    bytes_written = path.stat().st_size
    line: dict[str, Any] = {"format": name, "megabytes": bytes_written / 1e6}
    for what in ("land", "parse", *(("peer",) if name in PEERS else ())):
        line[what] = child(what, name, path, folder)
        line[what]["mb_s"] = bytes_written / 1e6 / line[what]["seconds"]
        shutil.rmtree(folder / "estate", ignore_errors=True)
    path.unlink()
    print(shown(line), flush=True)
    return line


def shown(line: dict[str, Any]) -> str:
    """Return one line of the table."""
    land_, parse = line["land"], line["parse"]
    beside = f"{line['peer']['mb_s']:>8.1f} ({PEERS[line['format']][0]})" if "peer" in line else ""
    return (
        f"{line['format']:<20}{line['megabytes']:>8.0f} MB{land_['samples']:>12,} samples"
        f"{land_['mb_s']:>8.1f} MB/s{land_['samples'] / land_['seconds']:>11,.0f} samples/s{land_['peak_mb']:>7.0f} MB peak"
        f"   parse{parse['mb_s']:>7.1f}   peer{beside}"
    )


def main() -> None:
    """Measure the formats that were asked for."""
    if sys.argv[1:2] == ["--child"]:
        run_child(sys.argv[2], sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
        return
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--megabytes", type=int, default=64)
    asked.add_argument("--format", action="append", choices=FORMATS)
    asked.add_argument("--apple-gigabyte", action="store_true", help="only the 1 GB Apple Health export")
    asked.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    asked.add_argument("--json", type=Path)
    options = asked.parse_args()
    names = ["apple_health"] if options.apple_gigabyte else options.format or FORMATS
    size = GIGABYTE if options.apple_gigabyte else options.megabytes * 1_000_000
    folder = Path(tempfile.mkdtemp(prefix="land-", dir=options.folder))
    try:
        lines = [measured(name, size, folder) for name in names]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
