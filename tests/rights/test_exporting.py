"""Exports as requests: delivered once, to the key that was named, gone when they expire, never half there."""

from __future__ import annotations

import pytest

from shelflife.errors import KeyDestroyed, RequestRefused
from shelflife.rights.erasure import run_erasures
from shelflife.rights.export.unpack import open_export
from shelflife.rights.exporting import deliver, expire_exports, export_folder, export_path
from shelflife.rights.request_states import Kind, State
from shelflife.rights.requests import get, record_identity_check, submit
from shelflife.rights.verify import verify
from shelflife.seal.envelope_header import Wrapping
from shelflife.seal.envelope_keys import ExportPrivateKey
from shelflife.subjects.directory import Alias
from tests.rights.conftest import ask, options


@pytest.fixture(scope="module")
def private_key():
    return ExportPrivateKey.generate(Wrapping.HPKE_MLKEM768_X25519)


def asked(estate, clock, key: bytes, name="ada") -> str:
    made = submit(
        estate,
        kind=Kind.EXPORT,
        alias=Alias("account", name),
        now=clock(),
        regimes=("eu_gdpr",),
        recipient_key=key,
    )
    record_identity_check(estate, made.request_id, method="in_person", passed=True, now=clock())
    return made.request_id


def test_an_export_is_delivered_to_the_key_of_its_request(filled, clock, tmp_path, private_key):
    request_id = asked(filled, clock, private_key.public_key().text().encode())
    report = deliver(filled, request_id, clock=clock)
    found = get(filled, request_id)
    assert (found.state, found.facts["bytes"]) == (State.DELIVERED, report.bytes)
    assert verify(filled, now=clock()).findings == ()
    with export_path(filled.settings, request_id).open("rb") as package:
        open_export(package, private_key, tmp_path / "opened", now=clock())
    assert (tmp_path / "opened" / "index.html").is_file()
    with pytest.raises(RequestRefused):
        deliver(filled, request_id, clock=clock)


def test_an_expired_export_is_removed_and_others_stay(filled, clock, private_key):
    first = asked(filled, clock, private_key.public_key().text().encode())
    deliver(filled, first, clock=clock)
    clock.forward(days=10)
    second = asked(filled, clock, private_key.public_key().text().encode(), name="bob")
    deliver(filled, second, clock=clock)
    stray = export_folder(filled.settings) / ".stray.export.part"
    stray.write_bytes(b"x")
    assert expire_exports(filled, clock()) == 1
    clock.forward(days=5)
    assert expire_exports(filled, clock()) == 1
    assert [path.name for path in export_folder(filled.settings).iterdir()] == [f"{second}.export"]


def test_an_erasure_removes_the_packages_of_the_erased_and_of_nobody_else(filled, clock, private_key):
    mine, other = (
        asked(filled, clock, private_key.public_key().text().encode(), name) for name in ("ada", "bob")
    )
    for request_id in (mine, other):
        deliver(filled, request_id, clock=clock)
    run_erasures(filled, [ask(filled, "ada", clock)], options(clock))
    assert not export_path(filled.settings, mine).exists()
    assert export_path(filled.settings, other).exists()
    assert get(filled, mine).facts["token"] is None


def test_who_was_erased_meanwhile_is_not_exported(filled, clock, private_key):
    request_id = asked(filled, clock, private_key.public_key().text().encode())
    run_erasures(filled, [ask(filled, "ada", clock)], options(clock))
    with pytest.raises((RequestRefused, KeyDestroyed)):
        deliver(filled, request_id, clock=clock)
    assert not export_path(filled.settings, request_id).exists()


def test_an_export_without_a_key_is_refused(filled, clock):
    with pytest.raises(RequestRefused, match="key"):
        deliver(filled, asked(filled, clock, b""), clock=clock)
