"""An estate that is as it should be: nothing is found, and everything was looked at."""

from __future__ import annotations

import json

from shelflife.lake.status import status
from tests.rights.verify.conftest import found


def test_a_filled_estate_is_clean(estate):
    outcome = found(estate)
    assert outcome.findings == ()
    assert outcome.final
    assert [one.store for one in outcome.unseen] == ["dagster"]


def test_an_estate_that_somebody_was_erased_from_is_clean(erased, target):
    outcome = found(erased, target)
    assert outcome.findings == ()
    assert not outcome.final


def test_what_was_looked_at_is_what_there_is(erased, target):
    outcome = found(erased, target)
    tables = status(erased).tables
    rows = {zone: sum(t.rows for t in tables if t.zone == zone) for zone in ("raw", "derived", "analytics")}
    looked = outcome.counts
    assert looked["derived: decoded rows"] == rows["derived"] + rows["analytics"]
    # The erased person's samples stay counted in the catalog, and are there no more.
    assert 0 < looked["raw: decoded samples"] < rows["raw"]
    assert looked["raw: overwritten rows"] > 0
    assert looked["storage: live files"] == sum(t.files for t in tables)
    assert looked["keys: destroyed keys looked up"] > 16
    assert looked["copies: objects"] == 1
    assert {"control: cells", "control: bytes", "ledger: entries", "lineage: events"} <= set(looked)


def test_an_outcome_can_be_kept(erased, target, account):
    kept = json.dumps(found(erased, target).as_json())
    assert account not in kept
    assert not any(pid.hex() in kept for pids in target.pids.values() for pid in pids)
    assert account not in repr(target)


def test_looking_changes_nothing(erased, target):
    def everything() -> dict[str, bytes]:
        home = erased.settings.home
        files = [path for path in home.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
        return {str(path.relative_to(home)): path.read_bytes() for path in files}

    before = everything()
    found(erased, target)
    assert everything() == before
