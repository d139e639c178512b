"""`joulebird watch`: lines, JSON, a terminal, a failing sensor."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from joulebird.devices.source import PowerSample, PowerSource
from joulebird.harness.core.errors import SourceError
from joulebird.harness.verbs.watch import PlainLines, Screen, screen, take
from tests.devices.fake_tx2_tree import FakeTX2
from tests.harness.command import joulebird, refused

COMMAND = [sys.executable, "-m", "joulebird", "watch"]


@pytest.fixture
def board(tmp_path):
    tree = FakeTX2(str(tmp_path / "tree"), state="train").build()
    yield tree
    tree.close()


def of(board):
    return ["--source", "ina3221", "--source-option", "root=" + board.root]


class Scripted(PowerSource):
    """Gives watts, or raises what is not a number, in turn; then the last sample again and
    again.
    """

    name, rails, total = "scripted", ("A", "B"), ("A",)

    def __init__(self, script):
        self.script, self.sample = list(script), PowerSample(0.0, {})

    def open(self):
        pass

    def close(self):
        pass

    def describe(self):
        return self.identity()

    def read(self):
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            self.sample = PowerSample(self.sample.t_s + 1.0, {"A": step})
        return self.sample


def test_json_lines(board):
    done = subprocess.run(
        COMMAND + of(board) + ["-n", "3", "--every", "0.1", "--json"],
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert len(lines) == 3
    assert all(line["watts"]["VDD_IN"] == pytest.approx(14.034, abs=1e-3) for line in lines)
    assert lines[0]["total"] == ["VDD_IN"]
    assert lines[0]["real"] is True
    assert lines[0]["t_s"] < lines[1]["t_s"] < lines[2]["t_s"]
    assert lines[1]["readings"] >= 1


def test_plain_lines_where_there_is_no_terminal(board):
    done = subprocess.run(
        COMMAND + of(board) + ["-n", "2", "--every", "0.1"],
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("# ina3221, mean watts: VDD_IN ")
    assert len(lines) == 3
    assert "\x1b" not in done.stdout
    assert float(lines[1].split()[0]) == pytest.approx(14.034, abs=1e-3)


def test_one_rail(board):
    words = [*of(board), "--rail", "VDD_SYS_GPU", "-n", "1", "--every", "0.1"]
    [line] = joulebird("watch", *words, "--format", "json")[1].splitlines()
    assert json.loads(line)["total"] == list(json.loads(line)["watts"]) == ["VDD_SYS_GPU"]
    lines = joulebird("watch", *words)[1].splitlines()
    assert lines[0] == "# ina3221, mean watts: VDD_SYS_GPU"
    assert len(lines[1].split()) == 1


def test_an_unknown_rail_fails_with_the_same_words(board):
    for words in (["watch"], ["measure", "--", "true"]):
        given = [words[0], *of(board), "--rail", "VDD_SYS_GPO", *words[1:]]
        refused(2, given, "ina3221 has no rail named VDD_SYS_GPO", "did you mean 'VDD_SYS_GPU'?")


def test_it_stops_after_the_seconds(board):
    done = subprocess.run(
        COMMAND + of(board) + ["--seconds", "0.25", "--every", "0.1", "--json"],
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    assert 1 <= len(done.stdout.splitlines()) <= 3
    assert done.returncode == 0


def test_ctrl_c_is_the_way_to_end_it(board):
    process = subprocess.Popen(
        COMMAND + of(board) + ["--every", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""


def on_a_terminal(words, **environ):
    """What is written on a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        COMMAND + words,
        stdout=follower,
        stderr=follower,
        stdin=follower,
        env=dict(os.environ, **environ),
    )
    os.close(follower)
    pieces = []
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(leader)
    assert process.wait() == 0
    return b"".join(pieces).decode("utf-8")


def test_a_terminal_is_drawn_in_place(board):
    words = of(board) + ["-n", "3", "--every", "0.1"]
    drawn = on_a_terminal(words, TERM="xterm", PYTHONIOENCODING="utf-8")
    assert drawn.count("\x1b[8A") == 2
    assert "\x1b[1mVDD_IN" in drawn
    assert "█" in drawn
    assert "\x1b[1m" not in on_a_terminal(words, TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(words, TERM="dumb")


def test_a_period_is_the_mean_of_its_readings():
    source = Scripted([1.0, 2.0, 6.0])
    reading = take(source, time.monotonic() + 0.4)
    assert reading.readings == 3
    assert reading.watts == {"A": 3.0}
    assert reading.problem == ""


def test_a_reading_that_fails_is_said_and_watching_goes_on():
    out = io.StringIO()
    source = Scripted([SourceError("the meter is unplugged"), 5.0])
    lines = PlainLines(source, out)
    lines(take(source, 0.0))
    lines(take(source, 0.0))
    assert out.getvalue().splitlines()[1:] == [
        "        -         -  # the meter is unplugged",
        "    5.000         -",
    ]


def test_the_history_is_drawn_to_scale():
    out = io.StringIO()
    shown = Screen(Scripted([8.0]), out, colour=False)
    assert shown.spark([0.0, 4.0, 8.0, None]) == ".=@ "
    shown(take(Scripted([8.0]), 0.0))
    assert "B         - W" in out.getvalue()
    assert "A     8.000 W  @" in out.getvalue()


def test_a_stream_that_is_no_terminal_gets_lines():
    assert isinstance(screen(Scripted([1.0]), io.StringIO(), {"TERM": "xterm"}), PlainLines)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--period", "0"], 2, "--period: must be above 0"),
        (["--every", "0"], 2, "--every: must be above 0"),
        (["--source", "nosuch"], 4, "unknown source 'nosuch'"),
        (["--source", "ina3221", "--source-option", "root=/nowhere"], 4, "no INA3221"),
    ],
)
def test_mistakes_are_one_or_two_lines(words, code, text):
    done = subprocess.run(
        COMMAND + words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
    )
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
