"""Sealing and unsealing samples, against pyarrow with the same rows as plaintext zstd Parquet.

    python -m benchmarks.seal [--samples 1000000] [--runs 5] [--json FILE]

Both sides start from the same Arrow table in memory and end with a file that is flushed to the disk, and the other
way round. Plaintext rows carry the subject's id in a column, as a table has to that is not sealed. Sealing runs in
one thread throughout. pyarrow writes in one thread by design and reads with `--threads` (its own default is
"all"); both are shown. Reading ends with a scan: the sum of the values and the span of the times.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shelflife.seal.blocks import BlockContext, open_blocks, seal_blocks
from shelflife.seal.files import read_sealed, write_sealed
from shelflife.seal.locators import raw_ids

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_SIZES = (17_280, 300, 20)
SCAN_COLUMNS = ["value_num", "start_utc"]
CONTEXT = BlockContext("raw", "samples", "heart/default", "2026-11-03", "heart", "0" * 32)
PARTITION_KEY = bytes(range(32))
DAY = 1_793_664_000_000_000
STEP = 5_000_000

try:
    from shelflife.signals.sample import SAMPLE_SCHEMA
except ImportError:  # the canonical columns, for a checkout without the signals package
    TIME = pa.timestamp("us", "UTC")
    SAMPLE_SCHEMA = pa.schema(
        [
            *[("signal", pa.string()), ("value_num", pa.float64())],
            *[
                (name, pa.string())
                for name in ("value_code", "unit_ucum", "value_raw", "unit_raw", "comparator")
            ],
            *[("start_utc", TIME), ("end_utc", TIME), ("utc_offset_min", pa.int16())],
            *[("iana_tz", pa.string()), ("tz_basis", pa.string()), ("local_date", pa.date32())],
            *[("statistic", pa.string()), ("window_s", pa.int32()), ("stage", pa.string())],
            *[(name, pa.string()) for name in ("parent_id", "source_platform", "source_app", "device_make")],
            *[(name, pa.string()) for name in ("device_model", "device_sw", "modality", "source_record_id")],
            *[("source_modified_at", TIME), ("record_path", pa.string()), ("quality_flags", pa.int32())],
        ]
    )


def rows_of(samples: int, block: int, seed: int = 7) -> tuple[pa.Table, np.ndarray, list[bytes], list[bytes]]:
    """Return heart-rate samples of many people: a slow wander of the pulse, read every five seconds or so."""
    rng = np.random.default_rng(seed)
    people = max(1, samples // block)
    rows = people * block
    bounds = np.arange(people + 1) * block
    wander = np.cumsum(rng.normal(0, 0.8, (people, block)), axis=1)
    pulse = np.clip(
        np.round(70 + 25 * np.sin(wander / 25) + rng.normal(0, 1, (people, block))), 38, 195
    ).ravel()
    late = rng.integers(0, 1000, (people, 1)) * 1_000_000
    skipped = np.cumsum(rng.random((people, block)) < 0.01, axis=1) * STEP
    start = (DAY + late + np.arange(block) * STEP + skipped).ravel()
    zone = rng.choice(["America/New_York", "Europe/Berlin", "Asia/Kolkata"], people)
    watch = rng.choice(["Watch6,1", "Watch7,2", "Pixel Watch 2"], people)
    person = np.repeat(np.arange(people), block)
    filled: dict[str, Any] = {
        "signal": "heart_rate",
        "value_num": pulse,
        "unit_ucum": "/min",
        "unit_raw": "count/min",
        "start_utc": start,
        "end_utc": start,
        "utc_offset_min": -300,
        "iana_tz": pa.array(zone).take(pa.array(person)),
        "tz_basis": "source",
        "local_date": np.full(rows, DAY // 86_400_000_000),
        "statistic": "instant",
        "source_platform": "apple_health",
        "source_app": "com.apple.health",
        "device_make": "Apple Inc.",
        "device_model": pa.array(watch).take(pa.array(person)),
        "device_sw": "11.2",
        "modality": "ppg",
        "quality_flags": 0,
    }
    columns = [column_of(filled.get(field.name), field.type, rows) for field in SAMPLE_SCHEMA]
    keys = [rng.bytes(32) for _ in range(people)]
    ids = [rng.bytes(16) for _ in range(people)]
    return pa.table(columns, schema=SAMPLE_SCHEMA), bounds, keys, ids


def column_of(value: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if value is None:
        return pa.nulls(rows, kind)
    if isinstance(value, np.ndarray):
        numbers = pa.array(value)
        return numbers.cast(pa.int32()).cast(kind) if pa.types.is_date32(kind) else numbers.cast(kind)
    if isinstance(value, pa.Array):
        return value.cast(kind)
    return pa.repeat(pa.scalar(value, kind), rows)


def with_subject(table: pa.Table, bounds: np.ndarray, ids: list[bytes]) -> pa.Table:
    owner = pa.array(np.repeat(np.arange(len(ids)), np.diff(bounds)))
    return table.append_column("subject", pa.array(ids, pa.binary(16)).take(owner))


def write_plain(path: Path, table: pa.Table) -> None:
    with path.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def read_plain(path: Path, columns: list[str] | None, *, threads: bool) -> pa.Table:
    return pq.read_table(path, columns=columns, use_threads=threads)


def write_ours(path: Path, table: pa.Table, bounds: np.ndarray, keys: list[bytes], ids: list[bytes]) -> None:
    write_sealed(path, seal_blocks(table, bounds, keys, ids, partition_key=PARTITION_KEY, context=CONTEXT))


def read_ours(path: Path, columns: list[str] | None, key_of: dict[bytes, bytes]) -> pa.Table:
    rows = read_sealed(path)
    people = raw_ids(PARTITION_KEY, rows.column("locator").to_pylist())
    keys = [key_of[one] for one in people]
    return open_blocks(
        rows,
        range(rows.num_rows),
        keys,
        partition_key=PARTITION_KEY,
        context=CONTEXT,
        schema=SAMPLE_SCHEMA,
        columns=columns,
    )[0]


def scan(table: pa.Table) -> float:
    span = pc.min_max(table.column("start_utc"))
    return float(pc.sum(table.column("value_num")).as_py() + span["max"].value - span["min"].value)


def unseal_and_scan(path: Path, columns: list[str] | None, key_of: dict[bytes, bytes]) -> float:
    return scan(read_ours(path, columns, key_of))


def read_and_scan(path: Path, columns: list[str] | None, threads: object) -> float:
    return scan(read_plain(path, columns, threads=bool(threads)))


def median_seconds(work: Callable[[], Any], runs: int) -> float:
    work()
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def measure(samples: int, block: int, runs: int) -> dict[str, Any]:
    table, bounds, keys, ids = rows_of(samples, block)
    plain, key_of = with_subject(table, bounds, ids), dict(zip(ids, keys, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "sealed", Path(folder) / "plain.parquet"
        seconds = {
            "seal": median_seconds(lambda: write_ours(ours, table, bounds, keys, ids), runs),
            "plain_write": median_seconds(lambda: write_plain(theirs, plain), runs),
        }
        if scan(read_ours(ours, None, key_of)) != scan(read_plain(theirs, None, threads=False)):
            raise SystemExit("the two sides do not hold the same rows")
        for name, columns in (("all", None), ("two", SCAN_COLUMNS)):
            seconds[f"unseal_{name}"] = median_seconds(partial(unseal_and_scan, ours, columns, key_of), runs)
            for threads in (False, True):
                key = f"plain_read_{name}_{'threads' if threads else 'one_thread'}"
                seconds[key] = median_seconds(partial(read_and_scan, theirs, columns, threads), runs)
        sizes = {"sealed": ours.stat().st_size, "plain": theirs.stat().st_size}
    return {"block": block, "samples": table.num_rows, "seconds": seconds, "bytes": sizes}


def peak_memory(task: str, samples: int, block: int) -> int:
    """Return the peak resident memory, in MiB above that of making the rows, of one task in a new process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.seal",
        "--task",
        task,
        "--samples",
        str(samples),
        "--block",
        str(block),
    ]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def run_task(task: str, samples: int, block: int) -> None:
    table, bounds, keys, ids = rows_of(samples, block)
    plain = with_subject(table, bounds, ids)
    gc.collect()
    # Linux: from here on the peak is counted anew, from what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_kib()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        if task == "seal":
            write_ours(path, table, bounds, keys, ids)
        else:
            write_plain(path, plain)
    print((peak_kib() - before) >> 10)


def show(result: dict[str, Any]) -> None:
    seconds, sizes, rows = result["seconds"], result["bytes"], result["samples"]
    print(f"\n{rows:,} samples in blocks of {result['block']:,}")
    rate = {name: rows / value / 1e6 for name, value in seconds.items()}
    print(
        f"  seal    {rate['seal']:7.2f} M/s   plaintext {rate['plain_write']:7.2f} M/s"
        f"   speed x{rate['seal'] / rate['plain_write']:.2f}"
    )
    print(
        f"  size    {sizes['sealed'] / rows:7.3f} B/sample   plaintext {sizes['plain'] / rows:.3f}"
        f"   size x{sizes['sealed'] / sizes['plain']:.2f}"
    )
    for name in ("all", "two"):
        for threads in ("one_thread", "threads"):
            plain = seconds[f"plain_read_{name}_{threads}"]
            print(
                f"  unseal + scan, {name} columns: {rate[f'unseal_{name}']:7.2f} M/s   plaintext ({threads})"
                f" {rows / plain / 1e6:7.2f} M/s   time x{seconds[f'unseal_{name}'] / plain:.2f}"
            )
    if "peak_mib" in result:
        print(
            f"  peak memory above the rows: seal {result['peak_mib']['seal']} MiB,"
            f" plaintext {result['peak_mib']['plain']} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--block", type=int, action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--task", choices=["seal", "plain"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = options.block or BLOCK_SIZES
    if options.task:
        run_task(options.task, options.samples, sizes[0])
        return
    results = []
    for block in sizes:
        result = measure(options.samples, block, options.runs)
        if not options.no_memory:
            result["peak_mib"] = {
                task: peak_memory(task, options.samples, block) for task in ("seal", "plain")
            }
        show(result)
        results.append(result)
    if options.json:
        options.json.write_text(json.dumps({"cpus": os.cpu_count(), "results": results}, indent=2))


if __name__ == "__main__":
    main()
