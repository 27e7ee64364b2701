"""Reading retention policies, regimes and calendars from files."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from shelflife.errors import ConfigurationError
from shelflife.policy.calendars import CalendarSet
from shelflife.policy.consent import ConsentPolicy
from shelflife.policy.located_yaml import parse_located
from shelflife.policy.regimes import RegimeSet, Rulebook, rulebook_of
from shelflife.policy.retention import RetentionPolicy

if TYPE_CHECKING:
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)

REGIMES = "regimes.yaml"
CALENDARS = "calendars.yaml"
CONSENT = "consent.yaml"
NO_POLICIES = frozenset({REGIMES, CALENDARS, CONSENT, "copies.yaml"})
"""Files beside the policies that are none: what laws ask for, what consent covers, and which copies there may be."""


def load_policy(path: Path) -> RetentionPolicy:
    """Read a policy file.

    Raises:
        ConfigurationError: the file is missing or wrong; file and line are named.
    """
    return _load(path, RetentionPolicy)


def load_policies(folder: Path) -> list[RetentionPolicy]:
    """Read every policy of a folder, by file name; its regimes, calendars and copies are no policies.

    Raises:
        ConfigurationError: there is none, one is wrong, or two have one name.
    """
    files = sorted(file for file in folder.glob("*.yaml") if file.name not in NO_POLICIES)
    policies = [load_policy(file) for file in files]
    if not policies:
        raise ConfigurationError("There are no retention policies.", remedy="Check the setting `policies`.")
    if len({policy.policy for policy in policies}) < len(policies):
        raise ConfigurationError("Two retention policies have one name.", remedy="Give each its own name.")
    return policies


def load_rulebook(folder: Path) -> Rulebook:
    """Read the regimes and calendars that lie beside the policies of a folder.

    Raises:
        ConfigurationError: a file is missing or wrong, or a regime counts on no known calendar; file and line are
            named.
    """
    return rulebook_of(_load(folder / REGIMES, RegimeSet), _load(folder / CALENDARS, CalendarSet))


def load_consent_policy(folder: Path) -> ConsentPolicy:
    """Read the consent policy that lies beside the policies of a folder.

    Raises:
        ConfigurationError: the file is missing or wrong; file and line are named.
    """
    return _load(folder / CONSENT, ConsentPolicy)


def _load(path: Path, model: type[Model]) -> Model:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"The policy file {path.name} cannot be read.",
            remedy="Name an existing UTF-8 file (setting `policies`).",
        ) from None
    return parse_located(text, name=path.name, model=model)
