"""Signed notes and verifier keys as C2SP specifies them (c2sp.org/signed-note v1.0.0).

A note is text that ends in a newline, an empty line, and one line a signature:

    — <key name> base64(4-byte key id || signature)

Two of its signature types are made here: Ed25519 over the text (0x01), and the timestamped Ed25519 cosignature of
a witness (0x04, c2sp.org/tlog-cosignature). Signatures of unknown keys are ignored, as the format demands.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shelflife.errors import ConfigurationError, LedgerBroken

_DASH = "\N{EM DASH} "
_KEY_ID_BYTES = 4
_PUBLIC_KEY_BYTES = 32
# The specification wants at least 16 accepted; more than this is not a note that anyone here writes.
_MOST_SIGNATURES = 64
_REMEDY = "Fetch the note again from where it was published; do not trust this copy."


class SignatureType(IntEnum):
    """The signature type byte that a key id commits to."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True)
class Signature:
    """One signature line: who signed, the 4-byte hint of the key, and the signature's bytes."""

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """Return the signature as a line without its newline."""
        return f"{_DASH}{self.name} {encode(self.key_id + self.value)}"


@dataclass(frozen=True)
class Note:
    """A text (with its final newline) and the signatures under it, none of them checked yet."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, content: str) -> Note:
        """Read a note.

        Raises:
            LedgerBroken: it is not a well-formed note.
        """
        text, separator, lines = content.rpartition("\n\n")
        if not separator or not lines.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in content):
            raise LedgerBroken("A signed note is malformed.", remedy=_REMEDY)
        signatures = tuple(_parse_line(line) for line in lines[:-1].split("\n"))
        if len(signatures) > _MOST_SIGNATURES:
            raise LedgerBroken("A signed note has too many signatures.", remedy=_REMEDY)
        return cls(text + "\n", signatures)

    def render(self) -> str:
        """Return the note as text, as it is stored and published."""
        return self.text + "\n" + "".join(f"{signature.line()}\n" for signature in self.signatures)

    def signed_by(self, name: str, key_id: bytes) -> Signature | None:
        """Return the first signature under this key name and key id."""
        matching = (s for s in self.signatures if s.name == name and s.key_id == key_id)
        return next(matching, None)


@dataclass(frozen=True)
class VerifierKey:
    """A public key that signatures are checked with: its name, its signature type and 32 bytes."""

    name: str
    kind: SignatureType
    public: bytes

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or any(c.isspace() or ord(c) < 0x20 for c in self.name):
            raise ConfigurationError(
                "A key name is empty or holds a space or a plus sign.",
                remedy="Use a name such as example.com/log.",
            )
        if len(self.public) != _PUBLIC_KEY_BYTES:
            raise ConfigurationError("An Ed25519 public key has 32 bytes.", remedy="Give the whole key.")

    @classmethod
    def of(
        cls, name: str, private: Ed25519PrivateKey, kind: SignatureType = SignatureType.ED25519
    ) -> VerifierKey:
        """Return the verifier key that belongs to a private key."""
        return cls(name, kind, private.public_key().public_bytes_raw())

    @property
    def key_id(self) -> bytes:
        """The 4-byte hint that signature lines carry: SHA-256(name || 0x0A || type || public key)[:4]."""
        return key_id(self.name, bytes([self.kind]) + self.public)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Tell whether a raw 64-byte Ed25519 signature over a message is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a key in the text form `name+hex(key id)+base64(type || public key)`.

        Raises:
            ConfigurationError: the text is malformed, of an unknown type, or its parts contradict each other.
        """
        name, _, rest = text.strip().partition("+")
        hinted, _, encoded = rest.partition("+")
        try:
            material = decode(encoded)
            key = cls(name, SignatureType(material[0]), material[1:])
        except (LedgerBroken, ValueError, IndexError):
            raise ConfigurationError(
                "A verifier key is malformed.", remedy="Copy the whole line: name+id+key."
            ) from None
        if key.key_id.hex() != hinted.lower():
            raise ConfigurationError(
                "A verifier key's id does not fit its key.", remedy="Copy the whole line again: name+id+key."
            )
        return key


def key_id(name: str, typed_key: bytes) -> bytes:
    """Return the recommended key id for a name and (type || public key)."""
    return sha256(name.encode() + b"\n" + typed_key).digest()[:_KEY_ID_BYTES]


def sign(text: str, name: str, private: Ed25519PrivateKey) -> Signature:
    """Return the Ed25519 signature (type 0x01) of a note text."""
    key = VerifierKey.of(name, private)
    return Signature(name, key.key_id, private.sign(text.encode()))


def encode(raw: bytes) -> str:
    """Return bytes in standard base64 (RFC 4648, section 4)."""
    return base64.b64encode(raw).decode()


def decode(text: str) -> bytes:
    """Return the bytes of standard base64 with its padding, in the one form that encoding them gives.

    Raises:
        LedgerBroken: the text is anything else.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LedgerBroken("A signed note holds broken base64.", remedy=_REMEDY) from None
    if encode(raw) != text:
        raise LedgerBroken("A signed note holds broken base64.", remedy=_REMEDY)
    return raw


def _parse_line(line: str) -> Signature:
    """Read one signature line."""
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    well_formed = line.startswith(_DASH) and separator and name and "+" not in name
    raw = decode(encoded) if well_formed else b""
    if len(raw) <= _KEY_ID_BYTES:
        raise LedgerBroken("A signature line of a note is malformed.", remedy=_REMEDY)
    return Signature(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])
