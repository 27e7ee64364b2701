"""Needles: every form in which a name or a pseudonym could stand in a file, and the search for all of them at once.

Grep alone is blind: text is stored as UTF-16, hexadecimal, Base64, percent-encoded or escaped, and an unkeyed digest
of a name is as good as the name. The search looks at every four bytes once, whatever the number of needles.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
import urllib.parse
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORTEST = 6
"""Fewest bytes of a needle that is searched in arbitrary bytes: a shorter one turns up in ciphertext by chance."""

_CHUNK = 1 << 20
_BITS = 20
_FACTOR = np.uint32(2_654_435_761)
_QUOTES = ('"', "'", "`")
_DIGESTS = (hashlib.md5, hashlib.sha1, hashlib.sha256)


def text_forms(text: str) -> set[bytes]:
    """Return the forms in which a name could stand in a file."""
    spellings = {
        spelling
        for form in ("NFC", "NFD", "NFKC")
        for same in [unicodedata.normalize(form, text)]
        for spelling in (same, same.lower(), same.upper(), same.casefold())
    }
    found: set[bytes] = set()
    for spelling in spellings:
        plain = spelling.encode()
        found |= {
            plain,
            spelling.encode("utf-16-le"),
            spelling.encode("utf-16-be"),
            urllib.parse.quote(spelling, safe="").encode(),
            urllib.parse.quote_plus(spelling).encode(),
            json.dumps(spelling)[1:-1].encode(),
            # Three bytes are six hexadecimal digits, which every random id has a fair chance to hold.
            *(_encoded(plain) if len(plain) >= SHORTEST else ()),
        }
        for digest in _DIGESTS:
            hashed = digest(plain).digest()
            found |= {hashed, *_encoded(hashed)}
    return found


def id_forms(value: bytes) -> set[bytes]:
    """Return the forms in which a pseudonym, a token or a keyed digest could stand in a file."""
    forms = {value, *_encoded(value)}
    if len(value) == 16:
        forms |= {str(uuid.UUID(bytes=value)).encode(), str(uuid.UUID(bytes=value)).upper().encode()}
    return forms


class Needles:
    """A set of needles.

    Args:
        texts: names; a short one counts only where it stands alone.
        ids: pseudonyms, tokens and keyed digests.
    """

    def __init__(self, texts: Iterable[str] = (), ids: Iterable[bytes] = ()) -> None:
        known = {text for text in texts if text}
        self.short = frozenset(text for text in known if len(text.encode()) < SHORTEST)
        forms = {form for text in known for form in text_forms(text)} | {
            form for value in ids for form in id_forms(value)
        }
        self._alone = {quote + text + quote for text in self.short for quote in _QUOTES}
        long = {form for form in forms if len(form) >= SHORTEST}
        self._needles: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for form in long:
            self._needles[form[:4]].append(form)
        self._table = np.zeros(1 << _BITS, np.bool_)
        if long:
            starts = np.frombuffer(b"".join(self._needles), "<u4")
            self._table[_hashed(starts)] = True

    def __bool__(self) -> bool:
        return bool(self._needles or self.short)

    def within(self, content: bytes | memoryview) -> bool:
        """Tell whether arbitrary bytes hold a needle; short names count only in quotes, and only in text."""
        return self._anywhere(content) or (bool(self._alone) and self._quoted(bytes(content)))

    def is_cell(self, cell: object) -> bool:
        """Tell whether a value of a database is or holds a needle."""
        if isinstance(cell, str):
            return cell in self.short or self.within(cell.encode("utf-8", "replace"))
        if isinstance(cell, bytes | memoryview):
            return self.within(bytes(cell))
        return False

    def in_name(self, name: str) -> bool:
        """Tell whether a file's or folder's name holds a needle, or is a short one, endings aside."""
        if self._anywhere(name.encode("utf-8", "surrogateescape")):
            return True
        return bool(self.short) and not self.short.isdisjoint((name, name.partition(".")[0]))

    def _anywhere(self, content: bytes | memoryview) -> bool:
        """Look at every four bytes for the start of a needle."""
        if not self._needles:
            return False
        whole = memoryview(content)
        return any(
            bytes(whole[at : at + len(needle)]) == needle
            for at in self._candidates(whole)
            for needle in self._needles.get(bytes(whole[at : at + 4]), ())
        )

    def _candidates(self, content: memoryview) -> Iterator[int]:
        """Yield the positions at which a needle may start."""
        for start in range(0, len(content), _CHUNK):
            part = content[start : start + _CHUNK + 3]
            for shift in range(4):
                count = (len(part) - shift) // 4
                if count > 0:
                    words = np.frombuffer(part, "<u4", count=count, offset=shift)
                    for at in np.flatnonzero(self._table[_hashed(words)]).tolist():
                        yield start + shift + 4 * at

    def _quoted(self, content: bytes) -> bool:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return False
        return any(name in text for name in self._alone)


def _hashed(words: np.ndarray) -> np.ndarray:
    """Return a hash of `_BITS` bits for each four bytes."""
    return (words * _FACTOR) >> np.uint32(32 - _BITS)


def _encoded(value: bytes) -> set[bytes]:
    """Return hexadecimal and Base64 forms; Base64 at each of the three places that a value can start at."""
    forms = {value.hex().encode(), value.hex().upper().encode()}
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + value)
        # Only characters that the value alone decides.
        first, last = -(-8 * shift // 6), 8 * (shift + len(value)) // 6
        forms |= {whole[first:last], whole[first:last].translate(bytes.maketrans(b"+/", b"-_"))}
    return forms
