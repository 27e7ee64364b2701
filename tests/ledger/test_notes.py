"""Notes, keys and cosignatures against vectors that others published."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError, LedgerBroken
from shelflife.ledger.checkpoint import (
    Checkpoint,
    cosign,
    open_checkpoint,
    sign_checkpoint,
    verify_cosignature,
)
from shelflife.ledger.notes import Note, SignatureType, VerifierKey, sign

# The test key and message of golang.org/x/mod/sumdb/note.
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
MESSAGE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
# The example of c2sp.org/tlog-cosignature (its keys are not published).
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def peter() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(PRIVATE.split("+", 4)[4])[1:])


def test_go_signature_and_key_are_reproduced() -> None:
    assert str(VerifierKey.of("PeterNeumann", peter())) == VKEY
    assert sign(MESSAGE, "PeterNeumann", peter()).line() == LINE


def test_a_note_signed_elsewhere_verifies() -> None:
    key = VerifierKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    note = Note.parse(
        "This is an example message.\n\n— example.com/foo "
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )
    signature = note.signed_by(key.name, key.key_id)
    assert signature is not None
    assert key.verifies(note.text.encode(), signature.value)
    assert not key.verifies(b"This is another message.\n", signature.value)


def test_the_specification_example_keeps_its_form() -> None:
    note = Note.parse(EXAMPLE)
    assert note.render() == EXAMPLE
    assert Checkpoint.parse(note.text).size == 20_852_163
    assert Checkpoint.parse(note.text).text() == note.text
    assert int.from_bytes(note.signatures[1].value[:8], "big") == 1_679_315_147
    assert note.signatures[1].key_id.hex() == "8d66cf3f"


def test_a_text_may_hold_empty_lines() -> None:
    note = Note("one\n\ntwo\n", (sign("one\n\ntwo\n", "log", KEY),))
    assert Note.parse(note.render()) == note


@pytest.mark.parametrize(
    "content",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\nno dash\n",
        "text\n\n— log AAAA\n",
        "text\n\n— log AAAAAAB=\n",
        "text\n\n— log not base64\n",
        "text\n\n— a+b " + "A" * 92 + "\n",
        f"te\txt\n\n{LINE}\n",
        f"text\n\n{LINE}",
        f"text\n\n{LINE[:-1]}\n",
        "text\n\n" + f"{LINE}\n" * 65,
    ],
)
def test_malformed_notes_are_refused(content: str) -> None:
    with pytest.raises(LedgerBroken):
        Note.parse(content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log",
        VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("PeterNeumann", "AnnNeumann"),
        VKEY[:-4],
        VKEY.replace("+AR", "+BR"),
    ],
)
def test_malformed_keys_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        VerifierKey.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b"])
def test_key_names_follow_the_format(name: str) -> None:
    with pytest.raises(ConfigurationError):
        VerifierKey.of(name, KEY)


@given(st.binary(min_size=32, max_size=32), st.sampled_from(list(SignatureType)))
def test_keys_round_trip(public: bytes, kind: SignatureType) -> None:
    key = VerifierKey("example.com/log", kind, public)
    assert VerifierKey.parse(str(key)) == key


def test_a_checkpoint_opens_only_with_its_own_key_and_origin() -> None:
    checkpoint = Checkpoint("example.com/log", 7, bytes(32))
    note = sign_checkpoint(checkpoint, KEY)
    log = VerifierKey.of("example.com/log", KEY)
    assert open_checkpoint(note, log) == checkpoint
    with pytest.raises(LedgerBroken):
        open_checkpoint(note, VerifierKey.of("example.com/log", peter()))
    with pytest.raises(LedgerBroken):
        open_checkpoint(Note(note.text.replace("7", "8"), note.signatures), log)
    foreign = Checkpoint("example.com/other", 7, bytes(32)).text()
    with pytest.raises(LedgerBroken, match="another ledger"):
        open_checkpoint(Note(foreign, (sign(foreign, "example.com/log", KEY),)), log)


@pytest.mark.parametrize(
    "text", ["a\n1\n", "a\n01\n{root}\n", "a\n-1\n{root}\n", "\n1\n{root}\n", "a\n1\nAAAA\n"]
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(LedgerBroken):
        Checkpoint.parse(text.format(root=base64.b64encode(bytes(32)).decode()))


def test_a_cosignature_covers_text_and_time() -> None:
    text = Checkpoint("example.com/log", 7, bytes(32)).text()
    signature = cosign(text, "example.com/w", KEY, NOW)
    witness = VerifierKey.of("example.com/w", KEY, SignatureType.COSIGNATURE)
    assert verify_cosignature(Note(text, (signature,)), witness) == NOW
    # The message that c2sp.org/tlog-cosignature spells out, checked without the code under test.
    message = f"cosignature/v1\ntime {int(NOW.timestamp())}\n{text}".encode()
    KEY.public_key().verify(signature.value[8:], message)
    later = type(signature)(signature.name, signature.key_id, bytes(8) + signature.value[8:])
    with pytest.raises(LedgerBroken):
        verify_cosignature(Note(text, (later,)), witness)
    with pytest.raises(LedgerBroken):
        verify_cosignature(Note(text.replace("7", "8"), (signature,)), witness)
    with pytest.raises(LedgerBroken):
        verify_cosignature(Note(text, (sign(text, "example.com/w", KEY),)), witness)
