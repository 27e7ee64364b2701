"""Whom a command is about: aliases come by stdin, never on the command line, which is kept in histories."""

from __future__ import annotations

import sys

from shelflife.cli.console import messages
from shelflife.errors import ConfigurationError
from shelflife.subjects.directory import Alias


def alias_from_stdin(kind: str) -> Alias:
    """Read an alias from stdin.

    Raises:
        ConfigurationError: there is none.
    """
    return aliases_from_stdin(kind)[0]


def aliases_from_stdin(*kinds: str) -> list[Alias]:
    """Read an alias of each kind from stdin, one a line.

    Raises:
        ConfigurationError: there are fewer, or one is empty.
    """
    if sys.stdin.isatty():
        messages.print(
            "Type the alias, then Enter:" if len(kinds) == 1 else "Type each alias on a line of its own:"
        )
    lines = [sys.stdin.readline().strip() for _ in kinds]
    if not all(lines):
        needed = "An alias is" if len(kinds) == 1 else f"{len(kinds)} aliases are"
        raise ConfigurationError(
            f"{needed} needed on stdin, one a line.", remedy="Pipe it in with echo or printf, or type it."
        )
    return [Alias(kind, line) for kind, line in zip(kinds, lines, strict=True)]
