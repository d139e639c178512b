"""What is said while training: lines or a moving line, colour only where it is wanted, and the
time that is left.
"""

import io

import pytest

from joulebird.harness.cli.progress import Estimate, Progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def talk(stream, environ, quiet=False):
    progress = Progress(stream, quiet=quiet, environ=environ)
    progress.run_begin(1, 2, "run-a")
    progress.stage_begin("dense", "s1", 0)
    for epoch in (1, 2):
        progress.epoch(epoch, 2, 0.5, 0.9)
    progress.stage_end("dense", "f", 1.0)
    progress.warn({"name": "w", "text": "it is late", "remedy": "sleep"})
    progress.warn({"name": "w", "text": "it is late", "remedy": "sleep"})
    return stream.getvalue()


def test_without_a_terminal_it_is_one_plain_line_an_epoch():
    lines = talk(io.StringIO(), {}).splitlines()
    assert lines[0] == "[1/2] run-a"
    assert lines[1].startswith("  dense  epoch 1/2  loss 0.5000  accuracy 90.00 %  about")
    assert lines[3] == "  warning: it is late (sleep)"
    assert len(lines) == 4
    assert "\x1b" not in "".join(lines)
    assert "\r" not in "".join(lines)


def test_on_a_terminal_one_line_moves_and_ends_before_what_follows():
    text = talk(Terminal(), {"TERM": "xterm"})
    assert text.count("\r") == 2
    assert "\x1b[1mrun-a" in text
    assert "left\x1b[K\n" in text


@pytest.mark.parametrize(
    ("environ", "colour", "moving"),
    [
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_and_movement_follow_the_environment(environ, colour, moving):
    text = talk(Terminal(), environ)
    assert ("\x1b[1m" in text) == colour
    assert ("\r" in text) == moving


def test_quiet_says_warnings_only():
    assert talk(io.StringIO(), {}, quiet=True) == "  warning: it is late (sleep)\n"


def test_a_terminal_without_utf8_gets_ascii():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    stream.isatty = lambda: True
    progress = Progress(stream, environ={"TERM": "xterm"})
    progress.epoch(1, 2, 0.5, 0.9)
    progress.say("a café")
    stream.flush()
    assert b"####" in raw.getvalue()
    assert b"a caf?" in raw.getvalue()


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_the_estimate_covers_the_whole_study_from_what_was_done():
    clock = Clock()
    estimate = Estimate(clock)
    estimate.plan({"a": "train", "b": "train", "c": "cut"})
    assert estimate.left_s() is None
    estimate.begin("a")
    clock.now_s = 10.0
    estimate.epoch(1, 5)
    assert estimate.left_s() == pytest.approx(
        4 * 10 + 2 * 50
    )  # an unknown stage counts as a full training
    clock.now_s = 50.0
    estimate.epoch(5, 5)
    estimate.end("train", 50.0)
    estimate.begin("c")
    estimate.end("cut", 1.0)
    assert estimate.left_s() == pytest.approx(50.0)
    estimate.begin("b")
    clock.now_s = 60.0
    estimate.epoch(4, 5)
    assert estimate.left_s() == pytest.approx(
        (10.0 + 40.0 + 10.0) / 3
    )  # one epoch, as long as those so far on average
