"""The ledger with its witness, the journal, and the events of lineage."""

from __future__ import annotations

import shutil

from shelflife.control.tables import ledger_leaf
from shelflife.journal.destruction import Destruction
from shelflife.journal.journal import record
from tests.conftest import NOW
from tests.rights.verify.conftest import change, found, plants, rules


@plants("ledger_broken")
def test_an_entry_that_was_altered(estate):
    change(estate, ledger_leaf.update().where(ledger_leaf.c.position == 1).values(body='{"type":"nothing"}'))
    assert rules(found(estate)) == {"ledger_broken"}


def test_a_ledger_that_was_cut_is_found_out_by_its_witness(estate):
    with estate.database.commit() as tx:
        estate.ledger.append(tx, [{"type": "test"}], NOW)
    size = found(estate).counts["ledger: entries"]
    with estate.database.commit() as tx:
        tx.conn.exec_driver_sql(f"DELETE FROM ledger_leaf WHERE position = {size - 1}")
        tx.conn.exec_driver_sql(f"DELETE FROM ledger_checkpoint WHERE size = {size}")
    assert rules(found(estate)) == {"ledger_broken"}


@plants("journal_broken")
def test_a_journal_that_was_cut(estate):
    for _ in range(2):
        with estate.database.commit() as tx:
            record(estate, tx.conn, Destruction(kind="purge", record_id="0" * 32, at=NOW))
    assert found(estate).counts["ledger: recorded destructions"] == 2
    journal = estate.settings.journal_folder / "destructions.journal"
    journal.write_bytes(journal.read_bytes()[:-40])
    assert rules(found(estate)) == {"journal_broken"}
    # One that is gone altogether is missed by the witness's note.
    shutil.rmtree(estate.settings.journal_folder)
    assert rules(found(estate)) == {"journal_broken"}


@plants("target_in_lineage")
def test_an_event_that_names_somebody(erased, target, account):
    [path] = (erased.settings.home / "lineage").glob("*.ndjson")
    with path.open("a") as file:
        file.write(f'{{"run": {{"facets": {{"who": "{account}"}}}}}}\n')
    outcome = found(erased, target)
    assert rules(outcome) == {"target_in_lineage", "target_in_file"}
    [place] = [finding.place for finding in outcome.findings if finding.rule == "target_in_lineage"]
    assert place == f"{path.name}, line {outcome.counts['lineage: events']}"
