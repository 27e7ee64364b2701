"""A name that passes from one person to another: each row is whose the name was when the row was observed."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import alias
from shelflife.errors import ConfigurationError
from shelflife.lake import landing
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.rights.verify import Target, verify
from shelflife.subjects.aliases import add_alias, end_alias, person_behind
from shelflife.subjects.directory import Alias, attach, ensure, find, owners, periods_of
from shelflife.subjects.periods import ALWAYS, Period
from shelflife.subjects.tombstones import bury, refused_periods, register_again, tombstoned
from tests.conftest import NOW
from tests.lake.conftest import estate, put, settings
from tests.lake.state import raw_rows
from tests.rights.conftest import Clock, erase

__all__ = ["estate", "put", "settings"]

WATCH = Alias("device", "watch-0451")
ADA, BOB, EVE = (Alias("account", name) for name in ("ada", "bob", "eve"))
SOLD = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
BEFORE, AFTER = Period(None, SOLD), Period(SOLD, None)
HOUR = dt.timedelta(hours=1)


def beat(start: dt.datetime | str | None, *, name: Alias = WATCH, value: object = 61) -> dict[str, object]:
    text = start.isoformat() if isinstance(start, dt.datetime) else start
    row = {"signal": "heart_rate", "value": value, "unit": "/min", "start": text}
    return row | {"subject": name.value, "subject_kind": name.kind}


def land_rows(estate, put, *rows: dict[str, object], account: str = "x", now: dt.datetime = NOW):
    body = "\n".join(map(json.dumps, rows)).encode()
    put(body, account, f"{abs(hash(body))}.ndjson")
    return land(estate, list_inbox(estate.settings.inbox), clock=lambda: now)


def people(estate, *names: Alias):
    with estate.database.commit() as tx:
        return [ensure(estate, tx, [name], NOW)[name] for name in names]


def pass_on(estate, name: Alias, *turns) -> None:
    with estate.database.commit() as tx:
        for person, periods in turns:
            attach(estate, tx, name, person, periods, NOW)


@pytest.fixture
def sold(estate):
    """A watch that was Ada's and is Bob's."""
    ada, bob = people(estate, ADA, BOB)
    pass_on(estate, WATCH, (ada, (BEFORE,)), (bob, (AFTER,)))
    return estate


def counted(estate) -> dict[str, int]:
    """By person, how many rows are landed."""
    found: dict[str, int] = {}
    for rows in raw_rows(estate).values():
        for (name,), mine in rows.group_by("pid"):
            found[str(name)] = found.get(str(name), 0) + mine.height
    return found


def test_each_row_is_whose_the_name_was_at_its_start(sold, put):
    last, first = SOLD - dt.timedelta(microseconds=1), SOLD
    report = land_rows(
        sold, put, beat(last - HOUR), beat(last), beat(first), beat(first + HOUR), beat(first + 2 * HOUR)
    )
    assert (report.total("landed"), report.total("refused")) == (5, 0)
    assert counted(sold) == {"ada": 2, "bob": 3}


def test_the_rows_of_a_file_follow_its_account(estate, put):
    ada, bob = people(estate, ADA, BOB)
    pass_on(estate, Alias("account", "family"), (ada, (BEFORE,)), (bob, (AFTER,)))
    rows = [beat(SOLD - HOUR), beat(SOLD + HOUR)]
    for row in rows:
        del row["subject"], row["subject_kind"]
    land_rows(estate, put, *rows, account="family")
    assert counted(estate) == {"ada": 1, "bob": 1}


def test_a_row_of_nobody_is_refused_and_counted(estate, put):
    ada, bob = people(estate, ADA, BOB)
    pass_on(estate, WATCH, (ada, (BEFORE,)), (bob, (Period(SOLD + 2 * HOUR, None),)))
    report = land_rows(estate, put, beat(SOLD - HOUR), beat(SOLD + HOUR), beat(SOLD + 3 * HOUR))
    assert (report.total("samples_in"), report.total("landed"), report.reasons()) == (3, 2, {"no_owner": 1})


def test_a_row_without_a_usable_time_is_nobodys_where_the_name_passed_on(sold, put):
    report = land_rows(sold, put, beat(None), beat("not a time"), beat(SOLD))
    assert (report.total("landed"), report.reasons()["no_owner"]) == (1, 2)


def test_a_wall_clock_time_counts_only_when_no_offset_could_move_it_past_the_sale(sold, put):
    def local(hours: int) -> str:
        return (SOLD + hours * HOUR).replace(tzinfo=None).isoformat()

    rows = [beat(local(hours), value=60 + hours) for hours in (-13, -12, 0, 13, 14)]
    report = land_rows(sold, put, *rows)
    # Fourteen hours east of UTC it was fourteen hours earlier, twelve hours west twelve hours later.
    assert report.reasons() == {"no_owner": 3}
    assert counted(sold) == {"ada": 1, "bob": 1}


def test_two_names_of_one_person_make_one_person_in_a_batch(estate, put):
    [ada] = people(estate, ADA)
    pass_on(estate, WATCH, (ada, ALWAYS))
    report = land_rows(estate, put, beat(SOLD), beat(SOLD, name=ADA), beat(SOLD + HOUR, name=ADA))
    assert (report.total("landed"), report.total("duplicates"), report.subjects) == (2, 1, 1)
    assert counted(estate) == {"ada": 2}


def test_erasing_the_first_owner_refuses_their_rows_and_not_the_second_owners(sold, put):
    land_rows(sold, put, beat(SOLD - HOUR), beat(SOLD + HOUR))
    erase(sold, "ada", Clock(), regimes=())
    assert counted(sold) == {"bob": 1}
    report = land_rows(sold, put, beat(SOLD - 2 * HOUR), beat(SOLD + 2 * HOUR), beat(None))
    assert (report.total("landed"), report.reasons()) == (1, {"erased": 2})
    assert counted(sold) == {"bob": 2}
    assert verify(sold, now=NOW, targets=[Target(aliases=(WATCH,))]).findings == ()


def test_once_both_owners_are_erased_everything_is_refused(sold, put):
    clock = Clock()
    for name in ("bob", "ada"):
        erase(sold, name, clock, regimes=())
    report = land_rows(sold, put, beat(SOLD - HOUR), beat(SOLD + HOUR), beat(None))
    assert report.reasons() == {"erased": 3}
    with sold.database.read() as conn:
        assert tombstoned(sold, conn, [WATCH]) == {WATCH}


def test_the_verifier_still_finds_a_row_of_the_erased_owner(sold):
    with sold.database.commit() as tx:
        ada = find(sold, tx.conn, [ADA])[ADA]
        bury(sold, tx, [WATCH], reason="erasure", now=NOW, periods={WATCH: (BEFORE,)})
    target = Target(aliases=(WATCH,), pids={"identity": (ada.identity_pid,)})
    found = {one.rule for one in verify(sold, now=NOW, targets=[target]).findings}
    assert "alias_row" in found


def test_a_second_owner_who_was_erased_can_come_back_beside_the_first(sold, put):
    with sold.database.commit() as tx:
        bury(sold, tx, [WATCH], reason="erasure", now=NOW, periods={WATCH: (AFTER,)})
        bob = find(sold, tx.conn, [BOB])[BOB]
        attach(sold, tx, WATCH, bob, (), NOW)
    back = NOW + dt.timedelta(days=5)
    with sold.database.commit() as tx:
        register_again(sold, tx, WATCH, back)
    report = land_rows(
        sold, put, beat(SOLD - HOUR), beat(SOLD + HOUR), beat(back + HOUR), now=back + 2 * HOUR
    )
    assert (report.total("landed"), report.reasons()) == (2, {"erased": 1})
    with sold.database.read() as conn:
        assert refused_periods(sold, conn, [WATCH]) == {WATCH: (Period(SOLD, back),)}
        assert len(owners(sold, conn, [WATCH])[WATCH]) == 2


def test_finding_without_a_time_finds_the_last_owner(sold):
    with sold.database.read() as conn:
        ada, bob = (find(sold, conn, [name])[name] for name in (ADA, BOB))
        assert find(sold, conn, [WATCH])[WATCH] == bob
        assert find(sold, conn, [WATCH], SOLD - HOUR)[WATCH] == ada
        assert find(sold, conn, [WATCH], SOLD)[WATCH] == bob


def test_periods_lie_sealed(sold):
    with sold.database.read() as conn:
        rows = conn.execute(sa.select(alias.c.sealed_periods)).scalars().all()
    sealed = [row for row in rows if row is not None]
    assert len(sealed) == 2
    assert not any(b"2026" in row for row in sealed)


def test_a_further_name_is_refused_where_it_is_anothers_and_may_touch(estate):
    ada, bob = people(estate, ADA, BOB)
    with estate.database.commit() as tx:
        add_alias(estate, tx, ada, WATCH, BEFORE, NOW)
    for period in (Period(), Period(SOLD - HOUR, None), Period(None, SOLD - 9 * HOUR)):
        with estate.database.commit() as tx, pytest.raises(ConfigurationError):
            add_alias(estate, tx, bob, WATCH, period, NOW)
    with estate.database.commit() as tx:
        add_alias(estate, tx, bob, WATCH, AFTER, NOW)
    with estate.database.read() as conn:
        assert periods_of(estate, conn, bob)[WATCH] == (AFTER,)
        assert periods_of(estate, conn, ada) == {ADA: ALWAYS, WATCH: (BEFORE,)}


def test_a_name_of_an_erased_person_is_not_given_to_another(estate):
    ada, bob = people(estate, ADA, BOB)
    pass_on(estate, WATCH, (ada, (BEFORE,)))
    erase(estate, "ada", Clock(), regimes=())
    with estate.database.commit() as tx, pytest.raises(ConfigurationError):
        add_alias(estate, tx, bob, WATCH, Period(SOLD - HOUR, None), NOW)
    with estate.database.commit() as tx:
        add_alias(estate, tx, bob, WATCH, AFTER, NOW)


def test_a_name_that_ended_is_nobodys_and_can_be_given_on(estate, put):
    ada, bob = people(estate, ADA, BOB)
    pass_on(estate, WATCH, (ada, ALWAYS))
    with estate.database.commit() as tx:
        end_alias(estate, tx, WATCH, SOLD, NOW)
    assert land_rows(estate, put, beat(SOLD - HOUR), beat(SOLD)).reasons() == {"no_owner": 1}
    with estate.database.commit() as tx, pytest.raises(ConfigurationError):
        end_alias(estate, tx, WATCH, SOLD + HOUR, NOW)
    with estate.database.commit() as tx:
        add_alias(estate, tx, bob, WATCH, AFTER, NOW)
        assert person_behind(estate, tx, WATCH) == bob


def test_nobody_is_behind_an_unknown_name(estate):
    with estate.database.commit() as tx, pytest.raises(ConfigurationError):
        person_behind(estate, tx, EVE)


def test_a_landing_that_looked_owners_up_before_a_name_passed_on_looks_again(estate, put, monkeypatch):
    ada, bob = people(estate, ADA, BOB)
    pass_on(estate, WATCH, (ada, ALWAYS))
    done = []

    def sell_it_meanwhile(point: str) -> None:
        if point == "land.before_commit" and not done:
            done.append(point)
            with estate.database.commit() as tx:
                end_alias(estate, tx, WATCH, SOLD, NOW)
                add_alias(estate, tx, bob, WATCH, AFTER, NOW)

    monkeypatch.setattr(landing, "reached", sell_it_meanwhile)
    land_rows(estate, put, beat(SOLD - HOUR), beat(SOLD + HOUR))
    assert done
    assert counted(estate) == {"ada": 1, "bob": 1}
