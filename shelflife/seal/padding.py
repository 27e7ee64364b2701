"""PADMÉ padding: the length of a sealed thing tells only its order of magnitude.

Source: Nikitin, Barman, Lueks, Underwood, Hubaux, Ford, *Reducing Metadata Leakage from Encrypted Files and
Communication with PURBs*, PETS 2019, section 4. It costs at most 12 % and leaks O(log log n) bits of a length n.
"""

from __future__ import annotations

# ISO/IEC 7816-4: one marker byte, then zeros. Unlike a stored length it costs a single byte.
_MARKER = b"\x80"


def padded_length(length: int) -> int:
    """Return the PADMÉ length of a message of `length` bytes: never shorter, at most 12 % longer."""
    exponent = length.bit_length() - 1
    if exponent < 1:
        return length
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def pad(message: bytes) -> bytes:
    """Return `message`, a marker byte and zeros up to the PADMÉ length."""
    return (message + _MARKER).ljust(padded_length(len(message) + 1), b"\0")


def unpad(padded: bytes) -> bytes:
    """Return the message inside `padded`.

    Raises:
        ValueError: when the padding is not exactly what `pad` makes.
    """
    marked = padded.rstrip(b"\0")
    if not marked.endswith(_MARKER) or padded_length(len(marked)) != len(padded):
        raise ValueError("padding")
    return marked[:-1]
