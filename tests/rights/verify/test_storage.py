"""Storage: a canary of every kind among the files under `home`."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import os

import pytest
import sqlalchemy as sa

from shelflife.control.tables import batch, data_file, lease, partition, request
from shelflife.lake.catalog import files_by_id, replace
from tests.conftest import NOW
from tests.rights.verify.conftest import change, found, live, one, path_of, plants, rules, write

ZONES = ("identity", "raw", "derived", "analytics")


@plants("unregistered_file")
@pytest.mark.parametrize(
    "place", [*(f"zones/{zone}/x.bin" for zone in ZONES), "control/old.db", "plans/x", "x.log"]
)
def test_a_file_that_nothing_expects(estate, place):
    write(estate.settings.home / place, b"anything")
    assert rules(found(estate)) == {"unregistered_file"}


@plants("missing_file")
def test_a_live_file_that_is_gone(estate):
    path_of(estate, one(estate, live("raw"))).unlink()
    assert rules(found(estate)) == {"missing_file"}


@plants("altered_file")
def test_a_live_file_of_other_bytes(estate):
    file = one(estate, live("analytics"))
    change(estate, data_file.update().where(data_file.c.file_id == file.file_id).values(sha256=bytes(32)))
    assert rules(found(estate)) == {"altered_file"}


@plants("collected_file_present")
def test_a_collected_file_that_came_back(erased, before):
    file = one(
        erased, sa.select(data_file).where(data_file.c.state == "collected", data_file.c.zone == "derived")
    )
    write(path_of(erased, file), (before / "zones" / file.zone / file.path).read_bytes())
    assert rules(found(erased)) == {"collected_file_present"}


@plants("replaced_file_readable", "replaced_file_opens", "key_of_replaced_file")
def test_a_replaced_file_whose_key_is_left(estate):
    file = one(estate, live("derived"))
    here = data_file.c.file_id == file.file_id
    change(estate, data_file.update().where(here).values(state="replaced", replaced_at=NOW))
    assert rules(found(estate)) == {"replaced_file_readable", "replaced_file_opens", "key_of_replaced_file"}


def test_a_reader_may_have_a_replaced_file_open(estate):
    file = one(estate, live("raw", "heart"))
    here = data_file.c.file_id == file.file_id
    change(estate, data_file.update().where(here).values(state="replaced", replaced_at=NOW))
    assert "replaced_file_readable" in rules(found(estate))
    out = {
        "epoch": 1,
        "issued_at": NOW - dt.timedelta(seconds=5),
        "expires_at": NOW + dt.timedelta(seconds=5),
    }
    change(estate, lease.insert().values(lease_id="0" * 32, holder="derive", **out))
    assert "replaced_file_readable" not in rules(found(estate))


@plants("replaced_file_overdue")
def test_a_replaced_file_past_its_physical_deadline(estate):
    file = one(estate, live("derived"))
    with estate.database.commit() as tx:
        replace(estate, tx, files_by_id(tx.conn, [file.file_id]), NOW)
    assert rules(found(estate)) == set()
    later = rules(found(estate, now=NOW + dt.timedelta(days=16)))
    assert "replaced_file_overdue" in later


@plants("live_file_of_destroyed_partition", "key_of_destroyed_partition")
def test_a_destroyed_partition_that_is_still_there(estate):
    home = partition.c.partition_id == one(estate, live("raw", "heart")).partition_id
    change(estate, partition.update().where(home).values(state="destroyed"))
    assert rules(found(estate)) == {"live_file_of_destroyed_partition", "key_of_destroyed_partition"}


@plants("half_written_file")
def test_a_half_written_file_that_nobody_writes(estate):
    file = one(estate, live("raw"))
    path = path_of(estate, file)
    write(path.with_name(f".{path.name}.part"), b"half")
    assert rules(found(estate)) == {"half_written_file"}
    # Pending and of an open batch, it is being written.
    change(estate, data_file.update().where(data_file.c.file_id == file.file_id).values(state="pending"))
    change(estate, batch.update().where(batch.c.batch_id == file.batch_id).values(state="open"))
    assert "half_written_file" not in rules(found(estate))


@plants("open_permissions")
@pytest.mark.parametrize("place", ["", "zones/raw", "roots", "roots/raw.root", "control/control.db"])
def test_a_place_that_others_can_open(estate, place):
    path = estate.settings.home / place
    path.chmod(path.stat().st_mode | 0o040)
    assert rules(found(estate)) == {"open_permissions"}


@plants("not_a_plain_file")
def test_a_link_out_of_the_estate(estate, tmp_path):
    (estate.settings.home / "zones" / "raw" / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(estate.settings.home / "locks" / "pipe", 0o600)
    outcome = found(estate)
    assert rules(outcome) == {"not_a_plain_file"}
    assert len(outcome.findings) == 2


@plants("target_in_name", "target_in_file")
def test_a_file_and_a_folder_named_after_an_erased_person(erased, target, account):
    write(erased.settings.home / "zones" / "raw" / account / "x.bin", account.encode("utf-16-le"))
    outcome = found(erased, target)
    assert rules(outcome) == {"target_in_name", "target_in_file", "unregistered_file"}
    assert account not in str(outcome.as_json())
    inode = (erased.settings.home / "zones" / "raw" / account / "x.bin").stat().st_ino
    assert any(finding.place == f"zones/raw/*/* (inode {inode})" for finding in outcome.findings)


def test_a_packed_log_that_names_an_erased_person(erased, target, account):
    write(
        erased.settings.home / "locks" / "scrub.lock", gzip.compress(f"landing {account}: 12 rows\n".encode())
    )
    assert rules(found(erased)) == set()
    assert rules(found(erased, target)) == {"target_in_file"}


def test_a_pseudonym_in_a_log(erased, target):
    [pid] = target.pids["derived"]
    write(erased.settings.home / "lineage" / ".lock", b"rewriting " + pid.hex().encode())
    assert rules(found(erased, target)) == {"target_in_file"}


@plants("plan_edited")
def test_a_plan_that_was_edited(estate):
    content = b'{"stages":[]}'
    name = hashlib.sha256(content).hexdigest()
    path = write(estate.settings.home / "plans" / f"{name}.json", content)
    assert rules(found(estate)) == set()
    path.write_bytes(content + b" ")
    assert rules(found(estate)) == {"plan_edited"}


@pytest.mark.parametrize("after", ["listing", "look"])
def test_a_file_that_is_replaced_while_the_verifier_looks(estate, monkeypatch, after):
    """What is listed is registered; what the catalog has moved on from since the snapshot is no finding."""
    from shelflife.rights.verify import verification

    file = one(estate, live("derived"))
    module = verification if after == "listing" else verification.scenes
    step = getattr(module, after)

    def step_then_replace(*where, **how):
        done = step(*where, **how)
        with estate.database.commit() as tx:
            replace(estate, tx, files_by_id(tx.conn, [file.file_id]), NOW)
        path_of(estate, file).unlink()
        return done

    monkeypatch.setattr(module, after, step_then_replace)
    assert rules(found(estate)) == set()


def test_a_package_of_an_export_waits_until_it_expires(estate):
    path = write(estate.settings.home / "exports" / f"{'2' * 32}.export", b"ciphertext")
    assert rules(found(estate)) == {"unregistered_file"}
    values = {"kind": "export", "streams": [], "reason": "request", "regimes": [], "state": "delivered"}
    facts = {"expires_at": (NOW + dt.timedelta(days=1)).isoformat()}
    change(estate, request.insert().values(request_id="2" * 32, received_at=NOW, facts=facts, **values))
    assert rules(found(estate)) == set()
    assert rules(found(estate, now=NOW + dt.timedelta(days=1, hours=1))) >= {"unregistered_file"}
    path.unlink()


def test_a_digest_that_an_erasure_is_about_to_write(estate):
    """While rows are overwritten, the catalog has no digest; outside of an erasure that is a finding."""
    file = one(estate, live("raw", "heart"))
    change(estate, data_file.update().where(data_file.c.file_id == file.file_id).values(sha256=b""))
    assert rules(found(estate)) == {"altered_file"}
    values = {"kind": "erasure", "streams": [], "reason": "request", "regimes": [], "state": "rewritten"}
    facts = {"physical_due": (NOW + dt.timedelta(days=1)).isoformat()}
    change(estate, request.insert().values(request_id="2" * 32, received_at=NOW, facts=facts, **values))
    assert found(estate).findings == ()
    assert found(estate).counts["storage: files being overwritten"] == 1


def test_a_journal_that_lies_elsewhere(erased, target, account, tmp_path):
    erased.settings = erased.settings.model_copy(update={"journal": tmp_path / "elsewhere"})
    write(tmp_path / "elsewhere" / "destructions.lock", account.encode())
    write(tmp_path / "elsewhere" / "x", b"anything")
    outcome = found(erased, target)
    assert {(finding.rule, finding.place.partition(" ")[0]) for finding in outcome.findings} == {
        ("target_in_file", "journal/destructions.lock"),
        ("unregistered_file", "journal/*"),
    }
