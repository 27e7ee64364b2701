"""The journal's bytes: what a crash leaves is told from what somebody cut or altered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import LedgerBroken
from shelflife.journal.frames import HEADER_BYTES, Head, frame, header, parse, parse_header

RECORDS = st.lists(st.binary(max_size=40), min_size=1, max_size=6)


def written(records: list[bytes], start: Head) -> tuple[bytes, list[Head]]:
    content, heads = b"", [start]
    for sealed in records:
        one, head = frame(heads[-1], sealed)
        content += one
        heads.append(head)
    return content, heads


@given(RECORDS, st.integers(0, 2**40), st.integers(0, 2**40), st.binary(min_size=32, max_size=32))
def test_what_is_written_is_read(records, sequence, position, chain):
    base = Head(sequence, position, chain)
    content, heads = written(records, base)
    assert parse_header(header(base)) == base
    assert len(header(base)) == HEADER_BYTES
    found = list(parse(content, base, heads[-1]))
    assert [one.sealed for one in found] == records
    assert [one.after for one in found] == heads[1:]
    assert heads[-1].position == position + len(content)


@given(RECORDS, st.data())
def test_a_cut_is_torn_behind_the_vouched_head_and_broken_before_it(records, data):
    content, heads = written(records, Head())
    vouched = data.draw(st.sampled_from(heads))
    cut = data.draw(st.integers(0, len(content) - 1))
    whole = [head for head in heads if head.position <= cut]
    if cut < vouched.position:
        with pytest.raises(LedgerBroken, match="cut"):
            list(parse(content[:cut], Head(), vouched))
    else:
        assert [one.after for one in parse(content[:cut], Head(), vouched)] == whole[1:]


@given(RECORDS, st.data())
def test_every_altered_byte_before_the_vouched_head_is_noticed(records, data):
    content, heads = written(records, Head())
    place = data.draw(st.integers(0, len(content) - 1))
    altered = bytearray(content)
    altered[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(LedgerBroken):
        list(parse(bytes(altered), Head(), heads[-1]))


def test_a_journal_that_starts_elsewhere_is_refused():
    with pytest.raises(LedgerBroken, match="altered at or before record 0"):
        list(parse(b"", Head(0, 0, b"x" * 32), Head()))
    with pytest.raises(LedgerBroken, match="not a journal"):
        parse_header(b"{}" * 40)
