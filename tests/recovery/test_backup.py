"""What is in a backup, what is not, and that it is of one moment."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st

from shelflife.control.database import ControlDatabase
from shelflife.control.metadata import metadata
from shelflife.control.tables import data_file
from shelflife.errors import ConfigurationError
from shelflife.estate import Estate
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.recovery import backup as module
from shelflife.recovery.backup import backup
from shelflife.recovery.checks import restore_check
from shelflife.recovery.dump import all_tables, dump_table, load_table, read_table
from shelflife.recovery.listing import live_data_files
from shelflife.recovery.restore import restore
from shelflife.recovery.target import Target
from tests.canaries import forms, hits
from tests.conftest import NOW
from tests.lake.state import raw_rows
from tests.lake.test_canaries import ACCOUNT, CANARIES, VALUE, apple_export
from tests.postgresql_server import postgresql_server, postgresql_url
from tests.recovery.conftest import lose, people_in, purge
from tests.rights.conftest import PEOPLE, erase, samples_of

__all__ = ["postgresql_server", "postgresql_url"]


def names(backups) -> set[str]:
    return {path.name for path in (backups / "objects").rglob("*") if path.is_file()}


def test_files_are_copied_once(filled, backups, clock, put):
    before = names(backups)
    clock.forward(minutes=1)
    report = backup(filled, backups, clock=clock)
    assert (report.files, report.copied, report.damaged) == (14, 0, 0)
    put(samples_of(("ada",), days=1, month=10), "x", "more.ndjson")
    land(filled, list_inbox(filled.settings.inbox), clock=clock)
    clock.forward(minutes=1)
    report = backup(filled, backups, clock=clock)
    assert (report.files, report.copied) == (16, 2)
    assert len(names(backups) - before) == 2


def test_a_backup_is_of_one_moment(filled, settings, backups, clock, put, monkeypatch):
    """A person lands between the dump of the first table and that of the last."""
    dump, done = module.dump_table, []

    def dump_then_land(conn, table, path):
        if not done:
            done.append(True)
            put(samples_of(("zoe",), days=1, month=10), "x", "more.ndjson")
            land(filled, list_inbox(settings.inbox), clock=clock)
        return dump(conn, table, path)

    monkeypatch.setattr(module, "dump_table", dump_then_land)
    clock.forward(minutes=1)
    backup(filled, backups, clock=clock)
    lose(filled)
    restore(settings, backups, clock=clock)
    estate = Estate.open(settings, clock())
    assert people_in(raw_rows(estate)) == set(PEOPLE)
    estate.close()


@pytest.mark.slow
def test_a_file_that_is_scrubbed_while_it_is_copied(filled, settings, backups, clock, monkeypatch, tmp_path):
    copy, done = Target.add_object, []

    def erase_then_copy(target, source):
        if not done:
            done.append(True)
            erase(filled, "ada", clock)
        return copy(target, source)

    monkeypatch.setattr(Target, "add_object", erase_then_copy)
    clock.forward(minutes=1)
    report = backup(filled, tmp_path / "other", clock=clock)
    # Derived files were rewritten meanwhile and are gone; the raw ones were scrubbed in place and count.
    assert (report.files, report.damaged) == (6, 0)
    lose(filled)
    done = restore(settings, tmp_path / "other", clock=clock)
    assert done.files.lost == {"analytics": 2, "derived": 6}
    estate = Estate.open(settings, clock())
    assert people_in(raw_rows(estate)) == set(PEOPLE) - {"ada"}
    with estate.database.read() as conn:
        for file in live_data_files(conn):
            content = (estate.zone_folder(file.zone) / file.path).read_bytes()
            assert (len(content), hashlib.sha256(content).digest()) == (file.size, file.sha256)
    derive(estate, clock=clock)
    estate.close()


def test_damage_is_said_and_not_backed_up(filled, settings, clock, tmp_path):
    files = sorted((settings.home / "zones" / "raw" / "heart").rglob("*.parquet"))
    files[0].write_bytes(files[0].read_bytes()[:-1] + b"x")
    files[1].unlink()
    report = backup(filled, tmp_path / "other", clock=clock)
    assert (report.files, report.damaged) == (12, 2)
    assert restore_check(settings, tmp_path / "other").passed


def test_a_purge_while_files_are_copied_is_no_damage(filled, clock, tmp_path, monkeypatch):
    copy, done = Target.add_object, []

    def purge_then_copy(target, source):
        if not done:
            done.append(purge(filled, "heart", "2026-11-02", clock))
        return copy(target, source)

    monkeypatch.setattr(Target, "add_object", purge_then_copy)
    report = backup(filled, tmp_path / "other", clock=clock)
    assert (report.files, report.damaged) == (13, 0)


def test_a_backup_inside_the_estate_is_refused(filled, settings, clock):
    for folder in (settings.home / "backups", settings.inbox, settings.home / "x" / ".." / "y"):
        with pytest.raises(ConfigurationError, match="inside the estate"):
            backup(filled, folder, clock=clock)


def test_what_must_outlive_a_restore_is_in_no_backup(filled, settings, backups):
    content = b"".join(path.read_bytes() for path in sorted(backups.rglob("*")) if path.is_file())
    for slot in settings.root_slot_folder.glob("*.root"):
        for root in json.loads(slot.read_bytes())["roots"]:
            assert bytes.fromhex(root["key"]) not in content
            assert root["key"].encode() not in content
    assert (settings.witness_folder / "witness.key").read_bytes() not in content
    assert not [
        path.name
        for path in backups.rglob("*")
        if path.suffix in {".root", ".journal", ".mirror", ".note"} and path.name != "manifest.note"
    ]
    assert {path.stat().st_mode & 0o077 for path in backups.rglob("*")} == {0}


def test_nothing_planted_can_be_read_in_a_backup(settings, tmp_path, clock):
    estate = Estate.create(settings, NOW)
    folder = settings.inbox / ACCOUNT
    folder.mkdir(parents=True)
    (folder / "export.xml").write_bytes(apple_export())
    land(estate, list_inbox(settings.inbox), clock=clock)
    derive(estate, clock=clock)
    assert VALUE in {value for rows in raw_rows(estate).values() for value in rows["value_num"].to_list()}
    backup(estate, tmp_path / "backups", clock=clock)
    estate.close()
    assert hits([tmp_path / "backups"], CANARIES) == []
    wanted = [form for canary in CANARIES for form in forms(canary)]
    assert not [form for form in wanted if form in cells(tmp_path / "backups")]
    # The search can fail: what is in clear in the database is found.
    assert b"apple_health" in cells(tmp_path / "backups")


def test_a_dump_knows_every_table_that_the_database_has(filled):
    with filled.database.read() as conn:
        there = set(sa.inspect(conn).get_table_names()) - {"alembic_version"}
    assert {table.name for table in all_tables()} == there


def cells(backups) -> bytes:
    """Every value of every table in a backup, unpacked."""
    found = []
    for table in all_tables():
        for path in (backups / "backups").glob(f"*/{table.name}.arrow"):
            for batch in read_table(table, path):
                for column in batch.columns:
                    if not pa.types.is_integer(column.type):
                        found += [
                            value if isinstance(value, bytes) else str(value).encode()
                            for value in column.to_pylist()
                        ]
    return b"\n".join(found)


# --- the dump ---------------------------------------------------------------------------------------------

MOMENTS = st.integers(0, 2**52).map(lambda micros: NOW + dt.timedelta(microseconds=micros))


def value_of(column: sa.Column) -> st.SearchStrategy:
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return st.booleans()
    if isinstance(kind, sa.LargeBinary):
        found = st.binary(min_size=kind.length or 0, max_size=kind.length or 50)
    elif isinstance(kind, sa.Integer):
        found = st.integers(0, 2**62)
    elif isinstance(kind, sa.JSON):
        found = st.dictionaries(
            st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3
        )
    elif isinstance(kind, sa.String):
        found = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
    else:
        found = MOMENTS
    return st.none() | found if column.nullable else found


@options(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_value_survives_dump_and_load(tmp_path_factory, data):
    """Tables without references and fixed words, so that any value may stand in them."""
    table = data.draw(
        st.sampled_from(
            [metadata.tables[name] for name in ("key_page", "tombstone", "subject", "lineage_run")]
        )
    )
    keys = [column.name for column in table.primary_key]
    rows = data.draw(
        st.lists(
            st.fixed_dictionaries({column.name: value_of(column) for column in table.columns}),
            max_size=25,
            unique_by=lambda row: tuple(row[name] for name in keys),
        )
    )
    folder = tmp_path_factory.mktemp("dump")
    first = ControlDatabase.create(f"sqlite:///{folder / 'a' / 'control.db'}")
    second = ControlDatabase.create(f"sqlite:///{folder / 'b' / 'control.db'}")
    with first.commit() as tx:
        if rows:
            tx.conn.execute(table.insert(), rows)
    with first.read() as conn:
        written = dump_table(conn, table, folder / "t.arrow")
        before = conn.execute(sa.select(table)).all()
    with second.commit() as tx:
        assert load_table(tx.conn, table, folder / "t.arrow") == written.rows == len(rows)
    with second.read() as conn:
        assert sorted(conn.execute(sa.select(table)).all(), key=repr) == sorted(before, key=repr)
    first.close()
    second.close()


def test_pages_of_a_table_meet_without_gap_or_repeat(filled, tmp_path, monkeypatch):
    from shelflife.recovery import dump

    monkeypatch.setattr(dump, "_ROWS", 7)
    monkeypatch.setattr(dump, "_ROWS_AT_ONCE", {"key_page": 3})
    with filled.database.read() as conn:
        for table in all_tables():
            written = dump_table(conn, table, tmp_path / f"{table.name}.arrow")
            expected = conn.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            assert written.rows == expected, table.name
            keys = [column.name for column in table.primary_key]
            found = pa.Table.from_batches(
                list(read_table(table, tmp_path / f"{table.name}.arrow")), dump.schema_of(table)
            )
            assert len({tuple(row[key] for key in keys) for row in found.to_pylist()}) == expected


@pytest.mark.server
def test_a_backup_of_one_database_is_restored_into_another(
    filled, settings, backups, clock, postgresql_url, tmp_path
):
    """From SQLite into PostgreSQL, and from there back."""
    raw = raw_rows(filled)
    purge(filled, "heart", "2026-11-02", clock)
    lose(filled)
    on_server = settings.model_copy(update={"control_url": postgresql_url})
    restore(on_server, backups, clock=clock)
    estate = Estate.open(on_server, clock())
    expected = {key: rows for key, rows in raw.items() if key != ("heart", "2026-11-02")}
    assert all(raw_rows(estate)[key].equals(rows) for key, rows in expected.items())
    clock.forward(minutes=1)
    backup(estate, tmp_path / "other", clock=clock)
    erase(estate, "ada", clock)
    estate.close()
    restore(settings, tmp_path / "other", clock=clock)
    estate = Estate.open(settings, clock())
    assert people_in(raw_rows(estate)) == set(PEOPLE) - {"ada"}
    with estate.database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(data_file)).scalar()
    estate.close()
