"""Small files of every format to start from, by the adapter that reads them."""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from functools import cache

import tests.sources.synthetic
from shelflife.errors import SourceError
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource


@cache
def every_seed() -> dict[str, bytes]:
    """Return the seeds of every generator by `module/name`."""
    found: dict[str, bytes] = {}
    for module in pkgutil.iter_modules(tests.sources.synthetic.__path__):
        made = importlib.import_module(f"tests.sources.synthetic.{module.name}")
        found |= {f"{module.name}/{name}": content for name, content in made.seeds().items()}
    return found


@cache
def by_adapter() -> dict[str, dict[str, bytes]]:
    """Return the seeds that each adapter recognises, by name; those that none does go to nobody."""
    found: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
    for name, content in every_seed().items():
        try:
            found[detect(ByteSource.from_bytes(content)).name][name] = content
        except SourceError:
            continue
    return dict(found)
