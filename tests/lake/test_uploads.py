"""Sealed uploads land as their owner's, or are refused whole, each with its own reason."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shelflife.control.tables import landed_file, ledger_leaf, lineage_run, upload_device
from shelflife.errors import ConfigurationError, RequestRefused
from shelflife.lake import landing, uploads
from shelflife.lake.inbox import digest, list_inbox
from shelflife.lake.landing import land
from shelflife.lake.upload_refusals import Refusal
from shelflife.seal.upload_header import unknown_version, upload_broken
from shelflife.seal.upload_keys import LandingPrivateKey
from shelflife.seal.upload_scope import UploadScope
from shelflife.subjects import devices
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.landing_keys import retire, rotate
from shelflife.subjects.tombstones import bury
from tests.conftest import NOW
from tests.lake.conftest import ROOT
from tests.lake.phones import DAY, Phone, ndjson, row
from tests.lake.state import raw_rows

NOT_ISSUED = "The scope token was not issued by this estate, or was altered."


@pytest.fixture
def phone(estate) -> Phone:
    return Phone(estate)


def landed(estate, now=NOW):
    return land(estate, list_inbox(estate.settings.inbox), clock=lambda: now)


def window(estate) -> tuple[int, int]:
    with estate.database.read() as conn:
        found = conn.execute(sa.select(upload_device)).one()
    return found.highest_sequence, int.from_bytes(found.seen, "big")


def people_of_rows(estate) -> list[str]:
    return sorted(name for rows in raw_rows(estate).values() for name in rows["pid"].to_list())


def name_of(phone: Phone) -> str:
    """What raw_rows calls the owner of a phone: the smallest of their aliases."""
    return min(phone.account, UploadScope.parse(phone.token).subject.hex())


def refusal(estate, now=NOW) -> str:
    """Land what waits, which must be one refused upload that changes nothing; return the reason."""
    before = window(estate)
    report = landed(estate, now)
    [file] = report.refused_files
    assert report.total("samples_in") == 0
    assert window(estate) == before
    assert len(list_inbox(estate.settings.inbox)) == 1
    assert not raw_rows(estate)
    return file.error


def test_an_upload_lands_as_its_owner_s(estate, phone):
    phone.send("a.upload", ndjson(row(), row("2026-11-22T08:00:05Z")))
    report = landed(estate)
    assert (report.total("landed"), report.total("refused")) == (2, 0)
    assert [file.source for file in report.files] == ["canonical_ndjson"]
    assert people_of_rows(estate) == [name_of(phone)] * 2
    assert not list_inbox(estate.settings.inbox)
    assert window(estate) == (1, 1)


def test_it_joins_what_the_account_has(estate, phone):
    """The rows are those of the person, whichever of their names they came under."""
    folder = estate.settings.inbox / phone.account
    folder.mkdir(parents=True)
    (folder / "plain.ndjson").write_bytes(ndjson(row()))
    landed(estate)
    phone.send("a.upload", ndjson(row(), row("2026-11-22T08:00:05Z")))
    report = landed(estate)
    assert (report.total("landed"), report.total("duplicates")) == (1, 1)
    assert len(set(people_of_rows(estate))) == 1


def test_the_folder_does_not_say_whose_it_is(estate, phone):
    phone.send("a.upload", folder="account-2")
    landed(estate)
    assert people_of_rows(estate) == [name_of(phone)]
    with estate.database.read() as conn:
        assert not find(estate, conn, [Alias("account", "account-2")])


def test_a_vendor_s_file_lands_through_its_adapter(estate, samples):
    phone = Phone(estate)
    wide = phone.scope("glucose", samples_from=dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
    phone.send("clarity.upload", (samples / "dexcom_clarity/test_file.csv").read_bytes(), token=wide)
    report = landed(estate)
    assert (report.total("landed"), report.files[0].source) == (2148, "dexcom_clarity")


def test_the_same_bytes_again_change_nothing(estate, phone):
    path = phone.send("a.upload")
    content = path.read_bytes()
    landed(estate)
    for folder in ("", "account-1", "elsewhere"):
        place = estate.settings.inbox / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / "again.upload").write_bytes(content)
        report = landed(estate)
        assert [file.state for file in report.files] == ["already_landed"]
        assert not list_inbox(estate.settings.inbox)
    assert len(people_of_rows(estate)) == 1
    assert window(estate) == (1, 1)


def test_the_same_bytes_twice_in_one_landing(estate, phone):
    content = phone.send("a.upload").read_bytes()
    (estate.settings.inbox / "b.upload").write_bytes(content)
    assert sorted(file.state for file in landed(estate).files) == ["already_landed", "landed"]


def test_a_sequence_number_in_other_bytes_is_a_replay(estate, phone):
    phone.send("a.upload")
    landed(estate)
    phone.send("b.upload", ndjson(row("2026-11-22T09:00:00Z")))
    report = landed(estate)
    assert [file.error for file in report.files] == [Refusal.REPLAYED.value[0]]
    assert len(people_of_rows(estate)) == 1


def test_a_replay_within_one_landing(estate, phone):
    phone.send("a.upload")
    phone.send("b.upload", ndjson(row("2026-11-22T09:00:00Z")))
    report = landed(estate)
    assert [file.error for file in report.files] == [None, Refusal.REPLAYED.value[0]]
    assert len(people_of_rows(estate)) == 1


def test_a_refused_upload_uses_up_no_number(estate, phone):
    phone.send("a.upload", ndjson(row(signal="glucose_interstitial", value=5.5, unit="mmol/L")))
    phone.send("b.upload")
    report = landed(estate)
    assert [file.error for file in report.files] == [Refusal.OTHER_STREAM.value[0], None]
    assert report.total("landed") == 1


def test_uploads_out_of_order_within_the_window(estate, phone):
    for sequence in (70, 7, 69):
        phone.send(f"{sequence}.upload", ndjson(row(f"2026-11-22T08:00:{sequence % 60:02}Z")), sequence)
        assert not landed(estate).refused_files
    phone.send("6.upload", sequence=6)
    assert [file.error for file in landed(estate).files] == [Refusal.TOO_OLD.value[0]]


def test_a_backlog_lands_whatever_its_files_are_called(estate, phone):
    count = 150
    for sequence in range(1, count + 1):
        rows = ndjson(row(f"2026-11-22T{sequence // 60:02}:{sequence % 60:02}:00Z"))
        phone.send(f"{count - sequence:04}.upload", rows, sequence)
    report = landed(estate)
    assert (report.total("landed"), report.refused_files) == (count, [])
    assert window(estate) == (count, 2**64 - 1)


def test_two_phones_of_two_people(estate):
    first, second = Phone(estate), Phone(estate, "account-2")
    first.send("a.upload")
    second.send("b.upload")
    assert landed(estate).total("landed") == 2
    assert len(set(people_of_rows(estate))) == 2


def test_two_phones_of_one_person_count_for_themselves(estate):
    first, second = Phone(estate), Phone(estate)
    first.send("a.upload", sequence=5)
    second.send("b.upload", ndjson(row("2026-11-22T09:00:00Z")), sequence=5)
    assert landed(estate).total("landed") == 2
    assert len(set(people_of_rows(estate))) == 1


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


def test_an_erased_person_s_upload_is_refused_by_arrival_and_not_kept(estate, phone):
    name = Alias("upload", UploadScope.parse(phone.token).subject.hex())
    path = phone.send("a.upload", ndjson(row(), row("2026-11-22T08:00:05Z")))
    with estate.database.commit() as tx:
        bury(estate, tx, [name], reason="erasure", now=NOW)
    report = landed(estate)
    assert (report.total("samples_in"), report.total("refused")) == (2, 2)
    assert report.reasons() == {"erased": 2}
    assert not path.exists()
    assert not raw_rows(estate)
    assert window(estate) == (0, 0)


def test_an_erased_person_registers_no_device(estate, phone):
    with estate.database.commit() as tx:
        bury(estate, tx, [Alias("account", phone.account)], reason="erasure", now=NOW)
    with pytest.raises(RequestRefused):
        Phone(estate)


def test_a_device_that_moved_meanwhile_starts_the_batch_again(estate, phone, monkeypatch):
    """Another process lands the same number while this one reads: the commit is refused, and then the upload."""
    phone.send("a.upload")
    real = landing.detect

    def detect(source):
        with estate.database.commit() as tx:
            tx.conn.execute(upload_device.update().values(highest_sequence=1, seen=bytes(7) + b"\1"))
        return real(source)

    monkeypatch.setattr(landing, "detect", detect)
    report = landed(estate)
    assert [file.error for file in report.files] == [Refusal.REPLAYED.value[0]]
    assert not raw_rows(estate)


def test_a_window_moves_only_for_a_device_as_it_was_looked_up(estate, phone):
    with estate.database.read() as conn:
        known = devices.find_device(estate, conn, phone.device_id)
    for change in ({"state": "revoked"}, {"highest_sequence": 7}, {"seen": bytes(7) + b"\3"}):
        with estate.database.commit() as tx:
            before = tx.conn.execute(sa.select(upload_device)).mappings().one()
            tx.conn.execute(upload_device.update().values(**change))
            assert not devices.move_window(tx, known, known.window.moved(9))
            tx.conn.execute(upload_device.update().values(**before))
    with estate.database.commit() as tx:
        assert devices.move_window(tx, known, known.window.moved(9))
    assert window(estate) == (9, 1)


def test_a_device_revoked_while_its_upload_is_read(estate, phone, monkeypatch):
    phone.send("a.upload")
    real = landing.detect

    def detect(source):
        devices.revoke(estate, phone.device_id, clock=lambda: NOW)
        return real(source)

    monkeypatch.setattr(landing, "detect", detect)
    assert refusal(estate) == Refusal.REVOKED.value[0]


def test_an_upload_that_is_replaced_while_it_is_read(estate, phone, monkeypatch):
    path = phone.send("a.upload")
    real = landing.detect

    def detect(source):
        path.write_bytes(phone.seal(sequence=2))
        return real(source)

    monkeypatch.setattr(landing, "detect", detect)
    assert "changed while it was read" in refusal(estate)


def test_no_plaintext_of_an_upload_reaches_the_disk(estate, tmp_path):
    phone = Phone(estate, "acct-quokka-77313")
    phone.send("a.upload", ndjson(row(app="com.example.quokka", value=61.4375)))
    landed(estate)
    known = [phone.account.encode(), b"61.4375", phone.device_id.hex().encode(), phone.device_id]
    known += [UploadScope.parse(phone.token).subject, UploadScope.parse(phone.token).subject.hex().encode()]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [one for one in known if one in content], path.name


def test_ledger_and_lineage_hold_counts_only(estate, phone):
    phone.send("a.upload")
    landed(estate)
    known = (phone.device_id.hex(), phone.account, UploadScope.parse(phone.token).subject.hex())
    with estate.database.read() as conn:
        leaves = list(conn.execute(sa.select(ledger_leaf.c.body)).scalars())
        runs = [str(one) for one in conn.execute(sa.select(lineage_run)).all()]
        assert conn.execute(sa.select(sa.func.count()).select_from(landed_file)).scalar() == 1
    assert any("device_registered" in leaf for leaf in leaves)
    assert not [one for one in known for text in (*leaves, *runs) if one in text]


def test_the_digest_of_an_upload_does_not_depend_on_its_folder(estate, phone):
    phone.send("a.upload", folder="account-1")
    content = (estate.settings.inbox / "account-1" / "a.upload").read_bytes()
    (estate.settings.inbox / "account-2").mkdir()
    (estate.settings.inbox / "account-2" / "b.upload").write_bytes(content)
    with estate.database.read() as conn:
        assert len({digest(estate, conn, file) for file in list_inbox(estate.settings.inbox)}) == 1


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
