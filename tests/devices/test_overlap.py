"""Measurements that share the machine know of each other; those that nest are no strangers."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from joulebird.devices import overlap
from joulebird.devices.measure import joules, measure_command
from joulebird.devices.overlap import Overlap, Presence, shared_s

FLAT = {"profile": [[1.0, 10.0]]}
# Measures from a line on stdin to the next one, and prints its overlaps.
SCRIPT = """
import json, sys, time
from joulebird.devices.measure import joules
for line in iter(sys.stdin.readline, ""):
    with joules("simulated", profile=[[1.0, 10.0]]) as m:
        print("begun", flush=True)
        sys.stdin.readline()
    print(json.dumps([one._asdict() for one in m.overlaps] + [str(m), m.seconds]), flush=True)
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """A temporary folder of this test's own, for its processes too."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)


def left():
    """The files of measurements in the temporary folder."""
    kinds = ("joulebird-runs-", "joulebird-ended-")
    return [name for name in os.listdir(tempfile.gettempdir()) if name.startswith(kinds)]


def folder_and(kind):
    return os.path.join(tempfile.gettempdir(), overlap._prefix(kind))


class Other:
    """A process that measures, beside the other ones of a test."""

    def __init__(self, name):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )
        self.pid = self.process.pid

    def say(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def begin(self):
        self.say()
        assert self.process.stdout.readline() == "begun\n"

    def end(self):
        """End the measurement; gives its overlaps, its text, and its seconds."""
        self.say()
        *overlaps, text, seconds = json.loads(self.process.stdout.readline())
        return overlaps, text, seconds

    def close(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def other():
    made = []

    def build(name):
        made.append(Other(name))
        return made[-1]

    yield build
    for one in made:
        one.close()


def test_two_processes_name_each_other(other):
    a, b = other("first"), other("second")
    a.begin()
    b.begin()
    time.sleep(0.5)
    (seen_by_a,), text, a_s = a.end()
    (seen_by_b,), _, b_s = b.end()
    assert seen_by_a["pid"] == b.pid
    assert seen_by_a["command"] == "-c second"
    assert 0.5 <= seen_by_a["seconds"] <= a_s
    assert seen_by_b["pid"] == a.pid
    assert 0.5 <= seen_by_b["seconds"] <= b_s
    assert f"shared with 1 other measurement for {seen_by_a['seconds']:.1f} s: the joules" in text
    assert "the machine's, not this code's alone" in text
    assert left() == []


def test_those_that_began_and_ended_inside_another_are_named_too(other):
    a, b = other("long"), other("short")
    b.begin()
    b.end()  # before a
    a.begin()
    short = []
    for _ in range(3):
        b.begin()
        time.sleep(0.2)
        (seen,), _, b_s = b.end()
        assert seen["pid"] == a.pid
        short.append(b_s)
    found, text, a_s = a.end()
    assert [one["pid"] for one in found] == [b.pid] * 3
    assert sum(one["seconds"] for one in found) >= sum(short)
    assert all(one["seconds"] < a_s for one in found)
    assert "shared with 3 other measurements" in text
    a.begin()
    assert a.end()[0] == []
    assert left() == []


def test_two_threads_are_two_measurements():
    found, together = {}, threading.Barrier(2)

    def work(name):
        with joules("simulated", **FLAT) as m:
            together.wait(30)
            time.sleep(0.2)
            together.wait(30)
        found[name] = m

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for m in found.values():
        ((pid, command, _, _),) = m.overlaps
        assert pid == os.getpid()
        assert command
        assert m.overlaps[0].seconds >= 0.2
        assert m.words == ("simulated", "shared")
    assert left() == []


def test_windows_nested_measurements_and_the_measured_code_are_no_overlaps(other):
    a = other("a child of this process")
    with joules("simulated", **FLAT) as outer:
        with outer.window() as window, joules("simulated", **FLAT) as nested:
            time.sleep(0.1)
        a.begin()
        assert a.end()[0] == []
        measured = measure_command(["sleep", "0.1"], "simulated", **FLAT)
    for m in (outer, window, nested, measured.measurement):
        assert m.overlaps == []
        assert "shared" not in m.words
        assert "shared with" not in str(m)
    assert left() == []


def test_a_window_has_its_own_part_of_an_overlap():
    with Presence("mine") as mine:
        stranger = dict(mine._me, pid=2**40, ancestors=[], end_s=mine._me["begin_s"] + 0.25)
        mark = mine.mark()
        overlap._append(overlap._line(stranger))
        begin_s = mine._me["begin_s"]
        assert mine.since(mark, begin_s + 0.25, begin_s + 1.0) == []
        (part,) = mine.since(mark, begin_s + 0.05, begin_s + 1.0)
    assert part.seconds == pytest.approx(0.2)
    assert left() == []


def test_a_killed_neighbour_counts_until_it_is_found(other):
    a, b = other("lives"), other("dies")
    a.begin()
    b.begin()
    os.kill(b.pid, signal.SIGKILL)
    b.process.wait()
    ((seen,), _, a_s) = a.end()
    assert seen["pid"] == b.pid
    assert 0.0 < seen["seconds"] <= a_s
    assert left() == []  # the dead one's file too
    a.begin()
    assert a.end()[0] == []


def test_files_of_others_neither_lie_nor_hang_nor_break(tmp_path):
    prefix, uid = folder_and("runs"), os.getuid()
    ended = folder_and("ended")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.mkfifo(f"{prefix}{uid}-fifo")
    os.symlink(str(victim), f"{prefix}{uid}-link")
    os.symlink(str(victim), f"{ended}{uid}-link")
    os.link(str(victim), f"{ended}{uid}-hard")
    os.mkdir(f"{prefix}{uid}-folder")
    good = {"pid": 7, "thread": 1, "ancestors": [], "command": "evil", "begin_s": 0.0}
    with open(f"{ended}{uid + 1}-foreign", "w") as file:  # ours, under another user's name
        file.write(json.dumps(dict(good, end_s=1e9)) + "\n")
    with open(f"{prefix}{uid}-garbage", "wb") as file:
        file.write(b"\xff\0{]")
    lines = [json.dumps(dict(good, **more)) for more in ({"begin_s": "0"}, {"ancestors": 5}, {})]
    with joules("simulated", **FLAT) as m:
        with open(f"{ended}{uid}-lines", "w") as file:
            file.write("\n".join([*lines, "[1]", "null", '{"pid": 1}', "{" * 5000]) + "\n")
        with open(f"{prefix}{uid}-late", "w") as file:
            file.write(json.dumps(dict(good, pid=8, command="a\x1b[31m\nb" * 99)))
    assert sorted(one.pid for one in m.overlaps) == [7, 8]
    assert all(one.command.isprintable() and len(one.command) <= 120 for one in m.overlaps)
    assert victim.read_text() == "precious"
    assert m.joules


def test_without_a_temporary_folder_nothing_is_known_and_nothing_breaks(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with Presence() as presence:
        assert presence.since(presence.mark(), 0.0, 1e9) == []


def test_a_forked_child_of_the_measured_code_leaves_the_registration_alone():
    with Presence() as presence:
        child = os.fork()
        if not child:
            presence.__exit__()
            os._exit(0)
        os.waitpid(child, 0)
        assert len(left()) == 1
    assert left() == []


def test_the_shared_time_counts_once():
    assert shared_s([]) == 0.0
    assert shared_s([Overlap(1, "a", 0.0, 5.0), Overlap(2, "b", 1.0, 1.0)]) == 5.0
