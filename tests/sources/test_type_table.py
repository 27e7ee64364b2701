"""The public table of source types follows from the adapters, and says what they do."""

from __future__ import annotations

from pathlib import Path

import pytest

from shelflife.signals.precedence import DEFAULT_PRECEDENCE
from shelflife.signals.vocabulary import SIGNALS, STATISTICS
from shelflife.sources.registry import ADAPTERS
from shelflife.sources.type_table import type_table

PAGE = Path(__file__).parents[2] / "docs" / "source-types.md"


def test_the_page_is_what_the_adapters_say() -> None:
    assert PAGE.read_text() == type_table(ADAPTERS), (
        "Run `shelflife sources --markdown > docs/source-types.md`."
    )


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.name)
def test_types_are_in_the_vocabulary(adapter) -> None:
    assert adapter.types
    for one in adapter.types:
        assert one.record
        assert one.signal is None or one.signal in SIGNALS
        assert one.statistic is None or one.statistic in STATISTICS
        known = SIGNALS.get(one.signal or "")
        if known is not None and known.unit is not None:
            assert one.unit, f"{one.record} comes in some unit"


def test_names_are_unique() -> None:
    assert len({one.name for one in ADAPTERS}) == len(ADAPTERS)
    assert len({one.title for one in ADAPTERS}) == len(ADAPTERS)


def test_every_signal_comes_from_some_vendor_format() -> None:
    vendors = [one for one in ADAPTERS if not one.name.startswith("canonical_")]
    assert {one.signal for adapter in vendors for one in adapter.types} >= set(SIGNALS)


def test_the_page_holds_codes_and_the_order_of_sources() -> None:
    text = type_table(ADAPTERS)
    for known in SIGNALS.values():
        if known.loinc:
            assert f"| {known.loinc} |" in text
    assert "1. `" + DEFAULT_PRECEDENCE[0] in text
