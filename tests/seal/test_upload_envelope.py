"""Sealed uploads: only what a device sealed for this key opens, and nothing of it shows on the outside."""

from __future__ import annotations

import datetime as dt
import os
import tracemalloc

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError, SealBroken
from shelflife.seal.padding import pad, padded_length
from shelflife.seal.upload_envelope import (
    LAST_SEQUENCE,
    MOST_PAYLOAD_BYTES,
    MOST_SEALED_BYTES,
    open_upload,
    seal_upload,
)
from shelflife.seal.upload_header import HEADER_BYTES, UploadHeader
from shelflife.seal.upload_keys import DevicePublicKey, LandingPrivateKey, device_signer

from .make_upload_vectors import DEVICE, DEVICE_ID, ISSUER, LANDING, MADE, SCOPE, device_pem

PAYLOAD = b'{"signal": "heart_rate"}'
OTHER = LandingPrivateKey.generate()
TOKEN = SCOPE.issued(ISSUER)
OUTSIDE = HEADER_BYTES + 1120
PUBLIC = DevicePublicKey.load(DEVICE.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def sealed(payload: bytes = PAYLOAD, **changed) -> bytes:
    how = {
        "to": LANDING.public_key(),
        "device_id": DEVICE_ID,
        "sequence": 1,
        "made_at": MADE,
        "token": TOKEN,
        "sign": device_signer(device_pem()),
    } | changed
    return seal_upload(payload, **how)


UPLOAD = sealed()


def resealed(content: bytes, key: LandingPrivateKey = LANDING) -> bytes:
    """Seal chosen bytes to a landing key, as anybody can."""
    header = UploadHeader(key.public_key().key_id).encode()
    return header + key.public_key().seal(content, header)


def content_of(upload: bytes) -> bytes:
    """The bytes inside, without their padding."""
    content = LANDING.open(upload[HEADER_BYTES:], upload[:HEADER_BYTES])
    return content.rstrip(b"\0")[:-1]


def test_what_was_sealed_comes_out():
    found = open_upload(sealed(sequence=77), LANDING)
    assert (found.payload, found.sequence, found.made_at) == (PAYLOAD, 77, MADE)
    assert (found.device_id, found.token) == (DEVICE_ID, TOKEN)
    assert found.is_signed_by(PUBLIC)
    assert PAYLOAD.decode() not in repr(found)


@pytest.mark.parametrize("place", range(HEADER_BYTES))
def test_a_flipped_bit_in_the_header(place):
    wrong = bytearray(UPLOAD)
    wrong[place] ^= 1 << place % 8
    with pytest.raises(SealBroken) as raised:
        open_upload(bytes(wrong), LANDING)
    known = "format or suite" in str(raised.value)
    assert known == (place in (8, 9))


@pytest.mark.parametrize(
    "place", [*range(HEADER_BYTES, OUTSIDE, 61), *range(OUTSIDE, len(UPLOAD), 23), -16, -1]
)
def test_a_flipped_bit_in_what_is_encrypted(place):
    wrong = bytearray(UPLOAD)
    wrong[place] ^= 1 << place % 8
    with pytest.raises(SealBroken, match="does not open"):
        open_upload(bytes(wrong), LANDING)


def test_every_bit_of_one_byte_of_every_kind():
    for place in (0, 8, 9, 10, 25, 26, 26 + 1088, 1145, OUTSIDE, len(UPLOAD) - 1):
        for bit in range(8):
            wrong = bytearray(UPLOAD)
            wrong[place] ^= 1 << bit
            # The last bit of an X25519 key is not looked at (RFC 7748, section 5), but it is bound to the secret.
            with pytest.raises(SealBroken):
                open_upload(bytes(wrong), LANDING)


@pytest.mark.parametrize(
    "length", [0, 7, 8, 25, 26, 500, OUTSIDE - 1, OUTSIDE, OUTSIDE + 15, len(UPLOAD) - 1]
)
def test_an_upload_that_was_cut_off(length):
    with pytest.raises(SealBroken):
        open_upload(UPLOAD[:length], LANDING)


def test_an_upload_with_something_after_it():
    with pytest.raises(SealBroken):
        open_upload(UPLOAD + b"\0", LANDING)


def test_another_recipient_opens_nothing():
    with pytest.raises(SealBroken):
        open_upload(UPLOAD, OTHER)
    # Not even when the header says that it is theirs.
    renamed = UploadHeader(OTHER.public_key().key_id).encode() + UPLOAD[HEADER_BYTES:]
    with pytest.raises(SealBroken):
        open_upload(renamed, OTHER)


def test_a_header_that_names_another_key_than_the_one_it_is_sealed_to():
    header = UploadHeader(OTHER.public_key().key_id).encode()
    mixed = header + LANDING.public_key().seal(pad(content_of(UPLOAD)), header)
    with pytest.raises(SealBroken):
        open_upload(mixed, LANDING)


def test_who_opened_an_upload_cannot_pass_it_on_as_the_device_s():
    """The signature names the recipient: sealed again to somebody else it is not the device's."""
    passed_on = resealed(pad(content_of(UPLOAD)), OTHER)
    found = open_upload(passed_on, OTHER)
    assert found.payload == PAYLOAD
    assert not found.is_signed_by(PUBLIC)


@pytest.mark.parametrize("field", ["device_id", "sequence", "made_at", "token", "payload"])
def test_the_signature_covers_everything_inside(field):
    content = bytearray(content_of(UPLOAD))
    place = {"device_id": 0, "sequence": 23, "made_at": 31, "token": 40, "payload": len(content) - 1}[field]
    content[place] ^= 4
    found = open_upload(resealed(pad(bytes(content))), LANDING)
    assert getattr(found, field) != getattr(open_upload(UPLOAD, LANDING), field)
    assert not found.is_signed_by(PUBLIC)


def test_another_device_s_signature():
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert not open_upload(UPLOAD, LANDING).is_signed_by(DevicePublicKey.load(point))
    garbled = sealed(sign=lambda _: b"no signature")
    assert not open_upload(garbled, LANDING).is_signed_by(PUBLIC)


def test_two_uploads_of_one_device_have_nothing_in_common_but_the_header():
    first, second = sealed(), sealed()
    assert first[:HEADER_BYTES] == second[:HEADER_BYTES]
    places = range(HEADER_BYTES, len(first) - 3, 4)
    assert not any(first[at : at + 4] == second[at : at + 4] for at in places)
    for upload in (first, second):
        for known in (DEVICE_ID, SCOPE.subject, TOKEN[:16], PAYLOAD[:12]):
            assert known not in upload


def test_a_header_is_the_same_for_everybody():
    somebody = sealed(b"other", device_id=os.urandom(16), sequence=9, token=b"t" * 200)
    assert (
        somebody[:HEADER_BYTES] == UPLOAD[:HEADER_BYTES] == b"SLUPLOAD\x01\x01" + LANDING.public_key().key_id
    )


def test_lengths_say_little():
    lengths = {len(sealed(bytes(n), sign=lambda _: bytes(70))) for n in range(3000, 3128)}
    assert len(lengths) <= 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(10),
        content_of(UPLOAD)[:33],
        content_of(UPLOAD)[:34],
        DEVICE_ID + bytes(8) + content_of(UPLOAD)[24:],
        DEVICE_ID + b"\xff" * 8 + content_of(UPLOAD)[24:],
        content_of(UPLOAD)[:24] + b"\xff" * 8 + content_of(UPLOAD)[32:],
        content_of(UPLOAD)[:32] + b"\xff\xff" + content_of(UPLOAD)[34:],
        content_of(UPLOAD)[: 34 + len(TOKEN)] + b"\xff",
    ],
    ids=[
        "empty",
        "short",
        "no length",
        "no token",
        "no number",
        "huge number",
        "huge time",
        "huge token",
        "no signature",
    ],
)
def test_content_of_another_shape(content):
    with pytest.raises(SealBroken, match="does not open"):
        open_upload(resealed(pad(content)), LANDING)


def test_padding_has_one_form():
    content = content_of(UPLOAD)
    assert open_upload(resealed(pad(content)), LANDING).payload == PAYLOAD
    length = padded_length(len(content) + 1)
    for padded in (
        content + b"\x80",
        content.ljust(length, b"\0"),
        (content + b"\x80").ljust(length, b"\0") + b"\0",
        (content + b"\x80").ljust(length - 1, b"\0") + b"\1",
    ):
        if padded != pad(content):
            with pytest.raises(SealBroken):
                open_upload(resealed(padded), LANDING)


@given(st.binary(max_size=300))
def test_any_content_opens_or_is_broken(content):
    try:
        found = open_upload(resealed(pad(content)), LANDING)
    except SealBroken:
        return
    assert not found.is_signed_by(PUBLIC)


@given(st.binary(max_size=2000), st.integers(1, LAST_SEQUENCE))
def test_any_payload_comes_back(payload, sequence):
    found = open_upload(sealed(payload, sequence=sequence), LANDING)
    assert (found.payload, found.sequence) == (payload, sequence)


@given(st.binary(max_size=1500))
def test_any_bytes_are_refused(content):
    for upload in (content, UPLOAD[:HEADER_BYTES] + content, UPLOAD[:OUTSIDE] + content):
        with pytest.raises(SealBroken):
            open_upload(upload, LANDING)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sequence": 0},
        {"sequence": LAST_SEQUENCE + 1},
        {"made_at": MADE.replace(tzinfo=None)},
        {"made_at": dt.datetime(1969, 1, 1, tzinfo=dt.UTC)},
        {"device_id": b"short"},
        {"token": bytes(65_536)},
    ],
)
def test_what_cannot_be_sealed(wrong):
    with pytest.raises(ConfigurationError):
        sealed(**wrong)


def test_the_largest_payload_goes_through_in_bounded_memory():
    payload = bytes(MOST_PAYLOAD_BYTES)
    upload = sealed(payload)
    assert len(upload) <= MOST_SEALED_BYTES
    tracemalloc.start()
    assert open_upload(upload, LANDING).payload == payload
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MOST_PAYLOAD_BYTES
    with pytest.raises(ConfigurationError, match="64 MiB"):
        sealed(payload + b"x")
