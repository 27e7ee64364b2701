"""The keys of sealed uploads: the landing key that they are sealed to, and the device key that they are signed with.

The landing key is a key pair of MLKEM768-X25519, the hybrid KEM 0x647a of draft-ietf-hpke-pq (X-Wing): an upload
that is recorded today stays closed as long as either X25519 or ML-KEM-768 holds. A device key is a P-256 key as the
Secure Enclave and StrongBox make them; it never leaves the device, and its signatures are DER (X9.62).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from shelflife.errors import ConfigurationError
from shelflife.seal.upload_header import FORMAT, KEY_ID_BYTES, SUITE, upload_broken

if TYPE_CHECKING:
    from collections.abc import Callable

_LABEL = "shelflife-landing-key:mlkem768-x25519"
_KEY_ID = b"shelflife/v1/landing-key"
_INFO = b"shelflife/v1/upload"
_MLKEM_PUBLIC_BYTES, _MLKEM_SEED_BYTES, _X25519_BYTES = 1_184, 64, 32
_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_ECDSA = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True)
class LandingPublicKey:
    """The key that uploads are sealed to; shipped with the app or fetched, and shown to anybody.

    Attributes:
        raw: the ML-KEM-768 encapsulation key (1,184 bytes), then the X25519 key (32 bytes).
    """

    raw: bytes

    @property
    def key_id(self) -> bytes:
        """The id that an upload's header names it by: 16 bytes of SHA-256."""
        return hashlib.sha256(_KEY_ID + bytes([FORMAT, SUITE]) + self.raw).digest()[:KEY_ID_BYTES]

    def text(self) -> str:
        """Return the key as one line."""
        return f"{_LABEL}:{base64.b64encode(self.raw).decode()}"

    @classmethod
    def parse(cls, text: str) -> LandingPublicKey:
        """Read a key from its line.

        Raises:
            ConfigurationError: it is no such line.
        """
        label, _, encoded = text.strip().rpartition(":")
        try:
            key = cls(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            raise _malformed() from None
        if label != _LABEL:
            raise _malformed()
        _ = key.native
        return key

    @cached_property
    def native(self) -> hpke.MLKEM768X25519PublicKey:
        """The key as `cryptography` takes it."""
        try:
            lattice = MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM_PUBLIC_BYTES])
            curve = X25519PublicKey.from_public_bytes(self.raw[_MLKEM_PUBLIC_BYTES:])
        except ValueError:
            raise _malformed() from None
        return hpke.MLKEM768X25519PublicKey(lattice, curve)

    def seal(self, content: bytes, header: bytes) -> bytes:
        """Return encapsulation, ciphertext and tag (HPKE single shot, RFC 9180 section 6.1, empty AAD)."""
        try:
            return _SUITE.encrypt(content, self.native, _INFO + header)
        except ValueError:
            # A public key of low order, which would give the same secret to everybody.
            raise _malformed() from None


@dataclass(frozen=True)
class LandingPrivateKey:
    """The key that opens uploads.

    Attributes:
        raw: the seed of the ML-KEM-768 key (64 bytes, FIPS 203), then the X25519 key (32 bytes).
    """

    raw: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> LandingPrivateKey:
        """Make a new key."""
        lattice, curve = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        return cls(lattice.private_bytes_raw() + curve.private_bytes_raw())

    def public_key(self) -> LandingPublicKey:
        """Return the key that uploads are sealed to."""
        lattice, curve = self._parts
        return LandingPublicKey(
            lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        )

    def open(self, sealed: bytes | memoryview, header: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            SealBroken: something was altered, or it was sealed to another key.
        """
        try:
            return _SUITE.decrypt(sealed, hpke.MLKEM768X25519PrivateKey(*self._parts), _INFO + header)
        except (InvalidTag, ValueError):
            raise upload_broken() from None

    @cached_property
    def _parts(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        if len(self.raw) != _MLKEM_SEED_BYTES + _X25519_BYTES:
            raise _malformed()
        seed, curve = self.raw[:_MLKEM_SEED_BYTES], self.raw[_MLKEM_SEED_BYTES:]
        return MLKEM768PrivateKey.from_seed_bytes(seed), X25519PrivateKey.from_private_bytes(curve)


@dataclass(frozen=True)
class DevicePublicKey:
    """The key that a device's uploads are checked with.

    Attributes:
        raw: the uncompressed point (X9.63): 4, then x and y, 65 bytes.
    """

    raw: bytes = field(repr=False)

    @classmethod
    def load(cls, key: bytes) -> DevicePublicKey:
        """Read a P-256 public key: SubjectPublicKeyInfo in DER or PEM (Android), or the bare X9.63 point (iOS).

        Raises:
            ConfigurationError: it is no such key.
        """
        try:
            if key.startswith(b"-----BEGIN"):
                found = serialization.load_pem_public_key(key)
            elif key.startswith((b"\x02", b"\x03", b"\x04")):
                found = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
            else:
                found = serialization.load_der_public_key(key)
        except (ValueError, UnsupportedAlgorithm):
            raise _no_device_key() from None
        if not isinstance(found, ec.EllipticCurvePublicKey) or not isinstance(found.curve, ec.SECP256R1):
            raise _no_device_key()
        point = serialization.PublicFormat.UncompressedPoint
        return cls(found.public_bytes(serialization.Encoding.X962, point))

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether a DER signature (ECDSA, SHA-256) on a message is this device's."""
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.raw)
            key.verify(signature, message, _ECDSA)
        except (InvalidSignature, ValueError):
            return False
        return True


def device_signer(pem: bytes) -> Callable[[bytes], bytes]:
    """Return a function that signs as a device does, from a P-256 private key in PEM; for the reference client.

    Raises:
        ConfigurationError: it is no such key, or it is encrypted.
    """
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _no_device_key() from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _no_device_key()
    own = key
    return lambda message: own.sign(message, _ECDSA)


def _malformed() -> ConfigurationError:
    return ConfigurationError(
        "A landing key is malformed.",
        remedy="Use the line that `shelflife landing-key show` prints, as it is.",
    )


def _no_device_key() -> ConfigurationError:
    return ConfigurationError(
        "A device key is not a P-256 key in a form that is read here.",
        remedy="Give a public key as PEM, as SubjectPublicKeyInfo or as an X9.63 point; a private one as PEM without "
        "a passphrase.",
    )
