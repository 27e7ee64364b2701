"""Landing: every row is accounted for, exactly once, whatever the file."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import alias, subject
from shelflife.estate import Estate
from shelflife.lake import landing
from shelflife.lake.accounting import AccountingBroken
from shelflife.lake.catalog import partitions
from shelflife.lake.inbox import HANDLE_LENGTH, InboxFile, digest, list_inbox, remove, state_of
from shelflife.lake.landing import land
from shelflife.lake.loader import Loader
from shelflife.lake.status import status
from shelflife.subjects.directory import Alias
from shelflife.subjects.tombstones import bury
from tests.canaries import hits
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.lake.state import raw_rows

CLARITY = "dexcom_clarity/test_file.csv"


def clock():
    return NOW


def closes(report) -> bool:
    parts = ("landed", "duplicates", "quarantined", "refused")
    return report.total("samples_in") == sum(report.total(part) for part in parts)


def in_rows(estate) -> int:
    return sum(rows.height for rows in raw_rows(estate).values())


def test_clarity_lands_every_reading_and_leaves_the_inbox_empty(estate, put, samples):
    put(samples / CLARITY, "account-1")
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert closes(report)
    assert (report.total("landed"), report.total("duplicates"), report.total("refused")) == (2148, 0, 0)
    assert in_rows(estate) == 2148
    assert not list_inbox(estate.settings.inbox)
    assert status(estate).unregistered == 0


def test_the_same_file_again_changes_nothing(estate, put, samples):
    for _ in range(2):
        put(samples / CLARITY, "account-1")
        report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert [file.state for file in report.files] == ["already_landed"]
    assert report.total("samples_in") == 0
    assert in_rows(estate) == 2148
    assert not list_inbox(estate.settings.inbox)


def test_a_later_export_of_the_same_readings_lands_only_what_is_new(estate, put, samples):
    lines = (samples / CLARITY).read_bytes().splitlines(keepends=True)
    put(b"".join(lines[:1500]), "account-1", "first.csv")
    first = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    put(b"".join(lines), "account-1", "second.csv")
    second = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert first.total("landed") + second.total("landed") == 2148
    assert second.total("duplicates") == first.total("landed") > 1000
    assert in_rows(estate) == 2148


def test_the_same_file_of_two_accounts_belongs_to_both(estate, put, samples):
    put(samples / CLARITY, "account-1")
    put(samples / CLARITY, "account-2")
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert report.total("landed") == 2 * 2148
    assert report.subjects == 2


def test_one_file_twice_in_the_inbox_lands_once(estate, put, samples):
    put(samples / CLARITY, "account-1", "a.csv")
    put(samples / CLARITY, "account-1", "b.csv")
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert sorted(file.state for file in report.files) == ["already_landed", "landed"]
    assert report.total("landed") == 2148


def test_a_file_that_names_nobody_needs_an_account(estate, samples):
    report = land(estate, [InboxFile(samples / CLARITY)], clock=clock, keep=True)
    [file] = report.refused_files
    assert "account" in file.remedy


def test_small_memory_gives_the_same_rows(tmp_path, samples):
    from shelflife.estate import Estate
    from tests.lake.conftest import settings_in

    def landed(folder: Path, **more):
        estate = Estate.create(settings_in(folder, **more), NOW)
        source = samples / "apple_health/hkimport"
        files = [InboxFile(path, "a") for path in sorted(source.glob("*.xml"))] or [
            InboxFile(path, "a") for path in sorted((samples / "apple_health").rglob("export*.xml"))
        ]
        report = land(estate, files, clock=clock, keep=True)
        assert closes(report)
        rows = raw_rows(estate)
        estate.close()
        return {key: frame.drop("record_path").write_csv() for key, frame in rows.items()}

    assert landed(tmp_path / "small", batch_rows=700) == landed(tmp_path / "large")


def _sample_files(samples: Path) -> list[InboxFile]:
    folders = ("apple_health", "dexcom_clarity", "fitbit_fitabase", "glucose_ml")
    paths = [(folder, path) for folder in folders for path in sorted((samples / folder).rglob("*"))]
    data = {".xml", ".csv", ".gz"}
    return [InboxFile(path, f"{folder}-{path.stem}") for folder, path in paths if path.suffix in data]


@pytest.mark.slow
def test_every_sample_file_lands_with_accounting_that_closes(estate, samples):
    files = _sample_files(samples)
    assert len(files) > 85
    with estate.database.read() as conn:
        by_handle = {digest(estate, conn, file).hex()[:HANDLE_LENGTH]: file.path.name for file in files}
    report = land(estate, files, clock=clock, keep=True)
    for file in report.files:
        file.check()
    assert closes(report)
    refused = {by_handle[file.handle] for file in report.refused_files}
    # The first is not well formed (it closes an element twice); the second has no signal that a sample could hold.
    assert refused == {"exportSmall.xml", "minuteIntensitiesNarrow_merged.csv"}
    assert report.total("landed") == sum(
        rows.height for (table, _), rows in raw_rows(estate).items() if not table.startswith("quarantine_")
    )
    assert report.total("quarantined") == sum(
        rows.height for (table, _), rows in raw_rows(estate).items() if table.startswith("quarantine_")
    )
    assert report.total("landed") > 1_100_000
    assert status(estate).unregistered == 0


def test_two_unreadable_rows_are_both_kept_and_one_that_comes_again_is_a_duplicate(estate, put):
    good = '{"subject": "s", "signal": "heart_rate", "value": 61, "unit": "/min", "start": "2026-11-01T08:00:00Z"}'
    put(f"{good}\n{{broken one\n{{broken two\n".encode(), "a", "first.ndjson")
    first = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert (first.total("landed"), first.total("quarantined") + first.total("refused")) == (1, 2)
    put(f"{good}\n{{broken two\n{{broken three\n".encode(), "a", "second.ndjson")
    second = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert second.total("landed") == 0
    assert closes(second)


def test_a_file_that_is_still_being_written_is_refused_and_stays(estate, put, samples, monkeypatch):
    path = put(samples / CLARITY, "account-1")
    read = landing.digest

    def digest_then_append(*args):
        found = read(*args)
        with path.open("ab") as stream:
            stream.write(b"\n")
        return found

    monkeypatch.setattr(landing, "digest", digest_then_append)
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert "changed" in report.refused_files[0].error
    assert path.exists()
    assert in_rows(estate) == 0


def test_a_file_that_was_replaced_after_landing_is_not_removed(estate, put, samples):
    path = put(samples / CLARITY, "account-1")
    [file] = list_inbox(estate.settings.inbox)
    before = state_of(file)
    path.write_bytes(b"something newer")
    remove(file, before, estate.settings.inbox)
    assert path.read_bytes() == b"something newer"


def test_a_large_file_may_take_longer_than_a_lease(tmp_path, samples):
    """Every flush renews the lease; a clock that jumps a minute at each look outlives the first lease many times."""
    from shelflife.estate import Estate
    from tests.lake.conftest import settings_in

    ticks = iter(range(10**6))
    estate = Estate.create(settings_in(tmp_path, batch_rows=60_000, lease_seconds=300), NOW)
    whole = samples / "fitbit_fitabase/example_heart_5.csv.gz"
    report = land(
        estate, [InboxFile(whole, "a")], clock=lambda: NOW + dt.timedelta(minutes=next(ticks)), keep=True
    )
    assert report.total("landed") == 791_446
    assert next(ticks) > 10
    estate.close()


def test_a_copy_of_a_refused_file_is_not_taken_for_landed(estate, put, samples, monkeypatch):
    """The twin of a file that changed while it was read stays in the inbox with it, and lands later."""
    first, second = put(samples / CLARITY, "account-1", "a.csv"), put(samples / CLARITY, "account-1", "b.csv")
    read = landing._read

    def change_then_read(*what):
        with first.open("ab") as stream:
            stream.write(b"\n")
        read(*what)

    with monkeypatch.context() as patched:
        patched.setattr(landing, "_read", change_then_read)
        report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert [file.state for file in report.files] == ["refused", "refused"]
    assert second.exists()
    land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert in_rows(estate) == 2148


def row(subject: str, start: str, **more: object) -> bytes:
    facts = {"subject": subject, "signal": "heart_rate", "value": 61, "unit": "/min", "start": start}
    return json.dumps(facts | more).encode() + b"\n"


def test_spellings_of_one_alias_are_one_person(estate, put):
    put(row("9", "2026-11-01T08:00:00Z") + row(" 9 ", "2026-11-01T09:00:00Z"), "x", "rows.ndjson")
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert (report.total("landed"), report.subjects) == (2, 1)


def test_a_tombstone_cannot_be_got_around_by_spelling(estate, put):
    with estate.database.commit() as tx:
        bury(estate, tx, [Alias("account", "Jos\u00e9")], reason="erasure", now=NOW)
    spellings = ["Jos\u00e9", "Jose\u0301", "  Jos\u00e9", "Jos\u00e9\u00a0"]
    put(b"".join(row(name, "2026-11-01T08:00:00Z") for name in spellings), "x", "rows.ndjson")
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert (report.total("landed"), report.total("refused")) == (0, 4)
    assert report.reasons() == {"erased": 4}


def test_what_a_sender_writes_never_stands_in_clear_and_never_stops_landing(estate, put):
    hostile = [
        row("s1", "2026-11-01T08:00:00Z", subject_kind="ada@example.com"),
        b'{"record": "profile", "account": "a\\ud800b", "given_name": "\\ud800"}\n',
        b'{"record": "profile", "account": "s1", "subject_kind": "ada@example.com", "given_name": "Ada"}\n',
        row("s2", "2026-11-01T08:00:00Z"),
    ]
    put(b"".join(hostile), "x", "rows.ndjson")
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert closes(report)
    assert not report.refused_files
    assert report.total("landed") >= 1
    assert hits([estate.settings.home], ["ada@example.com"]) == []


def test_the_same_moment_sent_again_from_another_time_zone_is_a_duplicate(estate, put):
    put(row("s", "2026-11-03T23:30:00+01:00"), "x", "home.ndjson")
    land(estate, list_inbox(estate.settings.inbox), clock=clock)
    put(row("s", "2026-11-04T02:30:00+04:00"), "x", "away.ndjson")
    again = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert (again.total("landed"), again.total("duplicates")) == (0, 1)
    assert sorted(period for _, period in raw_rows(estate)) == ["2026-11-03"]


def test_the_database_does_not_join_people_to_batches_by_time(estate, put):
    put(row("s", "2026-11-03T23:30:00Z"), "x", "rows.ndjson")
    land(estate, list_inbox(estate.settings.inbox), clock=clock)
    with estate.database.read() as conn:
        for table in (subject, alias):
            [when] = conn.execute(sa.select(table.c.created_at)).scalars()
            assert when == NOW.replace(hour=0)


def test_two_rows_with_different_nonsense_are_both_kept_and_the_same_nonsense_once(estate, put):
    nonsense = [row("s", "2026-11-01T08:00:00Z", value=text) for text in ("abc", "xyz")]
    put(b"".join(nonsense), "x", "first.ndjson")
    first = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert (first.total("quarantined"), first.total("duplicates")) == (2, 0)
    put(nonsense[1] + row("s", "2026-11-01T08:00:00Z", value="new"), "x", "second.ndjson")
    second = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert (second.total("quarantined"), second.total("duplicates")) == (1, 1)


def test_rows_that_are_not_accounted_for_stop_the_commit(estate, put, samples, monkeypatch):
    put(samples / CLARITY, "account-1")
    count = Loader._count

    def lose_one(loader, kept, fresh):
        count(loader, kept, fresh)
        loader.outcomes[0].landed -= 1

    with monkeypatch.context() as patched:
        patched.setattr(Loader, "_count", lose_one)
        with pytest.raises(AccountingBroken):
            land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert in_rows(estate) == 0
    assert len(list_inbox(estate.settings.inbox)) == 1
    assert status(estate).unregistered == 0


def test_rows_live_under_the_class_that_the_policies_give_them(tmp_path, put):
    policies = tmp_path / "policies"
    shutil.copytree(ROOT / "retention_policies", policies)
    text = (policies / "default.yaml").read_text()
    rule = text.split("rules:\n")[1].split("  - retention_class: ")[1].split("\n", 1)[1]
    strict = f"  - retention_class: heart/nevada\n{rule}".replace(
        "applies_to: [heart]\n", "applies_to: [heart]\n    jurisdictions: [us_nv_sb370]\n"
    ).replace("keep: P2Y", "keep: P1Y")
    (policies / "default.yaml").write_text(text.replace("rules:\n", f"rules:\n{strict}", 1))
    for jurisdiction, expected in (
        ("us_nv_sb370", "heart/nevada"),
        ("eu_gdpr", "heart/default"),
        ("unknown", "heart/nevada"),
    ):
        folder = tmp_path / jurisdiction
        where = settings_in(folder, jurisdiction=jurisdiction).model_copy(update={"policies": policies})
        estate = Estate.create(where, NOW)
        target = where.inbox / "x" / "beats.ndjson"
        target.parent.mkdir(parents=True)
        target.write_text(
            '{"subject": "ada", "signal": "heart_rate", "value": 61, "unit": "/min", "start": "2026-11-01T08:00:00Z"}'
        )
        land(estate, list_inbox(where.inbox), clock=lambda: NOW)
        with estate.database.read() as conn:
            assert [home.retention_class for home in partitions(conn, zone="raw")] == [expected]
        estate.close()
