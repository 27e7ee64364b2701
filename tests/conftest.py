"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from shelflife.config import load_settings

# Estates of the tests have another lawful basis than consent unless a test says otherwise; children of a test, too.
os.environ.setdefault("SHELFLIFE_CONSENT", "not_relied_on")

# How long an example takes depends on the machine and says nothing about the code.
settings.register_profile(
    "shelflife", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("shelflife")

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def now() -> dt.datetime:
    """A fixed time, so that no test depends on the day it runs."""
    return NOW


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of third-party sample files (setting `samples_folder`)."""
    # The project's own settings, whatever a test has put into the environment.
    folder = load_settings(Path(__file__).parents[1] / "shelflife.yaml").samples_folder
    if not folder.is_dir():
        pytest.skip("the third-party sample files are not here (setting samples_folder)")
    return folder


# Whole estates are landed, derived and looked at in these folders, but for the files named: no matter for
# `make test-fast`.
_WHOLE_ESTATES = {"rights", "retention", "recovery", "copies", "journal"}
_QUICK = {"test_requests.py", "test_plan.py", "test_plan_file.py", "test_declarations.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave whole estates out of the fast tests."""
    root = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(root)
        if place.parts[0] in _WHOLE_ESTATES and place.name not in _QUICK:
            item.add_marker(pytest.mark.slow)
