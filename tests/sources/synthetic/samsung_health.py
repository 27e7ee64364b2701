"""Synthetic Samsung Health downloads, after Samsung's data type pages and public descriptions of real downloads.

The traps: a line before the header, a byte order mark, a comma at each line's end that the header lacks, columns with and
without their data type before them, times in UTC beside an offset, -1 for "none", daily steps of every device beside the
sum, minute data in JSON with epochs, comments with quotes.
"""

from __future__ import annotations

import io
import json
import zipfile

from tests.sources.damage import CANARY

HEALTH = "com.samsung.health."
SHEALTH = "com.samsung.shealth."
UUID = "3f2b8a52-1d5c-4a4e-9a52-0d6a3b1f7c11"
NIGHT = "9d7d1f0e-6a53-4a0e-8a5e-2f60e3a7c0aa"
DAY_MS = 1_730_419_200_000
"""2024-11-01T00:00Z."""


def table(name: str, columns: str, *lines: str, bom: bool = True, version: str = "6320001,7") -> bytes:
    """A table: columns as `a,b`, lines as `1,2`, each with the comma at its end."""
    text = f"{name},{version}\r\n{columns}\r\n" + "".join(f"{line},\r\n" for line in lines)
    return (b"\xef\xbb\xbf" if bom else b"") + text.encode()


def heart_rate(*lines: str) -> bytes:
    """Cells: start, end, offset, rate, min, max, binning file."""
    names = ("start_time", "end_time", "time_offset", "heart_rate", "min", "max", "binning_data")
    columns = ",".join(f"{HEALTH}heart_rate.{name}" for name in names)
    more = f",source,{HEALTH}heart_rate.datauuid,{HEALTH}heart_rate.deviceuuid,{HEALTH}heart_rate.pkg_name,{HEALTH}heart_rate.comment"
    tail = f",,{UUID},GqJ0mQbzTz,com.sec.android.app.shealth,{CANARY} was here"
    return table(SHEALTH + "tracker.heart_rate", columns + more, *(line + tail for line in lines))


def sleep_stage(*lines: str) -> bytes:
    """Cells: start, end, offset, stage."""
    columns = "start_time,end_time,time_offset,stage,sleep_id,datauuid"
    return table(HEALTH + "sleep_stage", columns, *(f"{line},{NIGHT},{UUID}" for line in lines))


def daily_steps(*lines: str) -> bytes:
    """Cells: day, source type, count."""
    columns = "day_time,source_type,count,distance,calorie,datauuid"
    return table(SHEALTH + "step_daily_trend", columns, *(f"{line},5000.5,200.5,{UUID}" for line in lines))


def steps(*lines: str) -> bytes:
    """Cells: start, end, offset, count, device."""
    names = ("start_time", "end_time", "time_offset", "count", "deviceuuid")
    columns = ",".join(f"{HEALTH}step_count.{name}" for name in names)
    return table(SHEALTH + "tracker.pedometer_step_count", columns, *lines)


def binning(*points: dict[str, float]) -> bytes:
    """A file of minute data."""
    return json.dumps(list(points)).encode()


def archive(**parts: bytes) -> bytes:
    """A download as one zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in parts.items():
            packed.writestr(f"samsunghealth_x/{name.replace('__', '.')}", content)
    return out.getvalue()


def seeds() -> dict[str, bytes]:
    """Small valid files."""
    rates = heart_rate(
        "2024-11-01 08:00:00.000,2024-11-01 08:10:00.000,UTC+0900,62.0,58.0,71.0,x.json",
        "2024-11-01 09:00:00.000,2024-11-01 09:00:00.000,UTC+0900,70.0,,,",
    )
    minutes = binning(
        {"start_time": DAY_MS, "end_time": DAY_MS + 59_999, "heart_rate": 61.0, "heart_rate_min": 58.0},
        {"start_time": DAY_MS + 60_000, "heart_rate": 63.0},
    )
    return {
        "samsung_heart_rate": rates,
        "samsung_stages": sleep_stage("2024-11-01 14:00:00.000,2024-11-01 14:30:00.000,UTC+0900,40002"),
        "samsung_daily_steps": daily_steps(f"{DAY_MS},-2,8000", f"{DAY_MS},0,5000"),
        "samsung_steps": steps("2024-11-01 08:00:00.000,2024-11-01 08:01:00.000,UTC+0900,80,phone"),
        "samsung_minutes": minutes,
        "samsung_zip": archive(rates__csv=rates, minutes__json=minutes),
    }
