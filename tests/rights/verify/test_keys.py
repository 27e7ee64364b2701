"""Key trees: pages and root keys put back, left over, lost or altered."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sqlite3
from contextlib import closing, suppress

import pytest
import sqlalchemy as sa

from shelflife.control.tables import copy_item, data_file, key_page, key_tree, keyring
from shelflife.errors import ConfigurationError
from shelflife.journal.destruction import Destruction
from shelflife.journal.journal import record
from shelflife.keys.tree import KeyKind
from shelflife.rights.verify import Target
from tests.conftest import NOW
from tests.rights.verify.conftest import (
    change,
    destroy_keys,
    found,
    live,
    one,
    plants,
    rules,
    target_of,
    write,
)

LATER = NOW + dt.timedelta(days=7)


def leaf(zone: str) -> sa.ColumnElement[bool]:
    return (key_page.c.zone == zone) & (key_page.c.level == 0)


@plants("key_page_closed")
def test_a_page_that_was_altered(estate):
    blob = bytearray(one(estate, sa.select(key_page.c.blob).where(leaf("analytics"))).blob)
    blob[100] ^= 1
    change(estate, key_page.update().where(leaf("analytics")).values(blob=bytes(blob)))
    assert "key_page_closed" in rules(found(estate))


@plants("key_page_missing")
def test_a_page_that_is_gone(estate):
    change(estate, key_page.delete().where(leaf("raw") & (key_page.c.number == 0)))
    assert "key_page_missing" in rules(found(estate))


@plants("key_page_stray")
def test_a_page_that_nothing_leads_to(estate):
    change(estate, key_page.insert().values(zone="raw", level=0, number=77, blob=b"anything"))
    assert rules(found(estate)) == {"key_page_stray"}


def roots(estate, zone: str):
    return estate.settings.root_slot_folder / f"{zone}.root"


def change_slot(estate, zone: str, edit) -> None:
    path = roots(estate, zone)
    document = json.loads(path.read_text())
    document["roots"] = edit(document["roots"])
    path.write_text(json.dumps(document))


@plants("root_key_missing")
def test_a_root_slot_without_the_living_key(estate):
    change_slot(estate, "raw", lambda _: [])
    outcome = rules(found(estate))
    assert "root_key_missing" in outcome
    assert "key_lost" not in outcome


@plants("root_keys_unreconciled")
def test_an_older_root_key_that_is_not_retired(erased):
    change_slot(erased, "raw", lambda rows: [row | {"retired_at": None} for row in rows])
    assert rules(found(erased)) == {"root_keys_unreconciled"}


@plants("root_key_overdue")
def test_a_root_key_past_the_finality_window(erased):
    assert "root_key_overdue" not in rules(found(erased, now=LATER))
    outcome = found(erased, now=LATER + dt.timedelta(days=2))
    assert "root_key_overdue" in rules(outcome)
    assert not outcome.final


@plants("root_slot_leftover")
def test_a_root_slot_that_was_replaced_halfway(estate):
    write(roots(estate, "raw").with_suffix(".root.former"), b"an older root key")
    assert rules(found(estate)) == {"root_slot_leftover"}


@plants("key_not_destroyed")
def test_a_key_that_is_still_there(estate, account):
    keys = target_of(estate, account).keys
    outcome = found(estate, Target(keys=keys))
    assert rules(outcome) == {"key_not_destroyed"}
    assert {finding.place for finding in outcome.findings} == {"identity, 8 of 8 keys", "raw, 8 of 8 keys"}


def test_pages_and_root_key_of_before_the_erasure_put_back(erased, target, before):
    """Whoever restores one zone's keys brings the erased person's back, and is found out."""
    shutil.copy(before / "roots" / "raw.root", roots(erased, "raw"))
    with closing(sqlite3.connect(before / "control" / "control.db")) as old:
        pages = old.execute("SELECT zone, level, number, blob FROM key_page WHERE zone = 'raw'").fetchall()
        [generation] = old.execute("SELECT generation FROM key_tree WHERE zone = 'raw'").fetchone()
    change(erased, key_page.delete().where(key_page.c.zone == "raw"))
    columns = ("zone", "level", "number", "blob")
    change(erased, key_page.insert().values([dict(zip(columns, page, strict=True)) for page in pages]))
    change(erased, key_tree.update().where(key_tree.c.zone == "raw").values(generation=generation))
    assert rules(found(erased, target)) == {"key_not_destroyed", "key_unnamed"}
    assert rules(found(erased)) == {"key_unnamed"}


def test_the_key_of_a_replaced_file_that_is_still_there(estate):
    file = one(estate, live("analytics"))
    here = data_file.c.file_id == file.file_id
    change(estate, data_file.update().where(here).values(state="collected", replaced_at=NOW))
    assert "key_of_replaced_file" in rules(found(estate))


@plants("key_of_removed_copy")
def test_the_key_of_a_removed_object_of_a_copy(estate):
    change(estate, copy_item.update().values(state="removed"))
    assert "key_of_removed_copy" in rules(found(estate))


@plants("key_unnamed")
def test_a_key_that_no_row_names(estate):
    with estate.database.commit() as tx:
        estate.trees["derived"].insert(tx, KeyKind.FILE, 3)
    [finding] = found(estate).findings
    assert (finding.rule, finding.place.partition(", leaf")[0]) == ("key_unnamed", "derived")
    assert finding.place.endswith(", 3 keys")


def test_a_keyring_whose_row_went_without_its_keys(estate, account):
    [pid] = target_of(estate, account).pids["raw"]
    change(estate, keyring.delete().where((keyring.c.zone == "raw") & (keyring.c.pid == pid)))
    assert "key_unnamed" in rules(found(estate))


@plants("key_lost")
def test_a_destruction_that_took_somebody_elses_key(estate):
    number = one(estate, live("raw", "heart").with_only_columns(data_file.c.partition_id)).partition_id
    with estate.database.commit() as tx:
        query = sa.text("SELECT key_number FROM partition WHERE partition_id = :id")
        estate.trees["raw"].destroy(tx, [tx.conn.execute(query, {"id": number}).scalar_one()], NOW)
    assert rules(found(estate)) == {"key_lost"}


@plants("key_of_recorded_destruction")
def test_a_destruction_that_is_recorded_and_did_not_happen(estate, account):
    keys = target_of(estate, account).keys
    with estate.database.commit() as tx:
        record(estate, tx.conn, Destruction(kind="erasure", record_id="0" * 32, at=NOW, keys=keys))
    assert rules(found(estate)) == {"key_of_recorded_destruction"}


def test_a_destruction_that_never_committed_is_not_looked_for(estate, account):
    keys = target_of(estate, account).keys
    with suppress(RuntimeError), estate.database.commit() as tx:
        record(estate, tx.conn, Destruction(kind="erasure", record_id="0" * 32, at=NOW, keys=keys))
        raise RuntimeError
    outcome = found(estate)
    assert outcome.findings == ()
    assert "ledger: recorded destructions" not in outcome.counts


@plants("old_copy_opens")
def test_an_older_copy_opens_until_its_root_key_is_gone(estate, account, tmp_path):
    copy = tmp_path / "backup.db"
    with closing(sqlite3.connect(estate.settings.home / "control" / "control.db")) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    assert rules(found(estate, old_database=copy)) == set()
    target = target_of(estate, account)
    destroy_keys(estate, target)
    outcome = found(estate, old_database=copy)
    places = {finding.place for finding in outcome.findings if finding.rule == "old_copy_opens"}
    assert places == {"identity, 8 keys", "raw, 8 keys"}
    with estate.database.commit() as tx:
        for tree in estate.trees.values():
            tree.finalize(tx, LATER, dt.timedelta(days=7))
    outcome = found(estate, old_database=copy)
    assert "old_copy_opens" not in rules(outcome)
    assert outcome.final
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db"]


def test_what_is_no_control_database_cannot_be_an_older_copy(estate, tmp_path):
    with pytest.raises(ConfigurationError):
        found(estate, old_database=write(tmp_path / "x.db", b"no database at all, but long enough" * 9))
