"""The guide to a new source adapter: its example is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from shelflife.sources import registry
from tests.sources import conformance
from tests.sources.damage import CANARY, survive

if TYPE_CHECKING:
    from shelflife.sources.source import SourceAdapter

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "new-source-adapter.md"
BLOCKS = dict(
    re.findall(r"^```python title=(\S+)\n(.*?)^```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
)
ADAPTER, TESTS = "shelflife/sources/pulse_log.py", "tests/sources/test_pulse_log.py"
SEEDS = "tests/sources/synthetic/pulse_log.py"


def load(title: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run a block of the guide as the module that it would be."""
    module = ModuleType(title.removesuffix(".py").replace("/", "."))
    module.__file__ = title
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(BLOCKS[title], title, "exec"), module.__dict__)
    return module


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> SourceAdapter:
    """The guide's adapter, registered among the others."""
    made: SourceAdapter = load(ADAPTER, monkeypatch).PulseLog()
    monkeypatch.setattr(registry, "ADAPTERS", (*registry.ADAPTERS, made))
    return made


def test_the_guide_has_an_adapter_and_its_tests() -> None:
    assert set(BLOCKS) == {ADAPTER, SEEDS, TESTS}


@pytest.mark.parametrize("name", re.findall(r"^def (test_\w+)", BLOCKS[TESTS], re.MULTILINE))
def test_the_tests_of_the_guide_pass(
    adapter: SourceAdapter, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    load(SEEDS, monkeypatch)
    load(TESTS, monkeypatch).__dict__[name]()


def test_the_example_keeps_to_the_rules_of_the_guide(
    adapter: SourceAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    [seed] = load(SEEDS, monkeypatch).seeds().values()
    assert CANARY.encode() in seed
    conformance.check_recognition(adapter, seed, registry.ADAPTERS)
    rows, parsing = conformance.parsed(adapter, seed, conformance.ZONE)
    assert rows.num_rows == 2
    conformance.check_totals(parsing)
    conformance.check_problems(rows)
    conformance.check_sound_rows(conformance.sound(rows), adapter)
    conformance.check_names(rows, adapter)
    for cut in range(0, len(seed), 7):
        assert survive(seed[:cut], adapter) == []


@pytest.mark.parametrize("title", sorted(BLOCKS))
def test_the_example_is_clean_by_our_own_linter(title: str) -> None:
    for verb in (["check", "--quiet"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *verb, "--stdin-filename", title, "-"]
        run = subprocess.run(
            command, input=BLOCKS[title], text=True, capture_output=True, cwd=ROOT, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr


def test_the_files_that_the_guide_names_are_there() -> None:
    named = set(re.findall(r"`((?:shelflife|tests|docs)/[\w/.-]+\.(?:py|md))`", GUIDE.read_text("utf-8")))
    assert named - {"docs/source-types.md"}
    assert [name for name in sorted(named - {"docs/source-types.md"}) if not (ROOT / name).is_file()] == []
