"""The part of an Apple Health export before its root element, which the XML parser must not see.

iOS 16 and later write a document type that is not well formed, and entities are declared nowhere else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shelflife.errors import SourceError

if TYPE_CHECKING:
    from shelflife.sources.containers import ByteStream

_READ_BYTES = 256 * 1024
_LONGEST_PROLOG = 1024 * 1024
_ROOT = b"<HealthData"
_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)


def refuse(*_: object) -> None:
    """Refuse a file that declares entities or a second document type: none is an export.

    Raises:
        SourceError: always.
    """
    raise SourceError(
        "The XML declares entities or a second document type.",
        remedy="Health exports do not; this file is made to harm. Do not land it.",
    )


def after_prolog(stream: ByteStream) -> tuple[bytes, int]:
    """Return the bytes from the root element on that were read, and how many came before.

    Raises:
        SourceError: there is no root element, or entities are declared before it.
    """
    seen = b""
    while (found := seen.find(_ROOT)) < 0:
        chunk = stream.read(_READ_BYTES)
        if not chunk or len(seen) > _LONGEST_PROLOG:
            raise SourceError(
                "There is no HealthData element where an export has it.",
                remedy="Give the export.xml of Apple Health, as UTF-8 and unchanged.",
            )
        seen += chunk
    if _ENTITY.search(seen, 0, found):
        refuse()
    return seen[found:], found
