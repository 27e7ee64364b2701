"""The same verification with the control database on a real PostgreSQL server."""

from __future__ import annotations

import pytest

from shelflife.control.tables import batch
from shelflife.estate import Estate
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.rights.verify import Target
from shelflife.subjects.directory import Alias
from shelflife.synthetic.inbox import write_inbox
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.postgresql_server import postgresql_server, postgresql_url
from tests.rights.verify.conftest import change, clock, found, rules

__all__ = ["postgresql_server", "postgresql_url"]

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_an_estate_on_postgresql(tmp_path, postgresql_url):
    estate = Estate.create(settings_in(tmp_path, control_url=postgresql_url), NOW)
    account = write_inbox(estate.settings.inbox, people=2, days=2, seed=3, until=NOW.date()).accounts[0]
    land(estate, list_inbox(estate.settings.inbox), clock=clock)
    derive(estate, clock=clock)
    outcome = found(estate, copies=False)
    assert outcome.findings == ()
    assert outcome.counts["raw: decoded samples"] > 1000
    target = Target(aliases=(Alias("account", f"{account}-erased"),))
    assert rules(found(estate, target, copies=False)) == {"tombstone_missing"}
    change(estate, batch.update().values(host=f"{account}-erased"))
    outcome = found(estate, target, copies=False)
    assert rules(outcome) == {"tombstone_missing", "target_in_cell"}
    assert ("control", "the database server's files and logs") in {
        (one.store, one.why) for one in outcome.unseen
    }
    estate.close()
