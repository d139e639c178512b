"""Lines of a child process, read without blocking."""

import sys
import time

import pytest

from joulebird.devices.util.line_child import LineChild


def child(script):
    return LineChild([sys.executable, "-u", "-c", script])


def lines_until(running, count):
    """So many lines, and whatever came with them."""
    lines, deadline = [], time.monotonic() + 20
    while len(lines) < count and time.monotonic() < deadline:
        lines += running.lines(timeout_s=0.1)
    return lines


def test_lines_come_whole_however_they_are_written():
    running = child(
        "import sys, time\nfor piece in ('on', 'e\\ntw', 'o\\n', 'thr', 'ee\\nrest'):\n"
        "    sys.stdout.write(piece); time.sleep(0.02)"
    )
    assert lines_until(running, 3) == ["one", "two", "three"]
    running.stop()


def test_reading_never_waits_longer_than_told():
    running = child("import time; time.sleep(60)")
    begin = time.monotonic()
    assert running.lines() == []
    assert running.lines(timeout_s=0.05) == []
    assert time.monotonic() - begin < 10  # of the child's 60
    assert running.ended() is None
    running.stop()
    assert running.ended() is not None


def test_a_flood_is_taken_in_whole_lines():
    running = child("for i in range(50000): print('line %d' % i)")
    lines = lines_until(running, 50000)
    assert lines == [f"line {i}" for i in range(50000)]
    running.stop()


def test_how_it_ended_and_its_last_words():
    running = child("import sys; sys.stderr.write('first\\nlast words\\n'); sys.exit(3)")
    deadline = time.monotonic() + 20
    while running.ended() is None and time.monotonic() < deadline:
        running.lines(timeout_s=0.05)
    assert running.ended() == 3
    assert running.errors() == "last words"
    running.stop()


def test_one_that_ignores_every_request_is_killed():
    running = child(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf')\n"
        "time.sleep(60)"
    )
    assert lines_until(running, 1) == ["deaf"]
    running.stop()
    running.stop()
    assert running.ended() == -9


def test_a_program_that_is_not_there():
    with pytest.raises(OSError):
        LineChild(["/no/such/program"])
