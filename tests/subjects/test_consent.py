"""Where consent stands, against a plain model of it, and the ledger that keeps the decisions."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shelflife.control.subject_tables import consent
from shelflife.errors import ConfigurationError, KeyDestroyed, SealBroken
from shelflife.policy.consent_events import METHODS, PURPOSES, STREAM_NAMES, ConsentEvent
from shelflife.policy.duration import Duration
from shelflife.signals.vocabulary import STREAMS
from shelflife.subjects.consent import Acted, Placed, Standing, expiry, governing, noted, standing, state_at
from shelflife.subjects.consent_ledger import decide, decisions_of, hand_over, note, record
from shelflife.subjects.directory import Alias, ensure
from shelflife.subjects.tombstones import bury
from tests.conftest import NOW
from tests.lake.conftest import estate, settings_in

__all__ = ["estate"]

NOTICE = "0a" * 32
HOUR = dt.timedelta(hours=1)


@pytest.fixture(name="settings")
def _settings(tmp_path):
    return settings_in(tmp_path)


def granted(at=NOW, *, stream="heart", purpose="collection", expires_at=None) -> ConsentEvent:
    return ConsentEvent("granted", stream, purpose, "in_app", at, NOTICE, expires_at)


def withdrawn(at=NOW, *, stream="heart", purpose="collection") -> ConsentEvent:
    return ConsentEvent("withdrawn", stream, purpose, "web_form", at)


def test_consent_is_about_the_streams_that_there_are():
    assert tuple(STREAMS) == STREAM_NAMES


moments = st.integers(0, 12).map(lambda hours: NOW + hours * HOUR)


class Consent(RuleBasedStateMachine):
    """Decisions arrive in any order; the model keeps, for each matter, only what the last of them leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[ConsentEvent] = []
        self.last: dict[tuple[str, str], tuple[dt.datetime, int, dt.datetime | None]] = {}

    @rule(
        stream=st.sampled_from(STREAM_NAMES[:2]),
        purpose=st.sampled_from(PURPOSES),
        at=moments,
        lasts=st.none() | st.integers(1, 6),
    )
    def grant(self, stream, purpose, at, lasts):
        ends = at + lasts * HOUR if lasts else None
        self.events.append(granted(at, stream=stream, purpose=purpose, expires_at=ends))
        before = self.last.get((stream, purpose))
        # A withdrawal of the same moment beats it.
        if before is None or at > before[0] or (at == before[0] and before[1] == 0):
            self.last[stream, purpose] = (at, 0, ends)

    @rule(stream=st.sampled_from(STREAM_NAMES[:2]), purpose=st.sampled_from(PURPOSES), at=moments)
    def withdraw(self, stream, purpose, at):
        self.events.append(withdrawn(at, stream=stream, purpose=purpose))
        before = self.last.get((stream, purpose))
        if before is None or at >= before[0]:
            self.last[stream, purpose] = (at, 1, None)

    @invariant()
    def agrees(self):
        for hours in (0, 3, 7, 13, 30):
            now = NOW + hours * HOUR
            for stream in STREAM_NAMES[:2]:
                for purpose in PURPOSES:
                    assert standing(self.events, (stream, purpose), now) == self.expected(
                        stream, purpose, now
                    )

    def expected(self, stream: str, purpose: str, now: dt.datetime) -> str:
        if (stream, purpose) not in self.last:
            return "never"
        _, gone, ends = self.last[stream, purpose]
        return "withdrawn" if gone else "expired" if ends is not None and now >= ends else "live"


TestConsent = Consent.TestCase
TestConsent.settings = settings(max_examples=60, stateful_step_count=15)


@given(st.permutations([granted(), withdrawn(NOW + HOUR), granted(NOW + 2 * HOUR), withdrawn(NOW - HOUR)]))
def test_the_order_of_arrival_changes_nothing(events):
    assert state_at(events, NOW + 3 * HOUR) == {("heart", "collection"): Standing.LIVE}


def test_a_grant_ends_with_the_policys_length_however_late_its_own_end_is():
    year = Duration.parse("P1Y")
    late = granted(expires_at=NOW + dt.timedelta(days=4000))
    assert expiry(late, year) == NOW.replace(year=2027)
    assert expiry(granted(expires_at=NOW + HOUR), year) == NOW + HOUR
    assert (expiry(granted()), expiry(withdrawn(), year)) == (None, None)
    assert standing([late], ("heart", "collection"), NOW.replace(year=2027), year) == "expired"


def test_without_a_clock_a_grant_is_live_until_its_end_is_noted():
    placed = [Placed((1, 0), granted(expires_at=NOW + HOUR))]
    matter = ("heart", "collection")
    assert noted(placed, set(), matter) == "live"
    assert noted(placed, {(1, 0)}, matter) == "expired"
    renewed = [*placed, Placed((2, 0), granted(NOW + HOUR))]
    assert noted(renewed, {(1, 0)}, matter) == "live"
    assert noted([*renewed, Placed((3, 0), withdrawn(NOW + 2 * HOUR))], {(1, 0)}, matter) == "withdrawn"
    assert noted(placed, set(), ("sleep", "collection")) == "never"
    assert governing(renewed)[matter].place == (2, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"decision": "maybe"},
        {"stream": "aura"},
        {"purpose": "fun"},
        {"method": "telepathy"},
        {"notice_sha256": None},
        {"notice_sha256": "0A" * 32},
        {"notice_sha256": "0a" * 31},
        {"decided_at": NOW.replace(tzinfo=None)},
        {"expires_at": NOW},
        {"expires_at": NOW.replace(tzinfo=None, year=2030)},
        {"decision": "withdrawn", "expires_at": NOW + HOUR},
    ],
)
def test_what_is_no_decision_is_refused_without_being_repeated(wrong):
    sound = {
        "decision": "granted",
        "stream": "heart",
        "purpose": "collection",
        "method": METHODS[0],
        "decided_at": NOW,
        "notice_sha256": NOTICE,
    }
    ConsentEvent(**sound)
    with pytest.raises(ValueError) as caught:
        ConsentEvent(**(sound | wrong))
    assert not any(str(value) in str(caught.value) for value in wrong.values() if value is not None)


def person_of(estate, name="ada"):
    alias = Alias("account", name)
    with estate.database.commit() as tx:
        return ensure(estate, tx, [alias], NOW)[alias]


def test_decisions_are_read_back_as_they_were_recorded(estate):
    events = [granted(expires_at=NOW + HOUR), withdrawn(NOW + HOUR / 2), granted(stream="sleep")]
    assert decide(estate, Alias("account", "ada"), events, NOW + HOUR) == 3
    pid = person_of(estate).identity_pid
    with estate.database.read() as conn:
        [found] = decisions_of(estate, conn).values()
        assert decisions_of(estate, conn, [b"x" * 16]) == {}
        assert decisions_of(estate, conn, [pid])[pid].events == events
    assert found.events == events
    assert [one.place for one in found.placed] == [(1, 0), (1, 1), (1, 2)]
    assert found.recorded_on == {1: NOW.date()}


def test_the_same_decision_is_recorded_once(estate):
    name = Alias("account", "ada")
    assert decide(estate, name, [granted(), granted()], NOW) == 1
    assert decide(estate, name, [granted(), withdrawn()], NOW) == 1
    assert decide(estate, name, [granted()], NOW) == 0


def test_rows_of_one_size_do_not_tell_what_was_decided(estate):
    decide(estate, Alias("account", "ada"), [granted()], NOW)
    decide(estate, Alias("account", "bob"), [withdrawn(stream="respiration", purpose="sharing")], NOW)
    pid = person_of(estate).identity_pid
    with estate.database.commit() as tx:
        note(estate, tx, pid, [Acted((1, 0), "erase", "0" * 32)], NOW)
    with estate.database.read() as conn:
        assert len({len(body) for body in conn.execute(sa.select(consent.c.sealed)).scalars()}) == 1


def test_a_row_that_was_moved_to_another_person_does_not_open(estate):
    decide(estate, Alias("account", "ada"), [granted()], NOW)
    decide(estate, Alias("account", "bob"), [withdrawn()], NOW)
    with estate.database.commit() as tx:
        bodies = tx.conn.execute(sa.select(consent.c.sealed)).scalars().all()
        tx.conn.execute(consent.update().where(consent.c.sealed == bodies[0]).values(sealed=bodies[1]))
    with estate.database.read() as conn, pytest.raises(SealBroken):
        decisions_of(estate, conn)


def test_nothing_is_recorded_of_the_erased(estate):
    person = person_of(estate)
    with estate.database.commit() as tx:
        bury(estate, tx, [Alias("account", "ada")], reason="erasure", now=NOW)
        estate.keyrings["identity"].destroy(tx, [person.identity_pid], NOW)
    with pytest.raises(ConfigurationError):
        decide(estate, Alias("account", "ada"), [granted()], NOW)
    with estate.database.commit() as tx, pytest.raises(KeyDestroyed):
        record(estate, tx, {person.identity_pid: [granted()]}, NOW)


def test_what_two_subjects_decided_becomes_one_persons_when_they_are_one(estate):
    decide(estate, Alias("account", "ada"), [granted(), withdrawn(NOW + HOUR)], NOW + HOUR)
    decide(estate, Alias("account", "bob"), [granted(stream="sleep")], NOW)
    source, target = (person_of(estate, name).identity_pid for name in ("ada", "bob"))
    with estate.database.commit() as tx:
        note(estate, tx, source, [Acted((1, 1), "erase", "7" * 32)], NOW)
        assert hand_over(estate, tx, source, target, NOW) == 2
        assert hand_over(estate, tx, source, target, NOW) == 0
        found = decisions_of(estate, tx.conn)
    assert set(found) == {target}
    assert [one.stream for one in found[target].events] == ["sleep", "heart", "heart"]
    [acted] = found[target].acted
    assert acted.request_id == "7" * 32
    governed = governing(found[target].placed)["heart", "collection"]
    assert governed.place == acted.of


def test_decisions_come_in_order_of_recording_beyond_nine_rows(estate):
    for hour in range(12):
        decide(estate, Alias("account", "ada"), [granted(NOW + hour * HOUR)], NOW + 12 * HOUR)
    with estate.database.read() as conn:
        [found] = decisions_of(estate, conn).values()
    assert [one.decided_at for one in found.events] == [NOW + hour * HOUR for hour in range(12)]


def test_a_decision_that_a_merge_handed_over_is_still_the_same_when_it_is_sent_again(estate):
    ahead = granted(NOW + 9 * HOUR)
    decide(estate, Alias("account", "bob"), [granted(stream="sleep")], NOW)
    decide(estate, Alias("account", "ada"), [ahead], NOW)
    assert decide(estate, Alias("account", "ada"), [ahead], NOW + HOUR) == 0
    source, target = (person_of(estate, name).identity_pid for name in ("ada", "bob"))
    with estate.database.commit() as tx:
        hand_over(estate, tx, source, target, NOW)
        assert record(estate, tx, {target: [ahead]}, NOW + 2 * HOUR) == 0
        assert [one.decided_at for one in decisions_of(estate, tx.conn)[target].events] == [NOW, NOW]
