"""What every kind of copy must do: plain classes that the test class of each adapter inherits.

A subclass (named Test...) says in `declaration` what is declared, where `plant` and `stray` put things from outside,
and at which crash points its processes are killed. Everything else is the same for all kinds:

    class TestSqliteCache(CopyConformance):
        kind = "sqlite_cache"
        publish_points = ("copies.file.registered", ...)
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from shelflife.copies.datasets import of_person
from shelflife.copies.registry import declaration_of, open_adapter, open_inspector, opening_of
from shelflife.estate import Estate
from tests.conftest import NOW
from tests.copies.estates import (
    PEOPLE,
    ROOT,
    datasets,
    declare,
    declared,
    estate_in,
    expected,
    rows_of,
    settings_in,
    token,
)

if TYPE_CHECKING:
    from shelflife.copies.declarations import CopyDeclaration
    from shelflife.copies.protocol import CopyAdapter, CopyInspector

NAME = "under_test"
ERASED = (2, 4)


class Place:
    """One estate with one declared copy, opened anew for every step, as separate commands would."""

    def __init__(self, folder: Path, declaration: dict[str, Any]) -> None:
        self.folder = folder
        declare(folder, declaration)
        self.estate = estate_in(folder)

    @property
    def declaration(self) -> CopyDeclaration:
        return declaration_of(self.estate.settings, NAME)

    @property
    def adapter(self) -> CopyAdapter:
        return open_adapter(self.estate, self.declaration)

    @property
    def inspector(self) -> CopyInspector:
        return open_inspector(self.estate, self.declaration)

    @property
    def opening(self):
        return opening_of(self.estate, self.declaration)

    def known(self) -> list[str]:
        return [item.item for item in self.opening.items.live()]

    def publish(self, given=None) -> None:
        made = self.adapter.publish(datasets() if given is None else given, NOW)
        # Adapters settle what they made themselves.
        assert sorted(item.item for item in made) == sorted(self.known())

    def inspect(self, *people: int, now=NOW):
        return self.inspector.inspect([token(person) for person in people], self.known(), now)

    def in_child(self, verb: str, *people: int, crash_at: str | None = None) -> int:
        """Run a step in a process of its own; returns its exit code."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment |= {"SHELFLIFE_CRASH_AT": crash_at} if crash_at else {}
        self.estate.close()
        command = [
            sys.executable,
            "-m",
            "tests.copies.worker",
            str(self.folder),
            NAME,
            verb,
            *map(str, people),
        ]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
        self.estate = Estate.open(settings_in(self.folder), NOW)
        if done.returncode not in (0, -signal.SIGKILL):
            raise AssertionError(done.stderr.decode())
        return done.returncode


class CopyConformance:
    """The tests. Class attributes and the hooks below are all that a kind adds."""

    kind: ClassVar[str]
    publish_points: ClassVar[tuple[str, ...]] = ()
    erase_points: ClassVar[tuple[str, ...]] = ()
    expire_points: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture
    def declaration(self) -> dict[str, Any]:
        """The copy as copies.yaml declares it; kinds with a server override it."""
        return declared(self.kind, name=NAME)

    @pytest.fixture
    def place(self, tmp_path, declaration):
        place = Place(tmp_path, declaration)
        yield place
        place.estate.close()

    def held(self, place: Place, person: int) -> dict[str, list[str]]:
        """What the copy holds about a person, by dataset; kinds that cannot export look by other means."""
        return {name: rows_of(rows) for name, rows in place.adapter.export(token(person)).items()}

    def everyone(self, place: Place) -> list[dict[str, list[str]]]:
        """What the copy holds about each of the invented people."""
        return [self.held(place, person) for person in range(PEOPLE)]

    def plant(self, place: Place, person: int) -> None:
        """Put a person's row into a published copy, going around the adapter."""
        raise NotImplementedError

    def stray(self, place: Place) -> str:
        """Put an object that nobody declared into the copy's location; return its name in the inventory."""
        raise NotImplementedError

    def raw(self, place: Place) -> bytes:
        """Everything that physically lies in the copy's location, history included, as one byte string."""
        raise NotImplementedError

    def test_published_rows_come_back_person_by_person(self, place):
        place.publish()
        for person in range(PEOPLE):
            assert self.held(place, person) == expected(person)
        assert self.held(place, PEOPLE + 1) == {}

    def test_a_published_copy_is_all_registered_and_sound(self, place):
        place.publish()
        assert place.known()
        assert place.inspect(PEOPLE + 1) == []

    def test_publishing_again_replaces_everything(self, place):
        place.publish()
        first = place.known()
        changed = datasets(shift=7.0)[:1]
        place.publish(changed)
        assert self.held(place, 1) == expected(1, changed)
        assert place.inspect(PEOPLE + 1) == []
        assert len(place.known()) <= len(first)

    def test_publishing_nothing_empties_the_copy(self, place):
        place.publish()
        place.publish([])
        assert place.known() == []
        assert place.adapter.inventory() == []
        assert self.held(place, 1) == {}

    def test_erasing_removes_some_people_and_nobody_else(self, place):
        place.publish()
        erased = place.adapter.erase([token(person) for person in ERASED], NOW)
        assert erased.outcome == "deleted"
        assert erased.removed > 0
        assert self.everyone(place) == [
            {} if person in ERASED else expected(person) for person in range(PEOPLE)
        ]
        assert place.inspect(*ERASED) == []

    def test_nothing_of_the_erased_is_left_in_any_byte(self, place):
        place.publish()
        place.adapter.erase([token(person) for person in ERASED], NOW)
        content = self.raw(place)
        for person in ERASED:
            assert token(person) not in content
            assert token(person).hex().encode() not in content

    def test_the_inspector_finds_those_who_are_there(self, place):
        """The proof that a clean inspection means something."""
        place.publish()
        for person in (0, 1, PEOPLE - 1):
            assert {finding.rule for finding in place.inspect(person)} == {"erased_person"}

    def test_the_inspector_finds_a_planted_person(self, place):
        place.publish()
        place.adapter.erase([token(person) for person in ERASED], NOW)
        assert place.inspect(*ERASED) == []
        self.plant(place, ERASED[0])
        assert "erased_person" in {finding.rule for finding in place.inspect(*ERASED)}

    def test_erasing_from_named_datasets_leaves_the_others(self, place):
        place.publish()
        erased = place.adapter.erase([token(2)], NOW, datasets=["activity_daily"])
        assert erased.outcome == "deleted"
        assert self.held(place, 2) == {"heart_daily": expected(2)["heart_daily"]}
        assert self.held(place, 4) == expected(4)

    def test_erasing_again_changes_nothing(self, place):
        place.publish()
        place.adapter.erase([token(2)], NOW)
        before = (place.known(), self.everyone(place))
        again = place.adapter.erase([token(2)], NOW)
        assert (again.outcome, again.removed) == ("already_absent", 0)
        assert (place.known(), self.everyone(place)) == before

    def test_erasing_from_an_empty_copy_is_already_absent(self, place):
        assert place.adapter.erase([token(2)], NOW).outcome == "already_absent"

    def test_erasing_does_not_start_the_time_to_live_anew(self, place):
        place.publish()
        ends = {item.expires_at for item in place.opening.items.live()}
        place.adapter.erase([token(2)], NOW + place.declaration.lifetime / 2)
        assert {item.expires_at for item in place.opening.items.live()} == ends

    def test_a_copy_ends_with_its_time_to_live_and_not_before(self, place):
        place.publish()
        lifetime = place.declaration.lifetime
        known = place.known()
        assert place.adapter.expire(NOW + lifetime / 2) == []
        assert self.held(place, 1) == expected(1)
        assert {finding.rule for finding in place.inspect(PEOPLE + 1, now=NOW + lifetime)} == {
            "past_its_time_to_live"
        }
        assert sorted(place.adapter.expire(NOW + lifetime)) == sorted(known)
        assert place.adapter.inventory() == []
        assert self.held(place, 1) == {}
        assert place.adapter.expire(NOW + lifetime) == []

    def test_an_object_that_nobody_declared_is_found_and_can_be_discarded(self, place):
        place.publish()
        known = set(place.known())
        stray = self.stray(place)
        assert stray in place.adapter.inventory()
        assert {(f.rule, f.where) for f in place.inspect(PEOPLE + 1)} == {("unregistered_object", stray)}
        assert place.adapter.discard([stray]) == [stray]
        assert stray not in place.adapter.inventory()
        assert set(place.known()) == known
        assert place.inspect(PEOPLE + 1) == []
        assert self.held(place, 1) == expected(1)

    @pytest.mark.slow
    def test_a_killed_publication_goes_on_to_the_same_end(self, place):
        for point in self.publish_points:
            assert place.in_child("publish", crash_at=point) == -signal.SIGKILL, point
            place.publish()
            self._is_whole(place, erased=())
        assert self.publish_points

    @pytest.mark.slow
    def test_a_killed_erasure_goes_on_to_the_same_end(self, place):
        for point in self.erase_points:
            place.publish()
            assert place.in_child("erase", *ERASED, crash_at=point) == -signal.SIGKILL, point
            place.adapter.erase([token(person) for person in ERASED], NOW)
            self._is_whole(place, erased=ERASED)
        assert self.erase_points

    @pytest.mark.slow
    def test_a_killed_expiry_goes_on_to_the_same_end(self, place):
        for point in self.expire_points:
            place.publish()
            assert place.in_child("expire", crash_at=point) == -signal.SIGKILL, point
            place.adapter.expire(NOW + 2 * place.declaration.lifetime)
            assert (place.adapter.inventory(), place.known()) == ([], [])

    def _is_whole(self, place: Place, erased) -> None:
        assert self.everyone(place) == [
            {} if person in erased else expected(person) for person in range(PEOPLE)
        ]
        assert place.inspect(*erased, PEOPLE + 1) == []
        assert sorted(place.adapter.inventory()) == sorted(place.known())


class FolderConformance(CopyConformance):
    """The suite for copies in a folder of the estate."""

    publish_points = (
        "copies.file.registered",
        "copies.file.written",
        "copies.items.before_settle",
        "copies.items.settled",
    )
    erase_points = (
        "copies.file.written",
        "copies.items.before_settle",
        "copies.items.settled",
        "copies.file.wiped",
    )
    expire_points = ("copies.items.before_settle", "copies.items.settled", "copies.file.wiped")

    def everyone(self, place: Place) -> list[dict[str, list[str]]]:
        """Decode each file once instead of once a person."""
        adapter = place.adapter
        found: list[dict[str, list[str]]] = [{} for _ in range(PEOPLE)]
        for item in place.opening.items.live():
            for dataset in adapter.read(item, adapter.folder / item.item):
                for person in range(PEOPLE):
                    rows = of_person(dataset, token(person))
                    if rows.num_rows:
                        found[person][dataset.name] = rows_of(rows)
        return found

    def stray(self, place: Place) -> str:
        (Path(place.opening.location) / "notes.txt").write_bytes(b"left here by somebody")
        return "notes.txt"

    def raw(self, place: Place) -> bytes:
        folder = Path(place.opening.location)
        return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())

    def only_file(self, place: Place) -> Path:
        [path] = [path for path in Path(place.opening.location).rglob("*") if path.is_file()]
        return path
