"""Producing what a hold keeps, for counsel: one sealed envelope, so that no plaintext is ever written."""

from __future__ import annotations

import io
import json
import secrets
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import pyarrow.parquet as pq

from shelflife.retention.held_rows import read_held
from shelflife.seal.envelope import EnvelopeWriter

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from shelflife.estate import Estate
    from shelflife.seal.envelope_keys import SealTo

PEOPLE = "people.json"


@dataclass(frozen=True)
class Produced:
    """What was produced, in counts, and the SHA-256 of the envelope."""

    people: int
    rows: int
    size: int
    sha256: bytes


def produce(
    estate: Estate,
    hold_id: str,
    sink: BinaryIO,
    to: SealTo,
    *,
    lifetime: dt.timedelta,
    clock: Callable[[], dt.datetime],
) -> Produced:
    """Write everything that a hold keeps into an envelope: a ZIP of `people.json` and a Parquet file a table.

    Args:
        estate: the estate.
        hold_id: the hold.
        sink: gets the envelope.
        to: who can open it.
        lifetime: how long an honest reader opens it.
        clock: gives the time.

    Raises:
        ConfigurationError: there is no active hold of this id.
        SealBroken: a file was altered.
    """
    held = read_held(estate, hold_id, clock=clock)
    now = clock()
    writer = EnvelopeWriter(
        sink, to, export_id=secrets.token_bytes(16), made_at=now, expires_at=now + lifetime
    )
    people = [
        {
            "pid": person.hold_pid.hex(),
            "subject": person.subject_id.hex(),
            "aliases": [{"kind": name.kind, "value": name.value} for name in person.aliases],
        }
        for person in held.people
    ]
    with zipfile.ZipFile(writer, "w") as archive:
        archive.writestr(PEOPLE, json.dumps(people, indent=1, ensure_ascii=False))
        for name, rows in sorted(held.tables.items()):
            buffer = io.BytesIO()
            pq.write_table(rows, buffer)
            archive.writestr(f"{name}.parquet", buffer.getvalue())
    digest = writer.finish()
    rows_in_all = sum(rows.num_rows for rows in held.tables.values())
    return Produced(len(people), rows_in_all, writer.size, digest)
