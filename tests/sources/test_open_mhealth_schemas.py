"""Open mHealth: the library's own documents judge the descriptions, and its schemas judge them on mutated ones."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.config import load_settings
from shelflife.errors import SourceError
from shelflife.sources.open_mhealth_parts import HEADER
from shelflife.sources.open_mhealth_schemas import PROPERTIES, SCHEMAS, judge
from tests.sources.open_mhealth_reference import Reference
from tests.sources.reading import problems, read
from tests.sources.synthetic.open_mhealth import heart_rate, lines, point

SAMPLES = load_settings(Path(__file__).parents[2] / "shelflife.yaml").samples_folder
FILES = sorted(path.relative_to(SAMPLES) for path in SAMPLES.glob("open_mhealth/test-data/*/*/*/*.json"))
MEASURES = {name for name, _ in SCHEMAS} - {"header", "time-frame"}
WORDS = {
    "value",
    "unit",
    "date_time",
    "time_interval",
    "start_date_time",
    "end_date_time",
    "duration",
    "date",
}
WORDS |= {"part_of_day", "header", "body", "acquisition_provenance", "source_name", "modality"}
WORDS |= {"source_creation_date_time", "namespace", "version", "name"} | PROPERTIES | set(HEADER.properties)
# What these lack, an older version of the same schema does not ask for, and nothing in them names the version.
OLDER_ACCEPTS = {"missing-time-frame", "missing-effective-time-frame", "with-date-time"}
OLDER_ACCEPTS |= {"sleep-duration-only", "step-count-only"}


LEAVES: tuple[Any, ...] = (
    *(0, 1, -3, Decimal("2.5"), True, None, [], {}, ""),
    *("mg/dL", "kg", "h", "average", "median", "Mo", "2026-11-03", "morning", "on waking", "steps", "sensed"),
    *("2026-11-03T07:25:00Z", "2026-11-03t07:25:00.5+05:30", "2026-11-03T07:25:00", "2026-02-30T00:00:00Z"),
    *("2026-11-03T07:25:60Z", "2026-11-03T24:00:00Z"),
)


def load(path: Path) -> Any:
    return json.loads(path.read_text(), parse_float=Decimal)


@cache
def reference() -> Reference:
    return Reference(SAMPLES)


@cache
def documents() -> list[tuple[str, str, Any]]:
    return [(*path.parts[2:4], load(SAMPLES / path)) for path in FILES if path.parts[2] != "data-point"]


def test_every_sample_document_is_here(samples: Path) -> None:
    assert len(FILES) == 213
    assert {path.parts[2] for path in FILES} - {"data-point"} == {name for name, _ in SCHEMAS}


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[2:]))
def test_a_document_is_judged_as_the_library_says(samples: Path, path: Path) -> None:
    name, version, folder = path.parts[2:5]
    document = load(samples / path)
    right = folder == "shouldPass"
    if name == "data-point":
        if right:
            read(samples / path)
        else:
            with pytest.raises(SourceError):
                read(samples / path)
        return
    fault = judge(name, version, document)
    assert (fault is None) == right
    assert reference().accepts(name, version, document) == right
    assert fault is None or set(fault.pointer.split("/")[1:]) <= WORDS


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[2:]))
def test_a_document_by_itself_lands_or_is_refused(samples: Path, path: Path) -> None:
    name, version, folder = path.parts[2:5]
    right = folder == "shouldPass"
    strict = name in {"total-sleep-time", "sleep-episode"} or (name, version) == ("step-count", "3.0")
    if right or (path.stem in OLDER_ACCEPTS and not strict):
        table, parsing = read(samples / path, "open_mhealth")
        assert parsing.records >= 1
        # Only a time, a specimen, or what a body cannot be keeps a valid document from landing.
        assert set(problems(table)) <= {"no_time", "unknown_signal", "out_of_range", "end_before_start"}
        if not right:
            older = [one for one in reference().versions(name) if one < version]
            assert any(reference().accepts(name, one, load(samples / path)) for one in older)
        return
    with pytest.raises(SourceError) as caught:
        read(samples / path)
    text = caught.value.diagnostics()
    assert (
        path.stem == "empty-document"
        or f"{name}: /" in text
        or "body: /" in text
        or "more than one way" in text
    )
    assert "What to do: " in text


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.parts[2] in MEASURES], ids=lambda path: "/".join(path.parts[2:])
)
def test_a_data_point_is_judged_by_the_version_that_its_header_names(samples: Path, path: Path) -> None:
    name, version, folder = path.parts[2:5]
    document = json.loads((samples / path).read_text())
    content = lines(point("heart-rate", "2.0", heart_rate()), point(name, version, document))
    table, parsing = read(content, "open_mhealth")
    rows = table.to_pylist()
    assert rows[0]["problem"] is None
    if folder == "shouldPass":
        assert len(rows) >= 2
        assert "bad_record" not in problems(table)
    elif not document:
        assert parsing.ignored == {f"{name}/empty": 1}
    else:
        assert rows[1]["problem"] == "bad_record"
        assert rows[1]["record_path"].startswith(f"{name}/body/")
        assert json.loads(rows[1]["value_raw"]) == document


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str, Any]:
    """A sample document with a few of its parts removed, replaced, added or moved."""
    name, version, document = draw(st.sampled_from(documents()))
    parts = [part for _, _, other in documents() for part in other.items()]
    leaves = st.sampled_from(LEAVES).map(copy.deepcopy)
    document = json.loads(json.dumps(document, default=float), parse_float=Decimal)
    for _ in range(draw(st.integers(1, 4))):
        holder = document
        while isinstance(holder, dict) and holder and draw(st.booleans()):
            inner = [value for value in holder.values() if isinstance(value, dict)]
            if not inner:
                break
            holder = draw(st.sampled_from(inner))
        kind = draw(st.sampled_from(["remove", "replace", "add", "borrow", "interval"]))
        keys = sorted(holder)
        if kind == "remove" and keys:
            del holder[draw(st.sampled_from(keys))]
        elif kind == "replace" and keys:
            holder[draw(st.sampled_from(keys))] = draw(leaves)
        elif kind == "add":
            holder[draw(st.sampled_from(sorted(WORDS)))] = draw(leaves)
        elif kind == "borrow":
            key, value = draw(st.sampled_from(parts))
            holder[key] = json.loads(json.dumps(value, default=float), parse_float=Decimal)
        elif kind == "interval":
            names = st.sampled_from(["start_date_time", "end_date_time", "duration", "date", "part_of_day"])
            length = st.fixed_dictionaries(
                {"value": st.integers(1, 9), "unit": st.sampled_from(["h", "Mo", "s"])}
            )
            document["effective_time_frame"] = {
                "time_interval": draw(st.dictionaries(names, leaves | length))
            }
    return name, version, document


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_the_descriptions_agree_with_the_schemas_themselves(case: tuple[str, str, Any]) -> None:
    name, version, document = case
    assert (judge(name, version, document) is None) == reference().accepts(name, version, document)


def test_the_version_decides_where_versions_disagree() -> None:
    body = {"heart_rate": {"value": 60, "unit": "beats/min"}}
    assert judge("heart-rate", "1.1", body) is None
    missing = judge("heart-rate", "2.0", body)
    assert missing is not None
    assert missing.pointer == "/effective_time_frame"


def test_a_refusal_names_the_field_and_nothing_of_the_file() -> None:
    body = {**heart_rate(), "heart_rate": {"value": "Ada", "unit": "beats/min"}}
    for content in (json.dumps(body), json.dumps(point("heart-rate", "2.0", body))):
        with pytest.raises(SourceError, match=r"heart_rate/value is no number") as caught:
            read(content.encode(), "open_mhealth")
        assert "Ada" not in caught.value.diagnostics()


def test_one_of_many_that_is_refused_is_set_aside_with_its_person() -> None:
    wrong = point("heart-rate", "2.0", {"heart_rate": {"value": 1}}, user_id="ada")
    headless = {"header": {"user_id": "ada", "id": 3}, "body": {}}
    content = lines(point("heart-rate", "2.0", heart_rate()), wrong, headless) + b"\n{broken\n[1]"
    rows = read(content, "open_mhealth")[0].to_pylist()
    assert [row["problem"] for row in rows] == [None, *["bad_record"] * 4]
    assert [row["alias"] for row in rows] == [None, "ada", "ada", None, None]
    assert [row["record_path"] for row in rows[1:]] == [
        "heart-rate/body/heart_rate/unit#2",
        "data-point/header/id#3",
        "document#4",
        "document#5",
    ]
    assert rows[3]["value_raw"] == "{broken"
