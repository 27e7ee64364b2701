"""Identity changes through the command line and through Dagster: counts and opaque ids, never a name."""

from __future__ import annotations

import io
import json
import sys

import dagster as dg
import pytest

from assets.resource import EstateResource
from orchestration import lifecycle
from shelflife.cli.main import main
from shelflife.estate import Estate
from shelflife.identity.change import State, get
from shelflife.subjects.directory import Alias, find, periods_of
from shelflife.subjects.periods import Period
from shelflife.subjects.profile import read_profile
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.subjects.identity_estates import (
    ADA,
    ADELE,
    NEW,
    SOLD,
    counts,
    fill_twice,
    filled_folder,
    opened_copy,
    prepared,
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return filled_folder(tmp_path_factory, fill_twice)


@pytest.fixture
def folder(kept, tmp_path, monkeypatch):
    opened_copy(kept, tmp_path).close()
    (tmp_path / "shelflife.yaml").write_text(
        f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: {ROOT}/retention_policies\n"
    )
    monkeypatch.setenv("SHELFLIFE_SETTINGS", str(tmp_path / "shelflife.yaml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shelflife(folder, monkeypatch, capsys):
    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shelflife", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def look(folder, what):
    estate = Estate.open(settings_in(folder), NOW)
    try:
        return what(estate)
    finally:
        estate.close()


def test_a_merge_is_previewed_and_run(shelflife, folder):
    both = "ada\nadele\n"
    code, out, _ = shelflife("subjects", "merge", "--preview", "--json", stdin=both)
    seen = json.loads(out)
    assert code == 0
    assert seen["rows"] == sum(line[2] for line in seen["moves"]) > seen["duplicates"] > 0
    assert look(folder, counts).keys() == {"ada", "adele", "bob"}
    code, out, err = shelflife("subjects", "merge", "--yes", stdin=both)
    assert code == 0
    assert "adele" not in out + err
    assert look(folder, counts).keys() == {"ada", "bob"}
    code, out, _ = shelflife("subjects", "changes", "--json")
    [done] = json.loads(out)
    assert (done["state"], done["rows_moved"] + done["rows_known_already"]) == ("done", seen["rows"])


def test_without_a_terminal_nothing_happens_unasked(shelflife, folder):
    assert shelflife("subjects", "merge", stdin="ada\nadele\n")[0] == 0
    assert look(folder, counts).keys() == {"ada", "adele", "bob"}


def test_a_split_is_prepared_and_run_by_its_id(shelflife, folder):
    arguments = ("subjects", "split", "--since", "2026-11-02T00:00:00Z", "--stream", "heart", "--prepare")
    code, out, _ = shelflife(*arguments, stdin="ada\nnewcomer\n")
    assert code == 0
    change_id = out.split()[-1]
    assert look(folder, counts).keys() == {"ada", "adele", "bob"}
    assert shelflife("subjects", "run", change_id)[0] == 0
    assert "newcomer" in look(folder, counts)
    assert shelflife("subjects", "withdraw", change_id)[0] == 3


def test_a_watch_is_added_and_sold(shelflife, folder):
    assert shelflife("subjects", "alias", "add", "--to-kind", "device", stdin="ada\nw1\n")[0] == 0
    sold = ("--at", SOLD.isoformat(), "--device-model", "Watch 1", "--yes")
    assert shelflife("subjects", "transfer", *sold, stdin="w1\nnewcomer\n")[0] == 0
    assert (
        shelflife(
            "subjects", "alias", "end", "--kind", "device", "--at", "2027-01-01T00:00:00Z", stdin="w1\n"
        )[0]
        == 0
    )

    def periods(estate):
        with estate.database.read() as conn:
            return [
                periods_of(estate, conn, find(estate, conn, [name])[name]).get(Alias("device", "w1"))
                for name in (ADA, NEW)
            ]

    before, after = look(folder, periods)
    assert before == (Period(None, SOLD),)
    assert (after[0].since, after[0].until.year) == (SOLD, 2027)


def test_a_zone_is_set(shelflife, folder):
    assert shelflife("subjects", "zone", "Europe/Berlin", stdin="ada\n")[0] == 0
    assert shelflife("subjects", "zone", "Berlin/Europe", stdin="ada\n")[0] == 3

    def zone(estate):
        with estate.database.read() as conn:
            return read_profile(estate, conn, find(estate, conn, [ADA])[ADA])

    assert look(folder, zone) == {"time_zone": "Europe/Berlin"}


@pytest.mark.parametrize("at", ["yesterday", "2026-11-02T12:00:00"])
def test_a_time_without_an_offset_is_refused(shelflife, at):
    code, _, err = shelflife("subjects", "transfer", "--at", at, stdin="w1\nada\n")
    assert code == 3
    assert "offset" in err


def test_a_missing_alias_is_refused(shelflife):
    assert shelflife("subjects", "merge", stdin="ada\n")[0] == 3


def test_dagster_runs_a_prepared_change_by_its_id(folder):
    change_id = look(folder, lambda estate: prepared(estate, "merge", ADA, ADELE)[0])
    with dg.DagsterInstance.ephemeral() as instance:
        result = lifecycle.identity_change.execute_in_process(
            instance=instance,
            resources={"estate": EstateResource()},
            run_config={"ops": {"change_identity": {"config": {"change_id": change_id}}}},
        )
        assert result.success
        said = " ".join(str(event) for event in result.all_events)
    assert "adele" not in said
    assert "rows moved" in said
    assert look(folder, lambda estate: get(estate, change_id).state) is State.DONE
