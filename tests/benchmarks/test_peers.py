"""The peers that need no further package, at a tiny size: they erase and expire what they should and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import erase, purge
from benchmarks.erase_peers import child
from benchmarks.erase_peers.peer import NAMES, missing, peer_class
from benchmarks.erase_peers.residue import report, search
from benchmarks.erase_peers.rows import FIRST_DAY, people_of, victims_of, write_rows

PEOPLE, DAYS, EACH = 30, 3, 7
LEFT = {"pyarrow": 0.0, "polars": 0.0, "duckdb": 1.0, "duckdb_copy": 0.0}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows"), PEOPLE, PEOPLE * DAYS * EACH, DAYS)


def test_rows_are_the_same_every_time(rows, tmp_path):
    again = write_rows(tmp_path, PEOPLE, PEOPLE * DAYS * EACH, DAYS)
    assert [pq.read_table(path) for path in again.days()] == [pq.read_table(path) for path in rows.days()]
    assert rows.count() == PEOPLE * DAYS * EACH
    first = pq.read_table(rows.days()[0])
    assert first.sort_by([("subject", "ascending"), ("start", "ascending")]) == first
    assert first.group_by(["subject", "start"]).aggregate([]).num_rows == first.num_rows
    with pytest.raises(ValueError, match="everyone"):
        write_rows(tmp_path, PEOPLE, PEOPLE, DAYS)


def test_victims_are_some_of_the_people():
    assert victims_of(PEOPLE, 5) == victims_of(PEOPLE, 5)
    assert len(set(victims_of(PEOPLE, 5)) & set(people_of(PEOPLE))) == 5


@pytest.mark.parametrize("name", LEFT)
def test_a_peer_erases_some_people_and_leaves_what_it_is_known_to_leave(rows, tmp_path, name):
    ids = victims_of(PEOPLE, 5)
    child.load(name, tmp_path, rows)
    assert report(search(tmp_path, ids), ids)["rows"] == 1
    run = child.erase(name, tmp_path, tmp_path, ids)
    erase.check(name, run, rows.count() // PEOPLE * (PEOPLE - 5))
    assert run["erase"]["written"] > 0
    after = report(search(tmp_path, ids), ids)
    assert (after["rows"], after["ids"]) == (LEFT[name], LEFT[name])


@pytest.mark.parametrize("name", LEFT)
def test_a_peer_expires_one_day(rows, tmp_path, name):
    child.load(name, tmp_path, rows)
    run = child.expire(name, tmp_path, str(FIRST_DAY))
    assert run["others"] == rows.count() // DAYS * (DAYS - 1)


@pytest.mark.parametrize("run", [{"readable": 1, "others": 8}, {"readable": 0, "others": 7}])
def test_a_wrong_erasure_stops_the_benchmark(run):
    erase.check("peer", {"readable": 0, "others": 8}, 8)
    with pytest.raises(SystemExit):
        erase.check("peer", run, 8)


def test_everything_written_is_counted(tmp_path):
    def work():
        for name in ("kept", "removed"):
            (tmp_path / name).write_bytes(bytes(1 << 20))
        (tmp_path / "removed").unlink()

    assert 2 << 20 <= child.measured(work)["written"] < 3 << 20


def test_blocks_that_changed_are_counted(tmp_path):
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same").write_bytes(bytes(10_000))
    (tmp_path / "before" / "file").write_bytes(bytes(10_000))
    (tmp_path / "after" / "file").write_bytes(bytes(5_000) + b"x" + bytes(4_999))
    assert child.changed(tmp_path / "after", tmp_path / "before") == child.BLOCK
    (tmp_path / "after" / "new").write_bytes(bytes(5_000))
    (tmp_path / "before" / "removed").write_bytes(bytes(5_000))
    assert child.changed(tmp_path / "after", tmp_path / "before") == child.BLOCK + 5_000


def fails_oddly():
    raise LookupError(lambda: "which no process can send to another")


@pytest.mark.slow
def test_a_failing_step_tells_why():
    with pytest.raises(RuntimeError, match="LookupError"):
        child.in_child(fails_oddly)


def test_every_peer_is_there_or_its_package_is_missing():
    for name in NAMES:
        assert missing(name) or peer_class(name).procedure


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["benchmarks.erase", "--people", "20", "--rows", "400", "--days", "2", "--erase", "3"],
        ["benchmarks.purge", "--people", "20", "--rows", "200"],
    ],
)
def test_a_benchmark_runs_to_its_table(tmp_path, command):
    more = ["--peer", "pyarrow", "--runs", "1", "--folder", str(tmp_path), "--json", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", *command, *more], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heading, _, row = done.stdout.splitlines()
    assert heading.count("|") == row.count("|")
    assert row.startswith("| pyarrow (")
    result = json.loads((tmp_path / "out").read_text())
    assert result["results"][0]["median"]["gone"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_purge_reports_what_is_kept():
    step = {"seconds": 1.0, "written": 5, "peak_mib": 7}
    runs = [{"erase": step, "finish": step, "kept": kept} for kept in (0.4, 0.5, 0.9)]
    assert purge.summary(runs) == {"unreadable": 1, "gone": 2, "written": 10, "peak_mib": 7, "kept": 0.5}
