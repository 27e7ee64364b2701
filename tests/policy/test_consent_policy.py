"""The consent policy: nothing unknown, nothing twice, and what it says where it says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from shelflife.errors import ConfigurationError
from shelflife.policy.consent_events import PURPOSES, STREAM_NAMES
from shelflife.policy.duration import Duration
from shelflife.policy.loading import load_consent_policy, load_policies
from shelflife.policy.schema import policy_schema

FOLDER = Path(__file__).parents[2] / "retention_policies"
FILE = "consent.yaml"
LEAST = "version: 2026-11-24\nowner: privacy-office\n"


def read(tmp_path: Path, text: str):
    (tmp_path / FILE).write_text(text)
    return load_consent_policy(tmp_path)


def test_the_projects_policy_covers_every_stream_and_erases_glucose_alone():
    policy = load_consent_policy(FOLDER)
    assert policy.required_for == list(STREAM_NAMES)
    assert policy.validity == Duration(months=24)
    actions = {(stream, to): policy.action((stream, to)) for stream in STREAM_NAMES for to in PURPOSES}
    assert [matter for matter, action in actions.items() if action == "erase"] == [("glucose", "collection")]
    assert {action for (_, to), action in actions.items() if to != "collection"} == {"stop"}


def test_it_is_no_retention_policy():
    assert [one.policy for one in load_policies(FOLDER)] == ["default"]


def test_where_nothing_is_said_every_stream_needs_consent_and_a_withdrawal_restricts(tmp_path):
    policy = read(tmp_path, LEAST)
    assert policy.left_out() == set(STREAM_NAMES)
    assert [policy.action(("heart", purpose)) for purpose in PURPOSES] == ["restrict", "stop", "stop"]
    assert policy.validity is None


def test_only_streams_that_need_consent_and_do_not_just_stop_are_left_out(tmp_path):
    policy = read(
        tmp_path,
        f"{LEAST}required_for: [heart, sleep, glucose]\non_withdrawal:\n"
        "  - {streams: [heart], purpose: collection, do: stop, reason: what is there stays}\n"
        "  - {streams: [glucose], purpose: collection, do: erase, reason: nothing of it stays}\n",
    )
    assert policy.left_out() == {"sleep", "glucose"}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("required: [heart]\n", "consent.yaml:3"),
        ("required_for: [aura]\n", "consent.yaml:3"),
        ("validity: two years\n", "ISO 8601"),
        ("on_withdrawal: [{streams: [heart], purpose: fun, do: stop, reason: no such purpose}]\n", "purpose"),
        (
            "on_withdrawal: [{streams: [heart], purpose: sale, do: restrict, reason: nothing left}]\n",
            "stop or erase",
        ),
        (
            "on_withdrawal: [{streams: [heart, heart], purpose: sale, do: stop, reason: said twice}]\n",
            "one stream",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, more, says):
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, LEAST + more)
    assert says in caught.value.what
    assert "consent.yaml" in caught.value.what


def test_the_schema_says_what_the_reader_says():
    text = (FOLDER / FILE).read_text()
    assert text.splitlines()[0] == "# yaml-language-server: $schema=schema/consent.json"
    schema = policy_schema("consent")
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = json.loads(json.dumps(yaml.safe_load(text), default=str))
    assert list(validator.iter_errors(document)) == []
    for wrong in ({"extra": 1}, {"required_for": ["aura"]}, {"validity": "2 years"}, {"on_withdrawal": [{}]}):
        assert not validator.is_valid(document | wrong)
