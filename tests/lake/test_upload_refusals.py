"""Sealed uploads that are refused whole, each with its own reason."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shelflife.errors import ConfigurationError
from shelflife.lake import uploads
from shelflife.lake.upload_refusals import Refusal
from shelflife.seal.upload_header import unknown_version, upload_broken
from shelflife.seal.upload_keys import LandingPrivateKey
from shelflife.seal.upload_scope import UploadScope
from shelflife.subjects import devices
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.landing_keys import retire, rotate
from tests.conftest import NOW
from tests.lake.conftest import ROOT
from tests.lake.phones import DAY, Phone, landed, ndjson, people_of_rows, refusal, row, window

NOT_ISSUED = "The scope token was not issued by this estate, or was altered."


@pytest.fixture
def phone(estate) -> Phone:
    return Phone(estate)


@pytest.mark.parametrize("place", [0, 8, 9, 10, 25, 26, 1100, 1145, 1146, 1400, -17, -1])
def test_a_flipped_bit(estate, phone, place):
    path = phone.send("a.upload")
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    expected = {
        0: "Nothing recognises this file.",
        8: unknown_version().what,
        9: unknown_version().what,
        10: Refusal.UNKNOWN_KEY.value[0],
        25: Refusal.UNKNOWN_KEY.value[0],
    }
    found = refusal(estate)
    if place:
        assert found == expected.get(place, upload_broken().what)
    else:
        assert found not in {reason.value[0] for reason in Refusal} | {upload_broken().what}


@pytest.mark.parametrize("length", [8, 20, 26, 1146, 1300, -1])
def test_an_upload_that_was_cut_off(estate, phone, length):
    path = phone.send("a.upload")
    path.write_bytes(path.read_bytes()[:length])
    assert refusal(estate) == upload_broken().what


def test_an_upload_for_another_estate(estate, phone):
    phone.send("a.upload", to=LandingPrivateKey.generate().public_key())
    assert refusal(estate) == Refusal.UNKNOWN_KEY.value[0]


def test_an_upload_larger_than_any(estate, phone, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_SEALED_BYTES", 1000)
    phone.send("a.upload")
    assert refusal(estate) == Refusal.TOO_LARGE.value[0]


def test_a_key_that_was_followed_is_accepted_for_its_grace_time(estate, phone):
    rotate(estate, grace=2 * DAY, clock=lambda: NOW)
    assert phone.current() != phone.landing_key
    wide = phone.scope(expires_at=NOW + 10 * DAY)
    phone.send("a.upload", token=wide)
    assert landed(estate, NOW + 2 * DAY - dt.timedelta(seconds=1)).total("landed") == 1


def test_a_stale_key(estate, phone):
    rotate(estate, grace=2 * DAY, clock=lambda: NOW)
    phone.send("a.upload", token=phone.scope(expires_at=NOW + 10 * DAY))
    assert refusal(estate, NOW + 2 * DAY) == Refusal.STALE_KEY.value[0]
    assert retire(estate, clock=lambda: NOW + 2 * DAY) == 1
    assert refusal(estate, NOW) == Refusal.STALE_KEY.value[0]


def test_a_key_that_was_destroyed_at_once(estate, phone):
    phone.send("a.upload")
    assert retire(estate, phone.landing_key.key_id.hex(), clock=lambda: NOW) == 1
    assert refusal(estate) == Refusal.STALE_KEY.value[0]


def test_a_forged_token(estate, phone):
    scope = UploadScope.parse(phone.token)
    wider = dataclasses.replace(scope, streams=("glucose", "heart"))
    phone.send("a.upload", token=wider.issued(Ed25519PrivateKey.generate()))
    assert refusal(estate) == NOT_ISSUED


def test_a_token_that_was_widened(estate, phone):
    phone.send("a.upload", token=phone.token.replace(b"\x05heart", b"\x05sleep"))
    assert refusal(estate) == NOT_ISSUED


def test_the_token_of_another_device(estate, phone):
    other = Phone(estate, "account-2")
    phone.send("a.upload", token=other.token)
    report = landed(estate)
    assert [file.error for file in report.files] == [Refusal.OTHER_DEVICE.value[0]]


def test_another_device_s_signature(estate, phone):
    """Whoever stole token and device id still lacks the key in the phone's chip."""
    thief = Phone(estate, "account-2")
    phone.send("a.upload", sign=thief.sign)
    assert [file.error for file in landed(estate).files] == [Refusal.WRONG_SIGNATURE.value[0]]


def test_a_token_for_somebody_else_s_samples(estate, phone):
    """Even the estate's own signature does not tie a device to a person who does not own it."""
    other = Phone(estate, "account-2")
    scope = UploadScope.parse(phone.token)
    with estate.database.read() as conn:
        key = devices.token_key(estate, conn)
    mixed = dataclasses.replace(scope, subject=UploadScope.parse(other.token).subject).issued(key)
    phone.send("a.upload", token=mixed)
    assert [file.error for file in landed(estate).files] == [Refusal.OTHER_SUBJECT.value[0]]


def test_a_device_that_was_never_registered(estate, phone):
    with estate.database.read() as conn:
        key = devices.token_key(estate, conn)
    token = dataclasses.replace(UploadScope.parse(phone.token), device_id=bytes(16)).issued(key)
    phone.send("a.upload", token=token, device_id=bytes(16))
    assert refusal(estate) == Refusal.UNKNOWN_DEVICE.value[0]


def test_a_device_that_was_revoked(estate, phone):
    for _ in range(2):
        devices.revoke(estate, phone.device_id, clock=lambda: NOW)
    phone.send("a.upload")
    assert refusal(estate) == Refusal.REVOKED.value[0]
    with pytest.raises(ConfigurationError, match="revoked"):
        phone.scope()


def test_a_token_that_expired(estate, phone):
    phone.send("a.upload")
    assert refusal(estate, NOW + DAY) == Refusal.EXPIRED.value[0]
    assert landed(estate, NOW + DAY - dt.timedelta(seconds=1)).total("landed") == 1


def test_a_row_of_another_stream(estate, phone):
    glucose = row(signal="glucose_interstitial", value=5.5, unit="mmol/L")
    phone.send("a.upload", ndjson(row(), glucose))
    assert refusal(estate) == Refusal.OTHER_STREAM.value[0]


@pytest.mark.parametrize(
    ("begins", "ends", "inside"),
    [
        ("2026-10-24T12:00:00Z", None, True),
        ("2026-10-24T11:59:59.999999Z", None, False),
        ("2026-11-20T11:59:59Z", None, True),
        ("2026-11-20T12:00:00Z", None, False),
        ("2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z", True),
        ("2026-11-20T11:00:00Z", "2026-11-20T12:00:01Z", False),
        ("2026-11-20T13:00:00+02:00", None, True),
        # A clock time of no known zone: somewhere on earth it is within.
        ("2026-11-20T20:00:00", None, True),
        ("2026-11-21T02:00:01", None, False),
        ("2026-10-24T00:00:00", None, True),
        ("2026-10-23T23:59:59", None, False),
    ],
)
def test_the_range_of_time(estate, phone, begins, ends, inside):
    token = phone.scope(samples_until=NOW - 3 * DAY)
    more = {"end": ends, "statistic": "mean"} if ends else {}
    phone.send("a.upload", ndjson(row(begins, **more)), token=token)
    if inside:
        assert landed(estate).total("landed") == 1
    else:
        assert refusal(estate) == Refusal.OUT_OF_RANGE.value[0]


def test_a_row_that_cannot_be_read_is_set_aside(estate, phone):
    phone.send("a.upload", ndjson(row(), row(value="x"), row("no time")))
    report = landed(estate)
    assert (report.total("landed"), report.total("quarantined")) == (1, 2)


def test_what_is_readable_of_a_broken_row_is_checked(estate, phone):
    phone.send("a.upload", ndjson(row("2020-01-01T00:00:00Z", value="x")))
    assert refusal(estate) == Refusal.OUT_OF_RANGE.value[0]


def test_rows_that_name_somebody_else(estate, phone):
    Phone(estate, "account-2")
    for name in ("account-2", "nobody-yet"):
        path = phone.send("a.upload", ndjson(row(subject=name)))
        assert [file.error for file in landed(estate).files] == [Refusal.SOMEBODY_ELSE.value[0]]
        path.unlink()
    with estate.database.read() as conn:
        assert not find(estate, conn, [Alias("account", "nobody-yet")])
    phone.send("a.upload", ndjson(row(subject=phone.account)))
    assert landed(estate).total("landed") == 1


def test_a_profile_is_its_owner_s_or_refused(estate, phone):
    profile = {"record": "profile", "given_name": "Quokka"}
    phone.send("a.upload", ndjson(profile | {"account": "account-2"}, row()))
    assert refusal(estate) == Refusal.SOMEBODY_ELSE.value[0]
    phone.send("a.upload", ndjson(profile | {"account": phone.account}, row()))
    report = landed(estate)
    assert (report.total("landed"), report.total("profiles")) == (1, 1)
    with estate.database.read() as conn:
        assert not find(estate, conn, [Alias("account", "account-2")])


def test_a_scope_that_breaks_late_refuses_all_of_it(estate, phone):
    """The last row of a long upload is outside; what was sealed of it before is given up."""
    object.__setattr__(estate.settings, "batch_rows", 1000)
    rows = [row(f"2026-11-22T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z") for n in range(70_000)]
    phone.send("a.upload", ndjson(*rows, row(signal="glucose_interstitial", value=5.5, unit="mmol/L")))
    phone.send("b.upload", sequence=2)
    report = landed(estate)
    assert [file.error for file in report.files] == [Refusal.OTHER_STREAM.value[0], None]
    assert len(people_of_rows(estate)) == report.total("landed") == 1
    assert window(estate) == (2, 1)


def test_each_reason_has_its_own_words_and_the_page_has_them_all():
    words = [reason.value[0] for reason in Refusal]
    assert len(set(words)) == len(words)
    text = (ROOT / "docs" / "upload-format.md").read_text("utf-8")
    rows = re.findall(r"^\| `?(\w*)`? ?\| (The .+?) \|$", text, re.MULTILINE)
    assert [found for found in rows if found[0]] == [(reason.name, reason.value[0]) for reason in Refusal]
    assert {what for name, what in rows if not name} == {
        unknown_version().what,
        upload_broken().what,
        NOT_ISSUED,
    }
