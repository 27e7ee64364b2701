"""A backup's manifest: what it consists of, digest by digest, signed with the ledger's key. Pure.

The text is canonical JSON (RFC 8785) in a signed note (c2sp.org/signed-note). Its key is the one that the ledger's
witness has pinned, so that a manifest can be checked before any database exists.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rfc8785

from shelflife.errors import SealBroken
from shelflife.ledger.entries import timestamp
from shelflife.ledger.notes import Note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shelflife.ledger.notes import VerifierKey

FORMAT = "shelflife-backup/1"
NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")


@dataclass(frozen=True)
class Part:
    """One file of a backup: how many rows, how many bytes, and its SHA-256."""

    rows: int
    size: int
    sha256: bytes


@dataclass(frozen=True)
class Manifest:
    """What one backup holds.

    Attributes:
        name: time and eight random hex digits.
        estate_id: the estate that it is of.
        taken_at: when its snapshot was taken.
        revision: of the control database's schema.
        ledger_size: entries of the ledger in the snapshot.
        journal: the newest destruction that the snapshot has committed.
        generations: by zone, the generation of its key tree.
        tables: the dumped tables.
        files: the list of data files.
        data_files: how many data files that list names.
        data_bytes: how large they are together.
    """

    name: str
    estate_id: str
    taken_at: dt.datetime
    revision: str
    ledger_size: int
    journal: int
    generations: Mapping[str, int]
    tables: Mapping[str, Part]
    files: Part
    data_files: int
    data_bytes: int

    def text(self) -> str:
        """Return the text that is signed."""
        document: dict[str, Any] = {
            "format": FORMAT,
            **{name: getattr(self, name) for name in _PLAIN},
            "taken_at": timestamp(self.taken_at),
            "generations": dict(self.generations),
            "tables": {name: _part(part) for name, part in self.tables.items()},
            "files": _part(self.files),
        }
        return rfc8785.dumps(document).decode() + "\n"


_PLAIN = ("name", "estate_id", "revision", "ledger_size", "journal", "data_files", "data_bytes")


def open_manifest(content: str, key: VerifierKey) -> Manifest:
    """Return a manifest once its signature is checked.

    Raises:
        LedgerBroken: it is no signed note.
        SealBroken: this estate's ledger did not sign it, or it is of another version.
    """
    note = Note.parse(content)
    signature = note.signed_by(key.name, key.key_id)
    if signature is None or not key.verifies(note.text.encode(), signature.value):
        raise SealBroken(
            "A backup's manifest is not signed by this estate's ledger.",
            remedy="Use a backup of this estate, or put back the witness's folder that belongs to it.",
        )
    try:
        return _manifest(json.loads(note.text))
    except (ValueError, KeyError, TypeError):
        raise SealBroken(
            "A backup's manifest is of another version.",
            remedy="Restore it with the version of shelflife that made it, or a newer one.",
        ) from None


def _manifest(document: dict[str, Any]) -> Manifest:
    if document["format"] != FORMAT or not NAME.fullmatch(document["name"]):
        raise ValueError
    return Manifest(
        **{name: document[name] for name in _PLAIN},
        taken_at=dt.datetime.fromisoformat(document["taken_at"]),
        generations=document["generations"],
        tables={name: _parsed(part) for name, part in document["tables"].items()},
        files=_parsed(document["files"]),
    )


def _part(part: Part) -> dict[str, object]:
    return {"rows": part.rows, "bytes": part.size, "sha256": part.sha256.hex()}


def _parsed(part: dict[str, Any]) -> Part:
    return Part(part["rows"], part["bytes"], bytes.fromhex(part["sha256"]))
