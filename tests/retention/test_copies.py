"""A purge reaches the copies: what expired is published no more, what is past its time to live goes, rewrites are done."""

from __future__ import annotations

import datetime as dt
import shutil

import pytest
import sqlalchemy as sa
import yaml

from shelflife.control.tables import awaiting_rewrite, copy_item, purge_plan
from shelflife.copies.publish import publish
from shelflife.copies.reconciling import reconcile
from shelflife.copies.registry import load_declarations, open_adapter
from shelflife.copies.tokens import copy_token
from shelflife.errors import CopyUnreachable
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.awaiting import await_rewrites
from shelflife.lake.derive import derive
from shelflife.lake.status import status
from shelflife.retention.apply import apply_plan, plan_purge
from shelflife.retention.plan_file import write_plan
from shelflife.subjects.directory import Alias, find
from tests.conftest import NOW
from tests.copies.estates import declared
from tests.retention.conftest import clock

LATER = NOW + dt.timedelta(days=2)
OLD_DAYS = {dt.date(2024, 10, 31), dt.date(2024, 11, 1)}


@pytest.fixture
def published(filled, tmp_path):
    """The estate with a cache of the daily heart figures, old days included."""
    policies = tmp_path / "policies"
    shutil.copytree(filled.settings.policies, policies)
    cache = declared("sqlite_cache", name="cache", datasets=["heart_daily"])
    (policies / "copies.yaml").write_text(yaml.safe_dump({"copies": [cache]}))
    filled.settings = filled.settings.model_copy(update={"policies": policies})
    derive(filled, clock=clock, names=["heart_daily"])
    assert not publish(filled, clock=clock).failed
    assert days_in_cache(filled) == OLD_DAYS | {dt.date(2026, 11, 20)}
    return filled


def person(estate, name: str):
    alias = Alias("account", name)
    with estate.database.read() as conn:
        return find(estate, conn, [alias])[alias]


def days_in_cache(estate) -> set[dt.date]:
    with estate.database.read() as conn:
        token = copy_token(estate, conn, "cache", person(estate, "ada").subject_id)
    found = open_adapter(estate, load_declarations(estate.settings)["cache"]).export(token)
    return {
        dt.date.fromisoformat(str(day)) for rows in found.values() for day in rows["local_date"].to_pylist()
    }


def written(estate, now=NOW) -> str:
    return write_plan(estate.settings, plan_purge(estate, clock=lambda: now))


def live_items(estate) -> int:
    query = sa.select(sa.func.count()).select_from(copy_item).where(copy_item.c.state == "live")
    with estate.database.read() as conn:
        return conn.execute(query).scalar()


def test_a_copy_no_longer_holds_days_that_expired(published):
    plan = plan_purge(published, clock=clock)
    assert [stage.stage for stage in plan.stages] == ["expire_partitions", "refresh_copies", "collect_files"]
    done = apply_plan(published, write_plan(published.settings, plan), clock=clock)
    assert done.copies_refreshed == 1
    assert days_in_cache(published) == {dt.date(2026, 11, 20)}


def test_a_copy_past_its_time_to_live_is_removed(published):
    apply_plan(published, written(published), clock=clock)
    plan = plan_purge(published, clock=lambda: LATER)
    [line] = plan.copy_items
    assert (line.copy_name, line.reason) == ("cache", "removed: time to live ended 2026-11-24")
    done = apply_plan(published, write_plan(published.settings, plan), clock=lambda: LATER)
    assert done.copy_items == 1
    assert live_items(published) == 0
    assert days_in_cache(published) == set()


def test_a_copy_that_fails_keeps_the_plan_open_until_it_answers(published):
    place = published.settings.home / "copies" / "cache"
    aside = place.with_name("aside")
    place.rename(aside)
    place.write_text("no folder")
    name = written(published)
    with pytest.raises(CopyUnreachable, match="cache"):
        apply_plan(published, name, clock=clock)
    with published.database.read() as conn:
        [state] = conn.execute(sa.select(purge_plan.c.state)).scalars()
    assert state == "applying"
    # Everything else is done.
    assert plan_purge(published, clock=clock).remove == ()
    place.unlink()
    aside.rename(place)
    done = apply_plan(published, name, clock=clock)
    assert (done.already, done.copies_refreshed, done.partitions) == (False, 1, 6)
    assert days_in_cache(published) == {dt.date(2026, 11, 20)}
    assert apply_plan(published, name, clock=clock).already


def test_a_withdrawn_copy_keeps_the_plan_open_until_it_is_emptied(published):
    name = written(published)
    (published.settings.policies / "copies.yaml").unlink()
    with pytest.raises(CopyUnreachable, match="still hold what expired: cache"):
        apply_plan(published, name, clock=clock)
    assert reconcile(published, clock).withdrawn == ["cache"]
    assert apply_plan(published, name, clock=clock).copies_refreshed == 0


def test_rewrites_are_done_before_their_deadline(filled):
    derive(filled, clock=clock, names=["heart_daily"])
    with filled.database.commit() as tx:
        pepper = filled.pepper(tx.conn, "derived")
        gone = {name: pseudonym(pepper, person(filled, name).subject_id) for name in ("ada", "bob")}
        for name, hours in (("ada", 12), ("bob", 72)):
            due = NOW + dt.timedelta(hours=hours)
            await_rewrites(tx, {"heart_daily": {gone[name]: name * 4}}, due_at=due)
    assert apply_plan(filled, written(filled), clock=clock).files_rewritten == 1
    # Of three people's rows of the one day that is left, hers are gone and his wait for their own deadline.
    assert [one.rows for one in status(filled).tables if one.table_name == "heart_daily"] == [2]
    with filled.database.read() as conn:
        left = conn.execute(sa.select(awaiting_rewrite.c.pid)).scalars()
        assert [bytes(one) for one in left] == [gone["bob"]]
