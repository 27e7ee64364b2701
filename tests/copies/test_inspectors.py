"""Inspectors: that they share no code with what they look at, and what they find in files that are not ours."""

from __future__ import annotations

import ast
import base64
import uuid
from pathlib import Path

import pyarrow as pa
import pytest

import shelflife.copies.inspectors as package
from shelflife.copies.inspectors.folders import contains_any, forms, tells_of
from tests.copies.estates import token

ALLOWED = {"shelflife.copies.protocol", "shelflife.copies.items"}
KINDS = ("duckdb_mart", "folders", "parquet_extract", "sqlite_cache")


@pytest.mark.parametrize("kind", KINDS)
def test_an_inspector_imports_no_adapter(kind):
    text = (Path(package.__path__[0]) / f"{kind}.py").read_text()
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    ours = {name for name in names if name and name.startswith("shelflife.copies")}
    assert {name for name in ours if not name.startswith("shelflife.copies.inspectors")} <= ALLOWED


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"x", token(1)], pa.binary()),
        pa.array([b"y" * 16, token(1)], pa.binary(16)),
        pa.array(["x", token(1).hex()]),
        pa.array(["x", "user " + token(1).hex().upper()]),
        pa.array([base64.b64encode(token(1)).decode()]),
        pa.array([[{"who": token(1).hex()}]]),
        pa.array([[{"who": token(1)}]]),
        pa.array([[(token(1), 1)]], pa.map_(pa.binary(), pa.int64())),
        pa.array(["a", token(1).hex(), "a"]).dictionary_encode(),
        pa.array(["a", token(1).hex()], pa.string_view()),
        pa.array([b"a", token(1)], pa.large_binary()),
        pa.array([str(uuid.UUID(bytes=token(1)))]),
    ],
)
def test_a_token_is_found_in_whatever_form_a_cell_has_it(column):
    rows = pa.table({"n": pa.array(range(len(column))), "c": column})
    assert tells_of(rows, [token(0), token(1)])
    assert not tells_of(rows, [token(2)])


def test_a_token_is_found_in_bytes_and_links_are_not_followed(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    for form in forms(token(1)):
        file.write_bytes(b"before" + form + b"after")
        assert contains_any(file, forms(token(1)))
        assert not contains_any(file, forms(token(2)))
    link.symlink_to(file)
    assert not contains_any(link, forms(token(1)))
