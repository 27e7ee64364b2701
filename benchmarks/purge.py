"""Expiring one day, ours beside table formats, a DuckDB file and a plain unlink: does it take longer for more rows?

    python -m benchmarks.purge [--rows 100000 --rows 1000000 --rows 10000000] [--people 10000]
                               [--peer shelflife --peer pyarrow] [--runs 3] [--folder /tmp] [--json FILE]

`--rows` are the rows of the day that expires; a second day of the same size stays. Everything is partitioned by day
where the tool can partition. The best that can be is `pyarrow`: one file a day, unlinked, with nothing that records
it. Times are until the tool's own documented procedure is over; each run starts from a copy of what was loaded, in a
new process. "Kept" is the size of everything afterwards beside what it was: half of it is the day that stays.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.erase import copied, peers_to_run, say, versions
from benchmarks.erase_peers import child
from benchmarks.erase_peers.peer import peer_class
from benchmarks.erase_peers.rows import FIRST_DAY, write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.erase_peers.peer import Rows

ROWS = (100_000, 1_000_000, 10_000_000)
PEERS = ("shelflife", "pyarrow", "delta", "iceberg", "ducklake", "duckdb", "duckdb_copy")
_HEADER = ("tool", "rows of the day", "unreadable, s", "gone, s", "written, MB", "peak, MiB", "kept")


def measure_peer(name: str, rows: Rows, work: Path, *, runs: int) -> list[dict[str, Any]]:
    """Load once, then expire the first day as often as asked, each time from a copy of what was loaded.

    Raises:
        SystemExit: the peer still shows the expired day, or lost rows of the other one.
    """
    folder, loaded = work / "live", work / "loaded"
    folder.mkdir(parents=True)
    loading = child.in_child(child.load, name, folder, rows)
    folder.rename(loaded)
    done = []
    for _ in range(runs):
        copied(loaded, folder)
        one = child.in_child(child.expire, name, folder, str(FIRST_DAY))
        if one["others"] != rows.count() // 2:
            raise SystemExit(f"{name} does not hold the rows that it should hold after the day expired.")
        done.append(one | {"kept": one["bytes"] / loading["bytes"]})
    shutil.rmtree(work)
    return done


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the medians of some runs."""
    both = [{of: run["erase"][of] + run["finish"][of] for of in ("seconds", "written")} for run in runs]
    return {
        "unreadable": statistics.median(run["erase"]["seconds"] for run in runs),
        "gone": statistics.median(one["seconds"] for one in both),
        "written": statistics.median(one["written"] for one in both),
        "peak_mib": max(run[step]["peak_mib"] for run in runs for step in ("erase", "finish")),
        "kept": statistics.median(run["kept"] for run in runs),
    }


def table_of(results: Sequence[dict[str, Any]]) -> str:
    """Return the Markdown table."""
    lines = ["| " + " | ".join(_HEADER) + " |", "|" + "---|" * len(_HEADER)]
    for result in results:
        of = summary(result["runs"])
        cells = (
            f"{result['peer']} ({peer_class(result['peer']).purging})",
            f"{result['rows']:,}",
            f"{of['unreadable']:.3g}",
            f"{of['gone']:.3g}",
            f"{of['written'] / 1e6:,.1f}",
            f"{of['peak_mib']:,.0f}",
            f"{of['kept']:.0%}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments, measure in a folder that is removed afterwards, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, action="append", help="rows of the day that expires")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--peer", choices=PEERS, action="append", help="all that are installed, when absent")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to work")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = peers_to_run(options.peer or PEERS)
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="shelflife-bench-", dir=options.folder) as text:
        work = Path(text)
        for count in options.rows or ROWS:
            (work / f"{count}").mkdir()
            rows = write_rows(work / f"{count}", options.people, 2 * count, 2)
            for name in names:
                runs = measure_peer(name, rows, work / name, runs=options.runs)
                results.append({"peer": name, "rows": count, "runs": runs, "median": summary(runs)})
                say(f"  {name}, {count:,} rows: {results[-1]['median']['gone']:.3f} s")
    print(table_of(results))
    if options.json:
        facts = {"cpus": os.cpu_count(), "people": options.people, "versions": versions()}
        options.json.write_text(json.dumps(facts | {"results": results}, indent=1))


if __name__ == "__main__":
    main()
