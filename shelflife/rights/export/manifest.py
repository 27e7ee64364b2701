"""The manifest of a package: every member with its hash, and the signature over it. Pure.

`manifest.json` lists the members; `manifest.sig` is a signed note (c2sp.org/signed-note) whose text names the manifest by
its hash. It is signed with the ledger's key, so that whoever knows that key can tell a real export from a forged one
without any access to the estate. The first line keeps the two kinds of notes apart: no checkpoint starts with it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError, LedgerBroken, SealBroken
from shelflife.ledger.notes import Note, VerifierKey, sign

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
FIRST_LINE = "shelflife export manifest v1"
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)*")
_LONGEST_NAME = 200
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Member:
    """One file of a package.

    Attributes:
        name: its path in the package.
        media_type: what it is.
        bytes: its size.
        sha256: of its content, hexadecimal.
        rows: how many rows it has, where it is a table.
    """

    name: str
    media_type: str
    bytes: int
    sha256: str
    rows: int | None = None


def manifest_json(
    *,
    export_id: str,
    request_id: str,
    made_at: dt.datetime,
    expires_at: dt.datetime,
    signer: VerifierKey,
    members: Sequence[Member],
) -> bytes:
    """Return the manifest's bytes."""
    document = {
        "format": 1,
        "export_id": export_id,
        "request_id": request_id,
        "made_at": made_at.isoformat(),
        "expires_at": expires_at.isoformat(),
        "signer": str(signer),
        "members": [{k: v for k, v in asdict(member).items() if v is not None} for member in members],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def sign_manifest(manifest: bytes, name: str, private: Ed25519PrivateKey) -> str:
    """Return the signed note over a manifest."""
    text = f"{FIRST_LINE}\nsha256 {hashlib.sha256(manifest).hexdigest()}\n"
    return Note(text, (sign(text, name, private),)).render()


def check_signature(manifest: bytes, note: str, signer: VerifierKey | None) -> VerifierKey:
    """Return the key that signed a manifest, once its signature is checked.

    Args:
        manifest: the bytes of manifest.json.
        note: the text of manifest.sig.
        signer: the key that must have signed; the one that the manifest itself names, when absent. That proves only
            that nothing was altered since, not who made it.

    Raises:
        SealBroken: the signature does not check out, or it is another key's.
    """
    try:
        named = VerifierKey.parse(str(json.loads(manifest)["signer"]))
        key, parsed = signer or named, Note.parse(note)
        found = parsed.signed_by(key.name, key.key_id)
    except (ValueError, KeyError, TypeError, LedgerBroken, ConfigurationError):
        raise forged() from None
    expected = f"{FIRST_LINE}\nsha256 {hashlib.sha256(manifest).hexdigest()}\n"
    if found is None or not key.verifies(expected.encode(), found.value):
        raise forged()
    return key


def members_of(manifest: bytes) -> list[Member]:
    """Return the members that a manifest lists.

    Raises:
        SealBroken: it is no manifest, or a name in it is not a plain relative path.
    """
    try:
        document = json.loads(manifest)
        members = [Member(**member) for member in document["members"]]
    except (ValueError, KeyError, TypeError):
        raise forged() from None
    names = [member.name for member in members]
    if document.get("format") != 1 or len(set(names)) != len(names) or not all(map(_sound, members)):
        raise forged()
    return members


def is_plain_path(name: object) -> bool:
    """Tell whether a member's name is a relative path of plain words: no dot segment, no slash at either end."""
    return isinstance(name, str) and len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def forged() -> SealBroken:
    """Return the one error for a package that does not match its manifest or its signature."""
    return SealBroken(
        "The package does not match its signed manifest: a file was altered, added or left out.",
        remedy="Do not trust it; ask for the export again.",
    )


def _sound(member: Member) -> bool:
    sized = isinstance(member.bytes, int) and member.bytes >= 0
    hashed = isinstance(member.sha256, str) and _SHA256.fullmatch(member.sha256) is not None
    return is_plain_path(member.name) and sized and hashed
