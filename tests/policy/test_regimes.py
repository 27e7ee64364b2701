"""Regimes and calendars as files: what is read, what is refused and where, what is inherited."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from shelflife.errors import ConfigurationError
from shelflife.policy.loading import load_policies, load_rulebook
from shelflife.policy.schema import policy_schema

FOLDER = Path(__file__).parents[2] / "retention_policies"
RULEBOOK = load_rulebook(FOLDER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("regimes.yaml", "calendars.yaml", "default.yaml"):
        shutil.copyfile(FOLDER / name, tmp_path / name)
    return tmp_path


def refused(folder: Path, file: str, old: str, new: str) -> str:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        load_rulebook(folder)
    return caught.value.what


@pytest.mark.parametrize("name", ["regimes", "calendars"])
def test_editors_are_pointed_at_a_schema_that_says_what_the_reader_says(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    assert text.splitlines()[0] == f"# yaml-language-server: $schema=schema/{name}.json"
    schema = policy_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = json.loads(json.dumps(yaml.safe_load(text), default=str))
    assert list(validator.iter_errors(document)) == []
    for place in document[name]:
        assert not validator.is_valid({**document, name: [{**place, "extra": 1}]})
    assert not validator.is_valid({**document, name: []})
    with pytest.raises(ConfigurationError, match="kind"):
        policy_schema("recipes")


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("regimes.yaml", "rights: [export, erasure, rect", "rightz: [export, erasure, rect", "rightz"),
        ("regimes.yaml", "{within: P1M, from: received}", "{within: 1 month, from: received}", "ISO 8601"),
        ("regimes.yaml", "{within: P1M, from: received}", "{within: P1M, from: birth}", "from"),
        ("regimes.yaml", "{within: P1M, from: received}", "{within: P1M}", "from"),
        ("regimes.yaml", "{within: P1M, from: received}", "{within: P1M, business_days: 3, from: received}", "exactly one"),
        ("regimes.yaml", "{within: P1M, from: received}", "{from: received}", "exactly one"),
        ("regimes.yaml", "extend: {by: P2M, notice_within: P1M}", "roll2: true", "roll2"),
        ("regimes.yaml", "checked: 2026-11-23", "checked: lately", "date"),
        ("regimes.yaml", "checked: 2026-11-23", "checked: 2026-13-23", "checked"),
        ("regimes.yaml", "confidence: recalled", "confidence: sure", "confidence"),
        ("regimes.yaml", "backups: {model: beyond_use}", "backups: {model: hard_cap}", "hard_cap"),
        ("regimes.yaml", "unknown_jurisdiction: strictest", "unknown_jurisdiction: mildest", "strictest"),
        ("regimes.yaml", "owner: legal", "owner: Jane Doe", "owner"),
        ("regimes.yaml", "hours: 72, from: aware", "hours: 72, promptly: true, from: aware", "exactly one"),
        ("calendars.yaml", "{name: Good Friday, easter: -2}", "{name: Good Friday, easter: -2, date: 04-01}", "name one of"),
        ("calendars.yaml", "weekend: [saturday, sunday]", "weekend: [caturday]", "weekend"),
        ("calendars.yaml", "nth: 1}", "nth: 7}", "nth"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_file_and_line(
    folder: Path, file: str, old: str, new: str, says: str
) -> None:
    text = (folder / file).read_text()
    line = 1 + text[: text.index(old)].count("\n")
    what = refused(folder, file, old, new)
    assert f"{file}:{line}:" in what
    assert says in what


def test_a_rule_without_its_check_date_is_named_by_where_it_begins(folder: Path) -> None:
    what = refused(folder, "calendars.yaml", "    checked: 2026-11-23\n", "")
    assert "calendars.yaml:6: calendars.0.checked" in what


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("id: uk_gdpr", "id: eu_gdpr", "twice"),
        ("id: uk_gdpr", "id: unknown", "no regime can be called"),
        ("inherits: eu_gdpr", "inherits: us_hipaa", "does not stand before"),
        ("inherits: eu_gdpr", "inherits: uk_gdpr", "does not stand before"),
        ("rights: [export]\n      respond: {within: P30D", "rights: [erasure]\n      respond: {within: P30D", "come together"),
        ("    request:\n      rights: [export, erasure, rectification, restriction]\n      respond: {within: P1M, from: authenticated_or_received}",
         "    request:\n      rights: [export]\n      respond: {within: P1M, from: authenticated_or_received}", "come together"),
        ("calendar: california", "calendar: atlantis", "calendar"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(folder: Path, old: str, new: str, says: str) -> None:
    assert says in refused(folder, "regimes.yaml", old, new)


def test_a_contradiction_within_a_regime_is_named_by_where_it_begins(folder: Path) -> None:
    text = (folder / "regimes.yaml").read_text()
    line = 1 + text[: text.index("id: ca_pipeda")].count("\n")
    old = "rights: [export]\n      respond: {within: P30D, from: received}\n      extend: {by: P30D}\n      silence"
    assert f"regimes.yaml:{line}:" in refused(folder, "regimes.yaml", old, old.replace("export", "erasure"))


def test_a_calendar_stands_once(folder: Path) -> None:
    assert "one id" in refused(folder, "calendars.yaml", "id: france", "id: germany")


@pytest.mark.parametrize("missing", ["regimes.yaml", "calendars.yaml"])
def test_both_files_must_be_there_and_are_no_policies(folder: Path, missing: str) -> None:
    (folder / "copies.yaml").write_text("copies: []\n")
    assert [one.policy for one in load_policies(folder)] == ["default"]
    (folder / missing).unlink()
    with pytest.raises(ConfigurationError, match=missing):
        load_rulebook(folder)


def test_a_section_is_inherited_whole_or_not_at_all() -> None:
    eu, uk = RULEBOOK.regimes["eu_gdpr"], RULEBOOK.regimes["uk_gdpr"]
    assert (uk.delete, uk.breach, uk.access) == (eu.delete, eu.breach, eu.access)
    assert uk.request is not None
    assert uk.request.extend is not None
    # Not taken over from the EU's own request section, which has it.
    assert uk.request.extend.notice_within is None
    assert uk.complaints is not None
    assert eu.complaints is None
    assert RULEBOOK.calendar_of(uk).name == "england_and_wales"


def test_every_rule_says_where_it_stands_and_when_it_was_compared() -> None:
    places = set(RULEBOOK.checked)
    assert "regimes.us_wa_mhmda.delete" in places
    assert "calendars.germany" in places
    # What the UK inherits is compared where it stands.
    assert "regimes.uk_gdpr.breach" not in places
    assert set(RULEBOOK.checked.values()) == {dt.date(2026, 11, 23)}
    for regime in RULEBOOK.regimes.values():
        for _, section in regime.own_sections():
            assert section.confidence in {"read", "recalled", "mixed"}
            assert len(section.cite) >= 10


def test_facts_that_others_lean_on() -> None:
    regimes = RULEBOOK.regimes
    washington, pipeda = regimes["us_wa_mhmda"].delete, regimes["ca_pipeda"].request
    assert washington is not None
    assert washington.legal_hold_is_exception is False
    assert washington.notify_waiver is None
    assert pipeda is not None
    assert pipeda.freeze_deletion_while_open
    assert {name for name, one in regimes.items() if one.retention_cap} == {
        "us_il_bipa", "us_tx_cubi", "us_co_cpa_biometric",
    }  # fmt: skip
    assert {name for name, one in regimes.items() if one.contract and not one.contract.ml_training} == {
        "contract_strava"
    }
    gdpr, ccpa = regimes["eu_gdpr"].breach, regimes["us_ca_ccpa"].breach
    assert gdpr is not None
    assert (gdpr.regulator.hours, gdpr.regulator.from_) == (72, "aware")
    assert ccpa is not None
    assert ccpa.regulator.people_at_least == 501
