"""What is found once for many resources is what R4 finds of each of them."""

from __future__ import annotations

import copy
import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.sources.fhir_faults import Faults
from shelflife.sources.fhir_resources import fault_of
from tests.sources.synthetic.fhir_r4 import seeds

TIMES = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2099, 12, 31)).map(lambda time: time.isoformat())  # noqa: DTZ001
ZONES = st.sampled_from(["Z", "+00:00", "-05:00", "+13:45", "+05:30"])
SOUND: dict[str, st.SearchStrategy[Any]] = {
    "id": st.from_regex(r"\A[A-Za-z0-9\-.]{1,64}\Z").filter(str.isascii),
    "effectiveDateTime": st.tuples(TIMES, ZONES).map("".join),
    "issued": st.tuples(TIMES, ZONES).map("".join),
    "value": st.integers(0, 10**9 - 1) | st.decimals(0, 10**8, places=3),
}
ODD = st.sampled_from(
    [
        None,
        "",
        " ",
        "x y",
        True,
        -1,
        10**40,
        Decimal("1E+400"),
        Decimal("-0.5"),
        [],
        {},
        [None],
        "2026-02-30T10:00:00Z",
    ]
) | st.sampled_from(
    ["2026-11-03", "2026-11-03T24:00:00Z", "2026-11-03T10:00:00", "2026-11-03T10:00:00+14:30"]
)


def resources() -> list[dict[str, Any]]:
    """Return every Observation and Patient of the synthetic files."""
    found: list[dict[str, Any]] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("resourceType") in {"Observation", "Patient"}:
                found.append(value)
            for one in value.values():
                look(one)
        elif isinstance(value, list):
            for one in value:
                look(one)

    for content in seeds().values():
        for line in [content, *content.splitlines()]:
            try:
                look(json.loads(line, parse_float=Decimal))
            except ValueError:
                continue
    return found


RESOURCES = resources()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside of a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    for name, one in inside:
        found += places(one, (*path, name))
    return found


def changed(resource: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a copy with another value at a place."""
    copied = copy.deepcopy(resource)
    holder: Any = copied
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return copied


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_of_every_change_the_same_is_found_as_without_memory(data: st.DataObject) -> None:
    faults = Faults(fault_of)
    resource = data.draw(st.sampled_from(RESOURCES))
    faults.of(resource["resourceType"], resource)
    for _ in range(3):
        path = data.draw(st.sampled_from(places(resource)))
        new = data.draw(SOUND.get(path[-1], ODD) | ODD)
        other = changed(resource, path, new)
        kind = resource["resourceType"]
        assert faults.of(kind, other) == fault_of(kind, other)
        assert faults.of(kind, resource) == fault_of(kind, resource)


@settings(max_examples=300, deadline=None)
@given(SOUND["id"], SOUND["effectiveDateTime"], SOUND["issued"], SOUND["value"])
def test_every_sound_value_is_one_that_r4_accepts(name: str, when: str, issued: str, value: Any) -> None:
    sound = next(one for one in RESOURCES if "valueQuantity" in one and fault_of("Observation", one) is None)
    quantity = {**sound["valueQuantity"], "value": value}
    period = {"start": when, "end": issued}
    plain = {key: one for key, one in sound.items() if not key.startswith("effective")}
    for times in ({"effectiveDateTime": when}, {"effectivePeriod": period}, {"effectiveInstant": when}):
        other = {**plain, **times, "id": name, "issued": issued, "valueQuantity": quantity}
        assert fault_of("Observation", {**other, "meta": {"lastUpdated": issued}}) is None


ENDLESS: list[Any] = []
for _ in range(100_000):
    ENDLESS = [ENDLESS]


@pytest.mark.parametrize(
    "value",
    [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), 10**5000, -1, True, ENDLESS],
    ids=["nan", "signalling", "infinity", "long", "negative", "truth", "nested"],
)
def test_what_is_no_plain_number_is_judged_anew(value: Any) -> None:
    judged: list[dict[str, Any]] = []
    faults = Faults(lambda _, resource: judged.append(resource))
    for number in (1, Decimal("1.5"), value):
        faults.of("Observation", {"valueQuantity": {"value": number}})
    assert len(judged) == 3


def test_equal_resources_are_judged_once() -> None:
    judged: list[dict[str, Any]] = []
    faults = Faults(lambda _, resource: judged.append(resource))
    first = next(one for one in RESOURCES if "effectiveDateTime" in one and "valueQuantity" in one)
    for minute in range(50):
        quantity = {**first["valueQuantity"], "value": Decimal(f"{minute}.5")}
        faults.of(
            "Observation",
            {**first, "effectiveDateTime": f"2026-11-03T10:{minute:02}:00Z", "valueQuantity": quantity},
        )
    assert len(judged) == 1


@pytest.mark.parametrize("path", [("status",), ("subject",), ("code",), ("valueQuantity", "unit")])
def test_whatever_else_differs_is_judged_anew(path: tuple[str, ...]) -> None:
    judged: list[dict[str, Any]] = []
    faults = Faults(lambda _, resource: judged.append(resource))
    quantity = {"value": 1, "unit": "one"}
    first = {"status": "final", "code": {}, "subject": {"reference": "Patient/1"}, "valueQuantity": quantity}
    faults.of("Observation", first)
    faults.of("Observation", changed(first, path, "other"))
    assert len(judged) == 2


def test_memory_is_bounded() -> None:
    judged: list[dict[str, Any]] = []
    faults = Faults(lambda _, resource: judged.append(resource))
    for _ in range(2):
        for number in range(3000):
            faults.of("Observation", {"status": f"{number}"})
    assert len(judged) == 6000
