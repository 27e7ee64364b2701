"""Certificates: what was done for a request, signed and provable without this software's database.

A certificate is one line of canonical JSON (RFC 8785) in a signed note (c2sp.org/signed-note) under the ledger's key. Its
SHA-256 is an entry of the ledger; the file that is handed out carries the entry, a proof that the ledger holds it
(c2sp.org/tlog-proof) and the witness's cosigned checkpoint. It names no person: counts, opaque ids, times.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import rfc8785
import sqlalchemy as sa

from shelflife.control.tables import certificate, ledger_leaf, request_event
from shelflife.control.tables import estate as estate_table
from shelflife.errors import ConfigurationError, LedgerBroken
from shelflife.ledger.checkpoint import verify_cosignature
from shelflife.ledger.entries import timestamp
from shelflife.ledger.notes import Note, VerifierKey
from shelflife.ledger.proof import prove, verify_proof
from shelflife.rights.outcomes import outcomes, worst_of
from shelflife.rights.requests import request_in
from shelflife.seal.files import write_atomically

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from shelflife.config import Settings
    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON
    from shelflife.rights.requests import Request

Stage = Literal["effective", "final"]
TYPE = "shelflife/erasure-certificate/v1"
_ENTRY = "certificate"
_REMEDY = "Ask for the certificate again; do not trust this copy."


@dataclass(frozen=True)
class CheckedCertificate:
    """A certificate whose signature, entry and proof hold.

    Attributes:
        document: what it says.
        position: where the ledger holds it.
        ledger_size: entries under the checkpoint that the proof leads to.
        witnessed_at: when a witness cosigned a checkpoint that covers it; None without a witness's key.
    """

    document: Mapping[str, object]
    position: int
    ledger_size: int
    witnessed_at: datetime | None


def issue(estate: Estate, tx: Transaction, request_id: str, stage: Stage, now: datetime) -> None:
    """Sign a request's certificate and enter its digest into the ledger, in the caller's transaction."""
    issue_all(estate, tx, [request_id], stage, now)


def issue_all(
    estate: Estate, tx: Transaction, request_ids: Sequence[str], stage: Stage, now: datetime
) -> None:
    """Sign the certificates of some requests and enter their digests into the ledger, under one checkpoint."""
    entries = [_issued(estate, tx, request_id, stage, now) for request_id in request_ids]
    estate.ledger.append(tx, entries, now)


def _issued(estate: Estate, tx: Transaction, request_id: str, stage: Stage, now: datetime) -> dict[str, JSON]:
    """Write a certificate and return its entry for the ledger."""
    asked = request_in(tx.conn, request_id)
    body = rfc8785.dumps(_document(estate, tx.conn, asked, stage, now))
    note = estate.ledger.sign(body.decode() + "\n").render()
    here = (certificate.c.request_id == request_id) & (certificate.c.stage == stage)
    tx.conn.execute(certificate.delete().where(here))
    tx.conn.execute(
        certificate.insert().values(request_id=request_id, stage=stage, document=note, issued_at=now)
    )
    return {
        "type": _ENTRY,
        "request": request_id,
        "stage": stage,
        "sha256": hashlib.sha256(body).hexdigest(),
    }


def certificate_file(estate: Estate, request_id: str, stage: Stage | None = None) -> str:
    """Return the file to hand out: certificate, ledger entry, proof and the witness's checkpoint, as JSON text.

    Args:
        estate: the estate.
        request_id: the request.
        stage: `effective` or `final`; the newest when absent.

    Raises:
        ConfigurationError: there is no such certificate yet.
    """
    with estate.database.read() as conn:
        query = sa.select(certificate).where(certificate.c.request_id == request_id)
        rows = {row.stage: row for row in conn.execute(query)}
        row = rows.get(stage) if stage else rows.get("final", rows.get("effective"))
        if row is None:
            return _kept_file(estate.settings, request_id, stage)
        digest = hashlib.sha256(Note.parse(row.document).text.removesuffix("\n").encode()).hexdigest()
        position, body = _entry_of(conn, digest)
        witnessed = estate.witness.newest()
        seen = witnessed.note if witnessed.checkpoint.size > position else None
        proof = prove(conn, estate.ledger.verifier_key, position, seen)
    parts = {
        "certificate": row.document,
        "ledger_entry": body,
        "ledger_proof": proof,
        "ledger_key": str(estate.ledger.verifier_key),
        "witness_key": str(estate.witness.verifier_key),
    }
    return json.dumps(parts, indent=1) + "\n"


def keep_file(estate: Estate, request_id: str, stage: Stage, *, anew: bool = False) -> Path:
    """Write a certificate's file beside the control database too, which it then survives; return where.

    Args:
        estate: the estate.
        request_id: the request.
        stage: which certificate.
        anew: replace the file of an earlier certificate. Otherwise that one stands: after a restore an erasure runs
            again and finds nothing left, which is less than what the first certificate says.
    """
    path = _path(estate.settings, request_id, stage)
    if path.exists() and not anew:
        return path
    text = certificate_file(estate, request_id, stage)

    def write(sink: io.RawIOBase) -> None:
        sink.write(text.encode())

    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(path, write, 1)
    return path


def _kept_file(settings: Settings, request_id: str, stage: Stage | None) -> str:
    stages: tuple[Stage, ...] = (stage,) if stage else ("final", "effective")
    known = re.fullmatch(r"[0-9a-f]{32}", request_id) is not None
    for one in stages if known else ():
        path = _path(settings, request_id, one)
        if path.is_file():
            return path.read_text()
    raise ConfigurationError(
        "There is no such certificate.", remedy="Run the request to its end; see `shelflife request show`."
    )


def _path(settings: Settings, request_id: str, stage: Stage) -> Path:
    return settings.home / "certificates" / f"{request_id}.{stage}.json"


def verify_certificate(
    text: str, *, log: VerifierKey | None = None, witness: VerifierKey | None = None
) -> CheckedCertificate:
    """Check a certificate file offline: signature, ledger entry, inclusion proof, cosignature.

    Args:
        text: the file.
        log: the ledger's key as its owner published it; the key in the file when absent, which shows only that the file
            agrees with itself.
        witness: the witness's key; the one in the file when absent.

    Raises:
        LedgerBroken: anything of it does not hold.
    """
    parts = _parts(text)
    key = log or VerifierKey.parse(parts["ledger_key"])
    note = Note.parse(parts["certificate"])
    signature = note.signed_by(key.name, key.key_id)
    if signature is None or not key.verifies(note.text.encode(), signature.value):
        raise LedgerBroken("The certificate is not signed by the ledger's key.", remedy=_REMEDY)
    body = note.text.removesuffix("\n").encode()
    entry = _object(parts["ledger_entry"])
    if entry.get("type") != _ENTRY or entry.get("sha256") != hashlib.sha256(body).hexdigest():
        raise LedgerBroken("The ledger's entry is not about this certificate.", remedy=_REMEDY)
    position, checkpoint = verify_proof(parts["ledger_proof"], parts["ledger_entry"].encode(), key)
    document = _object(body.decode())
    if document.get("type") != TYPE or document.get("request") != entry.get("request"):
        raise LedgerBroken("The document is no certificate of an erasure.", remedy=_REMEDY)
    return CheckedCertificate(document, position, checkpoint.size, _witnessed_at(parts, witness))


def _witnessed_at(parts: Mapping[str, str], witness: VerifierKey | None) -> datetime | None:
    """Return when the proof's checkpoint was cosigned; None where it carries no cosignature and none is asked for."""
    note = Note.parse(parts["ledger_proof"].partition("\n\n")[2])
    key = witness or VerifierKey.parse(parts["witness_key"])
    if witness is None and note.signed_by(key.name, key.key_id) is None:
        return None
    return verify_cosignature(note, key)


def _document(
    estate: Estate, conn: sa.Connection, asked: Request, stage: Stage, now: datetime
) -> dict[str, Any]:
    """Return what a certificate says; every value is text, a whole number, or made of them."""
    facts = asked.facts
    found = outcomes(conn, asked.request_id)
    window = timedelta(days=estate.settings.finality_window_days)
    return {
        "type": TYPE,
        "stage": stage,
        "estate": conn.execute(sa.select(estate_table.c.estate_id)).scalar_one(),
        "request": asked.request_id,
        "scope": "person" if asked.whole_person else list(asked.streams),
        "reason": asked.reason,
        "regimes": list(asked.regimes),
        "received_at": timestamp(asked.received_at),
        "identity_checked_by": _identity_check(conn, asked.request_id),
        "keys_destroyed": facts.get("keys_destroyed", 0),
        "key_generations": facts.get("generations", {}),
        "destroyed_at": _time(facts.get("destroyed_at")),
        "effective_at": _time(facts.get("effective_at")),
        "physically_gone_at": _time(facts.get("physical_at")),
        "physically_due_at": _time(facts.get("physical_due")),
        "final_not_before": timestamp(now + window) if stage == "effective" else None,
        "final_at": timestamp(now) if stage == "final" else None,
        "holds": facts.get("holds", []),
        "outcomes": [
            {
                "place": one.place,
                "outcome": one.outcome,
                "until": timestamp(one.until) if one.until else None,
                "facts": dict(one.facts),
            }
            for one in found
        ],
        "worst_outcome": worst_of(found),
        "verified": {
            "at": _time(facts.get("verified_at")),
            "findings": 0,
            "looked_at": facts.get("looked_at", {}),
            "not_looked_at": facts.get("not_looked_at", []),
        },
        "issued_at": timestamp(now),
    }


def _identity_check(conn: sa.Connection, request_id: str) -> str | None:
    here = (request_event.c.request_id == request_id) & (request_event.c.event == "authenticated")
    facts = conn.execute(sa.select(request_event.c.facts).where(here)).scalar()
    return str(facts["method"]) if facts else None


def _time(value: object) -> str | None:
    return timestamp(datetime.fromisoformat(value)) if isinstance(value, str) else None


def _entry_of(conn: sa.Connection, digest: str) -> tuple[int, str]:
    """Find the ledger entry that holds a certificate's digest."""
    query = sa.select(ledger_leaf.c.position, ledger_leaf.c.body).where(
        ledger_leaf.c.body.contains(digest, autoescape=True)
    )
    row = conn.execute(query.order_by(ledger_leaf.c.position.desc())).first()
    if row is None:
        raise LedgerBroken("The ledger has no entry for this certificate.", remedy="Verify the ledger.")
    return row.position, row.body


def _parts(text: str) -> dict[str, str]:
    found = _object(text)
    names = ("certificate", "ledger_entry", "ledger_proof", "ledger_key", "witness_key")
    if not all(isinstance(found.get(name), str) for name in names):
        raise LedgerBroken("The file is no certificate.", remedy=_REMEDY)
    return {name: str(found[name]) for name in names}


def _object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        raise LedgerBroken("A part of the certificate is not JSON.", remedy=_REMEDY) from None
    if not isinstance(found, dict):
        raise LedgerBroken("A part of the certificate is not what it should be.", remedy=_REMEDY)
    return found
