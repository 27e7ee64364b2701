"""A package from its contents: every member in order, the manifest over them, the signature over that.

Takes plain values and a sink; knows no estate. A table is read from the start for each thing that is made of it, so that
no more than a batch of it is ever in memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.control.crashpoints import reached
from shelflife.rights.export.archive import Archive
from shelflife.rights.export.columns import PROBLEM, export_rows
from shelflife.rights.export.documents import data_name, documents
from shelflife.rights.export.fhir import write_bundle
from shelflife.rights.export.formats import FORMATS
from shelflife.rights.export.manifest import MANIFEST, SIGNATURE, manifest_json, sign_manifest
from shelflife.rights.export.page import render
from shelflife.rights.export.readme import readme
from shelflife.rights.export.story import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from shelflife.ledger.notes import VerifierKey
    from shelflife.rights.export.contents import Contents, ExportTable

BUNDLE = "fhir/bundle.json"
UNREADABLE = "bad_record"


@dataclass(frozen=True)
class Packed:
    """What was packed: the manifest's SHA-256, how many members there are before it, and the rows of the vault."""

    manifest_sha256: bytes
    members: int
    rows: int


@dataclass(frozen=True)
class Signer:
    """Who signs the manifest."""

    key: VerifierKey
    private: Ed25519PrivateKey


def write_package(
    contents: Contents, sink: BinaryIO, *, signer: Signer, subject_key: bytes, received_text: bool
) -> Packed:
    """Write a package as a ZIP.

    Args:
        contents: what goes in.
        sink: where to; need not be seekable.
        signer: who signs the manifest.
        subject_key: the person's key for the ids of FHIR resources, 16 bytes.
        received_text: whether the text of unreadable records may go out.
    """
    archive = Archive(sink, contents.made_at)
    story = tell(contents.tables)
    archive.add("README.txt", readme(contents, signer.key))
    archive.add("index.html", render(contents, story))
    reached("export.page_written")
    for name, text in documents(contents, story.tally).items():
        archive.add(name, text)
    for table in (*contents.tables, *contents.copies):
        _write_table(archive, table, received_text=received_text)
    _write_fhir(archive, contents, subject_key)
    manifest = manifest_json(
        export_id=contents.export_id,
        request_id=contents.request_id,
        made_at=contents.made_at,
        expires_at=contents.expires_at,
        signer=signer.key,
        members=archive.members,
    )
    members, rows = len(archive.members), sum(story.rows.values())
    archive.add(MANIFEST, manifest)
    archive.add(SIGNATURE, sign_manifest(manifest, signer.key.name, signer.private))
    archive.close()
    return Packed(hashlib.sha256(manifest).digest(), members, rows)


def _write_table(archive: Archive, table: ExportTable, *, received_text: bool) -> None:
    for suffix, write in FORMATS.items():
        with archive.member(data_name(table, suffix)) as member:
            member.rows = write(_outgoing(table, received_text=received_text), cast("BinaryIO", member))
        reached("export.table_written")


def _outgoing(table: ExportTable, *, received_text: bool) -> Iterator[pa.Table]:
    for rows in table.batches():
        if table.kind in {"derived", "copy"}:
            yield rows
        elif table.kind == "quarantine" and not received_text:
            yield _without_text(export_rows(rows))
        else:
            yield export_rows(rows)


def _without_text(rows: pa.Table) -> pa.Table:
    """Empty the received value where it is a whole record that could not be read."""
    at = rows.schema.get_field_index("received_value")
    unreadable = pc.equal(rows.column(PROBLEM), UNREADABLE)
    shown = pc.if_else(unreadable, pa.scalar(None, pa.string()), rows.column(at))
    return rows.set_column(at, "received_value", shown)


def _write_fhir(archive: Archive, contents: Contents, subject_key: bytes) -> None:
    with archive.member(BUNDLE) as member:
        write_bundle(
            (table.batches() for table in contents.tables if table.kind == "samples"),
            cast("BinaryIO", member),
            subject_key=subject_key,
            facts=contents.person.facts,
            made_at=contents.made_at,
        )
