"""Files of one invented person, full of values that must not be found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.dagster.conftest import DEVICE, NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

_RECORD = (
    '<Record type="{kind}" sourceName="{device}" unit="{unit}" creationDate="{day} 08:{minute:02d}:00 +0100" '
    'startDate="{day} 08:{minute:02d}:00 +0100" endDate="{day} 08:{minute:02d}:00 +0100" value="{value}"/>'
)
KINDS = {
    "heart": ("HKQuantityTypeIdentifierHeartRate", "count/min"),
    "glucose": ("HKQuantityTypeIdentifierBloodGlucose", "mg/dL"),
}


def apple_export(stream: str, values: Sequence[float], day: str) -> bytes:
    """An Apple Health export with a value a minute."""
    kind, unit = KINDS[stream]
    rows = [
        _RECORD.format(kind=kind, unit=unit, device=DEVICE, day=day, minute=minute, value=value)
        for minute, value in enumerate(values)
    ]
    me = '<Me HKCharacteristicTypeIdentifierDateOfBirth="1985-02-03" HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexFemale"/>'
    body = "\n".join([me, *rows])
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<HealthData locale="en_GB">\n'
        f'<ExportDate value="{day} 23:00:00 +0100"/>\n{body}\n</HealthData>'
    ).encode()


def broken_export() -> bytes:
    """An export that breaks off in the middle of a name."""
    return apple_export("heart", [61], "2026-11-01")[:-40] + NAME.encode()
