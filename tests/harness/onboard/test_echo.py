"""The clock echo answers every byte, once, and ends with its input."""

import os
import threading

from joulebird.harness.onboard.machine import echo


def test_answers_with_both_clocks():
    asked, ask = os.pipe()
    answer, answered = os.pipe()
    thread = threading.Thread(target=echo, args=(asked, answered, lambda: 12.5, lambda: 1e9))
    thread.start()
    for _ in range(3):
        os.write(ask, b"\n")
        assert os.read(answer, 100) == b"12500000000 1000000000000000000\n"
    os.close(ask)
    thread.join(10)
    assert not thread.is_alive()
    for end in (asked, answer, answered):
        os.close(end)
