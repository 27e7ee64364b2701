"""Exporting one person out of many: everything that is held about them, beside a scan for their rows alone.

    nice -n 10 python -m benchmarks.export [--people 10000] [--rows 10000000] [--days 20] [--ask 7] [--derive]
                                           [--folder /tmp] [--json FILE]

The rows are those of `benchmarks.erase`: heart rates, the same number a day for everyone, landed as one file a day. Each
export is the whole package, written to a file and flushed: CSV, NDJSON and Parquet of every table, FHIR, the page with
its chart, the documents, the signed manifest, HPKE and the ledger entry. Its first run in a process also checks the SQL
models; that is told apart.

The peers start from the day files in plaintext (zstd Parquet, sorted by person, so that their statistics can skip row
groups) and only give back one person's rows as a table: no page, no documents, no encryption. "Scan" reads every row
group with pyarrow, since nobody may rely on the order of a warehouse's rows. All files are in the operating system's
cache. Medians over different people.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import psutil
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks.erase_peers.rows import victims_of, write_rows
from benchmarks.erase_peers.shelflife_estate import NOW, ROOT
from shelflife.config import load_settings
from shelflife.estate import Estate
from shelflife.lake.checks import check_batches
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.rights.export.collect import collect
from shelflife.rights.export.export import export_subject
from shelflife.rights.export.files import write_export
from shelflife.rights.export.standing import watched
from shelflife.seal.envelope_keys import ExportPrivateKey
from shelflife.subjects.directory import Alias, find

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.erase_peers.peer import Rows
    from shelflife.rights.export.export import ExportReport
    from shelflife.subjects.directory import Subject

KEY = ExportPrivateKey.generate()


def loaded(folder: Path, rows: Rows, *, derived: bool) -> Estate:
    """Land the day files, and derive from them where that is asked for."""
    settings = load_settings(
        home=folder / "estate",
        inbox=folder / "inbox",
        models=ROOT / "sql",
        policies=ROOT / "retention_policies",
        consent="not_relied_on",
    )
    inbox = settings.inbox / "export"
    inbox.mkdir(parents=True)
    for path in rows.days():
        shutil.copyfile(path, inbox / path.name)
    estate = Estate.create(settings, NOW)
    begin = time.perf_counter()
    report = land(estate, list_inbox(settings.inbox), clock=lambda: NOW)
    check_batches(estate, report.batches)
    print(f"landed {report.total('landed'):,} rows in {time.perf_counter() - begin:.0f} s", flush=True)
    if derived:
        begin = time.perf_counter()
        made = derive(estate, clock=lambda: NOW)
        print(f"derived {made.rows:,} rows in {time.perf_counter() - begin:.0f} s", flush=True)
    return estate


def exported(estate: Estate, person: Subject, path: Path) -> ExportReport:
    path.unlink(missing_ok=True)
    return write_export(
        path,
        lambda sink: export_subject(
            estate,
            person,
            to=sink,
            recipient_key=KEY.public_key(),
            regimes=["eu_gdpr"],
            recipients=[],
            request_id="benchmark",
            clock=lambda: NOW,
        ),
    )


def found(estate: Estate, person: Subject) -> int:
    """Find and open a person's rows, and make nothing of them."""
    with watched(estate, person, lambda: NOW) as watch:
        tables = collect(estate, person, watch).tables
        return sum(rows.num_rows for table in tables if table.kind == "samples" for rows in table.batches())


def scanned(folder: Path, who: str) -> int:
    """Read every row group and keep the person's rows."""
    count = 0
    for path in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1 << 17):
            mine = batch.filter(pc.equal(batch.column("subject"), who))
            count += mine.num_rows
    return count


PEERS: dict[str, Callable[[Path, str], int]] = {
    "scan, pyarrow": scanned,
    "filter, pyarrow": lambda folder, who: (
        ds.dataset(folder, format="parquet").to_table(filter=ds.field("subject") == who).num_rows
    ),
    "filter, DuckDB": lambda folder, who: len(
        duckdb.execute(
            "SELECT * FROM read_parquet(?) WHERE subject = ?", [f"{folder}/*.parquet", who]
        ).fetchall()
    ),
    "filter, Polars": lambda folder, who: (
        pl.scan_parquet(f"{folder}/*.parquet").filter(pl.col("subject") == who).collect().height
    ),
}


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return seconds that passed, seconds of processor time, and what came out."""
    before, begin = time.process_time(), time.perf_counter()
    result = work()
    return time.perf_counter() - begin, time.process_time() - before, result


def measure(estate: Estate, rows: Rows, people: list[str], folder: Path) -> dict[str, dict[str, float]]:
    names = [Alias("account", one) for one in people]
    with estate.database.read() as conn:
        subjects = find(estate, conn, names)
    cold = timed(lambda: exported(estate, subjects[names[0]], folder / "one.sealed"))
    print(
        f"first export of the process: {cold[0]:.2f} s; {cold[2].rows:,} rows, {cold[2].bytes:,} bytes",
        flush=True,
    )
    expected, times = cold[2].rows, {name: [] for name in ("export", "find and open", *PEERS)}
    for name in names[1:]:
        person = subjects[name]
        times["export"].append(timed(lambda person=person: exported(estate, person, folder / "one.sealed")))
        times["find and open"].append(timed(lambda person=person: found(estate, person)))
        for peer, work in PEERS.items():
            times[peer].append(timed(lambda work=work, name=name: work(rows.folder, name.value)))
    samples = {result for peer in ("find and open", *PEERS) for *_, result in times[peer]}
    if len(samples) != 1 or min(samples) > expected:
        raise SystemExit("the two sides disagree on how many rows a person has")
    return {
        name: {
            "seconds": statistics.median(one[0] for one in own),
            "worst": max(one[0] for one in own),
            "processor": statistics.median(one[1] for one in own),
        }
        for name, own in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--ask", type=int, default=8, help="people to export; the first only warms up")
    parser.add_argument("--derive", action="store_true", help="export derived tables, too")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        (folder / "rows").mkdir()
        rows = write_rows(folder / "rows", options.people, options.rows, options.days)
        estate = loaded(folder, rows, derived=options.derive)
        before = psutil.Process().memory_info().rss
        results = measure(estate, rows, victims_of(options.people, options.ask), folder)
        estate.close()
    print(f"{os.cpu_count()} cpus, load {os.getloadavg()[0]:.1f}, memory before {before >> 20} MiB")
    print(f"{'one person of':<16} {'median':>9} {'worst':>9} {'processor':>10}")
    for label, own in results.items():
        print(f"{label:<16} {own['seconds']:8.3f}s {own['worst']:8.3f}s {own['processor']:9.3f}s")
    if options.json:
        options.json.write_text(
            json.dumps({"options": vars(options), "results": results}, indent=2, default=str)
        )


if __name__ == "__main__":
    main()
