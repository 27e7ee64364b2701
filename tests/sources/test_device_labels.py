"""What devices are called: makers, models and versions pass, what a person or a serial number may be does not."""

from __future__ import annotations

import pytest

from shelflife.sources.device_labels import known_maker, known_model, plain_version


@pytest.mark.parametrize("maker", ["Apple Inc.", "Apple", "samsung", "LGE", "Polar", "Google", "Garmin Ltd."])
def test_makers(maker: str) -> None:
    assert known_maker(maker) == maker


@pytest.mark.parametrize(
    "model",
    [
        "Watch6,2", "iPhone14,5", "Watch", "iPhone", "Pixel Watch 2", "Pixel 7", "SM-R860", "SM-G973F", "Galaxy Nexus",
        "Nexus 5", "H10", "Polar H10", "CPH2205", "Forerunner 945", "fenix 7X", "Galaxy Watch5", "Mi Band 6",
    ],
)  # fmt: skip
def test_models(model: str) -> None:
    assert known_model(model) == model


@pytest.mark.parametrize(
    ("text", "model"),
    [("Polar H10 5DA0E61C", "Polar H10"), ("HRM-Pro 3312345678", None), ("Pixel 7 SN12345678", "Pixel 7")],
)
def test_serial_numbers_are_left_out(text: str, model: str | None) -> None:
    assert known_model(text) == model


@pytest.mark.parametrize(
    "text",
    [
        "Ada Lovelace", "Ada's Watch", "Ada\u2019s Pixel", "Watch Ada", "5DA0E61C", "12345678", "1987", "ada@example.org",
        "A0:E6:F8:12:34:56", "", "x" * 99, None, 7, "Lovelace7", "+44 20 7946 0958",
    ],
)  # fmt: skip
def test_names_and_numbers_are_no_labels(text: object) -> None:
    assert (known_maker(text), known_model(text)) == (None, None)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("11.2", "11.2"), ("4.3.1", "4.3.1"), ("7", "7"), ("10.0.1.2", "10.0.1.2"),
        ("Ada", None), ("5DA0E61C", None), ("12345678", None), ("1.2 (Ada)", None), (None, None), (1.5, None),
    ],
)  # fmt: skip
def test_versions(text: object, version: str | None) -> None:
    assert plain_version(text) == version
