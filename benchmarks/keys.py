"""How fast the key tree makes keyrings, and how fast it destroys some of them.

Run: `python benchmarks/keys.py [subjects] [--destroy 1000] [--folder /tmp]`. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

from shelflife.control.database import ControlDatabase
from shelflife.keys.keyrings import KEYRING_SLOTS, Keyrings
from shelflife.keys.slots import FileRootSlot
from shelflife.keys.tree import KeyTree

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
SUBJECTS_A_COMMIT = 250_000


def main() -> None:
    """Parse the arguments, measure in a folder that is removed afterwards, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subjects", type=int, nargs="?", default=100_000)
    parser.add_argument("--destroy", type=int, default=1_000, help="subjects to destroy, scattered")
    parser.add_argument("--folder", type=Path, default=None, help="where to put the database")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="shelflife-bench-", dir=arguments.folder))
    try:
        print(json.dumps(measure(folder, arguments.subjects, arguments.destroy), indent=1))
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, subjects: int, destroyed: int) -> dict[str, float]:
    """Insert in commits of 250,000 subjects, destroy once, look a thousand others up."""
    file = folder / "control" / "control.db"
    database = ControlDatabase.create(f"sqlite:///{file}")
    tree = KeyTree("raw", FileRootSlot(folder / "roots" / "raw"))
    keyrings = Keyrings("raw", tree)
    with database.commit() as tx:
        tree.create(tx, NOW)

    choose, sample, inserting = random.Random(1), [], 0.0
    for start in range(0, subjects, SUBJECTS_A_COMMIT):
        pids = [os.urandom(16) for _ in range(min(SUBJECTS_A_COMMIT, subjects - start))]
        sample += choose.sample(pids, max(2 * destroyed * len(pids) // subjects, 2))
        began = time.perf_counter()
        with database.commit() as tx:
            keyrings.ensure(tx, pids)
        inserting += time.perf_counter() - began

    choose.shuffle(sample)
    doomed, others = sample[:destroyed], sample[destroyed:]
    began = time.perf_counter()
    with database.commit() as tx:
        keys = keyrings.destroy(tx, doomed, NOW)
    destroying = time.perf_counter() - began
    began = time.perf_counter()
    with database.read() as conn:
        found = keyrings.keys(conn, others, "heart")
    looking_up = time.perf_counter() - began
    if keys != KEYRING_SLOTS * len(doomed) or None in found.values() or len(found) != len(others):
        raise SystemExit("The tree lost or kept a key that it should not have.")
    database.close()
    return {
        "subjects": subjects,
        "keyrings_per_second": round(subjects / inserting),
        "subjects_destroyed": len(doomed),
        "destroy_seconds": round(destroying, 3),
        "subjects_looked_up": len(others),
        "lookup_seconds": round(looking_up, 3),
        "database_mib": round(file.stat().st_size / 2**20, 1),
    }


if __name__ == "__main__":
    main()
