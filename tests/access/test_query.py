"""Governed queries over real encrypted files and a real control database."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from shelflife.access.audit import asked_sql
from shelflife.access.query import DEFAULT_LIMITS, Limits, QueryResult, query
from shelflife.config import Settings, load_settings
from shelflife.control.tables import data_file, lease, query_audit
from shelflife.errors import AccessDenied, ConfigurationError, LeaseExpired, SealBroken, Terminal
from shelflife.keys import leases
from shelflife.lake.catalog import live_files, path_of
from tests.access.conftest import DAYS, ROLES
from tests.conftest import NOW

if TYPE_CHECKING:
    from shelflife.estate import Estate

PURPOSE = {"clinician": "care", "coach": "coaching", "counter": "operations", "analyst": "research"}


def ask(estate: Estate, sql: str, role: str, limits: Limits = DEFAULT_LIMITS, **more: Any) -> QueryResult:
    asked = {"principal": "nurse-7", "role": role, "purpose": PURPOSE.get(role, "none"), "now": NOW} | more
    return query(estate, sql, limits=limits, **asked)


def audited(estate: Estate) -> list[Any]:
    with estate.database.read() as conn:
        return list(conn.execute(sa.select(query_audit).order_by(sa.text("rowid"))))


def test_a_role_reads_what_it_may(estate: Estate) -> None:
    result = ask(
        estate,
        "SELECT count(*) AS n, min(mean_bpm) AS low, max(mean_bpm) AS high FROM heart_daily",
        "clinician",
    )
    assert isinstance(result.table, pa.Table)
    assert result.table.to_pylist() == [{"n": 20, "low": 50.0, "high": 159.0}]
    entry = audited(estate)[-1]
    assert (entry.query_id, entry.decision, entry.rows, entry.tables) == (
        result.query_id,
        "allowed",
        1,
        ["heart_daily"],
    )


def test_columns_of_other_classes_are_not_there(estate: Estate) -> None:
    names = ask(estate, "SELECT * FROM heart_daily", "counter").table.schema.names
    assert names == ["pid", "local_date", "readings"]
    assert ask(estate, "SELECT * FROM glucose_daily", "coach").table.schema.names == [
        "pid", "local_date", "readings", "capillary_readings",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "role", "says"),
    [
        ("SELECT mean_bpm FROM heart_daily", "counter", ("heart_daily.mean_bpm", "sensitive")),
        (
            "SELECT count(*) FROM heart_daily WHERE mean_bpm > 60",
            "counter",
            ("heart_daily.mean_bpm", "sensitive"),
        ),
        ("SELECT mean_mg_dl FROM glucose_daily", "coach", ("glucose_daily.mean_mg_dl", "special")),
        (
            "SELECT g.gmi_percent FROM heart_daily h JOIN glucose_daily g USING (pid)",
            "coach",
            ("gmi_percent", "special"),
        ),
        (
            "SELECT mean_time_in_range_percent FROM cohort_weekly",
            "analyst",
            ("mean_time_in_range_percent", "special"),
        ),
        ("SELECT * FROM heart_daily", "analyst", ("heart_daily", "derived")),
        ("SELECT * FROM cohort_weekly", "clinician", ("cohort_weekly", "analytics")),
        ("SELECT * FROM read_csv('/etc/passwd')", "clinician", ("allow-list",)),
    ],
)
def test_denials_name_column_and_class_and_are_recorded(
    estate: Estate, sql: str, role: str, says: tuple[str, ...]
) -> None:
    before = len(audited(estate))
    with pytest.raises(AccessDenied) as caught:
        ask(estate, sql, role)
    assert all(word in caught.value.what for word in says)
    entries = audited(estate)
    assert len(entries) == before + 1
    assert (entries[-1].decision, entries[-1].rows) == ("denied", None)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT mean_bpm AS mean_bpm FROM heart_daily",
        "SELECT heart_daily FROM heart_daily",
        'SELECT "MEAN_BPM" AS x FROM heart_daily',
        "SELECT COLUMNS('mean.*') FROM heart_daily",
        "WITH x(mean_bpm) AS (SELECT 1) SELECT h.mean_bpm FROM heart_daily h, x",
    ],
)
def test_no_spelling_reaches_a_closed_column(estate: Estate, sql: str) -> None:
    try:
        names = ask(estate, sql, "counter").table.to_pylist()[0]
    except Terminal:
        return
    inside = next(iter(names.values()))
    assert set(inside) == {"pid", "local_date", "readings"}


def test_the_row_filter_holds_before_any_sql(estate: Estate) -> None:
    seen = ask(
        estate, "SELECT local_date, readings, mean_bpm FROM heart_daily ORDER BY readings", "coach"
    ).table
    assert seen.to_pylist() == [
        {"local_date": DAYS[1], "readings": n, "mean_bpm": 50.0 + n} for n in range(5, 10)
    ]
    for probe in (
        "SELECT count(*) AS n FROM heart_daily WHERE mean_bpm > 100",
        "SELECT count(*) AS n FROM heart_daily WHERE local_date < '2026-11-03' OR TRUE = FALSE",
        "SELECT count(*) AS n FROM heart_daily WHERE 1 / (mean_bpm - 150) > 0",
        "SELECT count(*) AS n FROM heart_daily WHERE readings < 5",
    ):
        assert ask(estate, probe, "coach").table.to_pylist() == [{"n": 0}] or "1 /" in probe
    assert ask(
        estate, "SELECT count(*) AS n, max(mean_bpm) AS high FROM heart_daily", "coach"
    ).table.to_pylist() == [{"n": 5, "high": 59.0}]


def test_errors_of_the_engine_repeat_no_value(estate: Estate) -> None:
    secret = ask(
        estate, "SELECT hex(pid) AS pid FROM heart_daily WHERE readings = 7", "clinician"
    ).table.to_pylist()[0]["pid"]
    for sql in (
        "SELECT CAST(hex(pid) || 'x' AS INTEGER) FROM heart_daily WHERE readings = 7",
        "SELECT strptime(hex(pid), '%Y') FROM heart_daily WHERE readings = 7",
        "SELECT CAST('canary-4711' AS DATE)",
        "SELECT canary_4711 FROM heart_daily",
    ):
        with pytest.raises(Terminal) as caught:
            ask(estate, sql, "clinician")
        text = caught.value.diagnostics() + repr(caught.value)
        assert secret not in text
        assert "4711" not in text
        assert caught.value.__suppress_context__
        assert audited(estate)[-1].decision == "failed"


def test_a_long_query_is_stopped(estate: Estate) -> None:
    froms = ", ".join(f"heart_daily h{n}" for n in range(8))
    sql = f"SELECT count(*) FROM {froms} WHERE {' + '.join(f'h{n}.mean_bpm' for n in range(8))} > 0.5"
    started = time.monotonic()
    with pytest.raises(Terminal, match=r"longer than 0\.5 seconds"):
        ask(estate, sql, "clinician", Limits(seconds=0.5))
    assert time.monotonic() - started < 10
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_results_and_memory_are_limited(estate: Estate) -> None:
    with pytest.raises(Terminal, match="more than 1,000 rows"):
        ask(
            estate,
            "SELECT a.pid FROM heart_daily a, heart_daily b, heart_daily c",
            "clinician",
            Limits(rows=1000),
        )
    froms = ", ".join(f"heart_daily h{n}" for n in range(6))
    with pytest.raises(Terminal, match="memory"):
        ask(estate, f"SELECT array_agg(h0.mean_bpm) FROM {froms}", "clinician", Limits(memory="100MB"))


@pytest.mark.parametrize(
    "change",
    [{"role": "nobody"}, {"purpose": "curiosity"}, {"principal": " "}, {"role": ""}, {"purpose": ""}],
)
def test_who_and_why_must_be_known_and_every_attempt_is_recorded(
    estate: Estate, change: dict[str, str]
) -> None:
    before = len(audited(estate))
    with pytest.raises(AccessDenied):
        ask(estate, "SELECT 1", **({"role": "clinician"} | change))
    assert [entry.decision for entry in audited(estate)[before:]] == ["denied"]


def test_the_audit_holds_the_sql_sealed_and_a_fingerprint(estate: Estate) -> None:
    sql = "SELECT count(*) FROM heart_daily WHERE hex(pid) = 'canary-4711'"
    result = ask(estate, sql, "clinician")
    entry = audited(estate)[-1]
    assert (entry.principal, entry.role, entry.purpose, entry.asked_at) == (
        "nurse-7",
        "clinician",
        "care",
        NOW,
    )
    assert len(entry.fingerprint) == 64
    assert b"canary" not in bytes(entry.sealed_sql)
    with estate.database.read() as conn:
        assert asked_sql(estate, conn, result.query_id) == sql
    for file in (estate.settings.home / "control").iterdir():
        assert b"canary-4711" not in file.read_bytes()


def test_another_audit_entry_does_not_open_in_its_place(estate: Estate) -> None:
    one, two = (ask(estate, f"SELECT {n}", "clinician").query_id for n in (1, 2))
    first = next(entry for entry in audited(estate) if entry.query_id == one)
    with estate.database.commit() as tx:
        tx.conn.execute(
            query_audit.update().where(query_audit.c.query_id == two).values(sealed_sql=first.sealed_sql)
        )
    with estate.database.read() as conn, pytest.raises(SealBroken):
        asked_sql(estate, conn, two)


def test_an_erasure_meanwhile_withholds_the_result(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    import shelflife.access.query as module

    genuine = module.execute

    def and_then_erase(*args: Any, **more: Any) -> pa.Table:
        found = genuine(*args, **more)
        with estate.database.commit() as tx:
            leases.advance_epoch(tx)
        return found

    monkeypatch.setattr(module, "execute", and_then_erase)
    with pytest.raises(LeaseExpired):
        ask(estate, "SELECT * FROM heart_daily", "clinician")
    assert audited(estate)[-1].decision == "failed"
    with estate.database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(lease)).scalar() == 0


def test_a_table_without_files_is_empty_and_has_only_the_roles_columns(estate: Estate) -> None:
    table = ask(estate, "SELECT * FROM sleep_nightly", "counter").table
    assert (table.num_rows, table.schema.names) == (0, ["pid", "local_date", "records", "basis"])


def test_an_altered_file_is_named_as_such_and_a_destroyed_key_removes_its_rows(estate: Estate) -> None:
    with estate.database.read() as conn:
        files = live_files(conn, "derived", "heart_daily", [DAYS[0].isoformat()])
    path = path_of(estate, files[0])
    whole = path.read_bytes()
    body = bytearray(whole)
    for place in range(40, len(body) - 2000, 16):
        body[place] ^= 1
    path.write_bytes(bytes(body))
    with pytest.raises(SealBroken):
        ask(estate, "SELECT * FROM heart_daily", "clinician")
    path.write_bytes(whole)
    assert ask(estate, "SELECT 1 FROM heart_daily", "clinician").table.num_rows == 20
    number = files[0].key_number
    assert number is not None
    with estate.database.commit() as tx:
        estate.trees["derived"].destroy(tx, [number], NOW)
    assert ask(estate, "SELECT 1 FROM heart_daily", "clinician").table.num_rows == 10
    with estate.database.read() as conn:
        assert (
            conn.execute(sa.select(data_file.c.state).where(data_file.c.file_id == files[0].file_id)).scalar()
            == "live"
        )


def test_roles_are_typed_and_the_defaults_are_narrow() -> None:
    roles = Settings().roles
    assert roles["analyst"].zones == {"analytics"}
    assert "special" not in roles["analyst"].classes
    assert roles["data_engineer"].classes == {"ordinary"}
    assert "special" in roles["clinician"].classes
    for wrong in ({"zones": ["raw"]}, {"classes": ["secret"]}, {"purposes": []}, {"extra": 1}):
        role = ROLES["analyst"].model_dump() | wrong
        with pytest.raises(ConfigurationError):
            load_settings(roles={"analyst": role})
