"""The FIT decoder with the fields of a data message read at once: it spends most of its time on bytes one field at a time.

Two methods of `fitdecode` are replaced by ones that do the same; the version of `fitdecode` is locked, and a test compares
both readers message by message.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import fitdecode
from fitdecode import types, utils

if TYPE_CHECKING:
    from collections.abc import Callable


class _Field(NamedTuple):
    """Where the numbers of a field are in its message, and what makes its value of them."""

    start: int
    stop: int
    whole: bool
    parse: Callable[[Any], Any]


class _Plan(NamedTuple):
    """How the data messages of one definition are read."""

    definition: Any
    fields: list[_Field]
    unpacker: struct.Struct


class Reader(fitdecode.FitReader):  # type: ignore[misc]
    """Reads FIT files from a stream whose `read` returns as much as was asked for, less only at the end."""

    def __init__(self, stream: Any, **options: Any) -> None:
        self._crc: int
        self._plans: dict[int, _Plan] = {}
        super().__init__(stream, **options)

    def _read_data_message_raw_values(self, def_mesg: Any) -> tuple[list[bytes], list[Any]]:
        plan = self._plans.get(def_mesg.local_mesg_num)
        if plan is None or plan.definition is not def_mesg:
            plan = self._plans[def_mesg.local_mesg_num] = _plan(def_mesg)
        if not plan.fields:
            return [], []
        chunk = self._read_bytes(plan.unpacker.size)
        numbers = plan.unpacker.unpack(chunk)
        raws: list[Any] = []
        for start, stop, whole, parse in plan.fields:
            if whole:
                raws.append(parse(numbers[start:stop]))
            elif stop - start == 1:
                raws.append(parse(numbers[start]))
            else:
                raws.append(tuple(map(parse, numbers[start:stop])))
        return [chunk], raws

    def _read_bytes(self, size: int) -> bytes:
        if size <= 0:
            raise ValueError
        chunk: bytes = self._fd.read(size)
        if len(chunk) != size:
            raise fitdecode.FitEOFError(size, len(chunk), self._read_offset)
        if self.check_crc is not fitdecode.CrcCheck.DISABLED:
            self._crc = utils.compute_crc(chunk, crc=self._crc)
        self._chunk_size += size
        self._read_offset += size
        self._read_size += size
        return chunk


def _plan(definition: Any) -> _Plan:
    fields, formats, at = [], [], 0
    for one in definition.all_field_defs:
        base = one.base_type
        form = f"{one.size // base.size}{base.fmt}"
        if not one.size:
            raise ValueError
        stop = at + len(struct.unpack(f"<{form}", bytes(one.size)))
        fields.append(_Field(at, stop, base.identifier == types.BASE_TYPE_BYTE.identifier, base.parse))
        formats.append(form)
        at = stop
    return _Plan(definition, fields, struct.Struct(definition.endian + "".join(formats)))
