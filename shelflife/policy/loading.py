"""Reading retention policies from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError
from shelflife.policy.located_yaml import parse_located
from shelflife.policy.retention import RetentionPolicy

if TYPE_CHECKING:
    from pathlib import Path


def load_policy(path: Path) -> RetentionPolicy:
    """Read a policy file.

    Raises:
        ConfigurationError: the file is missing or wrong; file and line are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"The policy file {path.name} cannot be read.",
            remedy="Name an existing UTF-8 file (setting `policies`).",
        ) from None
    return parse_located(text, name=path.name, model=RetentionPolicy)


def load_policies(folder: Path) -> list[RetentionPolicy]:
    """Read every policy of a folder, by file name.

    Raises:
        ConfigurationError: there is none, one is wrong, or two have one name.
    """
    files = sorted(folder.glob("*.yaml"))
    policies = [load_policy(file) for file in files]
    if not policies:
        raise ConfigurationError("There are no retention policies.", remedy="Check the setting `policies`.")
    if len({policy.policy for policy in policies}) < len(policies):
        raise ConfigurationError("Two retention policies have one name.", remedy="Give each its own name.")
    return policies
