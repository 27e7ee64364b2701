"""Several processes on one tree at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.keys.children import create_estate

if TYPE_CHECKING:
    import datetime as dt

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_processes_lose_nothing_of_each_other(tmp_path: Path, now: dt.datetime) -> None:
    """Each inserts, destroys, recovers and finalizes; a recovery must not kill what another is about to commit."""
    database, tree = create_estate(tmp_path)
    command = [sys.executable, "-m", "tests.keys.children", "work", str(tmp_path)]
    children = [
        subprocess.Popen([*command, str(seed), "15"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for seed in range(3)
    ]
    results = [json.loads(child.communicate(timeout=120)[0]) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    live = {int(number): bytes.fromhex(key) for result in results for number, key in result["live"].items()}
    gone = [number for result in results for number in result["gone"]]
    assert len(live) + len(gone) == sum(len(result["live"]) + len(result["gone"]) for result in results)
    with database.commit() as tx:
        tree.recover(tx, now)
    with database.read() as conn:
        assert tree.lookup(conn, sorted(live)) == [live[number] for number in sorted(live)]
        assert set(tree.lookup(conn, gone)) == {None}
        assert tree.is_reconciled(conn)
        # Every destruction made one generation.
        assert tree.generation(conn) == 1 + 3 * 15
    database.close()
