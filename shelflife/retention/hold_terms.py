"""What a hold says apart from what it covers, and what counsel must decide because of it. Pure."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shelflife.policy.regimes import Regime
    from shelflife.retention.holds import Hold

_MATTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FUNCTION = re.compile(r"[a-z][a-z0-9-]{0,63}")
_REGIME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_BASIS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._()-]{0,63}")


@dataclass(frozen=True)
class Terms:
    """What a hold says apart from what it covers; fields as in `Hold`."""

    matter: str
    owner: str
    review_on: dt.date
    bases: Mapping[str, str]


def check_terms(terms: Terms, now: dt.datetime) -> None:
    """Make sure that the terms of a hold are codes and functions, not people.

    Raises:
        ConfigurationError: one of them is not.
    """
    if not _MATTER.fullmatch(terms.matter):
        raise ConfigurationError(
            "The hold's matter is not a reference number.",
            remedy="Use up to 64 letters, digits, dots, dashes and underscores; never a person's name.",
        )
    if not _FUNCTION.fullmatch(terms.owner):
        raise ConfigurationError(
            "The hold's owner is not the name of a function.", remedy="Name a function, such as legal."
        )
    if not all(_REGIME.fullmatch(regime) and _BASIS.fullmatch(code) for regime, code in terms.bases.items()):
        raise ConfigurationError(
            "A basis of the hold is not a regime and a code.", remedy="Write it as eu_gdpr=art-17-3-e."
        )
    if terms.review_on <= now.astimezone(dt.UTC).date():
        raise ConfigurationError("The hold's review date is not in the future.", remedy="Name a later day.")


def counsel_needed(holds: Iterable[Hold], regimes: Iterable[Regime]) -> list[str]:
    """Return the ids of the holds that do not stop an erasure by themselves: counsel must decide first.

    These are holds without a recorded basis for a regime of the request that says that a hold is no exception (as RCW
    19.373 does by leaving it out).

    Args:
        holds: the holds that cover the request.
        regimes: the regimes that the request is made under, with what they inherit.
    """
    strict = {
        regime.id for regime in regimes if regime.delete and regime.delete.legal_hold_is_exception is False
    }
    return [one.hold_id for one in holds if strict - set(one.bases)]
