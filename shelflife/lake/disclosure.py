"""Disclosure control for cohort tables: small cells are suppressed, and others with them so that none can be worked out.

A cell of too few people is blanked. As totals along each dimension (all ages of one sex, all sexes of one age) are
taken to be known to everyone, a lone blank cell could be computed from its neighbours; further cells are blanked until
the known totals no longer determine any blank cell, alone or solved together (complementary suppression: Cox,
JASA 1980;75:377; Willenborg and de Waal, Elements of Statistical Disclosure Control, 2001, ch. 4).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shelflife.lake.model_header import Disclosure

Cell = tuple[object, ...]
_TOLERANCE = 1e-7


def suppress(table: pa.Table, disclosure: Disclosure, minimum: int) -> pa.Table:
    """Blank the cells of a cohort table that are too small to publish, and those that would give them away.

    Args:
        table: one row a cell; a cell without people has no row.
        disclosure: which columns split, count and carry values.
        minimum: fewest people that a published value may stand for.

    Returns:
        The same rows; every column of a suppressed cell but its dimensions is null, the count included. A measure
        that too few people of a published cell stand behind is null together with its own count.
    """
    blank = _hidden(table, disclosure, disclosure.people, minimum, frozenset())
    hidden = {name: blank for name in table.schema.names if name not in disclosure.dimensions}
    for counter, values in disclosure.measures.items():
        rows = _hidden(table, disclosure, counter, minimum, blank)
        hidden |= dict.fromkeys([counter, *values], rows)
    for name, rows in hidden.items():
        keep = pa.array([place not in rows for place in range(table.num_rows)], pa.bool_())
        column = pc.if_else(keep, table.column(name), pa.scalar(None, table.schema.field(name).type))
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def suppressed_cells(
    counts: Mapping[Cell, int], minimum: int, already: frozenset[Cell] = frozenset()
) -> set[Cell]:
    """Return the cells of one block that must not be published.

    Args:
        counts: people in each cell that has any; a cell is the tuple of its place along each dimension.
        minimum: fewest people that a published cell may have.
        already: cells that are suppressed whatever their count.

    Returns:
        Every cell below the minimum, and more so that no total along one dimension, and no combination of such
        totals, determines a suppressed cell, and no total leaves a rest below the minimum. Where a block is too
        small for that, all of it.
    """
    cells = sorted(counts, key=lambda cell: (counts[cell], repr(cell)))
    lines = _lines(cells)
    needed = {cell for cell in cells if counts[cell] < minimum} | (already & set(cells))
    hidden = set(needed)
    while len(hidden) < len(cells) and (exposed := _exposed(counts, lines, hidden, minimum)):
        hidden.add(_best_helper(counts, lines, hidden, exposed, minimum))
    while (spare := _superfluous(counts, lines, hidden, needed, minimum)) is not None:
        hidden.remove(spare)
    return hidden


def _hidden(
    table: pa.Table, disclosure: Disclosure, counter: str, minimum: int, already: frozenset[int]
) -> frozenset[int]:
    """Return the numbers of the rows whose values of one counter must be blanked."""
    within = list(zip(*(table.column(name).to_pylist() for name in disclosure.within), strict=True))
    cells = list(zip(*(table.column(name).to_pylist() for name in disclosure.cells), strict=True))
    people = table.column(counter).to_pylist()
    blocks: defaultdict[Cell, dict[Cell, int]] = defaultdict(dict)
    for place, cell in enumerate(cells):
        blocks[within[place] if within else ()][cell] = place
    rows: set[int] = set(already)
    for block in blocks.values():
        # A cell that nobody stands behind has no value to hide, unless the whole cell is hidden already.
        counts = {
            cell: people[place] or 0 for cell, place in block.items() if people[place] or place in already
        }
        known = frozenset(cell for cell, place in block.items() if place in already)
        rows |= {block[cell] for cell in suppressed_cells(counts, minimum, known)}
    return frozenset(rows)


def _lines(cells: Sequence[Cell]) -> list[tuple[Cell, ...]]:
    """Return every set of two or more cells whose total is known: those that differ in one dimension only."""
    found: defaultdict[tuple[int, Cell], list[Cell]] = defaultdict(list)
    for cell in cells:
        for axis in range(len(cell)):
            found[axis, (*cell[:axis], *cell[axis + 1 :])].append(cell)
    return [tuple(line) for line in found.values() if len(line) > 1]


def _exposed(
    counts: Mapping[Cell, int], lines: Sequence[tuple[Cell, ...]], hidden: set[Cell], minimum: int
) -> set[Cell]:
    """Return suppressed cells that can be worked out, or that a total shows to be part of too small a rest."""
    if not hidden:
        return set()
    order = sorted(hidden, key=repr)
    place = {cell: number for number, cell in enumerate(order)}
    exposed: set[Cell] = set()
    known = np.zeros((max(len(lines), 1), len(order)))
    for number, line in enumerate(lines):
        rest = [cell for cell in line if cell in hidden]
        if len(rest) < len(line) and sum(counts[cell] for cell in rest) < minimum:
            exposed.update(rest)
        known[number, [place[cell] for cell in rest]] = 1.0
    return exposed | {cell for cell, fixed in zip(order, _determined(known), strict=True) if fixed}


def _determined(known: np.ndarray) -> np.ndarray:
    """Return which unknowns linear equations fix: those that are zero throughout the equations' null space."""
    _, sizes, rows = np.linalg.svd(known)
    null_space = rows[int(np.sum(sizes > _TOLERANCE)) :]
    fixed: np.ndarray = np.abs(null_space).max(axis=0, initial=0.0) < _TOLERANCE
    return fixed


def _best_helper(
    counts: Mapping[Cell, int],
    lines: Sequence[tuple[Cell, ...]],
    hidden: set[Cell],
    exposed: set[Cell],
    minimum: int,
) -> Cell:
    """Return the published cell whose suppression leaves the fewest cells exposed, then the smallest one."""
    published = set(counts) - hidden
    near = {cell for line in lines if exposed & set(line) for cell in line} & published
    return min(
        near or published,
        key=lambda cell: (len(_exposed(counts, lines, hidden | {cell}, minimum)), counts[cell], repr(cell)),
    )


def _superfluous(
    counts: Mapping[Cell, int],
    lines: Sequence[tuple[Cell, ...]],
    hidden: set[Cell],
    needed: set[Cell],
    minimum: int,
) -> Cell | None:
    """Return the largest helper that can be published after all, now that others are suppressed."""
    helpers = sorted(hidden - needed, key=lambda cell: (-counts[cell], repr(cell)))
    return next((cell for cell in helpers if not _exposed(counts, lines, hidden - {cell}, minimum)), None)
