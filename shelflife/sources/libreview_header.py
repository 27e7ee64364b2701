"""The header of a LibreView export: its lines of metadata, and its columns whatever language the account uses.

The first six columns are always device, serial number, time, record type, historic and scanned glucose; the first one or
two lines above them name the export, when and by whom it was made, and the patient. The unit stands in the names of the
glucose columns. Source: LibreView "Download Glucose Data" export; column names as they appear in public readers of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.errors import SourceError
from shelflife.sources.containers import read_head
from shelflife.sources.delimited import header_fields

if TYPE_CHECKING:
    from shelflife.sources.containers import ByteStream

MOST_LINES_BEFORE = 4
_TIMES = frozenset(
    {
        "device timestamp",
        "gerätezeitstempel",
        "horodatage de l'appareil",
        "sello de tiempo del dispositivo",
        "marca de hora del dispositivo",
        "timestamp del dispositivo",
        "tijdstempel apparaat",
    }
)
"""English, German, French, Spanish (two versions of the site), Italian, Dutch."""
_HISTORIC = frozenset(
    {
        "historic glucose",
        "glukosewert-verlauf",
        "historique de la glycémie",
        "historial de glucosa",
        "storico del glucosio",
        "historische glucose",
    }
)
_UNIT = re.compile(r"(?P<name>.+?) (?P<unit>mg/dl|mmol/l)", re.IGNORECASE)
_KETONE = re.compile(r"[ck]h?[eé]to|cuerpos cet", re.IGNORECASE)
_UNITS = {"mg/dl": "mg/dL", "mmol/l": "mmol/L"}


@dataclass(frozen=True)
class Columns:
    """Which columns of a file hold what, by their names in it.

    Attributes:
        device: name of the device.
        serial: its serial number.
        time: wall-clock time.
        kind: record type.
        historic: glucose of the automatic record every 15 minutes.
        scan: glucose that was scanned; None where the file has no such column.
        strip: glucose of a test strip; None where the file has no such column.
        unit: `mg/dL` or `mmol/L`.
    """

    device: str
    serial: str
    time: str
    kind: str
    historic: str
    scan: str | None
    strip: str | None
    unit: str


def columns_of(header: list[str]) -> Columns | None:
    """Return what the columns of a header hold; None when it is not LibreView's."""
    if len(header) < 5 or header[2].replace("\u2019", "'").lower() not in _TIMES:
        return None
    historic = _UNIT.fullmatch(header[4])
    if historic is None or historic["name"].lower() not in _HISTORIC:
        return None
    unit = historic["unit"].lower()
    others = [name for name in header[5:] if _is_glucose(name, unit)]
    scan = others.pop(0) if others and others[0] == header[5] else None
    strip = others[0] if others else None
    return Columns(header[0], header[1], header[2], header[3], header[4], scan, strip, _UNITS[unit])


def _is_glucose(name: str, unit: str) -> bool:
    match = _UNIT.fullmatch(name)
    return match is not None and match["unit"].lower() == unit and not _KETONE.search(name)


class AfterMetadata:
    """A stream that begins at the header line.

    Attributes:
        metadata: fields of the lines before it.

    Raises:
        SourceError: none of the first lines is a header of this format.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        head = read_head(stream)
        found = find_header(head)
        if found is None:
            raise SourceError(
                "The header is not one of a LibreView export that is known.",
                remedy="Check which export this is; do not edit its header.",
            )
        self.metadata, start = found
        self._front = head[start:]

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        if not self._front:
            return self._stream.read(size)
        part, self._front = self._front[:size], self._front[size:]
        return part


def find_header(head: bytes) -> tuple[list[list[str]], int] | None:
    """Return the fields of each line before the header and where the header starts; None when there is no header."""
    before: list[list[str]] = []
    start = 0
    for line in head.splitlines(keepends=True):
        fields = header_fields(line)
        if columns_of(fields) is not None:
            return before, start
        if len(before) > MOST_LINES_BEFORE:
            return None
        before.append(fields)
        start += len(line)
    return None
