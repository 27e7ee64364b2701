"""Two subjects that are one person: everything becomes one's, nothing is lost or counted twice, nobody else changes."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from polars.testing import assert_frame_equal

from shelflife.control.subject_tables import consent, identity_change, upload_device
from shelflife.control.tables import data_file, ledger_leaf
from shelflife.errors import ConfigurationError, PlanOutdated, RequestRefused
from shelflife.estate import Estate
from shelflife.identity.change import State, changes, get, withdraw
from shelflife.identity.prepare import prepare, preview
from shelflife.identity.stages import STEPS, explain, run
from shelflife.journal.journal import read_all
from shelflife.lake.derive import derive
from shelflife.ledger.ledger import verify as verify_ledger
from shelflife.policy.consent_events import ConsentEvent
from shelflife.retention.hold_terms import Terms as HoldTerms
from shelflife.retention.holds import place
from shelflife.rights.request_states import Kind
from shelflife.rights.verify import Target
from shelflife.seal.upload_keys import DevicePublicKey
from shelflife.signals.sample import IDENTITY
from shelflife.subjects import consent_ledger
from shelflife.subjects.devices import find_device, register
from shelflife.subjects.directory import Alias, attach, ensure, find, periods_of
from shelflife.subjects.joined import joined_into
from shelflife.subjects.periods import ALWAYS, Period
from shelflife.subjects.profile import merge_profile, read_profile
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.lake.state import derived_rows
from tests.rights.conftest import Clock, ask, erase
from tests.rights.state import content, readable
from tests.subjects.identity_estates import (
    ADA,
    ADELE,
    BOB,
    SOLD,
    blocks_on_disk,
    change,
    counts,
    fill_twice,
    findings,
    fixtures_of,
    land_rows,
    paths_of,
    prepared,
    raw_pid,
    rows_by_person,
    rows_of,
    running,
    terms,
)

kept, twice = fixtures_of(fill_twice)


def identities(frame):
    """Sound rows by what makes them the same observation."""
    return frame.filter(frame["problem"].is_null()).select("table", *IDENTITY)


def test_rows_in_are_rows_out(twice):
    before = rows_by_person(twice)
    union = identities(before["ada"]).vstack(identities(before["adele"])).unique()
    done, plan = change(twice, "merge", ADA, ADELE)
    after = rows_by_person(twice)
    assert set(after) == {"ada", "bob"}
    assert (
        identities(after["ada"])
        .sort(union.columns, nulls_last=True)
        .equals(union.sort(union.columns, nulls_last=True))
    )
    assert plan.rows == before["adele"].height
    assert plan.duplicates > 0
    assert after["ada"].height == before["ada"].height + before["adele"].height - plan.duplicates
    assert done.facts["rows_moved"] + done.facts["rows_known_already"] == plan.rows
    assert done.state is State.DONE


def test_nobody_else_changes_and_the_verifier_finds_nothing(twice):
    others = content(twice, ["ada", "adele"])
    with twice.database.read() as conn:
        gone = find(twice, conn, [ADELE])[ADELE]
    target = Target(pids={"identity": (gone.identity_pid,), "raw": (gone.raw_pid,)})
    change(twice, "merge", ADA, ADELE)
    assert content(twice, ["ada", "adele"]) == others
    assert findings(twice) == []
    assert findings(twice, targets=[target]) == []
    with twice.database.read() as conn:
        verify_ledger(conn, twice.ledger.verifier_key, twice.witness)


def test_the_old_blocks_are_overwritten(twice):
    pid = raw_pid(twice, ADELE)
    assert blocks_on_disk(twice, pid) > 0
    done, _ = change(twice, "merge", ADA, ADELE)
    assert blocks_on_disk(twice, pid) == 0
    assert done.facts["blocks_overwritten"] > 0


def test_derived_rows_follow(twice):
    assert {"ada", "adele"} <= set(readable(twice))
    change(twice, "merge", ADA, ADELE)
    merged = readable(twice)
    assert "adele" not in merged
    # A second estate in which the same rows were always one person's has the same figures.
    assert merged["ada"]["heart_daily"] == 3
    assert derive(twice, clock=lambda: NOW).units == []


def test_a_merge_ends_where_one_person_from_the_start_ends(twice, tmp_path):
    change(twice, "merge", ADA, ADELE)
    single = Estate.create(settings_in(tmp_path / "single"), NOW)
    with single.database.commit() as tx:
        ada = ensure(single, tx, [ADA], NOW)[ADA]
        attach(single, tx, ADELE, ada, ALWAYS, NOW)
    fill_twice(single)
    assert rows_by_person(twice)["ada"].equals(rows_by_person(single)["ada"])
    for name, rows in derived_rows(twice).items():
        # The order in which threads add up changes the last digits.
        assert_frame_equal(rows, derived_rows(single)[name], rel_tol=1e-9)
    single.close()


def test_names_pass_on_with_their_periods(twice):
    watch = Alias("device", "w")
    with twice.database.commit() as tx:
        ada, adele = (find(twice, tx.conn, [name])[name] for name in (ADA, ADELE))
        attach(twice, tx, watch, adele, (Period(None, SOLD),), NOW)
        attach(twice, tx, watch, ada, (Period(SOLD, None),), NOW)
    change(twice, "merge", ADA, ADELE)
    with twice.database.read() as conn:
        assert periods_of(twice, conn, ada) == {ADA: ALWAYS, ADELE: ALWAYS, watch: ALWAYS}


def test_later_files_land_with_the_one_who_remains(twice):
    change(twice, "merge", ADA, ADELE)
    before = counts(twice)["ada"]
    land_rows(twice, "late", rows_of("adele", hour=22, days=(1,)))
    assert set(counts(twice)) == {"ada", "bob"}
    assert counts(twice)["ada"] == before + 25


def test_facts_are_merged_and_conflicts_counted(twice):
    with twice.database.commit() as tx:
        ada, adele = (find(twice, tx.conn, [name])[name] for name in (ADA, ADELE))
        merge_profile(twice, tx, ada, {"sex": "female", "birth_date": "1990-01-01", "source_names": ["a"]})
        merge_profile(
            twice,
            tx,
            adele,
            {"sex": "male", "birth_date": "1990-01-01", "source_names": ["b"], "time_zone": "Asia/Tokyo"},
        )
    _, plan = change(twice, "merge", ADA, ADELE)
    assert (plan.profile_facts, plan.profile_conflicts) == (2, 1)
    with twice.database.read() as conn:
        assert read_profile(twice, conn, ada) == {
            "sex": "female",
            "birth_date": "1990-01-01",
            "source_names": ["a", "b"],
            "time_zone": "Asia/Tokyo",
        }


def test_a_preview_changes_nothing_and_names_nobody(twice):
    before = content(twice)
    plan = preview(twice, terms(twice, "merge", ADA, ADELE))
    assert content(twice) == before
    assert not any(name in repr(plan) for name in ("ada", "adele"))
    assert "adele" not in repr(terms(twice, "merge", ADA, ADELE))
    with twice.database.read() as conn:
        assert changes(conn) == []


def test_what_is_recorded_names_nobody(twice):
    with twice.database.read() as conn:
        pids = [find(twice, conn, [name])[name].identity_pid for name in (ADA, ADELE)]
    change(twice, "merge", ADA, ADELE)
    with twice.database.read() as conn:
        bodies = " ".join(conn.execute(sa.select(ledger_leaf.c.body)).scalars())
        [row] = conn.execute(sa.select(identity_change)).all()
    assert '"identity_change"' in bodies
    for secret in ("adele", *(pid.hex() for pid in pids)):
        assert secret not in bodies
        assert secret not in str(row.facts)
    assert row.files == []


def test_an_open_request_a_hold_or_a_restriction_refuses_it(twice):
    clock = Clock()
    ask(twice, "adele", clock, kind=Kind.RESTRICTION, regimes=())
    assert preview(twice, terms(twice, "merge", ADA, ADELE)).obstacles == ("open_request",)
    with pytest.raises(RequestRefused):
        prepared(twice, "merge", ADA, ADELE)
    assert preview(twice, terms(twice, "merge", ADA, BOB)).obstacles == ()


def test_a_hold_refuses_it(twice, hold_on):
    hold_on(ADA)
    assert preview(twice, terms(twice, "merge", ADA, ADELE)).obstacles == ("hold",)
    assert preview(twice, terms(twice, "merge", ADELE, ADA)).obstacles == ("hold",)


@pytest.fixture
def hold_on(twice):
    def put_on(name):
        with twice.database.read() as conn:
            person = find(twice, conn, [name])[name]
        place(
            twice,
            HoldTerms("case-1", "counsel", NOW.date().replace(year=2027), {}),
            people=[person.identity_pid],
            streams=None,
            now=NOW,
        )

    return put_on


def test_a_stream_that_the_remaining_person_had_forgotten_is_not_brought_back(twice):
    erase(twice, "ada", Clock(), streams=["glucose"], regimes=())
    assert "forgotten_stream" in preview(twice, terms(twice, "merge", ADA, ADELE)).obstacles


def test_the_same_person_twice_is_refused(twice):
    for pair in ((ADA, ADA), (ADA, Alias("account", "unknown"))):
        with pytest.raises(ConfigurationError):
            terms(twice, "merge", *pair)


def test_what_moved_since_the_preview_is_previewed_again(twice):
    change_id, _ = prepared(twice, "merge", ADA, ADELE)
    land_rows(twice, "late", rows_of("adele", hour=23, days=(1,)))
    with pytest.raises(PlanOutdated):
        run(twice, change_id, running())
    withdraw(twice, change_id, NOW)
    with pytest.raises(RequestRefused):
        run(twice, change_id, running())
    change(twice, "merge", ADA, ADELE)


def test_running_it_again_changes_nothing(twice):
    done, _ = change(twice, "merge", ADA, ADELE)
    before = content(twice), paths_of(twice)
    run(twice, done.change_id, running())
    assert (content(twice), paths_of(twice)) == before


def test_explain_names_the_steps_that_run(twice):
    change_id, _ = prepared(twice, "merge", ADA, ADELE)
    told: list[str] = []
    said = explain(twice, change_id)
    run(twice, change_id, running(progress=told.append))
    assert told == said == [step.says for step in STEPS]
    assert explain(twice, change_id) == []


def test_rows_keep_the_batch_that_they_were_landed_with(twice):
    with twice.database.read() as conn:
        query = sa.select(data_file.c.batch_id).where(data_file.c.zone == "raw", data_file.c.state == "live")
        before = set(conn.execute(query).scalars())
    change(twice, "merge", ADA, ADELE)
    with twice.database.read() as conn:
        assert set(conn.execute(query).scalars()) == before


def test_erasing_the_merged_person_also_names_who_was_merged(twice):
    with twice.database.read() as conn:
        gone = find(twice, conn, [ADELE])[ADELE]
    change(twice, "merge", BOB, ADELE)
    change(twice, "merge", ADA, BOB)
    with twice.database.read() as conn:
        ada = find(twice, conn, [ADA])[ADA]
        assert len(joined_into(twice, conn, ada.identity_pid)) == 2
    erase(twice, "adele", Clock(), regimes=())
    assert counts(twice) == {}
    with twice.database.read() as conn:
        [journalled] = [one.destruction for one in read_all(twice, conn)]
        assert len(journalled.subjects) == 3
        assert gone.identity_pid in journalled.subjects
        assert gone.raw_pid in journalled.keyrings["raw"]
        assert (
            conn.execute(sa.select(identity_change.c.pid, identity_change.c.sealed)).all()
            == [(None, None)] * 2
        )
    assert findings(twice) == []


def test_upload_devices_and_consents_are_counted_in_the_preview(twice):
    plan = preview(twice, terms(twice, "merge", ADA, ADELE))
    assert (plan.devices, plan.consents, plan.names) == (0, 0, 1)
    with twice.database.read() as conn:
        assert conn.execute(sa.select(consent)).all() == conn.execute(sa.select(upload_device)).all() == []


def test_a_prepared_change_names_nobody_in_clear(twice):
    change_id, _ = prepare(twice, terms(twice, "merge", ADA, ADELE), NOW)
    with twice.database.read() as conn:
        row = conn.execute(sa.select(identity_change)).one()
        gone = find(twice, conn, [ADELE])[ADELE]
    assert gone.subject_id not in row.sealed
    assert gone.identity_pid not in (row.pid, row.sealed)
    assert get(twice, change_id).state is State.PREPARED


def test_consents_and_devices_pass_on(twice):
    event = ConsentEvent("granted", "glucose", "sharing", "in_app", NOW, "a" * 64, None)
    with twice.database.commit() as tx:
        ada, adele = (find(twice, tx.conn, [name])[name] for name in (ADA, ADELE))
        consent_ledger.record(twice, tx, {adele.identity_pid: [event]}, NOW)
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    encoded = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    device_id = register(twice, ADELE, DevicePublicKey.load(encoded), clock=lambda: NOW)
    _, plan = change(twice, "merge", ADA, ADELE)
    assert (plan.devices, plan.consents) == (1, 1)
    with twice.database.read() as conn:
        device = find_device(twice, conn, device_id)
        assert device.owner == ada.identity_pid
        assert consent_ledger.decisions_of(twice, conn)[ada.identity_pid].events == [event]
        assert not conn.execute(sa.select(consent).where(consent.c.pid == adele.identity_pid)).all()
    assert findings(twice) == []
