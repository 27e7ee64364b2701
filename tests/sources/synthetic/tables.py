"""Small files of the table formats and of shelflife's own: synthetic, after the vendors' headers and `docs/`."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq

from tests.sources.damage import CANARY

CLARITY = (
    "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,"
    "Glucose Value ({unit}),Insulin Value (u),Carb Value (grams),Duration (hh:mm:ss),"
    "Glucose Rate of Change ({unit}/min)\n"
)
SAMPLE = {
    "subject": CANARY,
    "signal": "heart_rate",
    "value": 61.5,
    "unit": "/min",
    "start": "2026-11-03T07:30:00+01:00",
}


def clarity(*rows: str, unit: str = "mg/dL") -> bytes:
    """A Clarity export with these lines."""
    return (CLARITY.format(unit=unit) + "".join(f"{row}\n" for row in rows)).encode()


def parquet(table: pa.Table) -> bytes:
    """A Parquet file."""
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def seeds() -> dict[str, bytes]:
    """Small valid files, with a name in each whose format has a place for one."""
    clarity_file = clarity(
        f"1,,FirstName,,{CANARY},,,,,,,",
        f"2,2026-10-24T11:24:17,EGV,,,,{CANARY}'s phone,103,,,,",
        "3,2026-10-24T11:29:17,EGV,,,,iPhone G6,Low,,,,",
    )
    profile = {"record": "profile", "account": "a", "family_name": CANARY}
    wall_clock = {**SAMPLE, "start": "2026-11-03T07:30:00"}
    return {
        "clarity": clarity_file,
        "clarity_gzip": gzip.compress(clarity_file, mtime=0),
        "glucose": b"timestamp,glucose_value_mg_dl\n2016-11-21 15:28:00,110\n2016-11-21 15:33:00,Low\n" * 2,
        "glucose_people": f"person_id,age,gender,diabetes_type,note\n7,31,F,1,{CANARY}\n8,,M,2,\n".encode(),
        "fitbit_heart": f"Id,Time,Value\n{CANARY},4/12/2016 7:21:00 AM,97\n2,4/12/2016 7:21:05 AM,102\n".encode(),
        "fitbit_epochs": b"id,epoch_s,local_naive_if_us_eastern,hr\n2,1460460060,2016-04-12 07:21:00,97\n",
        "ndjson": "\n".join(json.dumps(one) for one in (profile, SAMPLE, wall_clock)).encode(),
        "parquet": parquet(pa.Table.from_pylist([SAMPLE] * 5)),
    }
