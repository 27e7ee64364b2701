"""Errors travel between processes as they are."""

from __future__ import annotations

import pickle

from shelflife.errors import ResidueFound, ShelflifeError


def kinds(root: type[ShelflifeError]) -> list[type[ShelflifeError]]:
    return [root, *(below for kind in root.__subclasses__() for below in kinds(kind))]


def test_every_error_survives_pickling():
    assert ResidueFound in kinds(ShelflifeError)
    for kind in kinds(ShelflifeError):
        error = pickle.loads(pickle.dumps(kind("Something happened.", remedy="Do something.")))
        assert type(error) is kind
        assert error.diagnostics() == "Something happened.\nWhat to do: Do something."
