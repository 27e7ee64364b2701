"""Adopts policies in a process of its own and dies at a named point: `... ESTATE_FOLDER POLICIES POINT`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from shelflife.control.crashpoints import VARIABLE
from shelflife.estate import Estate
from shelflife.policy.loading import load_policies
from shelflife.retention.adoption import adopt
from tests.conftest import NOW
from tests.lake.conftest import settings_in


def main(folder: Path, policies: Path, point: str) -> None:
    estate = Estate.open(settings_in(folder), NOW)
    # Opening an estate commits too; only the adoption's own commit is to be killed.
    os.environ[VARIABLE] = point
    adopt(estate, load_policies(policies), NOW, "privacy-office")
    estate.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
