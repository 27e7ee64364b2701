"""The vocabulary is consistent with itself and with the confirmed codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shelflife.signals.units import conversion
from shelflife.signals.vocabulary import PARTITION_GRAIN, SIGNALS, STREAMS, signals_of

if TYPE_CHECKING:
    from pathlib import Path


def test_the_order_of_streams_is_the_order_of_key_slots() -> None:
    assert STREAMS == ("heart", "sleep", "glucose", "activity", "body", "respiration")


def test_every_stream_has_signals_and_a_grain() -> None:
    assert set(PARTITION_GRAIN) == set(STREAMS)
    assert {signal.stream for signal in SIGNALS.values()} == set(STREAMS)
    assert sum(len(signals_of(stream)) for stream in STREAMS) == len(SIGNALS) == 20


def test_numbers_have_a_unit_and_codes_have_none() -> None:
    for signal in SIGNALS.values():
        assert (signal.unit is None) == (signal.kind == "coded"), signal.name
        assert (signal.possible is None) == (signal.kind == "coded"), signal.name


def test_the_canonical_unit_converts_to_itself() -> None:
    for signal in SIGNALS.values():
        if signal.unit:
            assert conversion(signal.name, signal.unit) == (1, 0), signal.name


def test_what_is_plausible_is_possible() -> None:
    for signal in SIGNALS.values():
        if signal.plausible and signal.possible:
            assert signal.possible[0] <= signal.plausible[0] < signal.plausible[1] <= signal.possible[1]


def test_codes_are_those_that_the_mapping_confirms(samples: Path) -> None:
    text = (samples / "fhir" / "HKSampleMapping.json").read_text()
    confirmed_elsewhere = {"99504-3", "93832-4"}
    known = set(_codes(json.loads(text))) | confirmed_elsewhere
    for signal in SIGNALS.values():
        assert signal.loinc is None or signal.loinc in known, signal.name


def _codes(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [str(node["code"])] if "loinc" in str(node.get("system", "")) else []
        return own + [code for value in node.values() for code in _codes(value)]
    return [code for value in node for code in _codes(value)] if isinstance(node, list) else []
