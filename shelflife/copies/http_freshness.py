"""How long a cache may serve a response, as far as the response says so. Pure.

RFC 9111 (freshness), RFC 5861 (stale responses), RFC 9213 (targeted directives), and Surrogate-Control (W3C note,
*Edge Architecture Specification*), which caches of CDNs read instead of Cache-Control.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIRECTIVE = re.compile(r'([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,;"]+)))?')
_CONTROLS = ("cache-control", "cdn-cache-control", "surrogate-control")
_FRESH = ("max-age", "s-maxage")
_STALE = ("stale-while-revalidate", "stale-if-error")


def longest_life(headers: Mapping[str, str]) -> int | None:
    """Return for how many seconds from its making a shared cache may serve a response, stale or not.

    Args:
        headers: the response's headers, names in lower case.

    Returns:
        0 where it may not be stored; None where it does not say, and a cache would guess.
    """
    lives = [life for name in _CONTROLS if name in headers and (life := _life(headers[name])) is not None]
    return max(lives) if lives else _until_expires(headers)


def age_of(headers: Mapping[str, str]) -> int:
    """Return for how many seconds a response has been in caches; 0 where it does not say."""
    text = headers.get("age", "").strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def was_stored(headers: Mapping[str, str]) -> bool:
    """Tell whether a response says that it came out of a cache: Age, Cache-Status (RFC 9211) or X-Cache."""
    status = headers.get("cache-status", "").lower()
    hit = "hit" in headers.get("x-cache", "").lower() or re.search(r";\s*hit\b(?!\s*=\s*\?0)", status)
    return bool(hit) or age_of(headers) > 0


def _life(control: str) -> int | None:
    found = {name: quoted or plain for name, quoted, plain in _DIRECTIVE.findall(control.lower())}
    if "no-store" in found or "private" in found:
        return 0
    fresh = [_seconds(found[name]) for name in _FRESH if name in found]
    if not fresh and "no-cache" not in found:
        return None
    return max(fresh, default=0) + max((_seconds(found[name]) for name in _STALE if name in found), default=0)


def _seconds(text: str) -> int:
    """Read a number of seconds; one that cannot be read counts as for ever."""
    return int(text) if text.isascii() and text.isdigit() else 1 << 40


def _until_expires(headers: Mapping[str, str]) -> int | None:
    try:
        life = parsedate_to_datetime(headers["expires"]) - parsedate_to_datetime(headers["date"])
        return max(0, int(life.total_seconds()))
    except (KeyError, ValueError, TypeError):
        return None
