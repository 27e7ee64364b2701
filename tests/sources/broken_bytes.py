"""Small valid files with bytes changed, taken out, repeated or cut, for tests of what a parser survives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPLICES = (
    '"',
    ",",
    "{",
    "}",
    "[",
    "null",
    "true",
    "-",
    "9" * 40,
    "1e400",
    "NaN",
    "\0",
    "\ufeff",
    "\\ud800",
    "\n",
)


def broken_bytes(seeds: Mapping[str, bytes]) -> st.SearchStrategy[bytes]:
    """Return a strategy of files that are nearly one of the seeds."""

    @st.composite
    def broken(draw: st.DrawFn) -> bytes:
        content = bytearray(seeds[draw(st.sampled_from(sorted(seeds)))])
        for _ in range(draw(st.integers(1, 4))):
            place, length = draw(st.integers(0, max(len(content) - 1, 0))), draw(st.integers(0, 12))
            kind = draw(st.sampled_from(["replace", "remove", "repeat", "cut", "splice"]))
            if kind == "replace":
                content[place : place + length] = draw(st.binary(min_size=length, max_size=length))
            elif kind == "remove":
                del content[place : place + length]
            elif kind == "repeat":
                content[place:place] = bytes(content[place : place + length]) * draw(st.integers(1, 50))
            elif kind == "cut":
                del content[place:]
            else:
                content[place:place] = draw(st.sampled_from(_SPLICES)).encode()
        return bytes(content)

    return broken()
