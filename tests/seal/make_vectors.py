"""Make the published test vectors: `python -m tests.seal.make_vectors` writes vectors.json beside this file.

Everything in it is fixed, so the file only changes when the format does, and then the format byte changes too.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shelflife.seal.block_keys import block_key
from shelflife.seal.blocks import BlockContext, seal_blocks
from shelflife.seal.context import file_context, row_context, schema_digest
from shelflife.seal.locators import locators, raw_ids
from shelflife.seal.padding import padded_length

PATH = Path(__file__).with_name("vectors.json")
CONTEXT = BlockContext(
    "raw", "samples", "heart/default", "2026-11-03", "heart", "00112233445566778899aabbccddeeff"
)
PARTITION_KEY = bytes(range(32))
STREAM_KEYS = [bytes([0xA0 + at]) * 32 for at in range(3)]
RAW_IDS = [bytes([0x10 + at]) * 16 for at in range(3)]
BOUNDS = [0, 4, 5, 8]


def samples() -> pa.Table:
    """Return eight rows that use every kind of column the layout has."""
    return pa.table(
        {
            "signal": ["heart_rate"] * 8,
            "value_num": pa.array([61.0, 62.5, None, 64.0, 70.1, 1 / 3, -0.0, 2.0]),
            "start_utc": pa.array([0, 5, 10, 16, 7, 1, 2, 4], pa.timestamp("s")).cast(
                pa.timestamp("us", "UTC")
            ),
            "end_utc": pa.array([5, 10, 15, 21, 7, 2, 4, 8], pa.timestamp("s")).cast(
                pa.timestamp("us", "UTC")
            ),
            "code": ["x", "y", "x", None, "z", "p", "q", "r"],
            "window_s": pa.array([5] * 8, pa.int32()),
            "absent": pa.nulls(8, pa.string()),
            "flag": [True, False, True, True, False, None, True, False],
        }
    )


def vectors() -> dict[str, Any]:
    """Return keys, context, rows and samples as text and numbers."""
    table = samples()
    rows = seal_blocks(
        table, np.array(BOUNDS), STREAM_KEYS, RAW_IDS, partition_key=PARTITION_KEY, context=CONTEXT
    )
    return {
        "format": 1,
        "context": dataclasses.asdict(CONTEXT),
        "columns": [[field.name, str(field.type)] for field in table.schema],
        "schema_digest": schema_digest(table.schema).hex(),
        "partition_key": PARTITION_KEY.hex(),
        "padme": [[length, padded_length(length)] for length in (0, 1, 2, 8, 9, 100, 1000, 65_537)],
        "blocks": [_block(table, row) for row in zip(range(3), *rows.to_pydict().values(), strict=True)],
    }


def _block(table: pa.Table, row: tuple[int, bytes, bytes, bytes]) -> dict[str, Any]:
    ordinal, locator, commitment, body = row
    (raw_id,) = raw_ids(PARTITION_KEY, [locator])
    assert locators(PARTITION_KEY, [raw_id]) == [locator]
    at = RAW_IDS.index(raw_id)
    context = file_context(CONTEXT, table.schema) + row_context(ordinal, locator)
    plain = table.slice(BOUNDS[at], BOUNDS[at + 1] - BOUNDS[at])
    times = [plain.schema.get_field_index(name) for name in ("start_utc", "end_utc")]
    for position in times:
        plain = plain.set_column(
            position, plain.schema.names[position], plain.column(position).cast(pa.int64())
        )
    return {
        "ordinal": ordinal,
        "raw_id": raw_id.hex(),
        "stream_key": STREAM_KEYS[at].hex(),
        "context": context.hex(),
        "key": block_key(PARTITION_KEY, STREAM_KEYS[at], context).key.hex(),
        "locator": locator.hex(),
        "commitment": commitment.hex(),
        "body": body.hex(),
        "samples": plain.to_pydict(),
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
