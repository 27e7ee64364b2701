"""The whole estate as a state machine: landings, derivations, copies, purges, erasures, backups and restores in any order.

Beside the estate stands a plain model of what must be there. Any step that destroys can be killed by SIGKILL at any of
its crash points first; it is then run again. After every step: each person has exactly the rows of the model, whoever was
erased has none, the verifier finds nothing, and no name is anywhere on the disk.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shelflife.copies.publish import publish
from shelflife.estate import Estate
from shelflife.lake.checks import check_batches, unjudged
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.recovery.backup import backup
from shelflife.recovery.restore import restore
from shelflife.retention.apply import apply_plan, plan_purge
from shelflife.retention.plan_file import write_plan
from shelflife.rights.erasure import Options, due, run_erasures
from shelflife.rights.erasure_proof import HOUSEKEEPING
from shelflife.rights.verify import verify
from tests.canaries import hits
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.lake.state import raw_rows
from tests.rights.conftest import ask

pytestmark = pytest.mark.slow

PEOPLE = ("acct-quokka-1", "acct-quokka-2", "acct-quokka-3", "acct-quokka-4")
SIGNALS = {
    "heart": ("heart_rate", 60, "/min"),
    "glucose": ("glucose_interstitial", 100, "mg/dL"),
}
# The first two days are past the retention of glucose, or become so when a year goes by.
DAYS = (dt.date(2025, 11, 20), dt.date(2025, 12, 5), dt.date(2026, 11, 1), dt.date(2026, 11, 20))
KEPT = {"heart": dt.timedelta(days=730), "glucose": dt.timedelta(days=365)}
SAMPLES = 4
KILLS = {
    "erase": (
        "erase.fenced", "erase.journalled", "erase.in_commit", "keys.destroy.root_put", "erase.keys_destroyed",
        "erase.copies_recorded", "rewrite.file_written", "rewrite.committed", "scrub.begun", "scrub.value_overwritten",
        "scrub.overwritten", "erase.scrubbed", "erase.checked", "control.commit.after",
    ),
    "land": ("land.file_written", "land.before_commit", "land.in_commit", "land.committed"),
    "purge": ("keys.destroy.root_put", "control.commit.before", "control.commit.after", "purge.finished"),
}  # fmt: skip


@dataclass
class Model:
    """What must be there: by person and stream, the days that have samples."""

    rows: dict[str, dict[str, set[dt.date]]] = field(default_factory=dict)
    expired: set[tuple[str, dt.date]] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    forgotten: set[tuple[str, str]] = field(default_factory=set)

    def land(self, name: str, stream: str, day: dt.date) -> None:
        refused = name in self.erased or (name, stream) in self.forgotten or (stream, day) in self.expired
        if name not in self.erased:
            mine = self.rows.setdefault(name, {})
            if not refused:
                mine.setdefault(stream, set()).add(day)

    def counts(self) -> dict[tuple[str, str], int]:
        return {
            (name, stream): SAMPLES * len(days)
            for name, mine in self.rows.items()
            for stream, days in mine.items()
            if days
        }

    def forget(
        self, erased: set[str], forgotten: set[tuple[str, str]], expired: set[tuple[str, dt.date]]
    ) -> None:
        """Take away what later destructions took, as a replay does after a restore."""
        self.erased |= erased
        self.forgotten |= forgotten
        self.expired |= expired
        self.rows = {name: mine for name, mine in self.rows.items() if name not in self.erased}
        for name, stream in self.forgotten:
            self.rows.get(name, {}).pop(stream, None)
        for mine in self.rows.values():
            for stream in mine:
                mine[stream] = {day for day in mine[stream] if (stream, day) not in self.expired}


class WholeEstate(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="shelflife-machine-"))
        self.now = NOW
        self.settings = settings_in(self.folder, purge_brake_percent=100)
        self.estate = Estate.create(self.settings, NOW)
        self.model = Model()
        self.saved: Model | None = None
        self.saved_at = NOW

    def teardown(self) -> None:
        self.estate.close()
        shutil.rmtree(self.folder)

    def clock(self) -> dt.datetime:
        return self.now

    def options(self) -> Options:
        return Options(clock=self.clock, wait=self.wait)

    def wait(self, seconds: float) -> None:
        """Let the leases of killed processes run out."""
        self.now += dt.timedelta(seconds=600 * seconds)

    def killed(self, step: str, point: str | None, *arguments: str) -> None:
        """Run a step in a process of its own that dies at a crash point, if it comes by there."""
        if point is None:
            return
        self.estate.close()
        environment = os.environ | {"PYTHONPATH": str(ROOT), "SHELFLIFE_CRASH_AT": point}
        command = [
            sys.executable, "-m", "tests.rights.machine_worker", str(self.folder), self.now.isoformat(), step, *arguments
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode in {0, -9}, done.stderr[-2000:]
        self.estate = Estate.open(self.settings, self.now)

    @rule(
        name=st.sampled_from(PEOPLE),
        stream=st.sampled_from(sorted(SIGNALS)),
        day=st.sampled_from(DAYS),
        kill=st.none() | st.sampled_from(KILLS["land"]),
    )
    def land(self, name: str, stream: str, day: dt.date, kill: str | None) -> None:
        signal, value, unit = SIGNALS[stream]
        rows = [
            {
                "subject": name,
                "signal": signal,
                "value": value + number,
                "unit": unit,
                "start": f"{day.isoformat()}T0{number}:00:00Z",
            }
            for number in range(SAMPLES)
        ]
        target = (
            self.settings.inbox / "x" / f"{stream}-{day}-{len(list(self.settings.inbox.rglob('*')))}.ndjson"
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(json.dumps(row) for row in rows))
        self.killed("land", kill)
        land(self.estate, list_inbox(self.settings.inbox), clock=self.clock)
        check_batches(self.estate, unjudged(self.estate))
        self.model.land(name, stream, day)

    @rule()
    def derive_and_publish(self) -> None:
        derive(self.estate, clock=self.clock)
        publish(self.estate, clock=self.clock)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), kill=st.none() | st.sampled_from(KILLS["erase"]))
    def erase(self, data: st.DataObject, kill: str | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.rows)))
        streams = data.draw(st.sampled_from([(), (), ("glucose",), ("heart",)]))
        request_id = ask(self.estate, name, self.clock, streams=streams)
        self.killed("erase", kill, request_id)
        run_erasures(self.estate, [request_id], self.options())
        self.model.forget(set() if streams else {name}, {(name, stream) for stream in streams}, set())

    @rule(kill=st.none() | st.sampled_from(KILLS["purge"]))
    def purge(self, kill: str | None) -> None:
        plan = plan_purge(self.estate, clock=self.clock)
        named = write_plan(self.settings, plan)
        gone = {
            (line.table_name, dt.date.fromisoformat(line.period))
            for line in plan.remove
            if line.zone == "raw"
        }
        for stream, day in gone:
            assert day + KEPT[stream] <= self.now.date()
        self.killed("purge", kill, named)
        apply_plan(self.estate, named, clock=self.clock)
        self.model.forget(set(), set(), gone)

    @rule(days=st.sampled_from([1, 40]))
    def time_goes_by(self, days: int) -> None:
        self.now += dt.timedelta(days=days)

    @rule()
    def back_up(self) -> None:
        backup(self.estate, self.folder / "backups", clock=self.clock)
        self.saved, self.saved_at = copy.deepcopy(self.model), self.now

    @precondition(lambda self: self.saved is not None)
    @rule()
    def lose_the_database_and_restore(self) -> None:
        self.estate.close()
        shutil.rmtree(self.settings.home / "control")
        restore(self.settings, self.folder / "backups", clock=self.clock)
        self.estate = Estate.open(self.settings, self.now)
        since = self.model
        self.model = copy.deepcopy(self.saved)
        # Whoever was first named after the backup is unknown again, and what they had forgotten with them; a whole
        # erasure is remembered by its tombstone.
        forgotten = {(name, stream) for name, stream in since.forgotten if name in self.model.rows}
        self.model.forget(since.erased, forgotten, since.expired)
        run_erasures(self.estate, due(self.estate), self.options())

    @invariant()
    def everybody_has_exactly_what_the_model_says(self) -> None:
        found: dict[tuple[str, str], int] = {}
        for (table, _), rows in raw_rows(self.estate).items():
            for (name,), mine in rows.group_by("pid"):
                found[str(name), table] = found.get((str(name), table), 0) + mine.height
        assert found == self.model.counts()

    @invariant()
    def the_verifier_finds_nothing(self) -> None:
        found = verify(self.estate, now=self.now).findings
        assert [one for one in found if one.rule not in HOUSEKEEPING] == []

    @invariant()
    def no_name_is_on_the_disk(self) -> None:
        assert hits([self.settings.home], PEOPLE) == []


WholeEstate.TestCase.settings = settings(
    max_examples=6,
    stateful_step_count=10,
    deadline=None,
    # A failing history is short already, and a step takes a second: shrinking it would take an hour.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestWholeEstate = pytest.mark.timeout(600)(WholeEstate.TestCase)
