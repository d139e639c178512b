"""A board's health once a second among a stage's events, written by a process that ends with the
one that asked for it.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from joulebird.devices.health.compare import EVENTS, Diary
from joulebird.devices.health.log import HealthLog, append, line_of
from joulebird.devices.health.read import Health
from joulebird.harness.core.records import HEALTH_LINE
from joulebird.harness.runs.warnings import WARNINGS
from tests.devices.changing_board import Board, change_mode, sag, swap, throttle_by_heat
from tests.packed import pack


@pytest.fixture
def board(tmp_path):
    made = Board(tmp_path / "tree", state="train")
    yield made
    made.tree.close()


def lines_of(path, least):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if os.path.exists(path):
            with open(path) as log:
                lines = log.read().splitlines()
            if len(lines) >= least:
                return [json.loads(line) for line in lines]
        time.sleep(0.02)
    raise AssertionError(f"fewer than {least} lines")


def test_the_log_is_written_beside_us(board, tmp_path):
    path = str(tmp_path / "events.jsonl")
    with HealthLog(path, root=board.tree.root, period_s=0.05) as log:
        samples = lines_of(path, 3)
        child = log._child._process
    assert child.returncode == 0
    times = [sample["t_s"] for sample in samples]
    assert times == sorted(times)
    assert abs(times[0] - time.monotonic()) < 60
    assert samples[0]["volts"] == {"VDD_IN": 19.12}


def test_the_log_ends_with_its_parent(board, tmp_path):
    path = str(tmp_path / "events.jsonl")
    script = (
        f"import sys, time\nfrom joulebird.devices.health.log import HealthLog\nlog = "
        f"HealthLog({path!r}, root={board.tree.root!r}, period_s=0.05).__enter__()\n"
        "print(log._child._process.pid)\nsys.stdout.flush()\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, universal_newlines=True
    )
    child = int(parent.stdout.readline())
    lines_of(path, 1)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while running(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_the_log_is_written_from_a_zipapp_too(board, tmp_path):
    """On a board these packages are one file, and the child must find itself in it."""
    archive, path = str(tmp_path / "joulebird.pyz"), str(tmp_path / "events.jsonl")
    pack(archive)
    script = (
        f"import sys\nsys.path.insert(0, {archive!r})\nfrom joulebird.devices.health.log import "
        f"HealthLog\n"
        f"with HealthLog({path!r}, root={board.tree.root!r}, period_s=0.05):\n    "
        f"sys.stdin.readline()\n"
    )
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, cwd=str(tmp_path), env=environ
    )
    assert lines_of(path, 2)[0]["power_mode"] == 0
    process.communicate(b"end\n")
    assert process.returncode == 0


def test_a_line_says_what_it_is_before_anything_else(board):
    """Readers of events pass over these lines without parsing them."""
    ((name, facts),) = Diary().events(Health(board.tree.root).sample())
    line = line_of(name, facts)
    assert name == "health"
    assert line.startswith(HEALTH_LINE + b', "t_s": ')
    assert line.endswith(b"}\n")
    assert json.loads(line.decode())["temps_c"]["GPU-therm"] == 32.0


def test_what_seldom_changes_is_written_when_it_does(board):
    diary, health = Diary(), Health(board.tree.root)
    first, second = [dict(diary.events(health.sample()))["health"] for _ in range(2)]
    swap(board)
    third = dict(diary.events(health.sample()))["health"]
    assert {"limits", "swap", "boot_id", "clocks_locked"} <= set(first)
    assert not {
        "limits",
        "swap",
        "boot_id",
        "clocks_locked",
    } & set(second)
    assert {"temps_c", "clocks_hz", "power_mode", "cooling", "volts", "gpu_load"} <= set(second)
    assert third["swap"]["pages_out"] == 1020
    assert "limits" not in third


@pytest.mark.parametrize(
    ("happen", "event"),
    [
        (throttle_by_heat, "throttle"),
        (change_mode, "mode_change"),
        (swap, "swap"),
        (sag, "supply_sag"),
    ],
)
def test_a_trouble_is_an_event_at_its_beginning(board, happen, event):
    diary, health = Diary(), Health(board.tree.root)

    def names():
        return [name for name, _ in diary.events(health.sample())]

    assert names() == ["health"]
    happen(board)
    assert names() == ["health", event]
    assert names() == ["health"]


def test_throttling_that_comes_again_is_told_again(board):
    diary, health, seen = Diary(), Health(board.tree.root), []
    for state in (0, 3, 3, 0, 2):
        board.cool(2, "gpu-balanced", state)
        seen.append([name for name, _ in diary.events(health.sample())][1:])
    assert seen == [[], ["throttle"], [], [], ["throttle"]]


def test_every_event_stands_for_a_warning_of_the_table():
    assert set(EVENTS) <= set(WARNINGS)
    assert len(set(EVENTS.values())) == len(EVENTS)


def test_the_last_of_a_disk_is_left_to_the_training(tmp_path, monkeypatch):
    handle = os.open(str(tmp_path / "events.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    facts = os.fstatvfs(handle)

    class Full:
        f_bavail, f_frsize = 3, facts.f_frsize

    assert append(handle, "health", {"t_s": 1.0})
    monkeypatch.setattr("joulebird.devices.health.log.os.fstatvfs", lambda _: Full)
    assert not append(handle, "health", {"t_s": 2.0})
    os.close(handle)
    assert (tmp_path / "events.jsonl").read_bytes() == b'{"event": "health", "t_s": 1.0}\n'


def test_a_log_that_ends_by_itself_says_why(tmp_path):
    with HealthLog(str(tmp_path / "nowhere" / "events.jsonl")) as log:
        deadline = time.monotonic() + 10
        while log.ended is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert "nowhere" in log.ended
    assert log.ended is None
