"""Certificates: checked offline with nothing but the file and two keys, and broken by any change."""

from __future__ import annotations

import json

import pytest

from shelflife.errors import ConfigurationError, LedgerBroken
from shelflife.ledger.notes import VerifierKey
from shelflife.rights.certificates import certificate_file, verify_certificate
from shelflife.rights.erasure import run_erasures
from shelflife.rights.finality import finalize
from tests.rights.conftest import ask, erase, options


@pytest.fixture
def certified(filled, clock):
    request_id = erase(filled, "ada", clock)
    return filled, request_id, certificate_file(filled, request_id)


def test_a_certificate_says_what_was_done_and_names_nobody(certified, clock):
    estate, request_id, text = certified
    found = verify_certificate(text, log=estate.ledger.verifier_key, witness=estate.witness.verifier_key)
    said = found.document
    assert said["request"] == request_id
    assert (said["scope"], said["stage"], said["worst_outcome"]) == ("person", "effective", "deleted")
    assert said["keys_destroyed"] == 16
    assert said["verified"]["findings"] == 0
    assert said["verified"]["looked_at"]
    assert said["identity_checked_by"] == "signed_in_session"
    assert said["final_at"] is None
    assert found.witnessed_at == clock()
    assert '"ada"' not in text


def test_a_final_certificate_follows_once_no_backup_opens_what_was_erased(certified, clock):
    estate, request_id, _ = certified
    with pytest.raises(ConfigurationError):
        certificate_file(estate, request_id, "final")
    clock.forward(days=7)
    finalize(estate, clock=clock)
    found = verify_certificate(certificate_file(estate, request_id), log=estate.ledger.verifier_key)
    assert found.document["stage"] == "final"
    assert found.document["final_at"].startswith("2026-11-30")
    effective = verify_certificate(certificate_file(estate, request_id, "effective"))
    assert effective.document["stage"] == "effective"


def test_what_is_deferred_is_said_and_its_worst_outcome_is_not_better(filled, clock):
    request_id = ask(filled, "ada", clock)
    run_erasures(filled, [request_id], options(clock, batched=True))
    said = verify_certificate(certificate_file(filled, request_id)).document
    assert said["worst_outcome"] == "deferred_until"
    assert said["physically_gone_at"] is None
    [derived] = [one for one in said["outcomes"] if one["place"] == "derived"]
    assert (derived["outcome"], derived["until"]) == ("deferred_until", said["physically_due_at"])


@pytest.mark.parametrize("part", ["certificate", "ledger_entry", "ledger_proof"])
def test_a_changed_part_is_refused(certified, part):
    _, _, text = certified
    parts = json.loads(text)
    body = parts[part]
    for at in range(0, len(body), max(1, len(body) // 40)):
        changed = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1 :]
        with pytest.raises((LedgerBroken, ConfigurationError)):
            verify_certificate(
                json.dumps(parts | {part: changed}),
                log=VerifierKey.parse(parts["ledger_key"]),
                witness=VerifierKey.parse(parts["witness_key"]),
            )


def test_a_certificate_of_another_request_does_not_pass_with_this_ones_proof(filled, clock):
    first, second = (
        json.loads(certificate_file(filled, erase(filled, name, clock))) for name in ("ada", "bob")
    )
    with pytest.raises(LedgerBroken):
        verify_certificate(json.dumps(first | {"certificate": second["certificate"]}))


def test_another_estates_key_does_not_verify_it(certified, tmp_path):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    _, _, text = certified
    stranger = VerifierKey.of("shelflife.local/ledger", Ed25519PrivateKey.generate())
    with pytest.raises(LedgerBroken):
        verify_certificate(text, log=stranger)


@pytest.mark.parametrize("text", ["", "{}", "[]", "nothing", '{"certificate": 1}', "\ud800"])
def test_what_is_no_certificate_is_refused(text):
    with pytest.raises((LedgerBroken, ConfigurationError)):
        verify_certificate(text)
