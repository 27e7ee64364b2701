"""Trees as plain text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Branch(Protocol):
    """Something with a one-line label and branches of its own."""

    @property
    def label(self) -> str:
        """The line for this branch."""

    @property
    def branches(self) -> Sequence[Branch]:
        """What hangs below it."""


def render_tree(branch: Branch) -> str:
    """Return a tree as lines, the root first, without a final newline."""
    return "\n".join([branch.label, *_below(branch, "")])


def _below(branch: Branch, indent: str) -> Iterator[str]:
    for number, child in enumerate(branch.branches, start=1):
        last = number == len(branch.branches)
        yield f"{indent}{'└── ' if last else '├── '}{child.label}"
        yield from _below(child, indent + ("    " if last else "│   "))
