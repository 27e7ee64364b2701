"""Landing large files of every format, end to end, beside the plainest parser of the format.

    nice -n 10 python -m benchmarks.land [--megabytes 64] [--format NAME]... [--runs 3] [--apple-gigabyte] [--folder /tmp]
                                         [--json FILE] [--markdown]

Each line is one file of one format and three processes, the one of the median time of several runs of each. "Land" is everything: digest of the file, detection, parsing,
rules, duplicates, sealing, flushing to disk, commit, ledger, lineage, and removal of the inbox file; its time is from the
start of `land` to its return, its memory the peak of the whole process (Python and libraries included, about 250 MB before
the first byte is read). CPU is what the process used from start to return, in user and system mode together: on a busy
machine it says more than the time on the clock, and what it leaves of that is waiting for the disk. "Parse" is the adapter alone, its rows thrown away. The peer reads every record and keeps nothing.
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
from typing import Any, Self

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


class Timed:
    """Takes the seconds of a block: on the clock, and of CPU in user and system mode."""

    def __enter__(self) -> Self:
        self._started, self._used = time.perf_counter(), cpu_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self.cpu_seconds = cpu_seconds() - self._used

    @property
    def figures(self) -> dict[str, Any]:
        """Both figures by name."""
        return {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds}


def cpu_seconds() -> float:
    """Return what this process has used of the processors so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


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
    with Timed() as timed:
        report = land(estate, [InboxFile(path, "someone")], clock=lambda: NOW, keep=True)
    estate.close()
    [outcome] = report.files
    if outcome.state != "landed" or not outcome.landed:
        raise SystemExit(f"{outcome.state}: {outcome.error} {dict(outcome.reasons)}")
    return {**timed.figures, "samples": outcome.landed, "accounted": outcome.samples_in}


def parsed(path: Path) -> dict[str, Any]:
    """Parse a file and throw its rows away."""
    source = ByteSource.from_path(path)
    with Timed() as timed:
        samples = sum(batch.num_rows for batch in detect(source).parse(source, now=NOW))
    return {**timed.figures, "samples": samples}


def read_by_peer(path: Path, name: str) -> dict[str, Any]:
    """Read a file with the peer of its format."""
    with Timed() as timed:
        samples = PEERS[name][1](path)
    return {**timed.figures, "samples": samples}


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


def median_of(what: str, name: str, path: Path, folder: Path, runs: int) -> dict[str, Any]:
    """Run one step several times and return the figures of the run in the middle, with the greatest peak of all."""
    found = []
    for _ in range(runs):
        found.append(child(what, name, path, folder))
        shutil.rmtree(folder / "estate", ignore_errors=True)
    middle = sorted(found, key=lambda run: run["seconds"])[(runs - 1) // 2]
    return {**middle, "peak_mb": max(run["peak_mb"] for run in found)}


def measured(name: str, size: int, folder: Path, runs: int) -> dict[str, Any]:
    """Write one large file of a format and measure all three readers of it."""
    path = folder / f"{name}.bin"
    write_file(name, path, size)
    bytes_written = path.stat().st_size
    line: dict[str, Any] = {"format": name, "megabytes": bytes_written / 1e6}
    for what in ("land", "parse", *(("peer",) if name in PEERS else ())):
        line[what] = median_of(what, name, path, folder, runs)
        line[what]["mb_s"] = bytes_written / 1e6 / line[what]["seconds"]
    path.unlink()
    print(shown(line), file=sys.stderr, flush=True)
    return line


def shown(line: dict[str, Any]) -> str:
    """Return one line of the table."""
    land_, parse = line["land"], line["parse"]
    beside = f"{line['peer']['mb_s']:>8.1f} ({PEERS[line['format']][0]})" if "peer" in line else ""
    return (
        f"{line['format']:<22}{line['megabytes']:>5.0f} MB{land_['samples']:>11,} samples"
        f"{land_['seconds']:>7.1f} s{land_['cpu_seconds']:>7.1f} s CPU{land_['samples'] / land_['seconds']:>10,.0f} samples/s"
        f"{land_['mb_s']:>7.1f} MB/s{land_['peak_mb']:>6.0f} MB peak   parse{parse['mb_s']:>7.1f}   peer{beside}"
    )


def as_markdown(lines: list[dict[str, Any]]) -> str:
    """Return the table for a document."""
    rows = [
        "| Format | File | Samples | Landed in | CPU | Samples/s | Land MB/s | Parse MB/s | Peer MB/s | Peak memory |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for line in lines:
        land_, peer = line["land"], line.get("peer")
        beside = f"{peer['mb_s']:.1f} ({PEERS[line['format']][0]})" if peer else "-"
        cells = [
            f"`{line['format']}`",
            f"{line['megabytes']:,.0f} MB",
            f"{land_['samples']:,}",
            f"{land_['seconds']:.1f} s",
            f"{land_['cpu_seconds']:.1f} s",
            f"{land_['samples'] / land_['seconds']:,.0f}",
            f"{land_['mb_s']:.1f}",
            f"{line['parse']['mb_s']:.1f}",
            beside,
            f"{land_['peak_mb']:,.0f} MB",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


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
    asked.add_argument("--runs", type=int, default=1, help="the figures are those of the run in the middle")
    asked.add_argument("--markdown", action="store_true", help="print a table for a document at the end")
    options = asked.parse_args()
    names = ["apple_health"] if options.apple_gigabyte else options.format or FORMATS
    size = GIGABYTE if options.apple_gigabyte else options.megabytes * 1_000_000
    folder = Path(tempfile.mkdtemp(prefix="land-", dir=options.folder))
    try:
        lines = [measured(name, size, folder, options.runs) for name in names]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))
    if options.markdown:
        print(as_markdown(lines))


if __name__ == "__main__":
    main()
