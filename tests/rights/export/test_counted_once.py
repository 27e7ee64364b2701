"""An export tells the person which of their rows count once only, as derivation does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shelflife.estate import Estate
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.rights.export.blocks import PersonBlocks
from shelflife.rights.export.standing import watched
from shelflife.signals.sample import QualityFlag
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.rights.export.conftest import subject_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("order", "counted"), [((), "garmin"), (("apple_health",), "apple_health")], ids=["declared", "another"]
)
def test_what_another_source_says_better_is_flagged_in_the_export(tmp_path: Path, order, counted):
    estate = Estate.create(settings_in(tmp_path, source_precedence=order), NOW)
    folder = estate.settings.inbox / "ada"
    folder.mkdir(parents=True)
    beat = {"signal": "heart_rate", "value": 61, "unit": "/min", "start": "2026-11-05T08:00:00Z"}
    lines = [json.dumps(beat | {"platform": name}) for name in ("garmin", "apple_health")]
    (folder / "beats.ndjson").write_text("\n".join(lines))
    land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    person = subject_of(estate, "ada")
    with watched(estate, person, lambda: NOW) as watch:
        blocks = PersonBlocks(estate, person, watch)
        [table] = list(blocks.rows(blocks.find(["heart"])["heart"]))
    estate.close()
    flags = dict(
        zip(*(table.column(name).to_pylist() for name in ("source_platform", "quality_flags")), strict=True)
    )
    [other] = {"garmin", "apple_health"} - {counted}
    assert flags == {counted: 0, other: QualityFlag.DUP_CROSS_SOURCE}
    assert "pid" not in table.column_names
