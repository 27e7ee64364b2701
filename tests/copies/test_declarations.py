"""What may be declared, what is refused and where the mistake stands."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from shelflife.copies.declarations import CopyDeclaration
from shelflife.copies.registry import load_declarations, located, open_adapter
from shelflife.copies.schema import FILE, copies_schema, copies_schema_text
from shelflife.errors import ConfigurationError
from tests.copies.estates import ROOT, declare, declared, estate_in, settings_in

FOLDER = ROOT / "retention_policies"


def refused(folder: Path, *declarations: dict[str, Any]) -> str:
    settings = declare(folder, *declarations)
    with pytest.raises(ConfigurationError) as caught:
        load_declarations(settings)
    return caught.value.what


def test_without_a_file_there_are_no_copies(tmp_path):
    assert load_declarations(settings_in(tmp_path)) == {}


def test_a_declaration_says_everything(tmp_path):
    settings = declare(tmp_path, declared("sqlite_cache", name="cache"))
    [one] = load_declarations(settings).values()
    assert (one.name, one.kind, one.lifetime) == ("cache", "sqlite_cache", timedelta(days=1))
    assert one.recipients[0].name == "member app"
    assert located(settings, one) == str(settings.home / "copies" / "cache")


@pytest.mark.parametrize(
    "missing",
    ["name", "kind", "location", "owner", "deputy", "purpose", "ttl", "datasets", "classes", "recipients"],
)
def test_nothing_may_be_left_open(tmp_path, missing):
    one = declared("sqlite_cache")
    del one[missing]
    assert "Field required" in refused(tmp_path, one)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"deputy": "mobile-backend"}, "another function"),
        ({"owner": "Jane Doe"}, "owner"),
        ({"ttl": "P0D"}, "longer than zero"),
        ({"ttl": "PT5M"}, "ISO 8601"),
        ({"recipients": []}, "recipients"),
        ({"datasets": ["heart_daily", "heart_daily"]}, "twice"),
        ({"datasets": ["no_such_table"]}, "there is no model no_such_table"),
        ({"classes": ["secret"]}, "classes"),
        ({"classes": ["sensitive"]}, "keys are ordinary"),
        (
            {"classes": ["ordinary", "sensitive", "special"]},
            "no dataset of the copy has columns of the class special",
        ),
        (
            {"datasets": ["heart_daily", "glucose_daily"]},
            "glucose_daily has no values of the declared classes",
        ),
        ({"encryption": "none", "encryption_reason": "Because it is faster."}, "always sealed"),
        ({"encryption_reason": "Because it is faster."}, "is for encryption `none`"),
        ({"location": "zones/raw"}, "folder copies/"),
        ({"location": "copies/../zones/raw"}, "folder copies/"),
        ({"location": "/etc/copies"}, "folder copies/"),
        ({"location": "copies"}, "folder copies/"),
        ({"kind": "excel_sheet"}, "kind"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path, change, told):
    assert told in refused(tmp_path, declared("sqlite_cache", name="cache") | change)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"encryption": "none"}, "needs an encryption_reason"),
        (
            {
                "encryption": "none",
                "encryption_reason": "The tool cannot decrypt.",
                "datasets": ["glucose_daily"],
                "classes": ["ordinary", "special"],
            },
            "never kept in clear",
        ),
    ],
)
def test_clear_text_needs_a_reason_and_has_a_limit(tmp_path, change, told):
    assert told in refused(tmp_path, declared("duckdb_mart") | change)


def test_a_mistake_is_told_with_its_line(tmp_path):
    settings = declare(tmp_path, declared("sqlite_cache", name="one"), declared("sqlite_cache", name="two"))
    path = settings.policies / "copies.yaml"
    text = path.read_text()
    place = text.rindex("heart_daily")
    path.write_text(text[:place] + "heart_hourly" + text[place + len("heart_daily") :])
    line = text[:place].count("\n") + 1
    with pytest.raises(ConfigurationError) as caught:
        load_declarations(settings)
    assert caught.value.what == f"copies.yaml:{line}: there is no model heart_hourly"


def test_two_copies_share_neither_name_nor_folder(tmp_path):
    one = declared("sqlite_cache", name="one")
    assert "one name" in refused(tmp_path, one, one | {"location": "copies/other"})
    assert "one folder" in refused(tmp_path, one, one | {"name": "two"})
    nested = one | {"name": "two", "location": "copies/one/inner"}
    assert "one folder" in refused(tmp_path, one, nested)
    assert "one folder" in refused(tmp_path, nested, one)


def test_secrets_of_servers_stand_in_the_environment(tmp_path):
    one = declared("redis_cache", name="cache", location="redis://:hunter2@localhost:6379/0")
    assert "environment variable" in refused(tmp_path, one)
    told = refused(tmp_path, one | {"location": "redis://somebody@localhost:6379/0"})
    assert "hunter2" not in told
    one["location"] = "redis://:${CACHE_PASSWORD}@localhost:6379/0"
    settings = declare(tmp_path, one)
    [found] = load_declarations(settings).values()
    assert located(settings, found, {"CACHE_PASSWORD": "hunter2"}) == "redis://:hunter2@localhost:6379/0"
    with pytest.raises(ConfigurationError, match="not set") as caught:
        located(settings, found, {})
    assert "CACHE_PASSWORD" in caught.value.remedy
    assert "must be a URL" in refused(tmp_path, one | {"location": "redis://[broken"})
    assert "redis" in refused(tmp_path, one | {"location": "ftp://localhost"})


def test_a_missing_package_is_told_with_its_remedy(tmp_path, monkeypatch):
    import shelflife.copies.registry as registry

    estate = estate_in(tmp_path)
    settings = declare(tmp_path, declared("redis_cache", name="cache", location="redis://localhost:1/0"))
    [one] = load_declarations(settings).values()

    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'redis'", name="redis")

    monkeypatch.setattr(registry, "import_module", missing)
    with pytest.raises(ConfigurationError) as caught:
        open_adapter(estate, one)
    assert caught.value.remedy == 'Run: pip install "shelflife[redis]"'
    estate.close()


def test_a_representation_shows_no_secret(tmp_path, monkeypatch):
    from shelflife.copies.registry import opening_of

    estate = estate_in(tmp_path)
    monkeypatch.setenv("CACHE_PASSWORD", "hunter2")
    location = "redis://:${CACHE_PASSWORD}@localhost:6379/0"
    settings = declare(tmp_path, declared("redis_cache", name="cache", location=location))
    [one] = load_declarations(settings).values()
    opening = opening_of(estate, one)
    assert "hunter2" in opening.location
    assert "hunter2" not in repr(opening)
    from tests.conftest import NOW

    item = opening.items.register("heart_daily", NOW)
    assert item.key is not None
    assert repr(item.key) not in repr(item)
    estate.close()


def test_the_default_declarations_hold_and_follow_the_schema():
    told = yaml.safe_load((FOLDER / "copies.yaml").read_text())
    jsonschema.validate(told, copies_schema())
    from shelflife.config import load_settings

    [one] = load_declarations(load_settings(policies=FOLDER, models=ROOT / "sql")).values()
    assert (one.name, one.kind, str(one.ttl), one.encryption) == (
        "app_cache",
        "sqlite_cache",
        "P1D",
        "native",
    )
    assert (
        (FOLDER / "copies.yaml")
        .read_text()
        .startswith("# yaml-language-server: $schema=schema/copies.json\n")
    )


def test_the_exported_schema_is_the_one_that_the_code_has():
    assert (FOLDER / "schema" / FILE).read_text() == copies_schema_text()
    schema = json.loads(copies_schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"copies": [declared("sqlite_cache")]}
    jsonschema.validate(good, schema)
    for broken in ({"copies": [declared("sqlite_cache", ttl="soon")]}, {"copies": [{"name": "x"}]}, {}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)


def test_a_declaration_survives_being_written_down():
    one = CopyDeclaration.model_validate(declared("duckdb_mart", options={"nodes": ["a", "b"], "soft": True}))
    assert CopyDeclaration.model_validate_json(one.model_dump_json()) == one
