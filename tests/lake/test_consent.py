"""Landing asks for consent: a stream without it is refused and counted, and never written."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import consent, subject
from shelflife.control.tables import landed_file, ledger_leaf
from shelflife.errors import ConfigurationError
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.subjects.consent import Standing, state_at
from shelflife.subjects.consent_ledger import decisions_of
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.profile import read_profile
from tests.conftest import NOW
from tests.lake.consents import NOTICE, beat, consent_required, decision, grants
from tests.lake.phones import Phone
from tests.lake.state import raw_rows

__all__ = ["consent_required"]
pytestmark = pytest.mark.usefixtures("consent_required")

DAY = dt.timedelta(days=1)
MORNING = "2026-11-22T08:00:00Z"


def land_now(estate, put, *lines: bytes, now=NOW, account="x", name=None):
    body = b"\n".join(lines)
    put(body, account, name or f"{hash(body)}.ndjson")
    return land(estate, list_inbox(estate.settings.inbox), clock=lambda: now)


def decided(estate, name: str):
    alias = Alias("account", name)
    with estate.database.read() as conn:
        person = find(estate, conn, [alias])[alias]
        return decisions_of(estate, conn, [person.identity_pid])[person.identity_pid]


def landed_rows(estate) -> int:
    return sum(rows.height for rows in raw_rows(estate).values())


def subjects(estate) -> int:
    with estate.database.read() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(subject)).scalar_one())


def test_rows_of_nobody_known_are_refused_and_make_no_subject(estate, put):
    report = land_now(estate, put, beat("ada", MORNING))
    assert (report.total("samples_in"), report.total("landed"), report.reasons()) == (1, 0, {"no_consent": 1})
    assert (landed_rows(estate), subjects(estate)) == (0, 0)


def test_a_stream_lands_by_consent_to_its_collection_and_no_other_does(estate, put):
    report = land_now(
        estate,
        put,
        decision("ada", "heart"),
        decision("ada", "glucose", purpose="sharing"),
        beat("ada", MORNING),
        beat("ada", MORNING, "glucose_interstitial", 101),
    )
    assert (report.total("landed"), report.reasons()) == (1, {"no_consent": 1})
    assert report.files[0].ignored == {"consent": 2}
    assert {table for table, _ in raw_rows(estate)} == {"heart"}


def test_decisions_count_for_their_whole_batch_wherever_they_lie(estate, put):
    put(beat("ada", MORNING), "a", "first.ndjson")
    report = land_now(estate, put, beat("ada", "2026-11-22T09:00:00Z"), grants("ada"), account="z")
    assert report.total("landed") == 2
    assert report.reasons() == {}


def test_a_withdrawal_at_the_end_of_a_batch_counts_for_all_of_it(estate, put, monkeypatch):
    monkeypatch.setattr("shelflife.lake.landing.GROUP_FILES", 500)
    land_now(estate, put, grants("ada"))
    report = land_now(estate, put, beat("ada", MORNING), decision("ada", decided="withdrawn", at=NOW - DAY))
    assert (report.total("landed"), report.reasons()) == (0, {"no_consent": 1})


def test_files_that_begin_with_consent_are_landed_before_all_others(estate, put, monkeypatch):
    monkeypatch.setattr("shelflife.lake.landing.GROUP_FILES", 1)
    put(beat("ada", MORNING), "a", "data.ndjson")
    report = land_now(estate, put, grants("ada"), account="z")
    assert (len(report.batches), report.total("landed"), report.reasons()) == (2, 1, {})


def test_consent_is_judged_by_arrival_whatever_the_device_clock_says(estate, put):
    land_now(estate, put, grants("ada"), decision("ada", decided="withdrawn", at=NOW - DAY))
    late = land_now(estate, put, beat("ada", "2026-11-01T08:00:00Z"))
    assert late.reasons() == {"no_consent": 1}
    again = land_now(estate, put, decision("ada", at=NOW - DAY / 2), beat("ada", "2026-11-02T08:00:00Z"))
    assert (again.total("landed"), again.reasons()) == (1, {})


def test_a_grant_that_ran_out_lets_nothing_in(estate, put):
    land_now(estate, put, decision("ada", expires=(NOW + DAY).isoformat()), beat("ada", MORNING))
    report = land_now(estate, put, beat("ada", "2026-11-22T09:00:00Z"), now=NOW + DAY)
    assert report.reasons() == {"no_consent": 1}


def test_a_grant_without_an_end_lasts_as_long_as_the_policy_says(estate, put):
    land_now(estate, put, decision("ada", at=NOW))
    inside, outside = (dt.datetime(2028, 11, day, 12, tzinfo=dt.UTC) for day in (22, 23))
    assert land_now(estate, put, beat("ada", MORNING), now=inside).total("landed") == 1
    late = land_now(estate, put, beat("ada", "2026-11-22T09:00:00Z"), now=outside)
    assert late.reasons() == {"no_consent": 1}


def test_rows_of_no_known_stream_are_set_aside_only_for_people_who_agreed_to_any(estate, put):
    land_now(estate, put, decision("eve", decided="withdrawn"))
    lines = [beat(name, MORNING, "aura") for name in ("ada", "bob", "eve")]
    report = land_now(estate, put, decision("ada"), *lines)
    assert (report.total("quarantined"), report.total("refused")) == (1, 2)
    assert report.reasons()["no_consent"] == 2


def test_decisions_are_recorded_once_sealed_and_told_to_the_ledger_in_counts(estate, put):
    land_now(estate, put, grants("ada", streams=["heart", "sleep"]), decision("ada", decided="withdrawn"))
    land_now(
        estate, put, grants("ada", streams=["heart", "sleep"]), beat("ada", MORNING), name="again.ndjson"
    )
    found = decided(estate, "ada")
    assert [(one.stream, one.decision) for one in found.events] == [
        ("heart", "granted"),
        ("sleep", "granted"),
        ("heart", "withdrawn"),
    ]
    assert {one.notice_sha256 for one in found.events} == {NOTICE}
    with estate.database.read() as conn:
        rows = conn.execute(sa.select(consent)).all()
        entries = conn.execute(sa.select(ledger_leaf.c.body)).scalars().all()
    assert len(rows) == 1
    assert rows[0].recorded_at == NOW.replace(hour=0)
    assert b"heart" not in rows[0].sealed
    (entry,) = [text for text in entries if '"type":"consent"' in text]
    assert '"decisions":{"collection granted":2,"collection withdrawn":1}' in entry
    assert "heart" not in entry


@pytest.mark.parametrize(
    "wrong",
    [
        {"stream": "aura"},
        {"purpose": "fun"},
        {"decision": "maybe"},
        {"method": "telepathy"},
        {"notice_sha256": None},
        {"notice_sha256": "5F" * 32},
        {"at": "2026-11-01T08:00:00"},
        {"at": "soon"},
        {"expires": "2020-01-01T00:00:00Z"},
        {"extra": "x"},
        {"account": ""},
        {"stream": ["heart"]},
    ],
)
def test_a_record_that_is_not_sound_is_set_aside_and_decides_nothing(estate, put, wrong):
    land_now(estate, put, decision("ada", "sleep"))
    report = land_now(estate, put, decision(**({"account": "ada"} | wrong)), beat("ada", MORNING))
    bad = report.reasons()["bad_record"]
    assert bad + report.reasons()["no_consent"] + report.reasons()["no_subject"] == 2
    assert len(decided(estate, "ada").events) == 1


def test_a_decision_without_an_account_is_that_of_the_folder(estate, put):
    report = land_now(estate, put, decision(None), beat("ada", MORNING), account="ada")
    assert report.total("landed") == 1


def test_a_decision_dated_in_the_future_counts_from_its_arrival(estate, put):
    ahead = NOW + 300 * DAY
    land_now(estate, put, decision("ada"), decision("ada", decided="withdrawn", at=ahead))
    assert decided(estate, "ada").events[-1].decided_at == NOW
    again = land_now(estate, put, decision("ada", at=NOW + DAY), beat("ada", MORNING), now=NOW + DAY)
    assert again.total("landed") == 1


def test_decisions_of_a_file_that_turns_out_broken_count_for_nothing(estate, put):
    put(grants("ada") + b"\n" + beat("ada", MORNING) + b"\n\xff\xfe\n", "a", "broken.ndjson")
    report = land_now(estate, put, beat("ada", "2026-11-22T09:00:00Z"), account="z")
    assert [file.state for file in report.files] == ["refused", "landed"]
    assert report.reasons() == {"no_consent": 1}
    assert landed_rows(estate) == 0


def test_decisions_of_a_file_that_changes_while_it_is_read_count_for_nothing(estate, put, monkeypatch):
    from shelflife.lake import landing

    original = landing._check_unchanged

    def changed(entry):
        if entry.file.path.name == "moving.ndjson":
            entry.file.path.write_bytes(b"{}")
        original(entry)

    monkeypatch.setattr(landing, "_check_unchanged", changed)
    put(grants("ada"), "a", "moving.ndjson")
    report = land_now(estate, put, beat("ada", MORNING), account="z")
    assert sorted(file.state for file in report.files) == ["landed", "refused"]
    assert report.reasons() == {"no_consent": 1}
    assert landed_rows(estate) == 0


def test_a_sealed_upload_decides_for_its_owner_alone_and_within_its_scope(estate):
    from tests.lake.phones import Phone, ndjson, row

    phone = Phone(estate)
    phone.send("a.upload", ndjson(row()), sequence=1)
    phone.send("b.upload", decision(None) + b"\n" + decision(None, "sleep", "withdrawn"), sequence=2)
    phone.send("c.upload", decision("bob"), sequence=3)
    phone.send("d.upload", decision(None, "sleep"), sequence=4)
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    assert (report.total("landed"), len(report.refused_files)) == (1, 2)
    found = decided(estate, phone.account).events
    assert [(one.stream, one.decision) for one in found] == [("heart", "granted"), ("sleep", "withdrawn")]
    with estate.database.read() as conn:
        assert not find(estate, conn, [Alias("account", "bob")])


def test_profiles_of_people_who_decided_nothing_are_not_kept(estate, put):
    profile = b'{"record": "profile", "account": "%s", "given_name": "Quokkalinde"}'
    report = land_now(estate, put, decision("ada"), profile % b"ada", profile % b"bob")
    assert report.total("profiles") == 1
    assert report.ignored() == {"consent": 1, "profile": 2, "profile without consent": 1}
    assert subjects(estate) == 1


def test_facts_of_people_who_took_everything_back_are_not_kept(estate, put):
    profile = b'{"record": "profile", "account": "ada", "given_name": "%s"}'
    land_now(estate, put, grants("ada", streams=["heart", "sleep"]), profile % b"Quokkalinde")
    land_now(estate, put, decision("ada", "heart", "withdrawn", at=NOW - DAY))
    assert land_now(estate, put, profile % b"Wombatine").total("profiles") == 1
    last = decision("ada", "sleep", "withdrawn", at=NOW - DAY)
    report = land_now(estate, put, last, profile % b"Numbatilde")
    assert (report.total("profiles"), report.ignored()["profile without consent"]) == (0, 1)
    with estate.database.read() as conn:
        ada = find(estate, conn, [Alias("account", "ada")])[Alias("account", "ada")]
        assert read_profile(estate, conn, ada)["given_name"] == "Wombatine"


def test_whoever_decides_anew_between_judgement_and_commit_makes_the_batch_start_again(
    estate, put, monkeypatch
):
    from shelflife.lake import landing
    from shelflife.subjects.consent_ledger import record

    land_now(estate, put, grants("ada"))
    original, times = landing.reached, []

    def withdraw_once(point):
        if point == "land.before_commit" and not times:
            times.append(point)
            alias = Alias("account", "ada")
            with estate.database.commit() as tx:
                person = find(estate, tx.conn, [alias])[alias]
                event = decided(estate, "ada").events[0]
                gone = type(event)("withdrawn", "heart", "collection", "in_app", NOW)
                record(estate, tx, {person.identity_pid: [gone]}, NOW)
        original(point)

    monkeypatch.setattr(landing, "reached", withdraw_once)
    report = land_now(estate, put, beat("ada", MORNING))
    assert times
    assert (report.total("landed"), report.reasons()) == (0, {"no_consent": 1})
    assert landed_rows(estate) == 0


def test_consent_without_a_policy_is_refused_before_anything_lands(
    estate, put, settings, monkeypatch, tmp_path
):
    changed = estate.settings.model_copy(update={"policies": tmp_path})
    monkeypatch.setattr(estate, "settings", changed)
    with pytest.raises(ConfigurationError):
        land_now(estate, put, beat("ada", MORNING))


def test_an_estate_with_another_lawful_basis_does_not_ask_and_records_all_the_same(estate, put, monkeypatch):
    changed = estate.settings.model_copy(update={"consent": "not_relied_on"})
    monkeypatch.setattr(estate, "settings", changed)
    report = land_now(estate, put, beat("ada", MORNING), decision("ada", purpose="sale", decided="withdrawn"))
    assert (report.total("landed"), report.reasons()) == (1, {})
    assert state_at(decided(estate, "ada").events, NOW) == {("heart", "sale"): Standing.WITHDRAWN}


def test_the_erased_are_refused_as_erased_and_their_decisions_count_no_more(estate, put):
    from shelflife.subjects.tombstones import bury

    land_now(estate, put, grants("ada"))
    with estate.database.commit() as tx:
        bury(estate, tx, [Alias("account", "ada")], reason="erasure", now=NOW)
    report = land_now(estate, put, grants("ada", at=NOW - DAY), beat("ada", MORNING))
    assert report.reasons() == {"erased": 1}
    assert len(decided(estate, "ada").events) == 6


def test_a_decision_dated_in_the_future_that_is_sent_again_does_not_undo_a_withdrawal(estate, put):
    """A device whose clock runs ahead sends its history again after its owner took consent back."""
    ahead = decision("ada", "heart", at=NOW + 365 * DAY)
    land_now(estate, put, ahead, beat("ada", MORNING))
    assert landed_rows(estate) == 1
    land_now(estate, put, decision("ada", "heart", "withdrawn", at=NOW + DAY), now=NOW + DAY)
    again = land_now(estate, put, ahead, beat("ada", "2026-11-22T09:00:00Z"), now=NOW + 2 * DAY)
    assert again.reasons() == {"no_consent": 1}
    assert landed_rows(estate) == 1
    events = decided(estate, "ada").events
    assert [one.decided_at for one in events] == [NOW, NOW + DAY]
    assert state_at(events, NOW + 3 * DAY)["heart", "collection"] is Standing.WITHDRAWN


def test_a_file_that_came_before_its_consent_lands_when_it_is_sent_again(estate, put):
    body = [beat("ada", MORNING), beat("bob", MORNING), beat("ada", "2026-11-22T09:00:00Z", "mood", 3)]
    first = land_now(estate, put, *body)
    assert (first.total("refused"), first.total("landed")) == (3, 0)
    land_now(estate, put, grants("ada"))
    again = land_now(estate, put, *body)
    [file] = again.files
    assert (file.state, file.landed, file.quarantined, file.refused) == ("landed", 1, 1, 1)
    land_now(estate, put, grants("bob"))
    last = land_now(estate, put, *body)
    assert (last.files[0].landed, last.files[0].duplicates, last.files[0].refused) == (1, 2, 0)
    # Nothing was refused the last time, so that it is known from now on; its accounting covers all three readings.
    assert land_now(estate, put, *body).files[0].state == "already_landed"
    assert landed_rows(estate) == 3
    with estate.database.read() as conn:
        rows = conn.execute(sa.select(landed_file).where(landed_file.c.samples_in == 3)).all()
    assert [(row.landed, row.duplicates, row.quarantined, row.refused) for row in rows] == [(2, 0, 1, 0)]


def test_an_upload_whose_rows_were_refused_is_known_when_the_process_died_before_removing_it(estate):
    """Its number is used up: reading it again would call it a replay and leave it in the inbox for ever."""
    phone = Phone(estate, "ada")
    phone.send("first.sealed")
    files = list_inbox(estate.settings.inbox)
    first = land(estate, files, clock=lambda: NOW, keep=True)
    assert (first.reasons(), first.refused_files) == ({"no_consent": 1}, [])
    again = land(estate, files, clock=lambda: NOW)
    assert [file.state for file in again.files] == ["already_landed"]
    assert list_inbox(estate.settings.inbox) == []
