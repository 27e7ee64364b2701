"""The guide to a new source adapter: its example is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from shelflife.errors import SourceError
from shelflife.signals.vocabulary import SIGNALS, STATISTICS
from shelflife.sources import registry
from shelflife.sources.source import ByteSource, SourceAdapter
from tests.sources.reading import NOW, read

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "new-source-adapter.md"
BLOCKS = dict(
    re.findall(r"^```python title=(\S+)\n(.*?)^```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
)
ADAPTER, TESTS = "shelflife/sources/pulse_log.py", "tests/sources/test_pulse_log.py"


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
    assert set(BLOCKS) == {ADAPTER, TESTS}


@pytest.mark.parametrize("name", re.findall(r"^def (test_\w+)", BLOCKS[TESTS], re.MULTILINE))
def test_the_tests_of_the_guide_pass(
    adapter: SourceAdapter, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    load(TESTS, monkeypatch).__dict__[name]()


def test_the_example_keeps_to_the_rules_of_the_guide(
    adapter: SourceAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adapter.types
    for kind in adapter.types:
        assert kind.signal is None or kind.signal in SIGNALS
        assert kind.statistic is None or kind.statistic in STATISTICS
    [seed] = load(TESTS, monkeypatch).seeds().values()
    assert [one.name for one in registry.ADAPTERS if one.recognises(seed)] == [adapter.name]
    assert read(seed, adapter.name)[0].num_rows == 2
    for cut in range(0, len(seed), 7):
        parsing = adapter.parse(ByteSource.from_bytes(seed[:cut]), now=NOW)
        with pytest.raises(SourceError) as caught:
            list(parsing)
        assert "Ada" not in caught.value.diagnostics()


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
