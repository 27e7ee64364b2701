"""Where files of the estate may lie besides the zones, and how a place is named without naming anyone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import stat_result
    from pathlib import Path, PurePosixPath

_ID = "[0-9a-f]{32}"

EXPECTED: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern)
    for pattern in (
        r"roots/(identity|raw|derived|analytics)\.root(\.lock)?",
        rf"locks/({_ID}|scrub|erasure)\.lock",
        r"locks/copies/[a-z][a-z0-9_]{0,63}",
        r"lineage/(\.lock|events-\d{4}-\d{2}-\d{2}\.ndjson)",
        r"witness/(witness\.key|witness\.vkey|log\.vkey|checkpoint|lock|journal\.note)",
        r"journal/(destructions\.(journal|lock)|ledger\.mirror(\.lock)?)",
        r"plans/[0-9a-f]{64}\.json",
        rf"certificates/{_ID}\.(effective|final)\.json",
        r"copies/\.declared/[a-z][a-z0-9_]{0,63}\.json",
    )
)
"""Files that belong to the estate and that no table of the control database lists, by path relative to `home`."""

PLAN = re.compile(r"plans/(?P<sha256>[0-9a-f]{64})\.json")
EXPORT = re.compile(rf"exports/\.?(?P<request_id>{_ID})\.export(\.part)?")
HALF_REPLACED_SLOT = re.compile(
    r"roots/[a-z]+\.root\.(fresh|former)|journal/destructions\.journal\.(fresh|former)"
)
HALF_WRITTEN = re.compile(rf"\.(?P<file_id>{_ID})\.parquet\.part|.*\.(part|tmp|new|fresh)")

_PLAIN = re.compile(
    rf"{_ID}(\.[a-z]{{2,7}})?|[0-9a-f]{{2}}|zones|identity|raw|derived|analytics|control|roots|locks|lineage|witness"
    r"|plans|journal|certificates|copies|exports|storage|history|runs|schedules|compute_logs|logs|(control|index|runs"
    r"|schedules)\.db(-wal|-shm)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.db)?(-wal|-shm)?"
)


def is_expected(relative: PurePosixPath | Path) -> bool:
    """Tell whether a rule expects a file at this path, relative to `home`."""
    return any(pattern.fullmatch(str(relative)) for pattern in EXPECTED)


def opaque(
    relative: PurePosixPath | Path, facts: stat_result | None, known: frozenset[str] = frozenset()
) -> str:
    """Return where a file lies, with `*` for every part that could be someone's name, and its inode to find it by.

    Args:
        relative: the path, relative to a folder that is named in the finding or clear from its store.
        facts: of the file; `find <home> -inum N` finds it.
        known: parts that the catalog knows, such as table names.
    """
    if is_expected(relative):
        return str(relative)
    parts = [part if part in known or _PLAIN.fullmatch(part) else "*" for part in relative.parts]
    inode = "" if facts is None or "*" not in parts else f" (inode {facts.st_ino})"
    return "/".join(parts) + inode
