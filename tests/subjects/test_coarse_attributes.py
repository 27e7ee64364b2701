"""Facts of a profile leave the identity zone for cohorts through one audited function only."""

from __future__ import annotations

import ast
import datetime as dt

import sqlalchemy as sa

from shelflife.control.tables import attribute_disclosure
from shelflife.subjects.directory import Alias, ensure
from shelflife.subjects.profile import coarse_attributes, merge_profile
from tests.conftest import NOW
from tests.lake.conftest import ROOT, estate, put, settings

__all__ = ["estate", "put", "settings"]

# The person's own copy of everything, the merge of two profiles, and the zone that a file is read in.
READERS = {
    "read_profile": {
        "shelflife/identity/persons.py",
        "shelflife/identity/plan.py",
        "shelflife/rights/export/collect.py",
        "shelflife/subjects/profile.py",
    },
    "read_profiles": {"shelflife/subjects/profile.py"},
    "coarse_attributes": {"shelflife/lake/inputs.py", "shelflife/subjects/profile.py"},
}


def users_of(name: str) -> set[str]:
    """The files of the library in which a name stands."""
    found = set()
    for folder in ("shelflife", "assets", "orchestration"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.walk(ast.parse(path.read_text()))
            names = {
                node.id
                if isinstance(node, ast.Name)
                else node.attr
                if isinstance(node, ast.Attribute)
                else node.name
                if isinstance(node, ast.FunctionDef)
                else ""
                for node in tree
            }
            if name in names:
                found.add(str(path.relative_to(ROOT)))
    return found


def test_nothing_else_opens_profiles():
    for name, allowed in READERS.items():
        users = users_of(name)
        assert users <= allowed, name
        assert "shelflife/subjects/profile.py" in users


def test_nothing_else_touches_the_sealed_column():
    assert users_of("sealed_profile") == {"shelflife/subjects/profile.py"}


def test_every_disclosure_is_recorded_and_holds_nothing_finer(estate):
    with estate.database.commit() as tx:
        ada = ensure(estate, tx, [Alias("account", "ada")], NOW)[Alias("account", "ada")]
        merge_profile(estate, tx, ada, {"birth_date": "1990-06-15", "sex": "female", "given_name": "Ada"})
    handed = coarse_attributes(estate, zone="derived", purpose="cohorts", on=dt.date(2026, 11, 24), now=NOW)
    [row] = handed.to_pylist()
    assert {name: row[name] for name in row if name != "pid"} == {"age_band": "30-39", "sex": "female"}
    with estate.database.read() as conn:
        [told] = conn.execute(sa.select(attribute_disclosure)).all()
    assert (told.purpose, told.attributes, told.subjects) == ("cohorts", ["age_band", "sex"], 1)
