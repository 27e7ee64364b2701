"""The same SQL over an encrypted derived table and over plaintext, DuckDB throughout.

    python -m benchmarks.query [--people 20000] [--days 30] [--files 16] [--runs 7] [--json FILE]

Three readers of the same rows in the same number of files with the same row groups and zstd pages: DuckDB over
`open_encrypted` (per-file keys, opened anew for every query, as a governed query does), DuckDB over a plaintext
pyarrow dataset, and DuckDB's own `read_parquet`. All use DuckDB's and Arrow's default threads. The files are in the
operating system's cache, so what is measured is decryption and not the disk.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from shelflife.seal.parquet import CLASSES, EncryptedFile, open_encrypted, write_encrypted

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMN_CLASSES = {
    "pid": "ordinary",
    "local_date": "ordinary",
    "mean_bpm": "sensitive",
    "resting_bpm": "sensitive",
    "max_bpm": "sensitive",
    "samples": "ordinary",
    "glucose_mean": "special",
}
QUERIES = {
    "total": "SELECT count(*), sum(samples), avg(mean_bpm) FROM t",
    "by day": "SELECT local_date, avg(mean_bpm), max(max_bpm), avg(glucose_mean) FROM t GROUP BY 1 ORDER BY 1",
    "filtered": "SELECT count(*), avg(resting_bpm) FROM t WHERE local_date = DATE '2026-11-03' AND mean_bpm > 80",
    "by person": "SELECT count(*), max(m) FROM (SELECT pid, avg(mean_bpm) AS m FROM t GROUP BY pid)",
}


def rows_of(people: range, days: int) -> pa.Table:
    rng = np.random.default_rng(people.start)
    count = len(people) * days
    owners = pa.array([rng.bytes(16) for _ in people], pa.binary(16))
    mean = np.round(rng.normal(74, 9, count), 2)
    return pa.table(
        {
            "pid": owners.take(pa.array(np.repeat(np.arange(len(people)), days))),
            "local_date": pa.array(np.tile(np.arange(20_750, 20_750 + days), len(people)), pa.int32()).cast(
                pa.date32()
            ),
            "mean_bpm": mean,
            "resting_bpm": np.round(mean - rng.gamma(6, 2, count), 1),
            "max_bpm": np.round(mean + rng.gamma(9, 6, count)),
            "samples": rng.integers(200, 17_280, count),
            "glucose_mean": np.round(rng.normal(5.4, 0.8, count), 2),
        }
    )


def write_both(
    folder: Path, people: int, days: int, files: int
) -> tuple[list[EncryptedFile], list[str], pa.Schema]:
    encrypted, plain, schema = [], [], pa.schema([])
    edges = np.linspace(0, people, files + 1).astype(int).tolist()
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        table, key, file_id = rows_of(range(low, high), days), os.urandom(32), f"{number:032x}"
        sealed, open_path = folder / f"{number}.sealed", folder / f"{number}.parquet"
        write_encrypted(table, sealed, file_id=file_id, file_key=key, classes=COLUMN_CLASSES)
        pq.write_table(table, open_path, compression="zstd")
        encrypted.append(EncryptedFile(sealed, file_id, key, COLUMN_CLASSES))
        plain.append(str(open_path))
        schema = table.schema
    return encrypted, plain, schema


def governed(sql: str, files: list[EncryptedFile], schema: pa.Schema) -> list[Any]:
    with duckdb.connect() as connection:
        connection.register("t", open_encrypted(files, allowed=CLASSES, schema=schema))
        return connection.execute(sql).fetchall()


def arrow(sql: str, files: list[str], schema: pa.Schema) -> list[Any]:
    with duckdb.connect() as connection:
        connection.register("t", ds.dataset(files, schema=schema, format="parquet"))
        return connection.execute(sql).fetchall()


def native(sql: str, files: list[str]) -> list[Any]:
    with duckdb.connect() as connection:
        connection.execute("CREATE VIEW t AS SELECT * FROM read_parquet(" + str(files) + ")")
        return connection.execute(sql).fetchall()


def median_of_each(works: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Return median seconds; the readers take turns, so that a busy machine is busy for all of them."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(runs + 1):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            if turn:
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(own) for name, own in times.items()}


def same(one: list[Any], other: list[Any]) -> bool:
    """Compare results; sums of floats differ in their last digits with the order of the threads."""
    cells = [[cell for row in rows for cell in row] for rows in (one, other)]
    return len(cells[0]) == len(cells[1]) and all(
        math.isclose(left, right, rel_tol=1e-9) if isinstance(left, float) else left == right
        for left, right in zip(*cells, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        files, plain, schema = write_both(Path(name), options.people, options.days, options.files)
        sizes = [
            sum(Path(path).stat().st_size for path in paths) for paths in ([f.path for f in files], plain)
        ]
        print(
            f"{options.people * options.days:,} rows in {options.files} files; {os.cpu_count()} cpus;"
            f" encrypted size x{sizes[0] / sizes[1]:.3f}"
        )
        print(f"{'query':<10} {'encrypted':>10} {'arrow':>9} {'native':>9}   vs arrow   vs native")
        for query, sql in QUERIES.items():
            if not same(governed(sql, files, schema), arrow(sql, plain, schema)):
                raise SystemExit(f"the two sides disagree on {query!r}")
            seconds = median_of_each(
                {
                    "encrypted": partial(governed, sql, files, schema),
                    "arrow": partial(arrow, sql, plain, schema),
                    "native": partial(native, sql, plain),
                },
                options.runs,
            )
            results[query] = seconds
            own = seconds["encrypted"]
            print(
                f"{query:<10} {own * 1e3:8.1f}ms {seconds['arrow'] * 1e3:7.1f}ms {seconds['native'] * 1e3:7.1f}ms"
                f"   x{own / seconds['arrow']:.2f}      x{own / seconds['native']:.2f}"
            )
    if options.json:
        options.json.write_text(
            json.dumps({"cpus": os.cpu_count(), "bytes": sizes, "seconds": results}, indent=2)
        )


if __name__ == "__main__":
    main()
