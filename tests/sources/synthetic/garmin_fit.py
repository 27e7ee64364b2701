"""Synthetic FIT files, after the FIT SDK's protocol description and profile.

The traps: short times that wrap, counters since local midnight, arrays filled up with "no value", times that count from
power-on, a clock that was never set, developer fields with a profile's name, several users of one scale.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

from tests.sources.damage import CANARY

FORMATS = {
    "enum": (0x00, "B"),
    "uint8": (0x02, "B"),
    "sint16": (0x83, "h"),
    "uint16": (0x84, "H"),
    "uint32": (0x86, "I"),
    "string": (0x07, "s"),
    "float32": (0x88, "f"),
    "byte": (0x0D, "B"),
    "uint32z": (0x8C, "I"),
}
Field: TypeAlias = "tuple[int, str, int | float | list[int] | bytes]"
NOON = 1_100_088_000
"""2024-11-09T12:00Z in seconds since 1989-12-31."""
_CRC = (
    0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
    0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
)  # fmt: skip


def crc(content: bytes) -> int:
    """The checksum of the protocol description: CRC-16 by half bytes."""
    value = 0
    for byte in content:
        for half in (byte & 0xF, byte >> 4):
            value = ((value >> 4) & 0x0FFF) ^ _CRC[value & 0xF] ^ _CRC[half]
    return value


def message(number: int, *fields: Field) -> bytes:
    """A definition and its one data message."""
    definition = b"\x40\0\0" + struct.pack("<HB", number, len(fields))
    data = b"\0"
    for place, kind, value in fields:
        code, letter = FORMATS[kind]
        if isinstance(value, bytes):
            body = value
        else:
            body = b"".join(
                struct.pack("<" + letter, one) for one in (value if isinstance(value, list) else [value])
            )
        definition += bytes([place, len(body), code])
        data += body
    return definition + data


def developer_record(time: int, name: bytes, value: int) -> bytes:
    """A record with a developer field of any name, with what declares it."""
    declared = message(207, (3, "uint8", 0)) + message(
        206, (0, "uint8", 0), (1, "uint8", 0), (2, "uint8", 2), (3, "string", name + b"\0")
    )
    definition = b"\x60\0\0" + struct.pack("<HB", 20, 1) + bytes([253, 4, 0x86, 1, 0, 1, 0])
    return declared + definition + b"\0" + struct.pack("<IB", time, value)


def fit(*messages: bytes) -> bytes:
    """A FIT file."""
    body = b"".join(messages)
    head = struct.pack("<2BHI4s", 14, 0x10, 2171, len(body), b".FIT")
    content = head + struct.pack("<H", crc(head)) + body
    return content + struct.pack("<H", crc(content))


def resealed(content: bytes) -> bytes:
    """Bytes as the content of a FIT file: with the length and the checksums that fit them."""
    return fit(content[14:-2])


def file_id(serial: int = 3_945_849_289) -> bytes:
    """A watch of Garmin (1), a fenix 5 (2697), with its serial number."""
    return message(
        0, (0, "enum", 4), (1, "uint16", 1), (2, "uint16", 2697), (3, "uint32z", serial), (4, "uint32", NOON)
    )


def record(time: int, heart_rate: int, *more: Field) -> bytes:
    """A moment of an activity."""
    return message(20, (253, "uint32", time), (3, "uint8", heart_rate), *more)


def hrv(*thousandths: int) -> bytes:
    """Intervals between beats, filled up to five with "no value"."""
    return message(78, (0, "uint16", [*thousandths, *[0xFFFF] * (5 - len(thousandths))]))


def activity(time: int, offset_s: int = 3600) -> bytes:
    """The end of an activity file, with both clocks."""
    return message(34, (253, "uint32", time), (5, "uint32", time + offset_s))


def session(begin: int, seconds: int, *more: Field) -> bytes:
    """A run."""
    return message(
        18,
        (253, "uint32", begin + seconds),
        (2, "uint32", begin),
        (7, "uint32", seconds * 1000),
        (5, "enum", 1),
        *more,
    )


def monitoring_info(time: int, offset_s: int = 3600) -> bytes:
    """The beginning of a monitoring file, with both clocks."""
    return message(103, (253, "uint32", time), (0, "uint32", time + offset_s))


def monitoring(time: int, *more: Field, short: bool = True) -> bytes:
    """What a watch counted, with the low 16 bits of the time or all of it."""
    when: Field = (26, "uint16", time & 0xFFFF) if short else (253, "uint32", time)
    return message(55, when, *more)


def steps(time: int, count: int, kind: int = 6, *, short: bool = True) -> bytes:
    """Steps since midnight of walking (6) or running (1)."""
    return monitoring(time, (3, "uint32", count), (5, "enum", kind), short=short)


def weight(time: int, hundredths: int, user: int | None = None) -> bytes:
    """What a scale measured."""
    index: list[Field] = [] if user is None else [(12, "uint16", user)]
    return message(30, (253, "uint32", time), (0, "uint16", hundredths), *index)


def seeds() -> dict[str, bytes]:
    """Small valid files."""
    run = [
        file_id(),
        record(NOON, 101, (0, "uint32", 495_280_430)),
        hrv(594, 588),
        record(NOON + 1, 102),
        session(NOON, 60, (9, "uint32", 12_000), (11, "uint16", 9)),
        activity(NOON + 60),
    ]
    day = [
        file_id(),
        monitoring_info(NOON - 13 * 3600),
        steps(NOON, 100),
        monitoring(NOON + 60, (27, "uint8", 61)),
        steps(NOON + 120, 30, 1),
        message(275, (253, "uint32", NOON + 180), (0, "enum", 2)),
        message(372, (253, "uint32", NOON), (0, "uint16", 5), (1, "uint16", [900 | 1 << 14, 1 << 15 | 2000])),
    ]
    scale = [
        file_id(),
        message(3, (254, "uint16", 0), (0, "string", CANARY.encode() + b"\0"), (1, "enum", 0)),
        weight(NOON, 7_580, 0),
    ]
    return {
        "fit_run": fit(*run),
        "fit_day": fit(*day),
        "fit_scale": fit(*scale),
        "fit_chain": fit(*run) + fit(*day),
    }
