"""The Dagster assets of copies: what they show, what they do, and that nothing but counts gets into Dagster."""

import dagster as dg
import pytest

from assets.copies import copy_assets
from assets.resource import EstateResource
from orchestration.refusing_io import refusing_io_manager
from shelflife.copies.registry import load_declarations
from shelflife.lake.models import load_models
from tests.canaries import hits
from tests.copies.estates import ROOT, declared
from tests.copies.warehouse import PEOPLE, live, subject_id, token_of

pytestmark = [pytest.mark.dagster, pytest.mark.slow]


@pytest.fixture
def assets(warehouse, tmp_path, monkeypatch):
    estate = warehouse(
        declared("sqlite_cache", name="cache", ttl="P9999D"),
        declared("duckdb_mart", name="mart", ttl="P9999D"),
    )
    settings = tmp_path / "shelflife.yaml"
    settings.write_text(f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: policies\n")
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(settings))
    made = copy_assets(load_declarations(estate.settings), load_models(estate.settings.models))
    return estate, made


def test_each_copy_is_an_asset_with_owner_kinds_upstream_and_classed_columns(assets):
    specs = {spec.key.to_user_string(): spec for made in assets[1] for spec in made.specs}
    assert specs.keys() == {"copies/cache", "copies/mart"}
    spec = specs["copies/mart"]
    assert (spec.owners, spec.kinds, spec.group_name) == (
        ["team:mobile-backend"],
        {"duckdb", "shelflife"},
        "copies",
    )
    assert {dep.asset_key.to_user_string() for dep in spec.deps} == {
        "derived/heart_daily",
        "derived/activity_daily",
    }
    columns = {column.name: column for column in spec.metadata["dagster/column_schema"].columns}
    assert columns["heart_daily.mean_bpm"].tags == {"shelflife/class": "sensitive"}
    assert "heart_daily.subject_token" in columns
    assert "heart_daily.pid" not in columns


def test_materializing_publishes_and_keeps_nobody_in_dagster(assets, tmp_path):
    estate, made = assets
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        resources = {"estate": EstateResource(), "io_manager": refusing_io_manager}
        done = dg.materialize(made, instance=instance, resources=resources)
        assert done.success
        told = done.asset_materializations_for_node("copies__mart")[0].metadata
        assert {name: value.value for name, value in told.items() if not name.startswith("dagster/")} == {
            "files": 1
        }
    assert len(live(estate, "mart")) == len(live(estate, "cache")) == 1
    planted = [*PEOPLE, "60.5", subject_id(estate, PEOPLE[0]).hex()]
    planted += [token_of(estate, name, PEOPLE[0]).hex() for name in ("cache", "mart")]
    assert hits([home], planted) == []


def test_a_failure_leaves_as_text_that_is_safe_to_keep(assets):
    estate, made = assets
    (estate.settings.home / "copies").mkdir()
    (estate.settings.home / "copies" / "mart").write_text("in the way")
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"estate": EstateResource(), "io_manager": refusing_io_manager}
        done = dg.materialize(made, instance=instance, resources=resources, raise_on_error=False)
    told = [
        event.step_failure_data.user_failure_data.description
        for event in done.all_events
        if event.event_type == dg.DagsterEventType.STEP_FAILURE
    ]
    assert len(told) == 1
    assert "What to do" in told[0]
    assert str(estate.settings.home) not in told[0]
