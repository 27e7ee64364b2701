"""Contents: what lies beneath every kind of packing, however deep, and nothing that a bomb could do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sqlite3
import zipfile
import zlib
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from shelflife.rights.verify.contents import PIECE, Unpacking, cells, opened_read_only, pieces

CANARY = b"a canary that is in no other place"
# Letters at random, so that whatever packs them has to write them in fewer bits.
LETTERS = bytes(random.Random(7).choices(b"abcdefgh ", k=70_000))
PLAIN = LETTERS + CANARY + LETTERS[::-1]


def zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("first.txt", b"nothing")
        file.writestr("second.bin", content)
    return archive.getvalue()


def parquet(content: bytes) -> bytes:
    sink = io.BytesIO()
    column = pa.array([None, "x", content.decode("latin-1")]).dictionary_encode()
    table = pa.table({"number": [1, 2, 3], "text": column, "fixed": pa.array([b"ab"] * 3, pa.binary(2))})
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


PACKINGS = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "two zstd frames": lambda content: zstandard.compress(b"first") + zstandard.compress(content),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
    "Parquet": parquet,
}


def unpacked(content: bytes) -> bytes:
    return b"|".join(Unpacking().of_bytes(content))


@pytest.mark.parametrize("packing", PACKINGS)
def test_one_layer(packing, tmp_path):
    packed = PACKINGS[packing](PLAIN)
    assert CANARY not in packed
    assert CANARY in unpacked(packed)
    (tmp_path / "x").write_bytes(packed)
    assert CANARY in b"|".join(Unpacking().of_file(tmp_path / "x"))


@pytest.mark.parametrize("outer", ["gzip", "zlib", "zstd", "bzip2", "xz", "zip"])
@pytest.mark.parametrize("inner", ["gzip", "zip", "zlib", "Parquet"])
def test_a_layer_within_a_layer(outer, inner):
    assert CANARY in unpacked(PACKINGS[outer](PACKINGS[inner](PLAIN)))


@pytest.mark.parametrize("packing", PACKINGS)
def test_what_breaks_off_is_read_as_far_as_it_goes(packing):
    packed = PACKINGS[packing](PLAIN)
    for cut in (1, 5, len(packed) // 2, len(packed) - 1):
        assert packed[:cut] in unpacked(packed[:cut])


def test_a_bomb_ends_at_the_limit():
    bomb = gzip.compress(bytes(64 << 20))
    unpacking = Unpacking(most=8 << 20)
    size = sum(len(piece) for piece in unpacking.of_bytes(bomb))
    assert unpacking.cut
    assert size < (16 << 20)
    sound = Unpacking(most=8 << 20)
    assert sum(1 for _ in sound.of_bytes(gzip.compress(bytes(1 << 20)))) == 2
    assert not sound.cut


def test_nothing_is_cut_in_two_between_pieces(tmp_path):
    for shift in range(-len(CANARY), 3):
        (tmp_path / "x").write_bytes(bytes(PIECE + shift) + CANARY + bytes(100))
        assert any(CANARY in piece for piece in pieces(tmp_path / "x"))


def test_cells_of_every_table(tmp_path):
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE "odd ""name" (a, b)')
        connection.execute('INSERT INTO "odd ""name" VALUES (1, ?), (NULL, ?)', (b"\xff", "text"))
        connection.execute("CREATE TABLE broken (t TEXT)")
        connection.execute("INSERT INTO broken VALUES (CAST(x'FF61' AS TEXT))")
        connection.commit()
    found = list(cells(path))
    assert [(cell.table, cell.column, cell.value) for cell in found[:4]] == [
        ('odd "name', "a", 1),
        ('odd "name', "b", b"\xff"),
        ('odd "name', "a", None),
        ('odd "name', "b", "text"),
    ]
    assert found[4].value == "\ufffda"


def test_looking_leaves_nothing_behind(tmp_path):
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a)")
        connection.commit()
    before = path.read_bytes()
    list(cells(path))
    with closing(opened_read_only(path)) as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute("INSERT INTO t VALUES (1)")
    assert [one.name for one in tmp_path.iterdir()] == ["x.db"]
    assert path.read_bytes() == before
