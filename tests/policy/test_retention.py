"""Retention policies: what is read, what is refused, and which rule wins."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError
from shelflife.policy.duration import Duration
from shelflife.policy.loading import load_policies, load_policy
from shelflife.policy.retention import (
    RetentionPolicy,
    RetentionRule,
    best_rule,
    clashes,
    retention_class_for,
    rule_for,
    rule_of_class,
)
from shelflife.policy.schema import policy_schema, schemas
from shelflife.signals.vocabulary import STREAMS
from tests.policy.policies import policy, rule

FOLDER = Path(__file__).parents[2] / "retention_policies"
DEFAULT = FOLDER / "default.yaml"


def changed(folder: Path, old: str, new: str) -> str:
    text = DEFAULT.read_text()
    assert old in text
    (folder / "p.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        load_policy(folder / "p.yaml")
    return caught.value.what


def test_the_default_policy_covers_every_stream_and_its_quarantine() -> None:
    (found,) = load_policies(FOLDER)
    for stream in STREAMS:
        assert retention_class_for(found, stream, "eu_gdpr", "care") == f"{stream}/default"
        assert retention_class_for(found, f"quarantine_{stream}", "unknown", "care") == "quarantine/default"
    assert rule_of_class(found, "glucose/default").keep == Duration(months=12)


def test_the_first_line_points_the_editor_at_the_schema() -> None:
    hint = DEFAULT.read_text().splitlines()[0]
    assert hint == "# yaml-language-server: $schema=schema/retention_policy.json"
    assert (FOLDER / hint.partition("$schema=")[2]).is_file()


def test_the_committed_schemas_are_the_generated_ones() -> None:
    committed = {name: (FOLDER / "schema" / name).read_text() for name in schemas()}
    assert committed == schemas()


def test_the_schema_is_a_valid_one_and_says_the_same_as_the_reader() -> None:
    schema = policy_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(json.dumps(yaml.safe_load(DEFAULT.read_text()), default=str))
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(document)
    for place, wrong in (
        ("keep", "3 years"),
        ("keep", "P"),
        ("extra", 1),
        ("applies_to", []),
        ("owner", "Jane Doe"),
    ):
        spoiled = json.loads(json.dumps(document))
        spoiled["rules"][0][place] = wrong
        assert not validator.is_valid(spoiled)
        with pytest.raises(ValueError, match="validation error"):
            RetentionPolicy.model_validate(spoiled)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("    keep: P2Y\n", "    keep: 2 years\n", 11, "ISO 8601"),
        ("    keep: P2Y\n", "    keep: P0D\n", 11, "longer than zero"),
        ("    keep: P2Y\n", "    keep: PT5M\n", 11, "ISO 8601"),
        ("    keep: P2Y\n", "    keep: 730\n", 11, "keep"),
        ("    keep: P2Y\n", "    kep: P2Y\n", 11, "kep"),
        ("    keep: P2Y\n", "    keep: P2Y\n    keep: P9Y\n", 12, "twice"),
        ("    deputy: privacy-office\n", "    deputy: data-platform\n", 8, "deputy"),
        ("    owner: data-platform\n", "    owner: jane.doe@example.com\n", 13, "owner"),
        ("version: 2026-11-23", "version: newest", 3, "version"),
        ("rules:\n", "rulez:\n", 7, "rulez"),
        ("policy: default", "policy: *default", 1, "alias"),
        ("policy: default", "policy: !!python/name:os.system default", 2, "tags"),
        ("policy: default", "policy: [default", 3, ""),
        ("    reason: Training", "    reason: x # Training", 15, "reason"),
        ("class: heart/default", "class: hold/matter", 8, "hold"),
        ("applies_to: [heart]", "applies_to: [hold]", 8, "hold"),
        ("counted_from: created", "counted_from: tomorrow", 91, "counted_from"),
    ],
)
def test_mistakes_are_named_with_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    what = changed(tmp_path, old, new)
    assert f"p.yaml:{line}:" in what
    assert says in what


def test_an_empty_policy_is_refused(tmp_path: Path) -> None:
    head = DEFAULT.read_text().partition("rules:")[0]
    for text in ("", "[]", "just text", head, head + "rules: []\n"):
        (tmp_path / "p.yaml").write_text(text)
        with pytest.raises(ConfigurationError):
            load_policy(tmp_path / "p.yaml")
    with pytest.raises(ConfigurationError):
        load_policy(tmp_path / "absent.yaml")
    with pytest.raises(ConfigurationError):
        load_policies(tmp_path / "nowhere")


def test_two_files_cannot_have_one_name(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(DEFAULT.read_text())
    with pytest.raises(ConfigurationError, match="one name"):
        load_policies(tmp_path)


def test_the_most_specific_rule_wins_whatever_the_order() -> None:
    rules = [
        rule("any/default", "P5Y", applies_to=["any"]),
        rule("heart/default", "P4Y"),
        rule("heart/research", "P3Y", purposes=["research"]),
        rule("heart/eu", "P2Y", jurisdictions=["eu_gdpr"]),
        rule("heart/eu-research", "P1Y", jurisdictions=["eu_gdpr"], purposes=["research"]),
    ]
    expected = {
        ("sleep", "eu_gdpr", "research"): "any/default",
        ("heart", "us_ca_ccpa", "care"): "heart/default",
        ("heart", "us_ca_ccpa", "research"): "heart/research",
        ("heart", "eu_gdpr", "care"): "heart/eu",
        ("heart", "eu_gdpr", "research"): "heart/eu-research",
    }
    for found in (policy(*rules), policy(*reversed(rules))):
        assert {case: retention_class_for(found, *case) for case in expected} == expected


def test_an_unknown_jurisdiction_gets_the_strictest_answer() -> None:
    found = policy(
        rule("heart/default", "P2Y"),
        rule("heart/short", "P30D", jurisdictions=["us_wa_mhmda"]),
        rule("heart/long", "P9Y", jurisdictions=["ca_pipeda"]),
    )
    assert rule_for(found, "heart", "unknown", "care").retention_class == "heart/short"
    assert rule_for(found, "heart", "elsewhere", "care").retention_class == "heart/default"
    lenient = policy(rule("heart/default", "P2Y"), rule("heart/long", "P9Y", jurisdictions=["ca_pipeda"]))
    assert rule_for(lenient, "heart", "unknown", "care").retention_class == "heart/default"


def test_no_rule_means_no_class() -> None:
    found = policy(rule("heart/eu", jurisdictions=["eu_gdpr"]))
    for case in (("sleep", "eu_gdpr", "care"), ("heart", "us_ca_ccpa", "care")):
        with pytest.raises(ConfigurationError):
            rule_for(found, *case)
    assert rule_for(found, "heart", "unknown", "care").retention_class == "heart/eu"
    with pytest.raises(ConfigurationError):
        rule_of_class(found, "heart/default")


def test_overlapping_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        policy(rule("heart/a"), rule("heart/b"))
    with pytest.raises(ValueError, match="overlap"):
        policy(rule("heart/a", jurisdictions=["x", "y"]), rule("heart/b", jurisdictions=["y"]))
    policy(rule("heart/a", jurisdictions=["x"]), rule("heart/b", jurisdictions=["y"]))
    with pytest.raises(ValueError, match="two lengths"):
        policy(rule("heart/a", "P1Y", jurisdictions=["x"]), rule("heart/a", "P2Y", jurisdictions=["y"]))


def test_everything_that_an_estate_keeps_besides_has_its_own_rule_and_starting_point() -> None:
    (found,) = load_policies(FOLDER)
    starts = {
        name: rule_for(found, name, "any", "any").counted_from
        for name in ("copies", "backups", "requests", "exports", "dagster_runs", "query_audit", "heart")
    }
    assert starts == {
        "copies": "created",
        "backups": "created",
        "requests": "closed",
        "exports": "created",
        "dagster_runs": "ended",
        "query_audit": "created",
        "heart": "observed",
    }


def test_the_best_rule_of_several_policies_is_the_most_specific_and_then_the_longest() -> None:
    one = policy(rule("heart/default", "P2Y"), rule("any/default", "P9Y", applies_to=["any"]))
    other = policy(rule("heart/eu", "P1Y", jurisdictions=["eu_gdpr"]), rule("heart/long", "P3Y"))
    for policies in ([one, other], [other, one]):
        found = [
            best_rule(policies, *case)[1].retention_class  # type: ignore[index]
            for case in (("heart", "eu_gdpr", "care"), ("heart", "ca_pipeda", "care"), ("sleep", "x", "x"))
        ]
        assert found == ["heart/eu", "heart/long", "any/default"]
        assert {pair[0].retention_class for pair in clashes(policies)} < {"heart/default", "heart/long"}
    assert best_rule([other], "sleep", "eu_gdpr", "care") is None
    assert clashes([one, policy(rule("heart/default", "P2Y"))]) == []


def test_a_rule_says_who_answers_and_why() -> None:
    for missing in (
        "owner",
        "deputy",
        "reason",
        "keep",
        "physical_deadline",
        "applies_to",
        "retention_class",
    ):
        fields = rule("heart/a")
        del fields[missing]
        with pytest.raises(ValueError, match=missing):
            RetentionRule.model_validate(fields)


@given(st.integers(0, 600), st.integers(0, 4000))
def test_durations_survive_writing_and_reading(months: int, days: int) -> None:
    duration = Duration(months, days)
    if duration == Duration():
        return
    assert Duration.parse(str(duration)) == duration
    assert RetentionRule.model_validate(rule("a/b", str(duration))).model_dump(mode="json")["keep"] == str(
        duration
    )


@pytest.mark.parametrize(
    ("start", "text", "end"),
    [
        ("2026-01-31", "P1M", "2026-02-28"),
        ("2024-01-31", "P1M", "2024-02-29"),
        ("2024-02-29", "P1Y", "2025-02-28"),
        ("2026-11-23", "P1Y2M3W4D", "2028-02-17"),
        ("2026-12-31", "P1D", "2027-01-01"),
        ("2026-12-31", "P2W", "2027-01-14"),
        ("9999-12-01", "P31D", "9999-12-31"),
        ("9998-01-01", "P2Y", "9999-12-31"),
    ],
)
def test_durations_are_calendar_time(start: str, text: str, end: str) -> None:
    assert Duration.parse(text).after(dt.date.fromisoformat(start)) == dt.date.fromisoformat(end)


@pytest.mark.parametrize(
    "text", ["", "P", "P1", "1Y", "P1Y ", "p1y", "P-1D", "P1.5Y", "P1DT1H", "P1D1Y", "P٣D"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        Duration.parse(text)


DURATIONS = st.builds(Duration, st.integers(0, 40), st.integers(0, 1300)).filter(
    lambda one: one != Duration()
)


@settings(max_examples=40)
@given(DURATIONS, DURATIONS, st.dates(dt.date(1900, 1, 1), dt.date(2200, 12, 31)))
def test_a_duration_that_cannot_outlast_another_never_ends_later(
    one: Duration, other: Duration, start: dt.date
) -> None:
    if not one.can_outlast(other):
        assert one.after(start) <= other.after(start)


@pytest.mark.parametrize(
    ("one", "other", "outlasts"),
    [
        ("P1M", "P30D", True),
        ("P30D", "P1M", True),
        ("P1M", "P31D", False),
        ("P28D", "P1M", False),
        ("P12M", "P1Y", False),
        ("P1Y", "P365D", True),
        ("P1Y", "P366D", False),
        ("P366D", "P1Y", True),
        ("P4Y", "P1461D", False),
        ("P1461D", "P4Y", True),
        ("P3Y", "P1Y", True),
        ("P1Y", "P3Y", False),
    ],
)
def test_which_duration_can_outlast_which(one: str, other: str, *, outlasts: bool) -> None:
    assert Duration.parse(one).can_outlast(Duration.parse(other)) is outlasts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("P1Y", "1 year"),
        ("P18M", "1 year and 6 months"),
        ("P2W", "14 days"),
        ("P1D", "1 day"),
        ("P2Y1M30D", "2 years, 1 month and 30 days"),
    ],
)
def test_durations_in_words(text: str, words: str) -> None:
    assert Duration.parse(text).in_words() == words
