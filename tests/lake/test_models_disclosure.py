"""Disclosure control: what is blank cannot be worked out from what is not."""

from __future__ import annotations

import itertools
from collections import defaultdict
from fractions import Fraction

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.lake.disclosure import suppress, suppressed_cells
from shelflife.lake.model_header import Disclosure
from tests.lake.model_rows import models

MINIMUM = 11
Cell = tuple[object, ...]

two = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 3)), st.integers(1, 60), min_size=1, max_size=18
)
three = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
    st.integers(1, 60),
    min_size=1,
    max_size=18,
)


def known_totals(counts: dict[Cell, int]) -> list[list[Cell]]:
    """Every set of two or more cells along one dimension: its total is taken as known."""
    lines: dict[tuple[object, ...], list[Cell]] = defaultdict(list)
    for cell in counts:
        for axis in range(len(cell)):
            lines[axis, cell[:axis], cell[axis + 1 :]].append(cell)
    return [line for line in lines.values() if len(line) > 1]


def solvable(counts: dict[Cell, int], hidden: set[Cell]) -> set[Cell]:
    """Cells that exact elimination over the known totals determines."""
    order = sorted(hidden, key=repr)
    rows = [[Fraction(cell in line) for cell in order] for line in known_totals(counts)]
    pivot = 0
    for column in range(len(order)):
        found = next((n for n in range(pivot, len(rows)) if rows[n][column]), None)
        if found is None:
            continue
        rows[pivot], rows[found] = rows[found], rows[pivot]
        rows[pivot] = [value / rows[pivot][column] for value in rows[pivot]]
        for n in range(len(rows)):
            if n != pivot and rows[n][column]:
                rows[n] = [a - rows[n][column] * b for a, b in zip(rows[n], rows[pivot], strict=True)]
        pivot += 1
    return {order[row.index(1)] for row in rows if sum(map(bool, row)) == 1}


@given(two | three)
@settings(max_examples=250, deadline=None)
def test_no_suppressed_cell_can_be_recovered(counts: dict[Cell, int]) -> None:
    hidden = suppressed_cells(counts, MINIMUM)
    assert {cell for cell, people in counts.items() if people < MINIMUM} <= hidden
    if len(hidden) == len(counts):
        return
    assert not solvable(counts, hidden)
    for line in known_totals(counts):
        rest = [cell for cell in line if cell in hidden]
        assert len(rest) != 1
        if rest and len(rest) < len(line):
            assert sum(counts[cell] for cell in rest) >= MINIMUM


@given(two | three)
@settings(max_examples=60, deadline=None)
def test_nothing_is_suppressed_without_need(counts: dict[Cell, int]) -> None:
    hidden = suppressed_cells(counts, MINIMUM)
    if all(people >= MINIMUM for people in counts.values()):
        assert not hidden
    for cell in hidden:
        fewer = hidden - {cell}
        safe = counts[cell] >= MINIMUM and not solvable(counts, fewer)
        rests = [[c for c in line if c in fewer] for line in known_totals(counts)]
        small = any(
            rest and len(rest) < len(line) and sum(counts[c] for c in rest) < MINIMUM
            for rest, line in zip(rests, known_totals(counts), strict=True)
        )
        assert not safe or small or len(hidden) == len(counts)


def test_a_lone_small_cell_takes_others_with_it() -> None:
    counts = {(age, sex): 100 + 10 * age + sex for age in range(3) for sex in range(2)}
    counts[0, 0] = 3
    assert suppressed_cells(counts, MINIMUM) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_a_helper_that_became_superfluous_is_published() -> None:
    counts = {(0, 0): 50, (0, 1): 20, (0, 2): 20, (1, 1): 8, (2, 1): 100, (3, 2): 8}
    assert len(suppressed_cells(counts, MINIMUM)) == 4


def test_a_bridge_between_two_blocks_is_found() -> None:
    """Every line through the middle cell has two blanks, and yet sums of lines give it away."""
    block = [(0, 0), (0, 1), (1, 0), (1, 1)]
    other = [(2, 2), (2, 3), (3, 2), (3, 3)]
    counts = dict.fromkeys([*block, *other], 5) | {(1, 2): 50, (1, 9): 500, (8, 2): 500}
    hidden = {*block, *other, (1, 2)}
    assert (1, 2) in solvable(counts, hidden)
    assert not solvable(counts, suppressed_cells(counts, MINIMUM))


def rows(*cells: tuple[str, str, str, int, int, float]) -> pa.Table:
    names = ("week_start", "age_band", "sex", "people", "people_heart", "mean_bpm")
    return pa.Table.from_pylist([dict(zip(names, cell, strict=True)) for cell in cells])


RULE = Disclosure(
    people="people", cells=["age_band", "sex"], within=["week_start"], measures={"people_heart": ["mean_bpm"]}
)


def test_a_suppressed_cell_has_nothing_but_its_dimensions() -> None:
    table = rows(
        *[
            ("w1", age, sex, 4 if age == sex == "a" else 50, 4 if age == sex == "a" else 50, 60.5)
            for age, sex in itertools.product("ab", "ab")
        ]
    )
    found = suppress(table, RULE, MINIMUM).to_pylist()
    assert all(
        row["people"] is None and row["people_heart"] is None and row["mean_bpm"] is None for row in found
    )
    assert [(row["age_band"], row["sex"]) for row in found] == list(itertools.product("ab", "ab"))


def test_blocks_do_not_touch_each_other() -> None:
    big = [("w1", age, sex, 50, 50, 60.5) for age, sex in itertools.product("ab", "ab")]
    small = [("w2", age, sex, 4, 4, 60.5) for age, sex in itertools.product("ab", "ab")]
    found = suppress(rows(*big, *small), RULE, MINIMUM)
    assert found.column("people").to_pylist() == [50] * 4 + [None] * 4
    assert found.schema == rows(*big).schema


def test_a_measure_of_too_few_people_is_blank_in_a_published_cell() -> None:
    cells = [
        ("w1", age, sex, 50, 2 if (age, sex) == ("a", "a") else 40, 60.5)
        for age, sex in itertools.product("abc", "ab")
    ]
    found = suppress(rows(*cells), RULE, MINIMUM).to_pylist()
    assert all(row["people"] == 50 for row in found)
    blank = [(row["age_band"], row["sex"]) for row in found if row["mean_bpm"] is None]
    assert len(blank) == 4
    assert ("a", "a") in blank
    assert all((row["mean_bpm"] is None) == (row["people_heart"] is None) for row in found)


def test_a_measure_that_nobody_has_needs_no_blank() -> None:
    cells = [
        ("w1", age, sex, 50, 0 if (age, sex) == ("a", "a") else 40, 60.5)
        for age, sex in itertools.product("ab", "ab")
    ]
    assert suppress(rows(*cells), RULE, MINIMUM).column("people_heart").to_pylist() == [0, 40, 40, 40]


def test_the_rule_of_the_cohort_model_works_on_its_rows() -> None:
    model = models()["cohort_weekly"]
    assert model.disclosure is not None
    empty = suppress(model.schema.empty_table(), model.disclosure, MINIMUM)
    assert empty.schema == model.schema
