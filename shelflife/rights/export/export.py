"""Exporting one person: everything that is held about them, sealed to them, signed and recorded.

The order is: collect and write under a lease; then, in one transaction, make sure that nothing of the person was erased
meanwhile and record the export in the ledger; only then write the last chunk, without which the envelope does not
open. An export that was overtaken, or whose process died, is no export.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shelflife.control.crashpoints import reached
from shelflife.errors import ConfigurationError
from shelflife.estate import Secret
from shelflife.ledger.entries import JSON, timestamp
from shelflife.policy.loading import load_policies, load_rulebook
from shelflife.rights.export.collect import collect
from shelflife.rights.export.contents import Contents, Controller
from shelflife.rights.export.entitlements import rights_under
from shelflife.rights.export.package import Signer, write_package
from shelflife.rights.export.retention import retention_of
from shelflife.rights.export.standing import watched
from shelflife.rights.export.withholding import decide, employees_withheld, holds_withheld, text_withheld
from shelflife.seal.envelope import EnvelopeWriter
from shelflife.seal.envelope_keys import ExportPublicKey, Passphrase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shelflife.estate import Estate
    from shelflife.policy.regimes import Regime
    from shelflife.rights.export.collect import Collected
    from shelflife.rights.export.contents import Recipient, Withheld
    from shelflife.rights.export.package import Packed
    from shelflife.rights.export.withholding import Decision
    from shelflife.seal.envelope_keys import SealTo
    from shelflife.subjects.directory import Subject

VALID_FOR = dt.timedelta(days=30)
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NOBODY = Controller()


@dataclass(frozen=True)
class ExportReport:
    """What was exported: counts and digests, nothing personal.

    Attributes:
        export_id: the export's own id, which also stands in the envelope's header.
        members: files in the package, the manifest and its signature not counted.
        rows: rows of the vault in the package; what copies hold of them does not count again.
        withheld: things that were left out.
        bytes: size of the envelope.
        sha256: of the envelope, hexadecimal.
        manifest_sha256: of the manifest, hexadecimal; the ledger records it, too.
        expires_at: from when on an honest reader refuses to open it.
    """

    export_id: str
    members: int
    rows: int
    withheld: int
    bytes: int
    sha256: str
    manifest_sha256: str
    expires_at: dt.datetime


def export_subject(
    estate: Estate,
    person: Subject,
    *,
    to: BinaryIO,
    regimes: Sequence[str],
    recipients: Sequence[Recipient],
    request_id: str,
    clock: Callable[[], dt.datetime],
    recipient_key: ExportPublicKey | bytes | None = None,
    passphrase: Passphrase | None = None,
    valid_for: dt.timedelta = VALID_FOR,
    controller: Controller = NOBODY,
) -> ExportReport:
    """Write everything that is held about one person into an envelope that only they open.

    Args:
        estate: the estate.
        person: whom it is about.
        to: gets the envelope; need not be seekable. What it got is no export until this returns.
        regimes: ids of the regimes that the request is answered under; they say what is left out. Where none is named,
            nobody knows whose law holds, and what any regime forbids to send is left out.
        recipients: everybody outside of the vault who was given data of the person.
        request_id: the request's opaque id.
        clock: gives the time; asked again and again, since leases run out.
        recipient_key: the requester's public key, or the content of its file; exactly one of this and `passphrase`.
        passphrase: what the requester opens it with.
        valid_for: how long an honest reader opens it.
        controller: who answers for the data.

    Raises:
        ConfigurationError: a regime, policy or model is unknown or wrong, or an argument is.
        KeyDestroyed: the person was erased.
        CommitConflict: something that the export read was erased, purged or derived anew meanwhile, or a copy is being
            changed; run it again.
        CopyUnreachable: a copy does not answer, and an export without what it holds would not be everything.
        SealBroken: a file of the estate was altered.
        StorageError: a file of the estate is missing.
    """
    seal_to = _seal_to(recipient_key, passphrase)
    named, rules = _regimes(estate, regimes)
    made_at = clock().replace(microsecond=0)
    with watched(estate, person, clock) as watch:
        found = collect(estate, person, watch)
        decision = decide(found.person, rules)
        contents = Contents(
            request_id=_checked(request_id),
            export_id=uuid.uuid4().hex,
            made_at=made_at,
            expires_at=made_at + valid_for,
            controller=controller,
            person=decision.person,
            tables=found.tables,
            copies=found.copies,
            looks=found.looks,
            handovers=found.handovers,
            consents=found.consents,
            retention=retention_of(found.kept, load_policies(estate.settings.policies)),
            recipients=recipients,
            withheld=_withheld(found, decision, rules),
            looked_for=decision.looked_for,
            computed=found.computed,
            rights=rights_under(named),
        )
        envelope = EnvelopeWriter(
            to,
            seal_to,
            export_id=bytes.fromhex(contents.export_id),
            made_at=made_at,
            expires_at=contents.expires_at,
        )
        packed = write_package(
            contents,
            cast("BinaryIO", envelope),
            signer=_signer(estate),
            subject_key=person.subject_id,
            received_text=decision.received_text,
        )
        with estate.database.commit() as tx:
            watch.confirm(tx)
            estate.ledger.append(tx, [_entry(contents, packed, regimes)], clock())
        reached("export.recorded")
        sha256 = envelope.finish()
    return _report(contents, packed, envelope, sha256)


def _seal_to(recipient_key: ExportPublicKey | bytes | None, passphrase: Passphrase | None) -> SealTo:
    if (recipient_key is None) == (passphrase is None):
        raise ConfigurationError(
            "An export is sealed to a public key or under a passphrase.",
            remedy="Give exactly one of the two.",
        )
    if isinstance(recipient_key, bytes):
        return ExportPublicKey.parse(recipient_key.decode("utf-8", "replace"))
    return recipient_key or Passphrase.new(passphrase.value if passphrase else "")


def _regimes(estate: Estate, names: Sequence[str]) -> tuple[list[Regime], list[Regime]]:
    """Return the regimes that are named, and those whose rules on withholding hold: every one where none is named."""
    known = load_rulebook(estate.settings.policies).regimes
    if not set(names) <= set(known):
        raise ConfigurationError(
            "A regime that the export is made under is unknown.",
            remedy=f"Use those of regimes.yaml: {', '.join(sorted(known))}.",
        )
    named = [known[name] for name in dict.fromkeys(names)]
    return named, named or list(known.values())


def _checked(request_id: str) -> str:
    if not _REQUEST_ID.fullmatch(request_id):
        raise ConfigurationError(
            "The request id is not an opaque id.", remedy="Use letters, digits, dots and hyphens, at most 64."
        )
    return request_id


def _withheld(found: Collected, decision: Decision, rules: Sequence[Regime]) -> list[Withheld]:
    """Return what is left out: by law, for the sake of employees, and because of a hold."""
    aside = any(table.kind == "quarantine" for table in found.tables)
    return [
        *decision.withheld,
        *([text_withheld(rules)] if aside and not decision.received_text else []),
        *([employees_withheld()] if found.looks else []),
        holds_withheld(),
    ]


def _signer(estate: Estate) -> Signer:
    with estate.database.read() as conn:
        seed = estate.secret(conn, "identity", Secret.LEDGER)
    return Signer(estate.ledger.verifier_key, Ed25519PrivateKey.from_private_bytes(seed))


def _entry(contents: Contents, packed: Packed, regimes: Sequence[str]) -> dict[str, JSON]:
    return {
        "type": "export_packed",
        "request": contents.request_id,
        "export": contents.export_id,
        "regimes": list(dict.fromkeys(regimes)),
        "manifest_sha256": packed.manifest_sha256.hex(),
        "withheld": len(contents.withheld),
        "recipients": len(contents.recipients),
        "expires_at": timestamp(contents.expires_at),
    }


def _report(contents: Contents, packed: Packed, envelope: EnvelopeWriter, sha256: bytes) -> ExportReport:
    return ExportReport(
        export_id=contents.export_id,
        members=packed.members,
        rows=packed.rows,
        withheld=len(contents.withheld),
        bytes=envelope.size,
        sha256=sha256.hex(),
        manifest_sha256=packed.manifest_sha256.hex(),
        expires_at=contents.expires_at,
    )
