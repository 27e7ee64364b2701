"""Fuzz every parser, coverage-guided, each in a process of its own: the nightly target `make fuzz`.

    python -m tests.fuzz [--seconds 600] [--adapter NAME]...

Prints one line a parser: executions, coverage, peak memory, and what was found. Exits with 1 when anything was.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from shelflife.sources.registry import ADAPTERS
from tests.fuzz.seeds import by_adapter

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_MB, LONGEST_S, LARGEST = 2_048, 20, 65_536
_PROGRESS = re.compile(r"#(\d+)\s.*?cov: (\d+).*?rss: (\d+)Mb", re.DOTALL)


def fuzz(name: str, seeds: Sequence[bytes], seconds: int, folder: Path) -> bool:
    """Fuzz one parser. Returns whether it survived."""
    corpus = folder / name
    corpus.mkdir()
    for number, content in enumerate(seeds):
        (corpus / str(number)).write_bytes(content)
    limits = [
        f"-max_total_time={seconds}",
        f"-timeout={LONGEST_S}",
        f"-rss_limit_mb={LIMIT_MB}",
        f"-max_len={LARGEST}",
    ]
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.one",
        name,
        str(corpus),
        f"-artifact_prefix={folder}/{name}-",
        *limits,
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    last = (_PROGRESS.findall(done.stderr) or [("0", "0", "0")])[-1]
    found = sorted(path.name for path in folder.glob(f"{name}-*"))
    verdict = (
        "nothing found" if done.returncode == 0 and not found else f"FOUND {', '.join(found) or 'a crash'}"
    )
    print(
        f"{name:<22}{len(seeds):>4} seeds{int(last[0]):>10,} runs{int(last[1]):>7} branches{int(last[2]):>6} MB  {verdict}"
    )
    if done.returncode:
        print(done.stderr[-3000:])
    return done.returncode == 0 and not found


def main() -> int:
    """Fuzz the parsers that were asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=int, default=600, help="time for each parser")
    asked.add_argument("--adapter", action="append", choices=[one.name for one in ADAPTERS])
    options = asked.parse_args()
    seeds = by_adapter()
    names = options.adapter or [one.name for one in ADAPTERS]
    # What was found is kept: it is the input of the next test.
    folder = Path(tempfile.mkdtemp(prefix="shelflife-fuzz-"))
    survived = [fuzz(name, list(seeds.get(name, {}).values()), options.seconds, folder) for name in names]
    print(f"inputs that broke something are in {folder}" if not all(survived) else "every parser survived")
    return 0 if all(survived) else 1


if __name__ == "__main__":
    sys.exit(main())
