"""The few pieces of HTML that the page is put together from; whatever is not our own text is escaped. Pure."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from shelflife.rights.export.charts import NARROW, WIDE

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from shelflife.rights.export.charts import Draw

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_LAST_CONTROL = 0x1F


def escape(value: object) -> str:
    """Return text as it may stand anywhere in the page; control characters become spaces."""
    plain = "".join(" " if ord(c) <= _LAST_CONTROL or 0x7F <= ord(c) <= 0x9F else c for c in str(value))
    return html.escape(plain)


def day(date: dt.date | None) -> str:
    """Return a day in words: 3 November 2026."""
    return "" if date is None else f"{date.day} {_MONTHS[date.month - 1]} {date.year}"


def short_day(date: dt.date | None) -> Html:
    """Return a day as a table shows it, never broken over two lines: 3 Nov 2026."""
    shown = "" if date is None else f"{date.day} {_MONTHS[date.month - 1][:3]} {date.year}"
    return Html(f'<span class="d">{shown}</span>')


def sentence(words: str) -> str:
    """Return words with a large first letter."""
    return words[:1].upper() + words[1:]


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with its thousands apart; a dash where there is none."""
    if value is None:
        return "\u2013"
    shown = f"{value:,.{digits}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its word: 1 query, 2 queries."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: a, b and c."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1] if words else "") if part)


def paragraph(text: str, classes: str = "") -> str:
    """Return a paragraph of plain text."""
    return f"<p{_class(classes)}>{escape(text)}</p>"


def section(name: str, title: str, *body: str, classes: str = "") -> str:
    """Return a section with its heading."""
    return (
        f'<section id="{name}" aria-labelledby="{name}-h"{_class(classes)}><h2 id="{name}-h">{escape(title)}</h2>'
        f"{''.join(body)}</section>"
    )


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[object]], *, numeric: Sequence[int] = ()
) -> str:
    """Return a table whose first column names the row; on a narrow screen each row becomes a small list.

    Args:
        caption: what it shows.
        heads: the column heads.
        rows: cells, in the order of the heads.
        numeric: columns of numbers, which stand on the right.
    """
    head = "".join(
        f'<th scope="col"{_number(at, numeric)}>{escape(name)}</th>' for at, name in enumerate(heads)
    )
    body = "".join(
        f"<tr>{''.join(_cell(at, cell, heads, numeric) for at, cell in enumerate(row))}</tr>" for row in rows
    )
    return (
        f'<div class="scroll"><table class="{_shape(len(heads))}"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def chart(identity: str, title: str, draw: Draw, caption: str, legend: Sequence[tuple[str, str]] = ()) -> str:
    """Return a chart as a figure, once for wide and once for narrow screens.

    Args:
        identity: unique in the page.
        title: what it shows, above it.
        draw: draws it.
        caption: how to read it.
        legend: classes of a mark, and what the mark means.
    """
    marks = "".join(f'<li><i class="{mark}"></i>{escape(words)}</li>' for mark, words in legend)
    return (
        f'<figure><h3>{escape(title)}</h3><div class="wide">{draw(f"{identity}-w", WIDE)}</div>'
        f'<div class="narrow">{draw(f"{identity}-n", NARROW)}</div>'
        + (f'<ul class="legend">{marks}</ul>' if marks else "")
        + f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def more(summary: str, *body: str) -> str:
    """Return something that opens when it is asked for; works without scripts."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(body)}</details>"


def file_link(name: str) -> str:
    """Return a link to another file of the package."""
    return f'<a href="{escape(name)}"><code>{escape(name)}</code></a>'


def _shape(columns: int) -> str:
    """Return how a table behaves: two columns fit on a telephone, more become a list there."""
    return {2: "few pair", 3: "few stack"}.get(columns, "stack")


def _cell(at: int, cell: object, heads: Sequence[str], numeric: Sequence[int]) -> str:
    if at == 0:
        return f'<th scope="row">{_content(cell)}</th>'
    return f'<td data-label="{escape(heads[at])}"{_number(at, numeric)}>{_content(cell)}</td>'


def _content(cell: object) -> str:
    return str(cell) if isinstance(cell, Html) else escape(cell)


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def _number(at: int, numeric: Sequence[int]) -> str:
    return ' class="n"' if at in numeric else ""


def _class(classes: str) -> str:
    return f' class="{classes}"' if classes else ""
