"""The anti-replay window against a plain set of what was seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shelflife.seal.replay_window import WINDOW, Fate, ReplayWindow


def expected(seen: set[int], sequence: int) -> Fate:
    highest = max(seen, default=0)
    if sequence <= highest - WINDOW:
        return Fate.TOO_OLD
    return Fate.SEEN if sequence in seen else Fate.NEW


@given(st.lists(st.one_of(st.integers(1, 200), st.integers(2**63 - 100, 2**63 - 1)), max_size=80))
def test_it_agrees_with_a_set(numbers):
    window, seen = ReplayWindow(), set()
    for number in numbers:
        fate = window.fate(number)
        assert fate is expected(seen, number)
        if fate is Fate.NEW:
            window, seen = window.moved(number), seen | {number}
        assert ReplayWindow.stored(window.highest, window.seen_bytes) == window
        assert window.fate(number) is not Fate.NEW


def test_the_edges():
    window = ReplayWindow().moved(100)
    assert window.fate(100) is Fate.SEEN
    assert window.fate(37) is Fate.NEW
    assert window.fate(36) is Fate.TOO_OLD
    assert window.moved(37).fate(37) is Fate.SEEN
    assert window.moved(163).fate(100) is Fate.SEEN
    assert window.moved(164).fate(100) is Fate.TOO_OLD
