# ruff: noqa: PT012 - what raises is the transaction around several statements
"""The key tree against a dictionary, and against somebody who kept every copy of the database ever made."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shelflife.control.database import ControlDatabase
from shelflife.control.tables import key_page
from shelflife.errors import KeyTreeUnopenable
from shelflife.keys import pages
from shelflife.keys.tree import KeyKind, KeyTree
from tests.conftest import NOW
from tests.keys.memory_slot import MemoryRootSlot

KINDS = st.sampled_from([KeyKind.KEYRING, KeyKind.FILE])
PICKS = st.lists(st.integers(min_value=0, max_value=10_000), min_size=1, max_size=40)


class _Undo(Exception):
    """Makes a transaction roll back."""


class _Adversary:
    """Keeps every sealed page it ever sees; later also takes the root slot."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[int, int], set[bytes]] = {}

    def copy(self, database: ControlDatabase) -> None:
        with database.read() as conn:
            for level, number, blob in conn.execute(
                sa.select(key_page.c.level, key_page.c.number, key_page.c.blob)
            ):
                self._blobs.setdefault((level, number), set()).add(blob)

    def reachable_keys(self, roots: list[bytes]) -> set[bytes]:
        """Every key that can be had by opening any kept page with any key had before."""
        known: dict[tuple[int, int], set[bytes]] = {(pages.TOP_LEVEL, 0): set(roots)}
        for level in range(pages.TOP_LEVEL, -1, -1):
            for place in [place for place in self._blobs if place[0] == level]:
                for plain in self._opened(place, known.get(place, set())):
                    for slot in range(pages.SLOTS):
                        key = pages.slot(plain, slot)
                        if key is not None:
                            below = (level - 1, place[1] * pages.SLOTS + slot)
                            known.setdefault(below, set()).add(key)
        return {key for place, keys in known.items() if place[0] == -1 for key in keys}

    def _opened(self, place: tuple[int, int], keys: set[bytes]) -> list[bytes]:
        opened = []
        for blob in self._blobs[place]:
            for key in keys:
                try:
                    opened.append(pages.unseal(key, blob, "raw", *place))
                except KeyTreeUnopenable:
                    continue
        return opened


class TreeMachine(RuleBasedStateMachine):
    template: Path
    reached: Counter[str]

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="shelflife-tree-"))
        shutil.copy(self.template, self.folder / "control.db")
        self.database = ControlDatabase.open(f"sqlite:///{self.folder / 'control.db'}")
        self.slot = MemoryRootSlot()
        self.tree = KeyTree("raw", self.slot)
        self.now = NOW
        self.live: dict[int, bytes] = {}
        self.gone: dict[int, tuple[bytes, int]] = {}
        self.used: set[int] = set()
        self.adversary = _Adversary()
        self.backups: list[tuple[Path, int, dict[int, bytes]]] = []
        with self.database.commit() as tx:
            self.tree.create(tx, self.now)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            shutil.rmtree(self.folder)

    @rule(kind=KINDS, count=st.integers(min_value=0, max_value=600))
    def insert(self, kind: KeyKind, count: int) -> None:
        with self.database.commit() as tx:
            numbers = self.tree.insert(tx, kind, count)
            self._remember(numbers, self.tree.lookup(tx.conn, numbers))

    @rule(groups=st.integers(min_value=1, max_value=40), size=st.sampled_from([1, 8, 64]))
    def insert_groups(self, groups: int, size: int) -> None:
        with self.database.commit() as tx:
            starts = self.tree.insert_groups(tx, KeyKind.KEYRING, groups, size)
            numbers = [start + position for start in starts for position in range(size)]
            self._remember(numbers, self.tree.lookup(tx.conn, numbers))
        assert all(start // 256 == (start + size - 1) // 256 for start in starts)

    @rule(picks=PICKS)
    def destroy(self, picks: list[int]) -> None:
        doomed = self._picked(picks)
        with self.database.commit() as tx:
            assert self.tree.destroy(tx, doomed, self.now) == len(set(doomed) & self.live.keys())
            generation = self.tree.generation(tx.conn)
        for number in set(doomed) & self.live.keys():
            self.gone[number] = (self.live.pop(number), generation)

    @precondition(lambda self: self.live)
    @rule(picks=PICKS)
    def destroy_for_good(self, picks: list[int]) -> None:
        """Back up, destroy, attack, let the window pass, attack again: chance alone hardly ever makes this."""
        if len(self.backups) < 6:
            self.back_up()
        self.destroy(picks)
        self.adversary.copy(self.database)
        self.attack()
        self.restore()
        with self.database.commit() as tx:
            self.tree.finalize(tx, self.now, dt.timedelta(0))
        self.attack()
        self.restore()

    @rule()
    def rotate(self) -> None:
        with self.database.commit() as tx:
            self.tree.rotate(tx, self.now)

    @rule(picks=PICKS, count=st.integers(min_value=0, max_value=300))
    def roll_back(self, picks: list[int], count: int) -> None:
        with pytest.raises(_Undo), self.database.commit() as tx:
            self.tree.insert(tx, KeyKind.FILE, count)
            self.tree.destroy(tx, self._picked(picks), self.now)
            self.tree.rotate(tx, self.now)
            raise _Undo

    @rule(days=st.integers(min_value=0, max_value=5))
    def wait(self, days: int) -> None:
        self.now += dt.timedelta(days=days)

    @rule(days=st.integers(min_value=0, max_value=7))
    def finalize(self, days: int) -> None:
        with self.database.commit() as tx:
            due = self.tree.finalize(tx, self.now, dt.timedelta(days=days))
            before = len(self.slot.read())
        assert len(self.slot.read()) == before - due

    @rule(stray=st.booleans())
    def reopen(self, stray: bool) -> None:
        if stray:
            self.slot.put(self.slot.read()[-1].generation + 1, pages.new_key(), self.now)
        self.tree = KeyTree("raw", self.slot)
        with self.database.commit() as tx:
            self.tree.recover(tx, self.now)

    @precondition(lambda self: len(self.backups) < 6)
    @rule()
    def back_up(self) -> None:
        copy = self.folder / f"backup-{len(self.backups)}.db"
        with self.database.commit() as tx:
            tx.conn.execute(sa.select(1))
            generation = self.tree.generation(tx.conn)
        with self.database.engine.connect() as conn:
            conn.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self.folder / "control.db", copy)
        self.backups.append((copy, generation, dict(self.live)))

    @invariant()
    def the_tree_says_what_the_dictionary_says(self) -> None:
        if hasattr(self, "database"):
            numbers = sorted(self.used)
            with self.database.read() as conn:
                assert self.tree.lookup(conn, numbers) == [self.live.get(number) for number in numbers]
                assert self.tree.is_reconciled(conn)
            self.adversary.copy(self.database)

    @rule()
    def attack(self) -> None:
        """Root keys of today, pages of all time: what was final is nowhere."""
        reachable = self.adversary.reachable_keys([root.key for root in self.slot.read()])
        assert set(self.live.values()) <= reachable
        final = {key for key, generation in self.gone.values() if self.tree.is_final(generation)}
        assert not final & reachable
        unfinal = {key for key, _ in self.gone.values()} - final
        self.reached["a final key is nowhere"] += bool(final)
        self.reached["a key within the window is still in a copy"] += bool(unfinal & reachable)

    @rule()
    def restore(self) -> None:
        """A backup opens, with what it had then, exactly as long as its root key is kept."""
        kept = {root.generation for root in self.slot.read()}
        for copy, generation, live in self.backups:
            database = ControlDatabase.open(f"sqlite:///{copy}")
            with database.read() as conn:
                if generation in kept:
                    assert self.tree.lookup(conn, sorted(live)) == [live[number] for number in sorted(live)]
                    self.reached["a backup opens"] += 1
                else:
                    with pytest.raises(KeyTreeUnopenable):
                        self.tree.lookup(conn, sorted(live) or [0])
                    self.reached["a backup is dead"] += 1
            database.close()

    def _remember(self, numbers: range | list[int], keys: list[bytes | None]) -> None:
        assert not set(numbers) & self.used
        for number, key in zip(numbers, keys, strict=True):
            assert key is not None
            self.live[number] = key
        self.used |= set(numbers)

    def _picked(self, picks: list[int]) -> list[int]:
        """Some numbers of keys that are there, one of a key that is gone, one that was never used."""
        live = sorted(self.live)
        return [
            *(live[pick % len(live)] for pick in picks if live),
            *list(self.gone)[:1],
            max(self.used, default=0) + 1_000,
        ]


@pytest.mark.slow
def test_the_tree_is_a_dictionary_that_forgets(tmp_path_factory: pytest.TempPathFactory) -> None:
    template = tmp_path_factory.mktemp("template") / "control.db"
    database = ControlDatabase.create(f"sqlite:///{template}")
    with database.engine.connect() as conn:
        conn.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    reached: Counter[str] = Counter()
    machine = type("Machine", (TreeMachine,), {"template": template, "reached": reached})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    # A machine that never gets there would prove nothing.
    assert {what for what, times in reached.items() if times} == {
        "a final key is nowhere",
        "a key within the window is still in a copy",
        "a backup opens",
        "a backup is dead",
    }
