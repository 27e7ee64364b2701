"""Ledger entries as bytes: RFC 8785 canonical JSON of plain values, small and without floats.

Entries hold counts, opaque ids and hashes. What an entry says about a person must not outlive the person, so no
entry holds a subject id, a pseudonym, an alias or a measured value; the callers keep that, this module keeps the shape.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, TypeAlias

import rfc8785

from shelflife.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JSON: TypeAlias = "str | int | bool | Sequence[JSON] | Mapping[str, JSON] | None"

# c2sp.org/tlog-tiles frames an entry with a 16-bit length.
MOST_BYTES = 65_535
_DEEPEST = 16
_SHAPE = "Record text, whole numbers, true, false, null, lists and objects of them; hash what is larger."


def entry_bytes(entry: Mapping[str, JSON], now: dt.datetime) -> bytes:
    """Return the leaf bytes of an entry: canonical JSON in UTF-8, at most 65,535 bytes.

    Args:
        entry: needs a text `type`; `at` is set from `now` when absent.
        now: aware time of the commit.

    Raises:
        ConfigurationError: a value is of another type than text, whole number within 2**53, true/false, null, list
            or object; the entry is too large, too deep, or has no type.
    """
    if not isinstance(entry.get("type"), str) or not entry["type"]:
        raise ConfigurationError("A ledger entry has no type.", remedy="Give every entry a text `type`.")
    stamped = {"at": timestamp(now), **entry}
    _check(stamped, _DEEPEST)
    try:
        body = rfc8785.dumps(stamped)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        raise ConfigurationError("A ledger entry has no canonical form.", remedy=_SHAPE) from None
    if len(body) > MOST_BYTES:
        raise ConfigurationError("A ledger entry is larger than 65,535 bytes.", remedy=_SHAPE)
    return body


def timestamp(now: dt.datetime) -> str:
    """Return an aware time as the ledger writes it: UTC, to the microsecond, ending in Z."""
    if now.tzinfo is None:
        raise ConfigurationError("A ledger time has no time zone.", remedy="Pass an aware UTC time.")
    return now.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _check(value: object, depth: int) -> None:
    """Refuse everything that is not plain JSON without floats (a bool is an int; bytes are neither)."""
    if depth == 0:
        raise ConfigurationError("A ledger entry is nested too deeply.", remedy=_SHAPE)
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
    elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
        for item in value.values():
            _check(item, depth - 1)
    else:
        raise ConfigurationError("A ledger entry holds a value of a refused type.", remedy=_SHAPE)
