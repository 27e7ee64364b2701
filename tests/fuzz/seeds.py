"""Small files of every format to start from, by the adapter that reads them."""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict

import tests.sources.synthetic
from shelflife.errors import SourceError
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource
from tests.sources import test_fuzz


def every_seed() -> dict[str, bytes]:
    """Return the seeds of every generator by `module/name`."""
    found = {f"tables/{name}": content for name, content in test_fuzz.seeds().items()}
    for module in pkgutil.iter_modules(tests.sources.synthetic.__path__):
        made = importlib.import_module(f"tests.sources.synthetic.{module.name}")
        if hasattr(made, "seeds"):
            found |= {f"{module.name}/{name}": content for name, content in made.seeds().items()}
    return found


def by_adapter() -> dict[str, list[bytes]]:
    """Return the seeds that each adapter recognises; those that none does go to nobody."""
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    for content in every_seed().values():
        try:
            found[detect(ByteSource.from_bytes(content)).name].append(content)
        except SourceError:
            continue
    return dict(found)
