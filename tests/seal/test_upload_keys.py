"""Keys of devices and landings, and scope tokens: each in the forms that phones give, and in no other."""

from __future__ import annotations

import dataclasses
import datetime as dt
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError, SealBroken
from shelflife.seal.upload_keys import DevicePublicKey, LandingPublicKey, device_signer
from shelflife.seal.upload_scope import UploadScope, token_from, token_text

from .make_upload_vectors import DEVICE, ISSUER, LANDING, SCOPE

TOKEN = SCOPE.issued(ISSUER)
PUBLIC = DevicePublicKey.load(DEVICE.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def test_a_device_key_is_read_in_every_form_that_phones_give():
    public = DEVICE.public_key()
    forms = [
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
    ]
    assert {DevicePublicKey.load(form) for form in forms} == {PUBLIC}
    wrong = [
        b"",
        b"\x04" + bytes(64),
        forms[0][:-1],
        ec.generate_private_key(ec.SECP384R1())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ]
    for form in wrong:
        with pytest.raises(ConfigurationError, match="P-256"):
            DevicePublicKey.load(form)
    for pem in (b"", forms[1], b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(ConfigurationError, match="P-256"):
            device_signer(pem)


def test_a_landing_key_goes_through_its_line():
    public = LANDING.public_key()
    assert LandingPublicKey.parse(public.text() + "\n") == public
    for wrong in (
        "",
        "x",
        public.text()[:-8],
        public.text().replace("mlkem768", "mlkem512"),
        public.text()[:-4] + "!!!!",
    ):
        with pytest.raises(ConfigurationError, match="landing key"):
            LandingPublicKey.parse(wrong)
    assert LANDING.raw.hex() not in repr(LANDING)


def test_a_token_goes_through_its_line_and_nobody_else_signs_it():
    assert token_from(token_text(TOKEN) + "\n") == TOKEN
    for wrong in (
        "",
        "shelflife-upload-token:",
        token_text(TOKEN)[:-90],
        "x:" + token_text(TOKEN).partition(":")[2],
    ):
        with pytest.raises(ConfigurationError, match="token"):
            token_from(wrong)
    assert UploadScope.opened(TOKEN, ISSUER.public_key()) == SCOPE
    with pytest.raises(SealBroken, match="not issued"):
        UploadScope.opened(TOKEN, Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_a_flipped_bit_in_a_token(place):
    wrong = bytearray(TOKEN)
    wrong[place] ^= 1 << place % 8
    with pytest.raises(SealBroken, match="not issued"):
        UploadScope.opened(bytes(wrong), ISSUER.public_key())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_token_or_are_not(content):
    with suppress(SealBroken):
        UploadScope.parse(content)


def test_a_token_has_one_form():
    """Streams out of order, twice, none or of another count are refused even when the issuer signed them."""
    body = TOKEN[:57]

    def signed(packed: bytes) -> bytes:
        return body + packed + ISSUER.sign(b"shelflife/v1/upload-token" + body + packed)

    assert UploadScope.opened(signed(b"\x02\x05heart\x05sleep"), ISSUER.public_key()) == SCOPE
    for packed in (
        b"\x02\x05sleep\x05heart",
        b"\x02\x05heart\x05heart",
        b"\x01\x05heart\x05sleep",
        b"\x03\x05heart\x05sleep",
        b"\x00",
        b"\x01\x05hear",
        b"\x01\x05HEART",
        b"\x01\x00",
    ):
        with pytest.raises(SealBroken):
            UploadScope.opened(signed(packed), ISSUER.public_key())


@pytest.mark.parametrize(
    "wrong",
    [
        {"streams": ()},
        {"streams": ("He art",)},
        {"samples_until": SCOPE.samples_from},
        {"samples_from": SCOPE.samples_from.replace(tzinfo=None)},
        {"expires_at": dt.datetime(1960, 1, 1, tzinfo=dt.UTC)},
    ],
)
def test_a_scope_that_cannot_be_issued(wrong):
    with pytest.raises(ConfigurationError):
        dataclasses.replace(SCOPE, **wrong).issued(ISSUER)
