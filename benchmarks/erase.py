"""Erasing people, ours beside table formats and rewrites: how long, how much is written, and what is left over.

    python -m benchmarks.erase [--people 10000] [--rows 10000000] [--days 20] [--erase 1 --erase 100 --erase 1000]
                               [--peer delta --peer pyarrow] [--runs 3] [--folder /tmp] [--keep FOLDER] [--json FILE]

All peers start from the same rows: heart rates, one Parquet file a day, everyone in every file, sorted by person.
A peer loads them once; each run starts from a copy of what it loaded. Loading, erasing with the documented clean-up,
and the search for residue are processes of their own. Each peer uses its own default threads, and zstd.

"Unreadable" is when an ordinary read of the present state no longer returns the people's rows. Time travel of Delta,
Iceberg and DuckLake still reads them then; that counts in their favour. "Gone" is when the tool's own documented
procedure is over; "processor" is what both took of it in all threads, which a busy machine changes least. "Written"
counts every byte that write calls passed on for both, or 4 KiB for each block on the disk that is not what it was,
where that is more. "Rows left" and "ids left" are shares of the erased people of whom a row, or the id, can be read
from anything under the tool's folder (`residue.py`). "Found before" is how many the same search finds before the
erasure: below 100 % it is partly blind, and what it finds afterwards is a lower bound.

"Old copy" is how many people can be read in a copy of the data files that was made before the erasure, with the keys
that are there after it. "Old backup" is the same of everything but what is never backed up (our root keys), within
the finality window and after it; a plain backup of a peer holds what it held.
Ours also registers a request a person beforehand, and goes on to verify with other code and to sign certificates,
which no peer does: the lines below the table tell what that takes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.erase_peers import child
from benchmarks.erase_peers.peer import NAMES, Rows, missing, peer_class
from benchmarks.erase_peers.rows import victims_of, write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

ERASED = (1, 100, 1_000)
_VERSIONS = ("duckdb", "duckdb-extension-ducklake", "deltalake", "pyiceberg", "polars", "pyarrow")
_HEADER = (
    "tool",
    "people",
    "unreadable, s",
    "gone, s",
    "processor, s",
    "written, MB",
    "peak, MiB",
    "rows left",
    "ids left",
    "found before",
    "old copy",
    "old backup",
)


def measure_peer(
    name: str, rows: Rows, work: Path, *, people: int, erased: Sequence[int], runs: int
) -> list[dict[str, Any]]:
    """Load once, then erase each number of people as often as asked, each time from a copy of what was loaded.

    Args:
        name: the peer.
        rows: what it loads.
        work: a folder to work in; what was loaded stays in it.
        people: how many people the rows are of.
        erased: how many of them to erase.
        runs: how often.

    Raises:
        SystemExit: the peer still shows erased rows, or lost rows of somebody else.
    """
    folder, loaded, results = work / "live", work / "loaded", []
    loading = _load(name, rows, work)
    for count in erased:
        ids, done = victims_of(people, count), []
        for run in range(runs):
            copied(loaded, folder)
            before = None if run else child.in_child(child.residue, name, folder, ids)
            one = child.in_child(child.erase, name, folder, loaded, ids)
            check(name, one, rows.count() // people * (people - count))
            one |= {"before": before, "after": child.in_child(child.residue, name, folder, ids)}
            one["old_copy"] = child.in_child(child.old_copy, name, folder, loaded, ids)
            one["backup"] = child.in_child(child.from_backup, name, folder, loaded, ids)
            done.append(one)
            say(
                f"  {name}, {count:,} people: {one['erase']['seconds']:.2f} + {one['finish']['seconds']:.2f} s"
            )
        results.append({"peer": name, "people": count, "load": loading, "runs": done})
    shutil.rmtree(folder)
    return results


def _load(name: str, rows: Rows, work: Path) -> dict[str, float]:
    """Load the rows where a run before this one did not, and return what that took."""
    folder, loaded, noted = work / "live", work / "loaded", work / "load.json"
    if not noted.exists():
        for stale in (folder, loaded):
            shutil.rmtree(stale, ignore_errors=True)
        folder.mkdir(parents=True)
        taken = child.in_child(child.load, name, folder, rows)
        folder.rename(loaded)
        noted.write_text(json.dumps(taken))
        say(f"  {name}, loaded: {taken['seconds']:.1f} s")
    return dict(json.loads(noted.read_text()))


def check(name: str, run: dict[str, Any], others: int) -> None:
    """Make sure that a peer erased what it should and nothing else: a fast figure of a wrong result is worth nothing.

    Raises:
        SystemExit: it did not.
    """
    if run["readable"]:
        raise SystemExit(f"{name} still shows rows of erased people.")
    if run["others"] != others:
        raise SystemExit(f"{name} does not hold the rows that it should hold afterwards.")


def copied(source: Path, target: Path) -> None:
    """Put a copy of a folder in the place of another one."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target, symlinks=True)


def peers_to_run(names: Sequence[str]) -> list[str]:
    """Return the peers that can run here, and say which cannot."""
    for name in names:
        if missing(name):
            say(f"{name} is left out: {', '.join(missing(name))} not installed (dependency group benchmarks)")
    return [name for name in names if not missing(name)]


def say(text: str) -> None:
    """Tell how far the benchmark is, apart from its output."""
    print(text, file=sys.stderr, flush=True)


def summary(result: dict[str, Any]) -> dict[str, float]:
    """Return the medians of one peer and one number of people; of residue and memory the most."""
    runs = result["runs"]
    both = [
        {of: run["erase"][of] + run["finish"][of] for of in ("seconds", "cpu", "written")} for run in runs
    ]
    return {
        "unreadable": statistics.median(run["erase"]["seconds"] for run in runs),
        "gone": statistics.median(one["seconds"] for one in both),
        "cpu": statistics.median(one["cpu"] for one in both),
        "written": statistics.median(
            max(one["written"], run["changed"]) for one, run in zip(both, runs, strict=True)
        ),
        "peak_mib": max(run[step]["peak_mib"] for run in runs for step in ("erase", "finish")),
        "rows_left": max(run["after"]["rows"] for run in runs),
        "ids_left": max(run["after"]["ids"] for run in runs),
        "found_before": runs[0]["before"]["residue"],
        "old_copy": max(run["old_copy"] for run in runs),
        "backup_within": max(run["backup"]["within"] for run in runs),
        "backup_after": max(run["backup"]["after"] for run in runs),
        **{
            step: statistics.median(run[step]["seconds"] for run in runs)
            for step in ("ask", "prove")
            if step in runs[0]
        },
    }


def table_of(results: Sequence[dict[str, Any]]) -> str:
    """Return the Markdown table."""
    lines = ["| " + " | ".join(_HEADER) + " |", "|" + "---|" * len(_HEADER)]
    for result in results:
        of = summary(result)
        cells = (
            f"{result['peer']} ({peer_class(result['peer']).procedure})",
            f"{result['people']:,}",
            f"{of['unreadable']:.3g}",
            f"{of['gone']:.3g}",
            f"{of['cpu']:.3g}",
            f"{of['written'] / 1e6:,.1f}",
            f"{of['peak_mib']:,.0f}",
            f"{of['rows_left']:.1%}",
            f"{of['ids_left']:.1%}",
            f"{of['found_before']:.0%}",
            f"{of['old_copy']:.0%}",
            f"{of['backup_within']:.0%}, {of['backup_after']:.0%}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, *_beside(results)])


def _beside(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return what a peer does beside erasing, a line each."""
    lines = []
    for result in results:
        of = summary(result)
        if "ask" in of:
            what = f"{result['peer']}, {result['people']:,} people: {of['ask']:.3g} s to register the requests before"
            lines += ["", f"{what}, {of['prove']:.3g} s to verify and certify after."]
    return lines


def versions() -> dict[str, str]:
    """Return the versions of the peers that are installed."""
    found = {}
    for name in _VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Parse the arguments, measure in a folder that is removed afterwards, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--erase", type=int, action="append", help="people to erase at once")
    parser.add_argument("--peer", choices=NAMES, action="append", help="all that are installed, when absent")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to work")
    parser.add_argument(
        "--keep", type=Path, default=None, help="work here; loaded peers stay for the next run"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names, results = peers_to_run(options.peer or NAMES), []
    erased = options.erase or [count for count in ERASED if count < options.people]
    with tempfile.TemporaryDirectory(prefix="shelflife-bench-", dir=options.folder) as text:
        work = options.keep or Path(text)
        rows = _rows(work / "rows", options)
        for name in names:
            results += measure_peer(
                name, rows, work / name, people=options.people, erased=erased, runs=options.runs
            )
            if not options.keep:
                shutil.rmtree(work / name)
            # After every peer: a run at full size takes long, and what was measured is kept.
            _write(options, results)
    print(table_of(results))


def _rows(folder: Path, options: argparse.Namespace) -> Rows:
    """Write the rows, or take those that an earlier run kept.

    Raises:
        SystemExit: those are other rows.
    """
    asked = f"{options.people} {options.rows} {options.days}"
    noted = folder / "size"
    if not noted.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(folder, options.people, options.rows, options.days)
        noted.write_text(asked)
    if noted.read_text() != asked:
        raise SystemExit("The kept rows are of another size; keep these in another folder.")
    return Rows(folder)


def _write(options: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    if options.json:
        facts = {name: getattr(options, name) for name in ("people", "rows", "days", "runs")}
        shown = [result | {"median": summary(result)} for result in results]
        told = {"cpus": os.cpu_count(), **facts, "versions": versions(), "results": shown}
        options.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
