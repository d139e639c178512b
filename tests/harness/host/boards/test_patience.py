"""Patience with a line: none for what waiting cannot cure, slower and slower for what it can,
and an end.
"""

import pytest

from joulebird.harness.host.boards.follow import Patience
from joulebird.harness.host.link.errors import LinkError

LOST, WRONG = LinkError("b: no answer", "", lost=True), LinkError("b: another key", "")


def lose(patience, times):
    """Lose the connection many times in a row."""
    for _ in range(times):
        patience.lost(LOST)


class Clock:
    """A clock that moves when one sleeps."""

    def __init__(self):
        self.now, self.slept, self.said = 0.0, [], []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, patience_s):
        return Patience("b", patience_s, self.said.append, lambda: self.now, self.sleep)


def test_waits_longer_each_time_and_says_so_once():
    clock = Clock()
    patience = clock.patience(float("inf"))
    patience.heard()
    for _ in range(8):
        patience.lost(LOST)
    assert clock.slept == [1, 2, 4, 8, 16, 30, 30, 30]
    assert len(clock.said) == 1
    assert "continues there" in clock.said[0]
    patience.heard()
    patience.lost(LOST)
    assert clock.slept[-1] == 1
    assert clock.said[1] == "b answers again"


def test_ends_after_the_silence_that_was_allowed():
    clock = Clock()
    patience = clock.patience(10.0)
    patience.heard()
    clock.now = 1000.0
    patience.heard()
    with pytest.raises(LinkError):
        lose(patience, 100)
    assert sum(clock.slept) <= 10.0
    assert len(clock.slept) == 3


def test_none_for_a_board_that_never_answered_or_for_what_does_not_pass():
    clock = Clock()
    with pytest.raises(LinkError):
        clock.patience(float("inf")).lost(LOST)
    patience = clock.patience(float("inf"))
    patience.heard()
    with pytest.raises(LinkError):
        patience.lost(WRONG)
    assert not clock.slept
