"""Sealed uploads land as their owner's, once, whatever happens around them."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import upload_device
from shelflife.control.tables import landed_file, lease, ledger_leaf, lineage_run
from shelflife.errors import RequestRefused
from shelflife.identity.prepare import merge_terms, prepare
from shelflife.identity.stages import Running, run
from shelflife.lake import landing
from shelflife.lake.inbox import digest, list_inbox
from shelflife.lake.landing import land
from shelflife.lake.upload_refusals import Refusal
from shelflife.seal.upload_scope import UploadScope
from shelflife.subjects import devices
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.landing_keys import retire
from shelflife.subjects.tombstones import bury
from tests.conftest import NOW
from tests.lake.phones import Phone, landed, name_of, ndjson, people_of_rows, refusal, row, window
from tests.lake.state import raw_rows


@pytest.fixture
def phone(estate) -> Phone:
    return Phone(estate)


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


@pytest.fixture
def meanwhile(monkeypatch):
    """Do something once, while the first upload is read: after it was opened, before it is committed."""

    def once(action):
        left, real = [action], landing.detect

        def detect(source):
            if left:
                left.pop()()
            return real(source)

        monkeypatch.setattr(landing, "detect", detect)

    return once


def test_a_landing_key_destroyed_while_its_upload_is_read(estate, phone, meanwhile):
    phone.send("a.upload")
    meanwhile(lambda: retire(estate, phone.landing_key.key_id.hex(), clock=lambda: NOW))
    assert refusal(estate) == Refusal.STALE_KEY.value[0]


def test_the_same_bytes_landed_by_another_process_meanwhile_land_once(estate, phone, meanwhile):
    path = phone.send("a.upload")
    other = estate.settings.inbox.with_name("other")
    other.mkdir()
    (other / "b.upload").write_bytes(path.read_bytes())
    meanwhile(lambda: land(estate, list_inbox(other), clock=lambda: NOW))
    assert [file.state for file in landed(estate).files] == ["already_landed"]
    assert people_of_rows(estate) == [name_of(phone)]
    assert window(estate) == (1, 1)


def test_an_owner_who_is_merged_while_their_upload_is_read(estate, phone, meanwhile):
    land_beat(estate, "remaining", "2026-11-01T08:00:00Z")
    names = (Alias("account", "remaining"), Alias("account", phone.account))

    def merge():
        with estate.database.read() as conn:
            terms = merge_terms(estate, conn, *names)
        change_id, _ = prepare(estate, terms, NOW)
        with estate.database.commit() as tx:
            # The landing that waits here holds a lease of its own; this test cannot wait for it to end.
            tx.conn.execute(lease.delete())
        run(estate, change_id, Running(clock=lambda: NOW, wait=lambda _: None))

    phone.send("a.upload")
    meanwhile(merge)
    assert landed(estate).total("landed") == 1
    people = people_of_rows(estate)
    assert len(people) == 2
    assert len(set(people)) == 1
    assert window(estate) == (1, 1)
    with estate.database.read() as conn:
        assert (
            devices.find_device(estate, conn, phone.device_id).owner
            == find(estate, conn, names[:1])[names[0]].identity_pid
        )


def land_beat(estate, account: str, start: str) -> None:
    path = estate.settings.inbox / "x" / "first.ndjson"
    path.parent.mkdir(parents=True)
    path.write_bytes(ndjson(row(start, subject=account)))
    assert landed(estate).total("landed") == 1


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
