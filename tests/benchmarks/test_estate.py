"""Ours as a peer: nobody is left who was erased, and what is planted is found."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import erase
from benchmarks.erase_peers import child
from benchmarks.erase_peers.rows import FIRST_DAY, victims_of, write_rows
from benchmarks.erase_peers.shelflife_estate import ShelflifeDerived, ShelflifeRaw

PEOPLE, DAYS, EACH = 12, 2, 3
IDS = victims_of(PEOPLE, 2)
NAMES = {"shelflife": ShelflifeRaw, "shelflife_derived": ShelflifeDerived}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=NAMES)
def run(request, tmp_path_factory):
    """Load, copy, erase: the peer's name, the folder of before and that of afterwards, and what was measured."""
    work = tmp_path_factory.mktemp(request.param)
    (work / "rows").mkdir()
    (work / "live").mkdir()
    rows = write_rows(work / "rows", PEOPLE, PEOPLE * DAYS * EACH, DAYS)
    child.load(request.param, work / "live", rows)
    shutil.copytree(work / "live", work / "loaded")
    before = child.residue(request.param, work / "live", IDS)
    assert before["rows"] == before["ids"] == 1
    measured = child.erase(request.param, work / "live", work / "loaded", IDS)
    erase.check(request.param, measured, EACH * DAYS * (PEOPLE - len(IDS)))
    return request.param, work / "loaded", work / "live"


def test_nothing_is_left(run):
    name, loaded, live = run
    after = child.residue(name, live, IDS)
    assert after == {"residue": 0, "rows": 0, "ids": 0, "where": {}}
    assert child.old_copy(name, live, loaded, IDS) == 0
    others = [one for one in victims_of(PEOPLE, 9) if one not in IDS][:3]
    assert child.residue(name, live, others)["rows"] == 1
    assert child.old_copy(name, live, loaded, others) == 1


def planted_pseudonym(name, loaded, live):
    (live / "estate" / "log").write_bytes(b"x" + next(iter(NAMES[name](live).pseudonyms(IDS))))


def planted_page(name, loaded, live):
    shutil.copyfile(loaded / "estate/control/control.db", live / "estate/control/control.db-old")


def planted_restore(name, loaded, live):
    for part in ("control", "roots", "journal", "witness"):
        shutil.rmtree(live / "estate" / part)
        shutil.copytree(loaded / "estate" / part, live / "estate" / part)
    shutil.rmtree(live / "estate" / "zones")
    shutil.copytree(loaded / "estate" / "zones", live / "estate" / "zones")


@pytest.mark.parametrize("plant", [planted_pseudonym, planted_page, planted_restore])
def test_what_is_planted_is_found(run, tmp_path, plant):
    name, loaded, live = run
    for one in (live, loaded):
        shutil.copytree(one, tmp_path / one.name)
    shutil.copyfile(live.parent / "pseudonyms.json", tmp_path / "pseudonyms.json")
    plant(name, loaded, tmp_path / "live")
    found = child.residue(name, tmp_path / "live", IDS)
    assert found["ids"] > 0
    assert (found["rows"] > 0) == (plant is not planted_pseudonym)


def test_a_backup_ends_with_the_finality_window(run, tmp_path):
    name, loaded, live = run
    shutil.copytree(live, tmp_path / "live")
    shutil.copyfile(live.parent / "pseudonyms.json", tmp_path / "pseudonyms.json")
    assert child.from_backup(name, tmp_path / "live", loaded, IDS) == {"within": 1, "after": 0}


def test_one_day_expires(tmp_path):
    (tmp_path / "rows").mkdir()
    (tmp_path / "live").mkdir()
    rows = write_rows(tmp_path / "rows", PEOPLE, PEOPLE * DAYS * EACH, DAYS)
    child.load("shelflife", tmp_path / "live", rows)
    run = child.expire("shelflife", tmp_path / "live", str(FIRST_DAY))
    assert run["others"] == rows.count() // DAYS
