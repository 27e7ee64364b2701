"""One real Dagster instance and one real estate for the whole folder; planted values, and the search for them."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from orchestration.definitions import defs
from shelflife.config import load_settings
from shelflife.estate import Estate
from tests.canaries import hits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
MARKS = [
    pytest.mark.dagster,
    pytest.mark.slow,
    # One worker: everything here shares one instance, and Great Expectations is imported once.
    pytest.mark.xdist_group("dagster"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::pydantic.PydanticDeprecatedSince20"),
]
NAME, DEVICE = "Quokkalinde", "Quokkalinde's Uhr"
ACCOUNTS = ("acct-wombat-40117", "acct-numbat-55902", "acct-dunnart-61333", "acct-bilby-70921")
GLUCOSE, PULSE = 143.271828, 224.314159
CANARIES: list[str | float] = [NAME, DEVICE, *ACCOUNTS, GLUCOSE, PULSE, str(GLUCOSE), str(PULSE)]


def write_home(folder: Path) -> Path:
    """Make a DAGSTER_HOME with the project's own instance configuration."""
    home = folder / "dagster"
    home.mkdir(parents=True)
    shutil.copy(ROOT / "dagster.yaml", home)
    return home


def write_settings(folder: Path) -> Path:
    file = folder / "shelflife.yaml"
    file.write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT / 'sql'}\npolicies: {ROOT / 'retention_policies'}\n"
    )
    return file


@dataclass
class Warehouse:
    """A real estate with a real Dagster instance beside it."""

    folder: Path
    instance: dg.DagsterInstance
    definitions: dg.Definitions = field(default_factory=defs)

    @property
    def home(self) -> Path:
        return self.folder / "dagster"

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    def put(self, account: str, name: str, content: bytes) -> Path:
        path = self.inbox / account / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def run(self, job: str, partition: str, **how: object) -> dg.ExecuteInProcessResult:
        """Run a job of the project on the instance."""
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=partition, raise_on_error=False, **how
        )

    def materialize(self, keys: Sequence[str], partition: str) -> dg.ExecuteInProcessResult:
        """Materialize assets together, as the UI does."""
        selection = [dg.AssetKey(key.split("/")) for key in keys]
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance, partition_key=partition, asset_selection=selection, raise_on_error=False
        )

    def leaks(self) -> list[str]:
        """Where in Dagster's storage planted values are."""
        return hits([self.home], CANARIES)

    @contextmanager
    def estate(self) -> Iterator[Estate]:
        made = Estate.open(load_settings(), datetime.now(UTC))
        yield made
        made.close()


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("warehouse")
    home = write_home(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHELFLIFE_SETTINGS", str(write_settings(folder)))
        patch.setenv("DAGSTER_HOME", str(home))
        Estate.create(load_settings(), datetime.now(UTC)).close()
        with dg.DagsterInstance.get() as instance:
            yield Warehouse(folder, instance)


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """What the failed steps of a run tell."""
    found = []
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data.user_failure_data
            found.append(data.description if data else "")
    return found


def clean_environment() -> dict[str, str]:
    """The environment for a subprocess, as `make ui` gives it."""
    return {**os.environ, "DAGSTER_DISABLE_TELEMETRY": "1"}
