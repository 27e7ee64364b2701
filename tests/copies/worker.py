"""Does one thing to a copy in a process of its own, so that a test can kill it.

`python -m tests.copies.worker FOLDER COPY publish|erase|expire [PERSON ...]`
"""

from __future__ import annotations

import sys
from pathlib import Path

from shelflife.copies.declarations import CopyDeclarations
from shelflife.copies.registry import open_adapter
from shelflife.estate import Estate
from shelflife.policy.located_yaml import parse_located
from tests.copies.estates import NOW, datasets, settings_in, token


def main(folder: str, copy: str, verb: str, *people: str) -> None:
    estate = Estate.open(settings_in(Path(folder)), NOW)
    # Without the check against the models, which takes longer than everything else here.
    text = (estate.settings.policies / "copies.yaml").read_text()
    declared = parse_located(text, name="copies.yaml", model=CopyDeclarations)
    [declaration] = [one for one in declared.copies if one.name == copy]
    adapter = open_adapter(estate, declaration)
    if verb == "publish":
        adapter.publish(datasets(), NOW)
    elif verb == "erase":
        adapter.erase([token(int(person)) for person in people], NOW)
    else:
        adapter.expire(NOW + 2 * declaration.lifetime)
    estate.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
