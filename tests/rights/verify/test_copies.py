"""Copies: what an inspector finds, what does not answer, what nothing declares."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil

import pytest
import yaml

from shelflife.copies.protocol import CopyFinding
from shelflife.rights.verify import Target
from shelflife.rights.verify import copies as copies_of
from shelflife.rights.verify.survey import CopyRow
from tests.conftest import NOW
from tests.copies.estates import declared
from tests.rights.verify.conftest import COPY, found, plants, rules, target_of, write


@plants("copy_residue")
def test_a_person_who_is_still_in_a_copy(estate, account):
    target = Target(tokens=target_of(estate, account).tokens)
    outcome = found(estate, target)
    assert rules(outcome) == {"copy_residue"}
    assert found(estate, target, copies=False).findings == ()


def test_an_object_that_the_catalog_does_not_name(erased, account):
    write(erased.settings.home / "copies" / COPY / f"{account}.csv", b"who knows")
    outcome = found(erased)
    assert rules(outcome) == {"copy_residue"}
    assert account not in str(outcome.as_json())


def test_a_folder_among_the_copies_that_nothing_declares(erased):
    write(erased.settings.home / "copies" / "spare" / "x.db", b"who knows")
    assert rules(found(erased)) == {"unregistered_file"}


def declare(estate, *declarations) -> None:
    (estate.settings.policies / "copies.yaml").write_text(yaml.safe_dump({"copies": list(declarations)}))


@plants("copy_unreachable")
def test_a_copy_that_does_not_answer(estate):
    mine = declared("sqlite_cache", name=COPY, datasets=["heart_daily"])
    away = declared("http_cache", name="edge", location="http://127.0.0.1:9/", datasets=["heart_daily"])
    declare(estate, mine, away)
    outcome = found(estate)
    assert rules(outcome) == {"copy_unreachable"}
    assert [finding.place for finding in outcome.findings] == ["edge"]
    left_out = found(estate, leave_out_copies={"edge"})
    assert left_out.findings == ()
    assert {one.store for one in left_out.unseen} == {"copies", "dagster"}


@plants("copy_undeclared")
def test_a_copy_whose_declaration_is_gone(estate):
    declare(estate)
    assert found(estate).findings == ()
    shutil.rmtree(estate.settings.home / "copies" / ".declared")
    assert rules(found(estate)) == {"copy_undeclared", "unregistered_file"}


@plants("copy_item_expired")
def test_a_copy_past_its_time_to_live(estate):
    outcome = found(estate, now=NOW + dt.timedelta(days=2))
    assert "copy_item_expired" in rules(outcome)


class Told:
    """An inspector that finds some people in some objects, and notes what it was asked."""

    name = "told"

    def __init__(self, found: dict[bytes, list[str]]) -> None:
        self._found = found

    def inspect(self, tokens, known, now):
        return [
            CopyFinding("told", "erased_person", where)
            for token in tokens
            for where in self._found.get(token, [])
        ]


@pytest.mark.parametrize(
    ("where", "expected", "unseen"),
    [("a", {"copy_residue"}, False), ("b", set(), False), ("all", set(), True)],
)
def test_of_forgotten_streams_only_their_datasets_count(where, expected, unseen):
    from shelflife.rights.verify.inspection import Inspection

    token = b"t" * 16
    target = Target(
        tokens={"told": (token,)}, streams=frozenset({"heart"}), tables=frozenset({"heart_daily"})
    )
    datasets = {"a": "heart_daily", "b": "sleep_nightly", "all": "*"}
    rows = [CopyRow("told", item, dataset, "live", None, None) for item, dataset in datasets.items()]

    @dataclasses.dataclass
    class Scene:
        inspection: Inspection
        now = NOW
        targets = (target,)
        survey = dataclasses.make_dataclass("Survey", ["copies"])(rows)

        def whole_targets(self):
            return ()

    scene = Scene(Inspection())
    copies_of.check_copies(scene, ["told"], lambda _: Told({token: [where]}))
    assert {finding.rule for finding in scene.inspection.findings} == expected
    assert bool(scene.inspection.unseen) == unseen
