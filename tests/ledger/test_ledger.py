"""The ledger in a real database: growing, proving, and every way of altering it that must be noticed."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.control.database import ControlDatabase
from shelflife.control.tables import ledger_checkpoint, ledger_leaf
from shelflife.errors import ConfigurationError, LedgerBroken
from shelflife.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from shelflife.ledger.frontier import Frontier, Growth
from shelflife.ledger.ledger import Ledger, verify
from shelflife.ledger.merkle import leaf_hash, root
from shelflife.ledger.notes import Note
from shelflife.ledger.proof import prove, verify_proof
from shelflife.ledger.storage import read_head
from shelflife.ledger.witness import FileWitness
from tests.ledger.conftest import ORIGIN, SEED

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def fill(database: ControlDatabase, ledger: Ledger, *counts: int) -> None:
    """Append so many entries in one transaction each."""
    for count in counts:
        with database.commit() as tx:
            start = ledger.size(tx.conn)
            entries: list[Any] = [{"type": "test", "facts": {"number": start + one}} for one in range(count)]
            assert ledger.append(tx, entries, NOW) == range(start, start + count)


def check(database: ControlDatabase, ledger: Ledger, **options: Any) -> Any:
    with database.read() as conn:
        return verify(conn, ledger.verifier_key, options.get("witness", ledger.witness))


def execute(database: ControlDatabase, statement: sa.Executable) -> None:
    with database.commit() as tx:
        tx.conn.execute(statement)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 9), max_size=8))
def test_any_sequence_of_appends_gives_the_rfc_tree(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    database = ControlDatabase.create(f"sqlite:///{folder / 'control.db'}")
    plain = Ledger.from_seed(ORIGIN, SEED)
    ledger = Ledger.from_seed(ORIGIN, SEED, FileWitness.create(folder / "witness", plain.verifier_key, NOW))
    fill(database, ledger, *counts)
    report = check(database, ledger)
    with database.read() as conn:
        bodies = list(conn.execute(sa.select(ledger_leaf.c.body).order_by(ledger_leaf.c.position)).scalars())
    assert report.root == root([leaf_hash(body.encode()) for body in bodies])
    assert (report.size, report.checkpoints, report.unwitnessed) == (sum(counts), len(counts), 0)
    database.close()


def test_an_empty_ledger_checks_out(database: ControlDatabase, ledger: Ledger) -> None:
    assert check(database, ledger).size == 0
    with database.read() as conn:
        assert ledger.newest_note(conn) is None


def test_no_entries_sign_nothing(database: ControlDatabase, ledger: Ledger) -> None:
    fill(database, ledger, 2, 0)
    assert check(database, ledger).checkpoints == 1


def test_two_appends_in_one_transaction_follow_each_other(database: ControlDatabase, ledger: Ledger) -> None:
    with database.commit() as tx:
        assert ledger.append(tx, [{"type": "a"}], NOW) == range(1)
        assert ledger.append(tx, [{"type": "b"}, {"type": "c"}], NOW) == range(1, 3)
    assert check(database, ledger).witnessed_size == 3


def test_a_rollback_leaves_neither_entry_nor_cosignature(
    database: ControlDatabase, ledger: Ledger, witness: FileWitness
) -> None:
    fill(database, ledger, 2)

    def fail_after_appending() -> None:
        with database.commit() as tx:
            ledger.append(tx, [{"type": "never"}], NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_appending()
    assert check(database, ledger).size == 2
    assert witness.newest().checkpoint.size == 2
    fill(database, ledger, 1)
    assert check(database, ledger).witnessed_size == 3


def test_a_refused_entry_writes_nothing(database: ControlDatabase, ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError), database.commit() as tx:
        ledger.append(tx, [{"type": "good"}, {"type": "bad", "facts": 0.5}], NOW)  # type: ignore[dict-item]
    assert check(database, ledger).size == 0


def test_an_append_reads_no_leaves(database: ControlDatabase, ledger: Ledger) -> None:
    fill(database, ledger, 50)
    seen: list[str] = []
    sa.event.listen(
        database.engine, "before_cursor_execute", lambda _c, _k, sql, _p, _x, _m: seen.append(sql.lower())
    )
    fill(database, ledger, 1)
    reads = [sql for sql in seen if sql.startswith("select") and "ledger_leaf" in sql]
    assert reads
    for sql in reads:
        assert "max(" in sql or "where ledger_leaf.position >= ? and ledger_leaf.position < ?" in sql
    with database.read() as conn:
        size = ledger.size(conn)
    assert size == 51


def test_the_published_note_is_a_plain_checkpoint(database: ControlDatabase, ledger: Ledger) -> None:
    fill(database, ledger, 3, 4)
    with database.read() as conn:
        note = ledger.newest_note(conn)
    assert note is not None
    assert [signature.name for signature in note.signatures] == [ORIGIN]
    assert open_checkpoint(Note.parse(note.render()), ledger.verifier_key).size == 7


# --- altered by someone who can write the database ---------------------------------------------------------


def broken_at(database: ControlDatabase, ledger: Ledger, position: int, **options: Any) -> None:
    with pytest.raises(LedgerBroken, match=re.escape(f"position {position} ")):
        check(database, ledger, **options)


def test_an_edited_entry_is_named(database: ControlDatabase, ledger: Ledger) -> None:
    fill(database, ledger, 3, 4)
    execute(database, ledger_leaf.update().where(ledger_leaf.c.position == 4).values(body='{"type":"test"}'))
    broken_at(database, ledger, 4)


def test_an_edited_entry_with_its_hash_made_to_fit_is_noticed(
    database: ControlDatabase, ledger: Ledger
) -> None:
    fill(database, ledger, 3, 4, 1)
    body = '{"type":"test"}'
    values = {"body": body, "leaf_hash": leaf_hash(body.encode())}
    execute(database, ledger_leaf.update().where(ledger_leaf.c.position == 4).values(values))
    broken_at(database, ledger, 3, witness=None)


@pytest.mark.parametrize("position", [0, 3, 6])
def test_a_deleted_entry_is_named(database: ControlDatabase, ledger: Ledger, position: int) -> None:
    fill(database, ledger, 3, 4)
    execute(database, ledger_leaf.delete().where(ledger_leaf.c.position == position))
    broken_at(database, ledger, position, witness=None)


def test_a_deleted_tail_with_its_checkpoint_is_caught_by_the_witness(
    database: ControlDatabase, ledger: Ledger
) -> None:
    fill(database, ledger, 3, 4)
    execute(database, ledger_leaf.delete().where(ledger_leaf.c.position >= 3))
    execute(database, ledger_checkpoint.delete().where(ledger_checkpoint.c.size == 7))
    assert check(database, ledger, witness=None).size == 3
    broken_at(database, ledger, 3)
    with pytest.raises(LedgerBroken, match="more entries than the ledger"):
        fill(database, ledger, 1)


def test_an_appended_entry_without_a_checkpoint_is_noticed(database: ControlDatabase, ledger: Ledger) -> None:
    fill(database, ledger, 3)
    row = {"position": 3, "body": "{}", "leaf_hash": leaf_hash(b"{}")}
    execute(database, ledger_leaf.insert().values(row))
    broken_at(database, ledger, 3)
    with pytest.raises(LedgerBroken):
        fill(database, ledger, 1)


@pytest.mark.parametrize("pattern", [(r"\n7\n", "\n8\n"), (ORIGIN, "shelflife.test/other"), ("A", "B")])
def test_an_edited_checkpoint_is_noticed(
    database: ControlDatabase, ledger: Ledger, pattern: tuple[str, str]
) -> None:
    fill(database, ledger, 3, 4)
    with database.read() as conn:
        note = conn.execute(
            sa.select(ledger_checkpoint.c.note).where(ledger_checkpoint.c.size == 7)
        ).scalar_one()
    edited = re.sub(*pattern, note, count=1)
    assert edited != note
    execute(database, ledger_checkpoint.update().where(ledger_checkpoint.c.size == 7).values(note=edited))
    with pytest.raises(LedgerBroken, match="after position 6"):
        check(database, ledger)
    with pytest.raises(LedgerBroken):
        fill(database, ledger, 1)


def test_a_swapped_edge_of_the_tree_is_noticed(database: ControlDatabase, ledger: Ledger) -> None:
    fill(database, ledger, 3, 2)
    with database.read() as conn:
        older, newer = conn.execute(sa.select(ledger_checkpoint.c.note)).scalars()
    edge = older.splitlines(keepends=True)[-1]
    swapped = "".join([*newer.splitlines(keepends=True)[:-1], edge])
    execute(database, ledger_checkpoint.update().where(ledger_checkpoint.c.size == 5).values(note=swapped))
    with pytest.raises(LedgerBroken):
        fill(database, ledger, 1)
    with pytest.raises(LedgerBroken):
        check(database, ledger)


def test_a_checkpoint_under_another_size_is_noticed(database: ControlDatabase, ledger: Ledger) -> None:
    fill(database, ledger, 1)
    execute(database, ledger_checkpoint.update().values(size=2))
    with pytest.raises(LedgerBroken, match="stored for size 2"), database.read() as conn:
        ledger.size(conn)


def test_another_key_does_not_verify(database: ControlDatabase, ledger: Ledger) -> None:
    fill(database, ledger, 1)
    other = Ledger.from_seed(ORIGIN, bytes(32))
    with pytest.raises(LedgerBroken, match="not signed by the ledger's key"):
        check(database, other)


def test_a_history_rewritten_with_the_stolen_key_is_caught_only_by_the_witness(
    database: ControlDatabase, ledger: Ledger
) -> None:
    fill(database, ledger, 3, 4)
    with database.commit() as tx:
        tx.conn.execute(ledger_leaf.delete())
        tx.conn.execute(ledger_checkpoint.delete())
    thief = Ledger.from_seed(ORIGIN, SEED)
    with database.commit() as tx:
        thief.append(tx, [{"type": "test", "facts": {"number": 70 + one}} for one in range(9)], NOW)
    assert check(database, ledger, witness=None).size == 9
    broken_at(database, ledger, 6)
    with pytest.raises(LedgerBroken, match="past differs"):
        fill(database, ledger, 1)
    assert check(database, ledger, witness=None).size == 9


# --- the witness ------------------------------------------------------------------------------------------


def test_a_witness_that_missed_commits_catches_up(
    database: ControlDatabase, ledger: Ledger, witness: FileWitness
) -> None:
    fill(database, ledger, 3)
    blind = Ledger.from_seed(ORIGIN, SEED)
    fill(database, blind, 4, 5)
    report = check(database, ledger)
    assert (report.witnessed_size, report.unwitnessed) == (3, 9)
    fill(database, ledger, 1)
    assert witness.newest().checkpoint.size == 13
    fill(database, blind, 2)
    with database.read() as conn:
        assert ledger.catch_up(conn, NOW) == 2
        assert ledger.catch_up(conn, NOW) == 0
    assert check(database, ledger).unwitnessed == 0


def test_a_witness_out_of_reach_lags_and_does_not_undo_the_commit(
    database: ControlDatabase, ledger: Ledger, witness: FileWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError("no space left")

    fill(database, ledger, 1)
    with monkeypatch.context() as patch:
        patch.setattr(FileWitness, "_write", full)
        fill(database, ledger, 2)
    assert check(database, ledger).unwitnessed == 2
    fill(database, ledger, 1)
    assert check(database, ledger).unwitnessed == 0


def test_two_processes_can_show_checkpoints_in_the_wrong_order(
    database: ControlDatabase, ledger: Ledger, witness: FileWitness
) -> None:
    fill(database, ledger, 2)
    pending: list[Any] = []

    class Held:
        def __init__(self, conn: sa.Connection) -> None:
            self.conn = conn

        def after_commit(self, action: Any) -> None:
            pending.append(action)

    for _ in range(2):
        with database.commit() as tx:
            ledger.append(Held(tx.conn), [{"type": "x"}], NOW)  # type: ignore[arg-type]
    second, first = pending[1], pending[0]
    second()
    assert witness.newest().checkpoint.size == 4
    first()
    assert witness.newest().checkpoint.size == 4
    fill(database, ledger, 1)
    assert check(database, ledger).unwitnessed == 0


@pytest.mark.parametrize("name", ["checkpoint", "witness.key", "log.vkey"])
def test_a_missing_file_of_the_witness_is_noticed(
    database: ControlDatabase, ledger: Ledger, witness: FileWitness, name: str
) -> None:
    fill(database, ledger, 2)
    (witness.folder / name).unlink()
    with pytest.raises(LedgerBroken):
        check(database, ledger)
    with pytest.raises(LedgerBroken):
        fill(database, ledger, 1)


def test_an_edited_checkpoint_of_the_witness_is_noticed(
    database: ControlDatabase, ledger: Ledger, witness: FileWitness
) -> None:
    empty = (witness.folder / "checkpoint").read_text()
    fill(database, ledger, 2)
    content = (witness.folder / "checkpoint").read_text()
    for edited in (
        content.replace("\n2\n", "\n1\n"),
        "",
        content.split("— ")[0] + "— " + content.split("— ")[1],
    ):
        (witness.folder / "checkpoint").write_text(edited)
        with pytest.raises(LedgerBroken):
            check(database, ledger)
    (witness.folder / "checkpoint").write_bytes(b"\xff\xfe")
    with pytest.raises(LedgerBroken):
        check(database, ledger)
    assert empty != content


def test_the_witness_refuses_a_fork(database: ControlDatabase, ledger: Ledger, witness: FileWitness) -> None:
    fill(database, ledger, 3)
    forked = Frontier().extended([leaf_hash(b"other")] * 4)
    note = sign_checkpoint(Checkpoint(ORIGIN, 4, forked.root()), ledger._signing_key)
    before = (witness.folder / "checkpoint").read_bytes()
    with pytest.raises(LedgerBroken):
        witness.observe(note, 3, [leaf_hash(b"x")] * 2, NOW)
    with database.read() as conn:
        head = read_head(conn, ledger.verifier_key)
    growth = Growth(head.frontier, [leaf_hash(b"next")])
    honest = Checkpoint(ORIGIN, 4, growth.frontier(4).root())
    with pytest.raises(LedgerBroken, match="not signed"):
        witness.observe(Note(honest.text(), ()), 3, growth.consistency_proof(3), NOW)
    assert (witness.folder / "checkpoint").read_bytes() == before


def test_the_witness_keeps_its_key_to_itself(witness: FileWitness, now: dt.datetime) -> None:
    assert (witness.folder / "witness.key").stat().st_mode & 0o777 == 0o600
    key = witness.verifier_key
    assert FileWitness.create(witness.folder, witness.log, now).verifier_key == key
    assert (witness.folder / "witness.vkey").read_text() == f"{key}\n"
    with pytest.raises(ConfigurationError):
        FileWitness.create(witness.folder, Ledger.from_seed("other", SEED).verifier_key, now)


def test_a_database_restored_from_before_is_caught(
    database: ControlDatabase, ledger: Ledger, tmp_path: Path
) -> None:
    fill(database, ledger, 3)
    with database.read() as conn:
        conn.exec_driver_sql("SELECT 1")
    database.close()
    shutil.copy(tmp_path / "control.db", tmp_path / "old.db")
    fill(database, ledger, 2)
    restored = ControlDatabase.open(f"sqlite:///{tmp_path / 'old.db'}")
    with pytest.raises(LedgerBroken, match="position 3 is missing though the witness"):
        check(restored, ledger)
    restored.close()


# --- proofs -----------------------------------------------------------------------------------------------


def test_every_entry_can_be_proved_offline(
    database: ControlDatabase, ledger: Ledger, witness: FileWitness
) -> None:
    fill(database, ledger, 3)
    older = witness.newest().note
    fill(database, ledger, 1, 7, 2)
    cosigned = witness.newest().note
    with database.read() as conn:
        rows = conn.execute(sa.select(ledger_leaf.c.position, ledger_leaf.c.body)).all()
        for position, body in rows:
            for note in (None, cosigned):
                proof = prove(conn, ledger.verifier_key, position, note)
                assert verify_proof(proof, body.encode(), ledger.verifier_key)[0] == position
                with pytest.raises(LedgerBroken):
                    verify_proof(proof, body.encode() + b" ", ledger.verifier_key)
        assert verify_proof(proof, body.encode(), ledger.verifier_key)[1].size == 13
        for outside in (13, -1):
            with pytest.raises(LedgerBroken):
                prove(conn, ledger.verifier_key, outside)
        with pytest.raises(LedgerBroken):
            prove(conn, ledger.verifier_key, 3, older)
    for damaged in ("", proof.replace("index", "indices"), proof.replace("index 12", "index 11"), proof[:-9]):
        with pytest.raises(LedgerBroken):
            verify_proof(damaged, body.encode(), ledger.verifier_key)


def test_a_process_killed_between_commit_and_cosignature_is_made_up_for(
    database: ControlDatabase, ledger: Ledger, tmp_path: Path
) -> None:
    program = (
        "import sys, datetime as dt; from pathlib import Path\n"
        "from shelflife.control.database import ControlDatabase\n"
        "from shelflife.ledger.ledger import Ledger; from shelflife.ledger.witness import FileWitness\n"
        "folder = Path(sys.argv[1])\n"
        f"ledger = Ledger.from_seed({ORIGIN!r}, {SEED!r}, FileWitness(folder / 'witness'))\n"
        "with ControlDatabase.open(f\"sqlite:///{folder / 'control.db'}\").commit() as tx:\n"
        "    ledger.append(tx, [{'type': 'killed'}], dt.datetime.now(dt.UTC))\n"
    )
    fill(database, ledger, 2)
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "SHELFLIFE_CRASH_AT": "control.commit.after"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert check(database, ledger).unwitnessed == 1
    fill(database, ledger, 1)
    assert check(database, ledger).witnessed_size == 4
