"""Landing keys and devices that outlived what they belong to."""

from __future__ import annotations

import datetime as dt

import pytest

from shelflife.control.subject_tables import landing_key, upload_device
from shelflife.subjects.landing_keys import retire, rotate
from tests.conftest import NOW
from tests.lake.phones import Phone
from tests.rights.verify.conftest import change, found, plants, rules, target_of

GRACE = dt.timedelta(days=3)


@pytest.fixture
def phone(estate, account) -> Phone:
    return Phone(estate, account)


def test_an_estate_with_devices_and_keys_is_clean(estate, phone):
    rotate(estate, grace=GRACE, clock=lambda: NOW)
    outcome = found(estate)
    assert outcome.findings == ()
    assert outcome.looked_at["keys", "landing keys"] == 2
    # A day of patience: whatever rotates and retires runs daily.
    assert not rules(found(estate, now=NOW + GRACE + dt.timedelta(days=1))) & {
        "landing_key_overdue",
        "key_lost",
    }


@plants("landing_key_overdue")
def test_a_landing_key_past_its_grace_time(estate, phone):
    rotate(estate, grace=GRACE, clock=lambda: NOW)
    late = NOW + GRACE + dt.timedelta(days=1, seconds=1)
    outcome = found(estate, now=late)
    assert [f.place for f in outcome.findings if f.rule == "landing_key_overdue"] == [
        phone.landing_key.key_id.hex()
    ]
    assert retire(estate, clock=lambda: late) == 1
    assert "landing_key_overdue" not in rules(found(estate, now=late))


def test_a_landing_key_whose_key_is_gone(estate, phone):
    with estate.database.commit() as tx:
        [number] = tx.conn.execute(landing_key.select()).mappings()
        estate.trees["identity"].destroy(tx, [number["key_number"]], NOW)
    assert [f.place for f in found(estate).findings if f.rule == "key_lost"] == [
        f"landing key {phone.landing_key.key_id.hex()}"
    ]


def test_a_landing_key_that_was_only_called_retired(estate, phone):
    """Whoever writes `retired` into the row and leaves the key has destroyed nothing."""
    change(estate, landing_key.update().values(state="retired", sealed=None, key_number=None))
    assert rules(found(estate)) == {"key_unnamed"}


def test_a_landing_key_that_was_put_back_after_its_end(estate, phone):
    with estate.database.read() as conn:
        before = dict(conn.execute(landing_key.select()).mappings().one())
    retire(estate, phone.landing_key.key_id.hex(), clock=lambda: NOW)
    assert "key_lost" not in rules(found(estate))
    change(estate, landing_key.update().values(**before))
    assert rules(found(estate)) == {"key_lost"}


@plants("upload_device_row")
def test_a_device_of_somebody_who_must_be_gone(estate, phone, account):
    target = target_of(estate, account)
    assert "upload_device_row" in rules(found(estate, target))
    change(estate, upload_device.delete())
    assert "upload_device_row" not in rules(found(estate, target))


@plants("upload_device_of_nobody")
def test_a_device_whose_owner_s_key_was_destroyed(estate, phone, account):
    [pid] = target_of(estate, account).pids["identity"]
    assert "upload_device_of_nobody" not in rules(found(estate))
    with estate.database.commit() as tx:
        estate.keyrings["identity"].destroy(tx, [pid], NOW)
    assert "upload_device_of_nobody" in rules(found(estate))
