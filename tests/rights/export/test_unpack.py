"""Opening: whatever was altered, added, left out or named to escape is refused, and nothing is left behind."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import stat
import zipfile
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import AccessDenied, SealBroken, StorageError
from shelflife.ledger.notes import VerifierKey
from shelflife.rights.export.manifest import (
    FIRST_LINE,
    Member,
    check_signature,
    is_plain_path,
    manifest_json,
    members_of,
    sign_manifest,
)
from shelflife.rights.export.unpack import open_export
from shelflife.seal.envelope import EnvelopeReader, EnvelopeWriter
from shelflife.seal.envelope_keys import ExportPrivateKey
from tests.conftest import NOW
from tests.rights.export.conftest import KEY

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = VerifierKey.of("example.com/ledger", PRIVATE)
LATER = NOW + dt.timedelta(days=30)
FILES = {"index.html": b"<p>hello</p>", "data/heart.csv": b"a,b\n1,2\n"}


def sealed(files: dict[str, bytes], *, before=lambda archive: None) -> bytes:
    """Seal a ZIP of some files."""
    sink = io.BytesIO()
    writer = EnvelopeWriter(sink, KEY.public_key(), export_id=bytes(16), made_at=NOW, expires_at=LATER)
    with zipfile.ZipFile(writer, "w", zipfile.ZIP_DEFLATED) as archive:
        before(archive)
        for name, content in files.items():
            archive.writestr(name, content)
    writer.finish()
    return sink.getvalue()


def package(files: dict[str, bytes], private=PRIVATE, signer=SIGNER) -> dict[str, bytes]:
    """Add a manifest and its signature to some files."""
    members = [
        Member(name, "text/plain", len(body), hashlib.sha256(body).hexdigest())
        for name, body in files.items()
    ]
    manifest = manifest_json(
        export_id="0" * 32, request_id="r", made_at=NOW, expires_at=LATER, signer=signer, members=members
    )
    note = sign_manifest(manifest, signer.name, private)
    return files | {"manifest.json": manifest, "manifest.sig": note.encode()}


def refused(envelope: bytes, tmp_path, error=SealBroken, **more) -> None:
    target = tmp_path / "opened"
    with pytest.raises(error) as caught:
        open_export(io.BytesIO(envelope), KEY, target, now=NOW, **more)
    assert caught.type is error
    assert not target.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_whole_package_opens_for_its_owner_only(tmp_path):
    found = open_export(io.BytesIO(sealed(package(FILES))), KEY, tmp_path / "opened", now=NOW, signer=SIGNER)
    assert (found.files, found.signer) == (4, str(SIGNER))
    for name, content in FILES.items():
        path = tmp_path / "opened" / name
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (tmp_path / "opened", tmp_path / "opened/data"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["index.html", "data/heart.csv", "manifest.json", "manifest.sig"])
def test_an_altered_member_is_refused(tmp_path, name):
    files = package(FILES)
    files[name] = files[name].replace(b"1", b"7").replace(b"hello", b"hollo")
    assert files[name] != package(FILES)[name]
    refused(sealed(files), tmp_path)


@pytest.mark.parametrize("name", [*FILES, "manifest.json", "manifest.sig"])
def test_a_member_that_is_missing_is_refused(tmp_path, name):
    refused(sealed({key: value for key, value in package(FILES).items() if key != name}), tmp_path)


def test_a_member_that_was_added_or_stands_there_twice_is_refused(tmp_path):
    refused(sealed(package(FILES) | {"extra.txt": b"x"}), tmp_path)
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = sealed(package(FILES), before=lambda archive: archive.writestr("index.html", b"other"))
    refused(twice, tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/evil", "data/../../evil", "..\\evil", "C:\\evil", "data//x", "./x", "data/", ".hidden", "a\x00b", ""],
)  # fmt: skip
def test_names_that_escape_are_refused(tmp_path, name):
    assert not is_plain_path(name)
    if name and "\x00" not in name:
        refused(sealed(package(FILES | {name: b"x"})), tmp_path)


@given(st.text(max_size=40))
def test_a_plain_path_stays_below_its_folder(name):
    from pathlib import PurePosixPath

    if is_plain_path(name):
        parts = PurePosixPath(name).parts
        assert "/".join(parts) == name
        assert not name.startswith("/")
        assert ".." not in parts


def test_a_link_in_the_zip_is_written_as_plain_text(tmp_path):
    import zipfile as zf

    info = zf.ZipInfo("data/link.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    files = package(FILES | {"data/link.txt": b"/etc/passwd"})
    body = {name: content for name, content in files.items() if name != "data/link.txt"}
    envelope = sealed(body, before=lambda archive: archive.writestr(info, b"/etc/passwd"))
    open_export(io.BytesIO(envelope), KEY, tmp_path / "opened", now=NOW)
    path = tmp_path / "opened/data/link.txt"
    assert not path.is_symlink()
    assert path.read_bytes() == b"/etc/passwd"


def test_a_bomb_is_stopped_at_the_size_that_the_manifest_says(tmp_path, monkeypatch):
    unpacked = []

    class Counting:
        def __init__(self) -> None:
            self.real = hashlib.sha256()

        def update(self, piece: bytes) -> None:
            unpacked.append(len(piece))
            self.real.update(piece)

        def hexdigest(self) -> str:
            return self.real.hexdigest()

    files = package(FILES)
    files["index.html"] = bytes(50_000_000)
    envelope = sealed(files)
    monkeypatch.setattr("shelflife.rights.export.unpack.hashlib", SimpleNamespace(sha256=Counting))
    refused(envelope, tmp_path)
    assert sum(unpacked) < 2_000_000


def test_another_signer_is_refused(tmp_path):
    other = VerifierKey.of("example.com/ledger", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    refused(sealed(package(FILES)), tmp_path, signer=other)
    forged = package(FILES, private=Ed25519PrivateKey.from_private_bytes(bytes(32)))
    refused(sealed(forged), tmp_path)


def test_a_checkpoint_signature_is_no_manifest_signature():
    from shelflife.ledger.checkpoint import Checkpoint, sign_checkpoint

    manifest = package(FILES)["manifest.json"]
    note = sign_checkpoint(Checkpoint(SIGNER.name, 1, bytes(32)), PRIVATE).render()
    with pytest.raises(SealBroken):
        check_signature(manifest, note, SIGNER)
    assert not FIRST_LINE.startswith(SIGNER.name)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{}", b"[]", b"null", b'{"format": 1, "members": [{"name": "x"}]}', b"\xff", b'{"signer": "x"}'],
)
def test_a_manifest_that_is_none_is_refused(garbage):
    with pytest.raises(SealBroken):
        members_of(garbage)
    with pytest.raises(SealBroken):
        check_signature(garbage, "note", None)


@given(st.binary(max_size=300))
@settings(max_examples=50)
def test_whatever_is_sealed_in_place_of_a_zip_is_refused(garbage):
    import tempfile
    from pathlib import Path

    sink = io.BytesIO()
    writer = EnvelopeWriter(sink, KEY.public_key(), export_id=bytes(16), made_at=NOW, expires_at=LATER)
    writer.write(garbage)
    writer.finish()
    with tempfile.TemporaryDirectory() as folder:
        refused(sink.getvalue(), Path(folder))


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=60)
def test_a_zip_with_any_byte_changed_is_refused_or_the_same(place, mask):
    import tempfile
    from pathlib import Path

    plain = bytearray(EnvelopeReader(io.BytesIO(WHOLE), KEY, now=NOW).read())
    plain[place % len(plain)] ^= mask
    sink = io.BytesIO()
    writer = EnvelopeWriter(sink, KEY.public_key(), export_id=bytes(16), made_at=NOW, expires_at=LATER)
    writer.write(plain)
    writer.finish()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "opened"
        try:
            open_export(io.BytesIO(sink.getvalue()), KEY, target, now=NOW, signer=SIGNER)
        except SealBroken:
            assert not target.exists()
        else:
            # Times and attributes of a ZIP are nobody's content.
            found = {
                p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()
            }
            assert found == package(FILES)


WHOLE = sealed(package(FILES))


def test_existing_folders_and_other_keys_and_late_times(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(StorageError, match="exists"):
        open_export(io.BytesIO(WHOLE), KEY, tmp_path / "there", now=NOW)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="exists"):
        open_export(io.BytesIO(WHOLE), KEY, tmp_path / "link", now=NOW)
    with pytest.raises(SealBroken):
        open_export(io.BytesIO(WHOLE), ExportPrivateKey.generate(), tmp_path / "new", now=NOW)
    with pytest.raises(AccessDenied):
        open_export(io.BytesIO(WHOLE), KEY, tmp_path / "new", now=LATER)
    with pytest.raises(StorageError):
        open_export(io.BytesIO(WHOLE), KEY, tmp_path / "no" / "folder", now=NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "there"]


def test_a_real_export_tampered_with_is_refused(exported, tmp_path):
    """Any one file of a real package changed, sealed again by somebody who has the envelope's key."""
    with zipfile.ZipFile(EnvelopeReader(io.BytesIO(exported.sealed), KEY, now=NOW)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert json.loads(files["manifest.json"])["expires_at"] == exported.report.expires_at.isoformat()
    files["data/heart.csv"] = files["data/heart.csv"].replace(b"/min", b"/MIN", 1)
    refused(sealed(files), tmp_path, signer=exported.estate.ledger.verifier_key)
