"""Models that must not load, and what they can reach when they run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

from shelflife.errors import ConfigurationError
from shelflife.lake.models import columns_read, load_models, locked_connection, output_schema, run_model
from shelflife.policy.loading import load_policies
from shelflife.policy.retention import rule_of_class
from tests.lake.model_rows import SQL, models, sample, stream

if TYPE_CHECKING:
    from pathlib import Path

HEART = SQL / "derived" / "heart_daily.sql"
COHORT = SQL / "analytics" / "cohort_weekly.sql"


def broken(folder: Path, *changes: tuple[str, str], file: Path = HEART) -> str:
    """Load a copy of the models with one of them changed, and return the error's text."""
    shutil.copytree(SQL, folder / "sql")
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "sql" / file.parent.name / file.name).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_models(folder / "sql")
    return caught.value.what


def test_the_models_of_the_project_load() -> None:
    assert list(models()) == [
        "activity_daily",
        "glucose_daily",
        "heart_daily",
        "hrv_recordings",
        "sleep_nightly",
        "cohort_weekly",
    ]
    heart = models()["heart_daily"]
    assert (heart.date_column, heart.period, len(heart.digest)) == ("local_date", "day", 32)
    assert output_schema(heart, models()).names == list(heart.columns)
    assert {"quality_flags", "start_utc", "value_num", "signal"} <= columns_read(heart)
    assert "iana_tz" not in columns_read(heart)


def test_every_model_lives_under_a_rule_of_the_default_policy() -> None:
    (policy,) = load_policies(SQL.parent / "retention_policies")
    for model in models().values():
        assert model.name in rule_of_class(policy, model.retention_class).applies_to


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("/* model\n", "/* modell\n", 1, "no header"),
        ("owner: data-platform\n", "", 2, "owner"),
        ("retention_class: derived/default\n", "", 2, "retention_class"),
        ("erasure: rewrite\n", "", 2, "erasure"),
        ("erasure: rewrite", "erasure: forget", 10, "erasure"),
        ("owner: data-platform", "ownr: data-platform", 6, "ownr"),
        ("owner: data-platform", "owner: jane@example.com", 6, "owner"),
        ("zone: derived", "zone: derived\nzone: derived", 4, "twice"),
        ("class: ordinary, description: pseudonym", "class: harmless, description: pseudonym", 13, "class"),
        ("keys: [pid, local_date]", "keys: [local_date]", 2, "pid"),
        ("reads: [heart]", "reads: [hart]", 2, "streams"),
        ("reads: [heart]", "reads: [heart, sleep]", 2, "coarsest"),
        ("period: day", "period: week", 2, "coarsest"),
    ],
)
def test_a_wrong_header_stops_loading_and_names_its_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    what = broken(tmp_path, (old, new))
    assert f"derived/heart_daily.sql:{line}:" in what
    assert says in what


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("    daily.readings,\n", "", "yields"),
        ("    daily.readings,\n", "    daily.readings AS n,\n", "yields"),
        ("FROM daily\n", "FROM nowhere\n", "does not run"),
        (
            "    SELECT pid, local_date, signal, value_num, start_utc, coalesce(statistic, 'instant') AS statistic\n",
            "    SELECT *\n",
            "name the columns",
        ),
        ("daily.readings,", "CAST(daily.readings AS DECIMAL(9, 2)) AS readings,", "decimal"),
        ("SELECT\n    daily.pid", "DELETE FROM heart; SELECT\n    daily.pid", "SELECT"),
    ],
)
def test_a_wrong_select_stops_loading(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert says in broken(tmp_path, (old, new))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("reads: [heart_daily,", "reads: [heart,", "never streams"),
        ("    people_heart: [mean_bpm]\n", "", "measures"),
        ("cells: [age_band, sex]", "cells: [age_band]", "within and cells"),
        ("people: people\n", "people: persons\n", "not there"),
        ("erasure: rederive", "erasure: keep", "erasure_reason"),
    ],
)
def test_a_cohort_without_disclosure_control_stops_loading(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert says in broken(tmp_path, (old, new), file=COHORT)


def test_the_file_name_is_the_model_name(tmp_path: Path) -> None:
    shutil.copytree(SQL, tmp_path / "sql")
    (tmp_path / "sql/derived/heart_daily.sql").rename(tmp_path / "sql/derived/pulse.sql")
    with pytest.raises(ConfigurationError, match="folder"):
        load_models(tmp_path / "sql")


def test_no_models_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        load_models(tmp_path)


def test_a_failing_model_does_not_repeat_a_value(tmp_path: Path) -> None:
    shutil.copytree(SQL, tmp_path / "sql")
    text = HEART.read_text().replace(
        "SELECT pid, local_date, signal, value_num,",
        "SELECT pid, local_date, signal, CAST(value_raw AS DOUBLE) AS value_num,",
    )
    (tmp_path / "sql/derived/heart_daily.sql").write_text(text)
    model = load_models(tmp_path / "sql")["heart_daily"]
    rows = stream([sample("heart_rate", 60.0, 1, value_raw="canary-4711")])
    with pytest.raises(ConfigurationError) as caught:
        run_model(model, {"heart": rows})
    assert "canary" not in caught.value.diagnostics()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_model_must_be_given_what_it_reads() -> None:
    with pytest.raises(ConfigurationError):
        run_model(models()["heart_daily"], {"sleep": stream([])})


def test_a_run_is_the_same_twice_whatever_the_order_of_people() -> None:
    rows = [sample("heart_rate", 50 + n % 37 + n / 7, n, pid=bytes([n % 5] * 16)) for n in range(3000)]
    first = run_model(models()["heart_daily"], {"heart": stream(rows)})
    again = run_model(models()["heart_daily"], {"heart": stream(rows)})
    fewer = run_model(models()["heart_daily"], {"heart": stream([r for r in rows if r["pid"] != bytes(16)])})
    assert first.equals(again)
    assert first.slice(1).to_pylist() == fewer.to_pylist()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/shelflife-escape.csv'",
        "ATTACH '/tmp/shelflife-escape.db'",
        "SET enable_external_access = true",
        "SET threads = 9",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM outside",
    ],
)
def test_a_locked_connection_reaches_nothing(statement: str) -> None:
    outside = pa.table({"a": [1]})
    with locked_connection({"inside": outside}) as connection:
        assert connection.execute("SELECT a FROM inside").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error):
            connection.execute(statement).fetchall()


def test_a_locked_connection_never_spills() -> None:
    with locked_connection({}, memory="50MB") as connection:
        folder, size = connection.execute(
            "SELECT current_setting('temp_directory'), current_setting('max_temp_directory_size')"
        ).fetchall()[0]
        assert (folder, size) == ("", "0 bytes")
        with pytest.raises(duckdb.OutOfMemoryException):
            connection.execute(
                "SELECT count(*) FROM (SELECT DISTINCT i FROM range(20000000) t(i))"
            ).fetchall()
