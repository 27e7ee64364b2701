"""Who can open an export: the holder of a private key (HPKE, RFC 9180) or of a passphrase (Argon2id, RFC 9106).

| Wrapping | Scheme | Wrapped content key |
|---|---|---|
| 1 | HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM | encapsulation 32, ciphertext 32, tag 16 |
| 2 | the same with the MLKEM768-X25519 hybrid, safe against a later quantum computer | encapsulation 1120, 32, 16 |
| 3 | Argon2id: 3 passes, 64 MiB, 4 lanes (RFC 9106, section 4, second choice); AES-256-GCM | salt 16, 32, 16 |

Keys are text: `shelflife-export-public-key:<kind>:<base64>`. The raw key of the hybrid is the ML-KEM-768 encapsulation
key (or its 64-byte seed), then the X25519 key.
"""

from __future__ import annotations

import base64
import binascii
import os
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from shelflife.errors import ConfigurationError
from shelflife.seal.envelope_header import Wrapping, envelope_broken

_INFO = b"shelflife/v1/export-wrap"
_SALT_BYTES = 16
_KEY_BYTES = 32
_X25519_BYTES = 32
_MLKEM_PUBLIC_BYTES, _MLKEM_SEED_BYTES = 1184, 64
_PASSES, _LANES, _KIBIBYTES = 3, 4, 65_536
# A key that Argon2id gave for a fresh salt encrypts one message in its life, so that its nonce may be a constant.
_NONCE = bytes(12)
SHORTEST_PASSPHRASE = 12

_KINDS = {"x25519": Wrapping.HPKE_X25519, "mlkem768-x25519": Wrapping.HPKE_MLKEM768_X25519}
_NAMES = {wrapping: name for name, wrapping in _KINDS.items()}
_SUITES = {
    Wrapping.HPKE_X25519: hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
    Wrapping.HPKE_MLKEM768_X25519: hpke.Suite(
        hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM
    ),
}
_PUBLIC, _PRIVATE = "shelflife-export-public-key", "shelflife-export-private-key"


@dataclass(frozen=True)
class ExportPublicKey:
    """The key that an export is sealed to; may be shown to anybody."""

    wrapping: Wrapping
    raw: bytes

    def text(self) -> str:
        """Return the key as one line."""
        return _text(_PUBLIC, self.wrapping, self.raw)

    @classmethod
    def parse(cls, text: str) -> ExportPublicKey:
        """Read a key from its line.

        Raises:
            ConfigurationError: it is no such line.
        """
        key = cls(*_parsed(text, _PUBLIC))
        _ = key.native
        return key

    @cached_property
    def native(self) -> X25519PublicKey | hpke.MLKEM768X25519PublicKey:
        """The key as `cryptography` takes it."""
        try:
            if self.wrapping is Wrapping.HPKE_X25519:
                return X25519PublicKey.from_public_bytes(self.raw)
            lattice, curve = self.raw[:_MLKEM_PUBLIC_BYTES], self.raw[_MLKEM_PUBLIC_BYTES:]
            return hpke.MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(lattice), X25519PublicKey.from_public_bytes(curve)
            )
        except ValueError:
            raise _malformed() from None


@dataclass(frozen=True)
class ExportPrivateKey:
    """The key that opens an export; whoever has it can read the export."""

    wrapping: Wrapping
    raw: bytes = field(repr=False)

    @classmethod
    def generate(cls, wrapping: Wrapping = Wrapping.HPKE_MLKEM768_X25519) -> ExportPrivateKey:
        """Make a new key; of the hybrid, unless told otherwise."""
        curve = X25519PrivateKey.generate().private_bytes_raw()
        if wrapping is Wrapping.HPKE_X25519:
            return cls(wrapping, curve)
        return cls(Wrapping.HPKE_MLKEM768_X25519, MLKEM768PrivateKey.generate().private_bytes_raw() + curve)

    def text(self) -> str:
        """Return the key as one line, to be kept secret."""
        return _text(_PRIVATE, self.wrapping, self.raw)

    @classmethod
    def parse(cls, text: str) -> ExportPrivateKey:
        """Read a key from its line.

        Raises:
            ConfigurationError: it is no such line.
        """
        key = cls(*_parsed(text, _PRIVATE))
        _ = key.native
        return key

    @cached_property
    def native(self) -> X25519PrivateKey | hpke.MLKEM768X25519PrivateKey:
        """The key as `cryptography` takes it."""
        try:
            if self.wrapping is Wrapping.HPKE_X25519:
                return X25519PrivateKey.from_private_bytes(self.raw)
            return hpke.MLKEM768X25519PrivateKey(*self._parts())
        except ValueError:
            raise _malformed() from None

    def public_key(self) -> ExportPublicKey:
        """Return the key that exports are sealed to."""
        if self.wrapping is Wrapping.HPKE_X25519:
            curve = X25519PrivateKey.from_private_bytes(self.raw)
            return ExportPublicKey(self.wrapping, curve.public_key().public_bytes_raw())
        lattice, curve = self._parts()
        raw = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        return ExportPublicKey(self.wrapping, raw)

    def _parts(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        seed, curve = self.raw[:_MLKEM_SEED_BYTES], self.raw[_MLKEM_SEED_BYTES:]
        return MLKEM768PrivateKey.from_seed_bytes(seed), X25519PrivateKey.from_private_bytes(curve)


@dataclass(frozen=True)
class Passphrase:
    """A passphrase; the same however its accented letters are composed (Unicode NFC)."""

    value: str = field(repr=False)

    @property
    def wrapping(self) -> Wrapping:
        """How a content key is wrapped under it."""
        return Wrapping.ARGON2ID

    def key(self, salt: bytes) -> bytes:
        """Return the 32-byte key that the passphrase gives with a salt."""
        secret = unicodedata.normalize("NFC", self.value).encode("utf-8", "surrogateescape")
        stretched = Argon2id(
            salt=salt, length=_KEY_BYTES, iterations=_PASSES, lanes=_LANES, memory_cost=_KIBIBYTES
        )
        return stretched.derive(secret)

    @classmethod
    def new(cls, value: str) -> Passphrase:
        """Return a passphrase to seal with.

        Raises:
            ConfigurationError: it is too short to withstand guessing.
        """
        if len(value) < SHORTEST_PASSPHRASE:
            raise ConfigurationError(
                f"The passphrase is shorter than {SHORTEST_PASSPHRASE} characters.",
                remedy="Use several words that nobody would put together.",
            )
        return cls(value)


SealTo: TypeAlias = ExportPublicKey | Passphrase
OpenWith: TypeAlias = ExportPrivateKey | Passphrase


def wrap_key(content_key: bytes, to: SealTo, prefix: bytes) -> bytes:
    """Return the content key wrapped for whom it is meant, bound to the header's first bytes."""
    if isinstance(to, Passphrase):
        salt = os.urandom(_SALT_BYTES)
        return salt + AESGCM(to.key(salt)).encrypt(_NONCE, content_key, _INFO + prefix)
    try:
        return _SUITES[to.wrapping].encrypt(content_key, to.native, _INFO + prefix)
    except ValueError:
        # A public key of low order, which would give the same secret to everybody.
        raise _malformed() from None


def unwrap_key(wrapped: bytes, own: OpenWith, wrapping: Wrapping, prefix: bytes) -> bytes:
    """Return the content key.

    Raises:
        SealBroken: it was wrapped for somebody else or in another way, or something was altered.
    """
    if own.wrapping is not wrapping:
        raise envelope_broken()
    try:
        if isinstance(own, Passphrase):
            salt, sealed = wrapped[:_SALT_BYTES], wrapped[_SALT_BYTES:]
            return AESGCM(own.key(salt)).decrypt(_NONCE, sealed, _INFO + prefix)
        return _SUITES[wrapping].decrypt(wrapped, own.native, _INFO + prefix)
    except (InvalidTag, ValueError):
        raise envelope_broken() from None


def _text(label: str, wrapping: Wrapping, raw: bytes) -> str:
    return f"{label}:{_NAMES[wrapping]}:{base64.b64encode(raw).decode()}"


def _parsed(text: str, label: str) -> tuple[Wrapping, bytes]:
    found, _, rest = text.strip().partition(":")
    kind, _, encoded = rest.partition(":")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed() from None
    if found != label or kind not in _KINDS:
        raise _malformed()
    return _KINDS[kind], raw


def _malformed() -> ConfigurationError:
    return ConfigurationError(
        "An export key is malformed, or a public key stands where a private one is needed or the reverse.",
        remedy="Use the files that `shelflife export keygen` wrote, each as it is.",
    )
