"""The search for residue must be able to fail: whatever form an id is left in, it is found."""

from __future__ import annotations

import gzip
import json
import uuid
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from benchmarks.erase_peers import residue
from benchmarks.erase_peers.residue import report, search

VICTIM = "8d5f2b0c-6a6e-4d43-9b0f-5f7a3c1e2d90"
OTHER = "8d5f2b0c-6a6e-4d43-9b0f-5f7a3c1e2d91"
PERSON = uuid.UUID(VICTIM)
# So much text of one kind that a compressor leaves no id as it is.
AMONG_OTHERS = "".join([*(str(uuid.UUID(int=7**number)) for number in range(40)), VICTIM]).encode()


def number(value: int) -> bytes:
    """An Avro long."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def avro(codec: str, body: bytes) -> bytes:
    """A container file with one block, whose metadata map comes with and without a size in front."""
    entries = [(b"avro.codec", codec.encode()), (b"avro.schema", b'"bytes"')]
    pairs = b"".join(number(len(part)) + part for entry in entries for part in entry)
    meta = number(-len(entries)) + number(len(pairs)) + pairs + number(0)
    packed = {"deflate": lambda: zlib.compress(body)[2:-4], "null": lambda: body}[codec]()
    sync = bytes(range(16))
    return b"Obj\x01" + meta + sync + number(1) + number(len(packed)) + packed + sync


def parquet(path, column: pa.Array, name: str = "note", metadata=None) -> None:
    """Without statistics, which would show the smallest value in the footer."""
    table = pa.table({name: column}).replace_schema_metadata(metadata)
    pq.write_table(table, path, compression="zstd", write_statistics=False)


def nested(text: str) -> pa.Array:
    """A list of structs that hold a map, as table formats keep their statistics."""
    kind = pa.list_(pa.struct([("bounds", pa.map_(pa.string(), pa.binary()))]))
    return pa.array([[{"bounds": [("subject", text.encode())]}]], kind)


LEFTOVERS = {
    "text in a log": lambda path: path.write_text(json.dumps({"predicate": f"subject IN ('{VICTIM}')"})),
    "upper case": lambda path: path.write_text(VICTIM.upper()),
    "without dashes": lambda path: path.write_text(f"/path/{PERSON.hex}.bin"),
    "raw bytes": lambda path: path.write_bytes(b"\x00\xff" * 99 + PERSON.bytes + b"\xfe"),
    "gzip": lambda path: path.write_bytes(gzip.compress(AMONG_OTHERS)),
    "zstd": lambda path: path.write_bytes(zstandard.compress(AMONG_OTHERS)),
    "avro, deflate": lambda path: path.write_bytes(avro("deflate", b"x" * 999 + VICTIM.encode())),
    "avro, plain": lambda path: path.write_bytes(avro("null", PERSON.bytes)),
    "parquet text": lambda path: parquet(path, pa.array(["a", f"deleted {VICTIM}"])),
    "parquet bytes": lambda path: parquet(path, pa.array([b"\xe9" + PERSON.bytes])),
    "parquet raw id": lambda path: parquet(path, pa.array([PERSON.bytes], pa.binary(16))),
    "parquet dictionary": lambda path: parquet(path, pa.array(["a", VICTIM]).dictionary_encode()),
    "parquet statistics": lambda path: parquet(path, nested(VICTIM)),
    "parquet footer": lambda path: parquet(path, pa.array([1]), metadata={"owner": VICTIM}),
    "file name": lambda path: (
        (path.parent / f"subject={VICTIM}").mkdir() or (path.parent / f"subject={VICTIM}" / "0").touch()
    ),
}


@pytest.mark.parametrize("form", LEFTOVERS)
def test_an_id_is_found_in_every_form(tmp_path, form):
    LEFTOVERS[form](tmp_path / "leftover")
    if form in {"gzip", "zstd"}:
        assert VICTIM.encode() not in (tmp_path / "leftover").read_bytes()
    found = search(tmp_path, [VICTIM, OTHER])
    assert found.ids == {VICTIM}
    assert not found.rows


def test_a_forgotten_file_with_rows_is_found(tmp_path):
    parquet(tmp_path / "orphan.tmp", pa.array([OTHER, VICTIM, OTHER]), name="subject")
    found = search(tmp_path, [VICTIM])
    assert found.rows == found.ids == {VICTIM}
    assert report(found, [VICTIM]) == {"residue": 1.0, "rows": 1.0, "ids": 1.0, "where": {"parquet": 1}}


def test_an_id_across_the_edge_of_a_chunk_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(residue, "CHUNK", 100)
    for place in (64, 90, 99, 100, 199):
        (tmp_path / "log").write_text("." * place + VICTIM + "." * 30)
        assert search(tmp_path, [VICTIM]).ids == {VICTIM}


def test_nobody_is_found_who_is_not_there(tmp_path):
    (tmp_path / "log").write_text(VICTIM[:-1] + "e" + OTHER)
    parquet(tmp_path / "rows.parquet", pa.array([OTHER, None]), name="subject")
    found = search(tmp_path, [VICTIM])
    assert not found.ids
    assert report(found, [VICTIM])["residue"] == 0


def test_a_codec_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "manifest.avro").write_bytes(avro("null", b"x").replace(b"\x08null", b"\x08lzma"))
    with pytest.raises(ValueError, match="lzma"):
        search(tmp_path, [VICTIM])
