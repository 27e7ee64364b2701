"""The control database: rows, cells, free pages and the log of somebody who must be gone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import alias, subject, tombstone
from shelflife.control.tables import (
    attribute_disclosure,
    batch,
    hold,
    hold_subject,
    keyring,
    lineage_run,
    request,
)
from shelflife.journal.destruction import Destruction
from shelflife.journal.destruction import Tombstone as Stone
from shelflife.journal.journal import record
from shelflife.rights.verify import Target, recorded_targets, targets_from_alias
from shelflife.rights.verify.primitives import alias_digest
from shelflife.subjects.directory import Alias
from tests.conftest import NOW
from tests.rights.verify.conftest import change, forget_log, found, plants, rules, target_of


@plants("subject_row", "alias_row", "consent_row", "keyring_row", "tombstone_missing", "target_in_cell")
def test_rows_of_somebody_who_must_be_gone(estate, account):
    known = target_of(estate, account)
    target = dataclasses.replace(known, keys={}, tokens={})
    expected = {
        "subject_row",
        "alias_row",
        "consent_row",
        "keyring_row",
        "tombstone_missing",
        "target_in_cell",
    }
    assert expected <= rules(found(estate, target))
    alone = Target(aliases=known.aliases)
    assert rules(found(estate, alone)) >= {"alias_row", "tombstone_missing", "target_in_cell"}


@plants("subject_without_key", "alias_of_nobody", "consent_of_nobody")
def test_a_directory_row_whose_key_was_destroyed(estate, account):
    [pid] = target_of(estate, account).pids["identity"]
    with estate.database.commit() as tx:
        estate.keyrings["identity"].destroy(tx, [pid], NOW)
    # The derived rows are of somebody whom the directory cannot name any more.
    assert rules(found(estate)) == {
        "subject_without_key",
        "alias_of_nobody",
        "consent_of_nobody",
        "derived_row_of_nobody",
    }


def test_a_tombstone_that_was_removed(erased, target):
    change(erased, tombstone.delete())
    assert rules(found(erased, target)) == {"tombstone_missing"}


def test_who_came_back_on_purpose_is_known_again(erased, target, account):
    [name] = target.aliases
    with erased.database.commit() as tx:
        [pid] = tx.conn.execute(sa.select(subject.c.pid).limit(1)).scalars()
        key = alias_digest(erased.secret(tx.conn, "identity", 1), name.kind, name.value)
        row = {"alias_mac": key, "pid": pid, "kind": "account", "sealed": b"", "created_at": NOW}
        tx.conn.execute(alias.insert().values(**row))
    forget_log(erased)
    assert {"alias_row", "target_in_cell"} <= rules(found(erased, Target(aliases=target.aliases)))
    change(erased, tombstone.update().values(registered_again_at=NOW))
    (erased.settings.inbox / account).mkdir(parents=True)
    (erased.settings.inbox / account / "new.csv").write_text(account)
    assert found(erased, target).findings == ()


@pytest.mark.parametrize(
    "form",
    [
        lambda target: target.aliases[0].value.upper(),
        lambda target: target.pids["derived"][0].hex(),
        lambda target: target.tokens["member_cache"][0].hex().upper(),
        lambda target: json.dumps({"who": target.aliases[0].value.encode().hex()}),
    ],
    ids=["upper case", "pseudonym", "token", "hexadecimal in JSON"],
)
def test_a_cell_that_names_somebody(erased, target, form):
    change(erased, batch.update().values(host=form(target)))
    forget_log(erased)
    outcome = found(erased, target)
    assert rules(outcome) == {"target_in_cell", "target_in_database_bytes"}
    assert {finding.place for finding in outcome.findings} == {"batch.host", "control.db"}


def test_a_long_json_cell_that_names_somebody_is_read_whole(erased, target, account):
    """A value longer than a page lies in pieces in the file: only the decoded cell shows it."""
    facts = {"a": "x" * 4060 + account + "y" * 5000}
    change(erased, lineage_run.update().values(facts=facts))
    forget_log(erased)
    assert "target_in_cell" in rules(found(erased, target))


def test_a_short_name_counts_only_where_it_stands_alone(erased):
    """A name of three letters is found as a cell or a word in JSON, and not in every text that has these letters."""
    ada = Target(aliases=(Alias("account", "ada"),))
    change(erased, batch.update().values(host="canada.example"))
    assert rules(found(erased, ada)) == {"tombstone_missing"}
    change(erased, batch.update().values(host="ada"))
    assert rules(found(erased, ada)) == {"tombstone_missing", "target_in_cell"}
    change(erased, batch.update().values(host="x"))
    change(erased, attribute_disclosure.update().values(attributes=["sex", "ada"]))
    assert rules(found(erased, ada)) == {"tombstone_missing", "target_in_cell"}


@plants("target_in_database_bytes")
def test_free_pages_that_still_name_somebody(erased, target):
    with closing(sqlite3.connect(erased.settings.home / "control" / "control.db")) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE gone (pid BLOB)")
        connection.executemany("INSERT INTO gone VALUES (?)", [(target.pids["raw"][0],)] * 50)
        connection.execute("DROP TABLE gone")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outcome = found(erased, target)
    assert rules(outcome) == {"target_in_database_bytes"}


@plants("target_in_write_ahead_log")
def test_a_log_that_still_names_somebody(erased, target, account):
    change(erased, batch.update().values(host=account))
    change(erased, batch.update().values(host="x"))
    assert rules(found(erased, target)) == {"target_in_write_ahead_log"}
    forget_log(erased)
    assert rules(found(erased, target)) == set()


@plants("unknown_table")
def test_a_table_that_the_schema_does_not_name(erased, target, account):
    with erased.database.commit() as tx:
        tx.conn.exec_driver_sql("CREATE TABLE copy_of_people (name TEXT)")
        tx.conn.exec_driver_sql("INSERT INTO copy_of_people VALUES (?)", (account,))
    outcome = found(erased, target)
    assert {"unknown_table", "target_in_cell"} <= rules(outcome)
    assert "copy_of_people" not in str(outcome.as_json())


@plants("request_not_shredded")
def test_a_closed_request_that_still_says_who_asked(estate):
    values = {"kind": "erasure", "streams": [], "reason": "request", "regimes": [], "facts": {}}
    change(
        estate,
        request.insert().values(
            request_id="0" * 32, state="final", received_at=NOW, closed_at=NOW, sealed=b"sealed", **values
        ),
    )
    assert rules(found(estate)) == {"request_not_shredded"}
    change(estate, request.update().values(sealed=None))
    assert rules(found(estate)) == set()


def test_what_a_hold_keeps_is_excused_where_the_hold_names_it(erased, target):
    [pid] = target.pids["identity"]
    values = {"matter": "2026-17", "streams": ["heart"], "everyone": False, "bases": {}, "owner": "legal"}
    change(
        erased,
        hold.insert().values(
            hold_id="1" * 32, review_on="2027-01-01", state="active", placed_at=NOW, **values
        ),
    )
    row = {"hold_id": "1" * 32, "identity_pid": pid, "hold_pid": b"h" * 16, "sealed": b""}
    change(erased, hold_subject.insert().values(**row))
    assert found(erased, target).findings == ()
    change(erased, hold.update().values(state="released"))
    assert "target_in_cell" in rules(found(erased, target))


@plants("row_of_recorded_destruction")
def test_rows_that_the_journal_says_are_gone(estate, account):
    target = target_of(estate, account)
    digest = alias_digest(b"x" * 32, "account", account)
    gone = Destruction(
        kind="erasure",
        record_id="0" * 32,
        at=NOW,
        subjects=list(target.pids["identity"]),
        keyrings={"raw": list(target.pids["raw"])},
        tombstones=[Stone(digest, "erasure", NOW)],
    )
    with estate.database.commit() as tx:
        record(estate, tx.conn, gone)
    outcome = found(estate)
    assert rules(outcome) == {"row_of_recorded_destruction"}
    places = {finding.place.partition(",")[0] for finding in outcome.findings}
    assert places == {"subject", "consent", "keyring", "tombstone"}


def test_an_auditor_needs_the_alias_only(erased, target, account, before):
    """The journal tells whose pseudonyms an alias's tombstone was recorded with."""
    [name] = target.aliases
    with erased.database.commit() as tx:
        secret = erased.secret(tx.conn, "identity", 2)
        gone = Destruction(
            kind="erasure",
            record_id="0" * 32,
            at=NOW,
            keys=target.keys,
            subjects=list(target.pids["identity"]),
            keyrings={zone: list(target.pids[zone]) for zone in ("identity", "raw")},
            tombstones=[Stone(alias_digest(secret, name.kind, name.value), "erasure", NOW)],
        )
        record(erased, tx.conn, gone)
    [asked] = targets_from_alias(erased, [name])
    with erased.database.read() as conn:
        [recorded] = recorded_targets(erased, conn)
    for one in (asked, recorded):
        assert one.pids == {zone: target.pids[zone] for zone in ("identity", "raw")}
        assert one.keys == target.keys
    assert found(erased, asked, recorded).findings == ()
    [pid] = target.pids["identity"]
    change(erased, keyring.insert().values(zone="identity", pid=pid, number=target.keys["identity"][0]))
    assert {"keyring_row", "row_of_recorded_destruction"} <= rules(found(erased, asked))
    [stranger] = targets_from_alias(erased, [Alias("account", "acct-nobody-ever")])
    assert stranger == Target(aliases=(Alias("account", "acct-nobody-ever"),))


def test_a_deferred_erasure_is_recorded_with_its_date(erased, target):
    from shelflife.journal.destruction import AwaitingRewrite

    due = NOW + dt.timedelta(days=3)
    row = AwaitingRewrite("heart_daily", target.pids["derived"][0], "0" * 32, due)
    gone = Destruction(kind="erasure", record_id="0" * 32, at=NOW, awaiting=[row], streams=["heart"])
    with erased.database.commit() as tx:
        record(erased, tx.conn, gone)
    with erased.database.read() as conn:
        [recorded] = recorded_targets(erased, conn)
    assert (recorded.due, recorded.streams, recorded.tables) == (due, {"heart"}, {"heart_daily"})
    assert recorded.pids == {"derived": target.pids["derived"]}
