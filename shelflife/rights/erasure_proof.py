"""The end of an erasure: an independent look for what is left, the certificate, and the shredding of who asked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.copies.registry import load_declarations
from shelflife.copies.tokens import copy_token
from shelflife.errors import CommitConflict, ResidueFound
from shelflife.rights.certificates import issue_all
from shelflife.rights.erasure_keys import manifests_of
from shelflife.rights.erasure_places import unfinished_copies
from shelflife.rights.outcomes import outcomes
from shelflife.rights.request_states import State
from shelflife.rights.requests import add_event, move_on, shred_all
from shelflife.rights.verify import Target, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.rights.erasure import Options
    from shelflife.rights.manifest import Manifest
    from shelflife.rights.verify import Finding, Verification

MOST_NAMED = 5
ATTEMPTS = 100
PAUSE_SECONDS = 0.1
TOUCHED_TABLES = ("subject", "alias", "keyring", "key_page", "request", "awaiting_rewrite")
HOUSEKEEPING = frozenset(
    {
        "class_without_rule",
        "copy_item_expired",
        "hold_partition_overdue",
        "landing_key_overdue",
        "partition_overdue",
        "root_key_overdue",
    }
)
"""Findings that a purge or a finalization has to mend, and that say nothing about whether somebody was erased."""

GAPS = frozenset({"target_in_database_bytes", "target_in_write_ahead_log"})
"""Findings that rebuilding the control database mends: entries that it once moved from page to page."""

ARRIVALS = frozenset({"inbox_file_of_erased", "target_in_inbox"})
"""What devices send after the tombstone waits in the inbox until the next landing refuses and counts it."""


def check(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Let the verifier look for the people everywhere.

    Raises:
        ResidueFound: it found something; rules and places are named, never people.
    """
    look(estate, manifests_of(estate, request_ids), options)
    with estate.database.commit() as tx:
        move_on(tx, {one: {} for one in request_ids}, State.CHECKED)


def look(estate: Estate, manifests: Sequence[Manifest], options: Options) -> None:
    """Verify that nothing of some people is left, and record what was looked at and what could not be.

    What is recorded as deferred may still lie where it lies, unreadable, until its date; a copy whose erasure is
    recorded as unfinished is not claimed to be clean.

    Raises:
        ResidueFound: something is left.
    """
    now = options.clock()
    with estate.database.read() as conn:
        targets = [target_of(estate, conn, manifest) for manifest in manifests]
        unfinished = {name for one in manifests for name in unfinished_copies(conn, one.request_id)}

    def inspect(*, rebuild: bool) -> Verification:
        _forget_old_pages(estate, options, rebuild=rebuild)
        return verify(
            estate, now=now, targets=targets, dagster_home=options.dagster_home, leave_out_copies=unfinished
        )

    found = inspect(rebuild=False)
    if any(finding.rule in GAPS for finding in found.findings):
        found = inspect(rebuild=True)
    residues = [finding for finding in found.findings if finding.rule not in HOUSEKEEPING | ARRIVALS]
    if residues:
        raise _residue(residues)
    unseen = {f"{one.store}: {one.why}" for one in found.unseen}
    if any(finding.rule in ARRIVALS for finding in found.findings):
        unseen.add("inbox: what arrived since waits there, to be refused by the next landing")
    with estate.database.commit() as tx:
        facts = {"verified_at": now.isoformat(), "looked_at": found.counts, "not_looked_at": sorted(unseen)}
        move_on(tx, {manifest.request_id: facts for manifest in manifests})


def _forget_old_pages(estate: Estate, options: Options, *, rebuild: bool) -> None:
    """Cut the control database's log, which still holds the pages from before; wait for readers that need it."""
    for _ in range(ATTEMPTS):
        with suppress(CommitConflict):
            return estate.database.forget_old_pages(TOUCHED_TABLES, rebuild=rebuild)
        options.wait(PAUSE_SECONDS)
    return estate.database.forget_old_pages(TOUCHED_TABLES, rebuild=rebuild)


def _residue(residues: Sequence[Finding]) -> ResidueFound:
    rules = sorted({f"{finding.rule} ({finding.place})" for finding in residues})
    more = f" and {len(rules) - MOST_NAMED} more" if len(rules) > MOST_NAMED else ""
    return ResidueFound(
        f"The verifier found {len(residues)} residues: {', '.join(rules[:MOST_NAMED])}{more}.",
        remedy="Mend their causes (`shelflife verify` shows all of them), then run the request again.",
    )


def certify(estate: Estate, request_ids: Sequence[str], options: Options) -> None:
    """Sign each request's certificate and shred who asked, unless a place still waits for its part."""
    now = options.clock()
    with estate.database.commit() as tx:
        complete = [
            request_id
            for request_id in request_ids
            if not any(found.unfinished for found in outcomes(tx.conn, request_id))
        ]
        shred_all(estate, tx, complete, now)
        generations = {zone: tree.generation(tx.conn) for zone, tree in estate.trees.items()}
        for request_id in request_ids:
            add_event(tx, request_id, "certified", now)
        facts = {"generations": generations}
        move_on(tx, dict.fromkeys(request_ids, facts), State.CERTIFIED)
        issue_all(estate, tx, request_ids, "effective", now)
        reached("erase.certified_in_commit")


def target_of(estate: Estate, conn: sa.Connection, manifest: Manifest) -> Target:
    """Return a manifest as what the verifier looks for."""
    declared = load_declarations(estate.settings)
    places = {one.place: one for one in outcomes(conn, manifest.request_id)}
    target = Target(
        pids={zone: (pid,) for zone, pid in manifest.pids.items()},
        aliases=tuple(manifest.aliases),
        tokens={name: (copy_token(estate, conn, name, manifest.subject_id),) for name in declared},
        keys={zone: tuple(numbers) for zone, numbers in manifest.keys.items()},
        streams=None if manifest.streams is None else frozenset(manifest.streams),
        tables=frozenset(manifest.tables),
        due=places["derived"].until if "derived" in places else None,
    )
    # Where one stream is forgotten, the person stays known under the same names.
    return target if manifest.whole_person else replace(target, aliases=())
