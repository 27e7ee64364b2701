"""Carrying out export requests: one sealed package a request, in a folder of its own, gone again when it expires."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.copies.remembered import standing
from shelflife.copies.tokens import copy_token
from shelflife.errors import RequestRefused, StorageError
from shelflife.keys.pseudonyms import pseudonym
from shelflife.policy.loading import load_policies
from shelflife.rights.export.contents import Recipient
from shelflife.rights.export.export import VALID_FOR, export_subject
from shelflife.rights.export.files import write_export
from shelflife.rights.request_states import Kind, State
from shelflife.rights.requests import (
    add_event,
    add_facts,
    finish,
    get,
    recipient_key_of,
    requests,
    subject_of,
)
from shelflife.subjects.directory import by_identity_pid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shelflife.config import Settings
    from shelflife.estate import Estate
    from shelflife.rights.export.export import ExportReport
    from shelflife.subjects.directory import Subject

SUFFIX = ".export"
_PAST = "1970-01-01T00:00:00+00:00"
EXPORTS = "exports"
"""What the retention rule of packages applies to."""


def export_folder(settings: Settings) -> Path:
    """Return the folder that finished packages wait in; each is ciphertext that only its requester opens."""
    return settings.home / "exports"


def export_path(settings: Settings, request_id: str) -> Path:
    """Return where the package of a request lies."""
    return export_folder(settings) / f"{request_id}{SUFFIX}"


def deliver(estate: Estate, request_id: str, *, clock: Callable[[], datetime]) -> ExportReport:
    """Make the package that a verified export request asks for, sealed to the key that it names.

    Killed halfway, nothing is taken for whole; run it again.

    Raises:
        RequestRefused: the request is no export, is not verified, or names no key.
        KeyDestroyed: the person was erased meanwhile.
    """
    asked = get(estate, request_id)
    if asked.kind is not Kind.EXPORT or asked.state is not State.VERIFIED:
        raise RequestRefused(
            "The request is no verified export.",
            remedy="See `shelflife request show`; record the identity check.",
        )
    with estate.database.read() as conn:
        subject_id = subject_of(estate, conn, request_id)
        token = copy_token(estate, conn, EXPORTS, subject_id).hex()
        identity_pid = pseudonym(estate.pepper(conn, "identity"), subject_id)
        key = recipient_key_of(estate, conn, request_id)
        person = by_identity_pid(estate, conn, [identity_pid]).get(identity_pid)
    if not key or person is None:
        raise RequestRefused(
            "The request names no key to seal the export to, or its person was erased.",
            remedy="Register it again with --recipient-key (see `shelflife export keygen`).",
        )
    report = _write(estate, request_id, person, key, asked.regimes, clock)
    now = clock()
    with estate.database.commit() as tx:
        add_facts(
            tx,
            request_id,
            bytes=report.bytes,
            sha256=report.sha256,
            expires_at=report.expires_at.isoformat(),
            token=token,
        )
        add_event(tx, request_id, "delivered", now)
        estate.ledger.append(tx, [{"type": "request_delivered", "request": request_id}], now)
        finish(estate, tx, request_id, State.DELIVERED, now)
        reached("export.in_commit")
    reached("export.delivered")
    return report


def remove_all_exports(estate: Estate, subject_ids: Sequence[bytes]) -> dict[bytes, int]:
    """Remove every package of people who are being erased; return how many of each.

    A delivered request names nobody any more; it is told by a token, as people are in copies.
    """
    removed = dict.fromkeys(subject_ids, 0)
    with estate.database.commit() as tx:
        tokens = {copy_token(estate, tx.conn, EXPORTS, one).hex(): one for one in subject_ids}
        found = requests(tx.conn, kinds=[Kind.EXPORT], states=[State.DELIVERED])
        mine = {
            one.request_id: tokens[str(token)] for one in found if (token := one.facts.get("token")) in tokens
        }
        for request_id in mine:
            add_facts(tx, request_id, token=None, expires_at=_PAST)
    for request_id, subject_id in mine.items():
        path = export_path(estate.settings, request_id)
        removed[subject_id] += path.exists()
        path.unlink(missing_ok=True)
    return removed


def expire_exports(estate: Estate, now: datetime) -> int:
    """Remove the packages that are past their time, and those that nothing stands for; return how many."""
    with estate.database.read() as conn:
        delivered = requests(conn, kinds=[Kind.EXPORT], states=[State.DELIVERED])
    alive = {
        one.request_id
        for one in delivered
        if datetime.fromisoformat(str(one.facts.get("expires_at", now.isoformat()))) > now
    }
    with estate.database.read() as conn:
        running = {one.request_id for one in requests(conn, kinds=[Kind.EXPORT], states=[State.VERIFIED])}
    gone = 0
    for path in sorted(export_folder(estate.settings).glob("*")):
        if path.name.removeprefix(".").removesuffix(".part").removesuffix(SUFFIX) not in alive | running:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def copy_recipients(settings: Settings) -> list[Recipient]:
    """Return everyone who receives a copy, as a person's export tells them."""
    return [
        Recipient(
            one.name,
            "copy",
            contact=one.contact,
            data=tuple(declaration.datasets),
            purpose=declaration.purpose,
            basis=one.basis,
        )
        for declaration in standing(settings).values()
        for one in declaration.recipients
    ]


def _write(
    estate: Estate,
    request_id: str,
    person: Subject,
    key: bytes,
    regimes: Sequence[str],
    clock: Callable[[], datetime],
) -> ExportReport:
    path = export_path(estate.settings, request_id)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # A package of a request that was not delivered is one whose process died before it was recorded.
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder of exports cannot be written: {error.strerror}.",
            remedy="Restore write permission on `home`, then run the request again.",
        ) from None
    return write_export(
        path,
        lambda sink: export_subject(
            estate,
            person,
            to=sink,
            recipient_key=key,
            regimes=regimes,
            recipients=copy_recipients(estate.settings),
            request_id=request_id,
            clock=clock,
            valid_for=_valid_for(estate),
        ),
    )


def _valid_for(estate: Estate) -> timedelta:
    """Return how long a package is kept, by the policies."""
    lengths = [
        timedelta(days=int(rule.keep.approximate_days()))
        for policy in load_policies(estate.settings.policies)
        for rule in policy.rules
        if EXPORTS in rule.applies_to
    ]
    return min(lengths, default=VALID_FOR)
