"""Adoption in a real estate: what is recorded, what is refused, and that both records become true together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from shelflife.control.tables import ledger_leaf, policy_version
from shelflife.errors import ConfigurationError
from shelflife.estate import Estate
from shelflife.ledger.ledger import verify
from shelflife.policy.documents import digest
from shelflife.policy.loading import load_policies
from shelflife.retention.adoption import Adopted, adopt, adopted, adopted_policies
from tests.conftest import NOW
from tests.lake.conftest import ROOT, settings_in
from tests.policy.policies import policy, rule

if TYPE_CHECKING:
    from shelflife.policy.retention import RetentionPolicy

FIRST = policy(rule("a/b", "P1Y"))
LONGER = policy(rule("a/b", "P2Y"), version="2026-12-01", reason="Another reason for the test.")
SECOND = policy(rule("c/d", applies_to=["sleep"]), policy="second")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An estate that nothing was adopted in; tests work on copies of it, which are quick to make."""
    folder = tmp_path_factory.mktemp("pristine")
    Estate.create(settings_in(folder), NOW).close()
    return folder


@pytest.fixture
def estate(pristine: Path, tmp_path: Path):
    subprocess.run(["cp", "-a", str(pristine / "estate"), str(tmp_path / "estate")], check=True)
    opened = Estate.open(settings_in(tmp_path), NOW)
    yield opened
    opened.close()


def put(estate: Estate, *policies: RetentionPolicy) -> Adopted:
    return adopt(estate, policies, NOW, "privacy-office")


def in_force(estate: Estate, *policies: RetentionPolicy) -> bool:
    with estate.database.read() as conn:
        return {name: one.digest for name, one in adopted(conn).items()} == {
            policy.policy: digest(policy) for policy in policies
        }


def ledger_entries(estate: Estate) -> list[dict[str, object]]:
    with estate.database.read() as conn:
        bodies = conn.execute(sa.select(ledger_leaf.c.body).order_by(ledger_leaf.c.position)).scalars()
        return [json.loads(body) for body in bodies]


def rows(estate: Estate) -> list[tuple[str, str, bool]]:
    columns = policy_version.c.policy, policy_version.c.version, policy_version.c.lengthens
    with estate.database.read() as conn:
        return [tuple(row) for row in conn.execute(sa.select(*columns).order_by(*columns))]


def test_a_first_adoption_is_recorded_once(estate: Estate) -> None:
    policies = load_policies(ROOT / "retention_policies")
    assert not in_force(estate, *policies)
    done = put(estate, *policies)
    assert (done.recorded, done.lengthens) == (("default",), False)
    assert in_force(estate, *policies)
    with estate.database.read() as conn:
        assert adopted(conn)["default"].digest == digest(policies[0])
        assert digest(adopted_policies(conn)[0]) == digest(policies[0])
        (row,) = conn.execute(sa.select(policy_version)).all()
    assert (row.reason, row.principal, row.adopted_at) == (policies[0].reason, "privacy-office", NOW)
    (entry,) = ledger_entries(estate)
    assert entry["type"] == "policy"
    assert entry["versions"] == [
        {"policy": "default", "version": "2026-11-23", "sha256": digest(policies[0]).hex()}
    ]
    assert "privacy-office" not in json.dumps(entry)
    assert done.ledger_position == 0
    again = put(estate, *policies)
    assert (again.recorded, again.changes, again.ledger_position) == ((), (), None)
    assert len(ledger_entries(estate)) == 1


def test_a_lengthening_needs_a_newer_version_and_a_new_reason(estate: Estate) -> None:
    put(estate, FIRST)
    with pytest.raises(ConfigurationError, match="newer than 2026-11-23"):
        put(estate, LONGER.model_copy(update={"version": FIRST.version}))
    with pytest.raises(ConfigurationError, match="reason"):
        put(estate, LONGER.model_copy(update={"reason": FIRST.reason}))
    assert in_force(estate, FIRST)
    assert len(ledger_entries(estate)) == 1
    done = put(estate, LONGER)
    assert done.lengthens
    assert in_force(estate, LONGER)
    assert not in_force(estate, FIRST)
    assert rows(estate) == [("test", "2026-11-23", False), ("test", "2026-12-01", True)]
    assert [entry["lengthening"] for entry in ledger_entries(estate)] == [0, 1]
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)


def test_what_is_in_force_is_the_newest_version_and_not_the_one_sorted_last_as_text(estate: Estate) -> None:
    for version in ("2026-11-23", "2026-11-23.9", "2026-11-23.10"):
        newest = FIRST.model_copy(update={"version": version})
        put(estate, newest)
    assert in_force(estate, newest)


def test_a_policy_that_goes_is_recorded_and_comes_back_only_as_a_newer_one(estate: Estate) -> None:
    put(estate, FIRST, SECOND)
    with pytest.raises(ConfigurationError, match="second"):
        put(estate, FIRST)
    done = put(estate, LONGER)
    assert set(done.recorded) == {"test", "second"}
    assert in_force(estate, LONGER)
    assert ("second", "2026-11-23-ended", True) in rows(estate)
    with estate.database.read() as conn:
        assert list(adopted(conn)) == ["test"]
        assert [one.policy for one in adopted_policies(conn)] == ["test"]
    with pytest.raises(ConfigurationError, match="in force until 2026-11-23"):
        put(estate, LONGER, SECOND)
    newer = SECOND.model_copy(update={"version": "2026-12-02"})
    put(estate, LONGER, newer)
    assert in_force(estate, LONGER, newer)


@pytest.mark.parametrize("principal", ["", "  ", "x" * 201])
def test_somebody_must_have_decided_it(estate: Estate, principal: str) -> None:
    with pytest.raises(ConfigurationError, match="principal"):
        adopt(estate, [FIRST], NOW, principal)
    assert not in_force(estate, FIRST)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "recorded"),
    [("policy.adopt.recorded", False), ("control.commit.before", False), ("control.commit.after", True)],
)
def test_a_killed_adoption_left_both_records_or_none(
    estate: Estate, tmp_path: Path, point: str, *, recorded: bool
) -> None:
    policies = ROOT / "retention_policies"
    command = [sys.executable, "-m", "tests.policy.adopting", str(tmp_path), str(policies), point]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = load_policies(policies)
    assert in_force(estate, *found) is recorded
    assert len(ledger_entries(estate)) == int(recorded)
    put(estate, *found)
    assert in_force(estate, *found)
    assert len(ledger_entries(estate)) == 1
    with estate.database.read() as conn:
        verify(conn, estate.ledger.verifier_key, estate.witness)
