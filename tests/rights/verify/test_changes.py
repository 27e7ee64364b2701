"""What identity changes keep sealed of people who must be gone, and periods that a row of a name or a tombstone holds."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa

from shelflife.control.subject_tables import identity_change, tombstone
from shelflife.identity.prepare import merge_terms, prepare, split_terms, transfer_terms
from shelflife.identity.selection import Selection
from shelflife.rights.verify import Target
from shelflife.subjects.directory import Alias
from tests.conftest import NOW
from tests.rights.verify.conftest import change, found, plants, rules, target_of

RULES = {"identity_change_names_target", "identity_change_of_nobody"}
HEART = Selection(streams=("heart",))


@pytest.fixture
def accounts(template) -> list[Alias]:
    return [Alias("account", name) for name in template[1]]


def prepared(estate, make, *what) -> str:
    with estate.database.read() as conn:
        terms = make(estate, conn, *what)
    return prepare(estate, terms, NOW)[0]


def of_pids(estate, account: str) -> Target:
    return dataclasses.replace(target_of(estate, account), keys={}, tokens={}, aliases=())


@plants("identity_change_names_target")
def test_a_prepared_change_that_names_somebody_under_anothers_key(estate, accounts):
    kept, gone, other = accounts[:3]
    change_id = prepared(estate, merge_terms, kept, gone)
    outcome = found(estate, of_pids(estate, gone.value))
    assert [one.place for one in outcome.findings if one.rule in RULES] == [f"identity change {change_id}"]
    assert not RULES & rules(found(estate, of_pids(estate, other.value)))
    assert not RULES & rules(found(estate))


def test_a_name_that_is_to_pass_on(estate, accounts):
    giver, name = accounts[0], Alias("account", "somebody-new")
    prepared(estate, split_terms, giver, name, HEART)
    assert "identity_change_names_target" in rules(found(estate, Target(aliases=(name,))))
    prepared(estate, transfer_terms, accounts[1], accounts[2], NOW)
    assert "identity_change_names_target" in rules(found(estate, Target(aliases=(accounts[1],))))


@plants("identity_change_of_nobody")
def test_a_record_that_no_key_opens(estate, accounts):
    change_id = prepared(estate, split_terms, *accounts[:2], HEART)
    here = identity_change.c.change_id == change_id
    with estate.database.read() as conn:
        sealed = bytes(conn.execute(sa.select(identity_change.c.sealed).where(here)).scalar_one())
    change(estate, identity_change.update().where(here).values(sealed=sealed[:-1] + bytes([sealed[-1] ^ 1])))
    assert RULES & rules(found(estate)) == {"identity_change_of_nobody"}
    change(estate, identity_change.update().where(here).values(sealed=sealed, pid=None))
    assert RULES & rules(found(estate)) == {"identity_change_of_nobody"}
    change(estate, identity_change.update().where(here).values(sealed=None, pid=b"?" * 16))
    assert RULES & rules(found(estate)) == {"identity_change_of_nobody"}
    change(estate, identity_change.update().where(here).values(sealed=None, pid=None))
    assert not RULES & rules(found(estate))


def test_a_name_in_the_periods_of_a_tombstone(estate, accounts):
    """The one new column that holds anything in clear."""
    planted = [[accounts[0].value, None]]
    change(
        estate,
        tombstone.insert().values(alias_mac=b"t" * 32, erased_at=NOW, reason="erasure", periods=planted),
    )
    target = Target(aliases=(accounts[0],))
    assert "tombstone.periods" in {
        one.place for one in found(estate, target).findings if one.rule == "target_in_cell"
    }
