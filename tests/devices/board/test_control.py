"""Board control on a fake TX2 with its own nvpmodel and jetson_clocks."""

import json
import os
import signal
import subprocess
import sys

import pytest

from joulebird.devices.board.control import Board
from joulebird.devices.board.identify import identify
from joulebird.devices.board.note import BoardError
from joulebird.devices.board.state import mode_names
from joulebird.devices.util.command import Ran, run_command
from tests.devices.fake_tx2_tree import FakeTX2

AS_ROOT = (
    [] if os.geteuid() == 0 else ["unshare", "-Ur"]
)  # NVIDIA's tools insist on root: of a namespace of ours will do
FAN = "sys/devices/pwm-fan"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    made = FakeTX2(str(tmp_path / "tree"), mode=3).build()
    made.put("/proc/sys/kernel/random/boot_id", "11111111-aaaa\n", 0o644)
    made.put("/sys/devices/pwm-fan/target_pwm", "80\n", 0o644)
    monkeypatch.setenv("FAKE_ROOT", made.root)
    yield made
    made.close()


class Commands:
    """Runs commands and keeps them; one that holds `broken` fails."""

    def __init__(self, broken=None, complaint="it broke"):
        self.seen, self.broken, self.answer = [], broken, Ran(1, "", complaint)

    def __call__(self, command, text):
        line = " ".join(command)
        self.seen.append(line)
        if self.broken and self.broken in line:
            return self.answer
        return run_command(command, text)


def board_of(tree, tmp_path, run=run_command, sudo=None):
    return Board(
        tree.root, folder=str(tmp_path / "state"), run=run, sudo=AS_ROOT if sudo is None else sudo
    )


def text(tree, path):
    with open(tree.p(path)) as file:
        return file.read().strip()


def what_counts(board):
    state = board.state()
    return {key: state[key] for key in ("power_mode", "clocks_locked", "clock_limits_hz", "fan")}


def test_the_state_of_a_board(tree, tmp_path):
    state = board_of(tree, tmp_path).state()
    assert state["power_mode"] == {"id": 3, "name": "MAXP_CORE_ARM"}
    assert state["clocks_locked"] is False
    assert state["clock_limits_hz"]["gpu"] == [114750000, 1134750000]
    assert "cpu1" not in state["clock_limits_hz"]
    assert state["fan"] == {"target_pwm": 80, "temp_control": 1}
    assert state["boot_id"] == "11111111-aaaa"
    assert state["board"]["tx2"]
    assert state["board"]["l4t"] == "32.7.1"
    assert state["board"]["jetpack"] == "4.6.1"


def test_modes_are_named_by_the_boards_own_table(tree):
    assert mode_names(tree.root) == {
        0: "MAXN",
        1: "MAXQ",
        2: "MAXP_CORE_ALL",
        3: "MAXP_CORE_ARM",
        4: "MAXP_CORE_DENVER",
    }


def test_prepare_and_restore(tree, tmp_path):
    board = board_of(tree, tmp_path)
    before = what_counts(board)
    state = board.prepare(mode=0)
    assert state["power_mode"]["name"] == "MAXN"
    assert state["clocks_locked"]
    assert state["fan"] == {"target_pwm": 255, "temp_control": 0}
    assert board.restore() is True
    assert what_counts(board) == before
    assert board.restore() is False
    assert os.listdir(str(tmp_path / "state")) == ["board.lock"]


def test_the_mode_is_set_before_the_clocks_are_locked(tree, tmp_path):
    commands = Commands()
    board = board_of(tree, tmp_path, commands)
    board.prepare(mode=0)
    board.restore()
    order = [
        line.split("bin/")[1].split(" /")[0]
        for line in commands.seen
        if "-q" not in line and "tee" not in line
    ]
    assert order == [
        "jetson_clocks --store",
        "nvpmodel -m 0",
        "jetson_clocks",
        "nvpmodel -m 3",
        "jetson_clocks --restore",
    ]


def test_only_what_is_asked_for_is_changed(tree, tmp_path):
    commands = Commands()
    board = board_of(tree, tmp_path, commands)
    with board.prepared(lock_clocks=False, fan_pwm=None):
        pass
    assert all("-q" in line for line in commands.seen)


@pytest.mark.parametrize("broken", ["--store", "-m 0", "bin/jetson_clocks", "target_pwm"])
def test_a_step_that_fails_leaves_the_board_as_it_was(tree, tmp_path, broken):
    before = what_counts(board_of(tree, tmp_path))

    class Once(Commands):
        def __call__(self, command, given):
            ran = Commands.__call__(self, command, given)
            if ran is self.answer:
                self.broken = None
            return ran

    board = board_of(tree, tmp_path, Once(broken))
    with pytest.raises(BoardError, match="it broke"):
        board.prepare(mode=0)
    assert what_counts(board) == before
    assert board.left_over() is None


def test_clocks_that_did_not_lock_are_an_error_not_a_hope(tree, tmp_path):
    class Deaf(Commands):
        def __call__(self, command, given):
            return (
                Ran(0, "", "")
                if command[-1].endswith("jetson_clocks")
                else Commands.__call__(self, command, given)
            )

    with pytest.raises(BoardError, match="has not locked: cpu0, cpu3, cpu4, cpu5, gpu"):
        board_of(tree, tmp_path, Deaf()).prepare(mode=0)


def test_root_refused_gives_the_line_to_paste(tree, tmp_path):
    refused = Commands("sudo", "sudo: a password is required")
    with pytest.raises(BoardError) as caught:
        board_of(tree, tmp_path, refused, sudo=["sudo", "-n"]).prepare(mode=0)
    assert all(line.startswith("sudo -n ") for line in refused.seen if "-q" not in line)
    hint = caught.value.hint
    assert "/etc/sudoers.d/" in hint
    assert "ALL=(root) NOPASSWD: /usr/sbin/nvpmodel, /usr/bin/jetson_clocks" in hint
    assert "/usr/bin/tee /sys/devices/pwm-fan/target_pwm" in hint
    assert caught.value.exit_code == 6


def test_a_mode_that_the_board_does_not_have(tree, tmp_path):
    with pytest.raises(BoardError, match="no power mode 7") as caught:
        board_of(tree, tmp_path).prepare(mode=7)
    assert "0 MAXN" in caught.value.hint


def test_a_board_without_the_tools(tree, tmp_path):
    os.unlink(tree.p("usr/bin/jetson_clocks"))
    with pytest.raises(BoardError, match="jetson_clocks is not installed"):
        board_of(tree, tmp_path).prepare(mode=0)


PREPARE = """
import os, signal, sys, time
sys.path.insert(0, %r)
from joulebird.devices.board.control import Board
board = Board(%r, folder=%r, sudo=%r)
with board.prepared(mode=0):
    print("prepared")
    sys.stdout.flush()
    time.sleep(60)
"""
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def prepared_process(tree, tmp_path):
    """A process that has prepared the board and waits."""
    script = PREPARE % (ROOT, tree.root, str(tmp_path / "state"), AS_ROOT)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, universal_newlines=True
    )
    assert process.stdout.readline() == "prepared\n"
    return process


def end(process, number):
    process.send_signal(number)
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_puts_the_board_back(tree, tmp_path, number):
    board = board_of(tree, tmp_path)
    before = what_counts(board)
    process = prepared_process(tree, tmp_path)
    assert what_counts(board) != before
    end(process, number)
    assert what_counts(board) == before
    assert board.left_over() is None


def test_after_a_kill_the_next_call_puts_the_board_back(tree, tmp_path):
    board = board_of(tree, tmp_path)
    before = what_counts(board)
    end(prepared_process(tree, tmp_path), signal.SIGKILL)
    assert board.left_over()["before"]["power_mode"]["id"] == 3
    assert what_counts(board) != before
    with board_of(tree, tmp_path).prepared(mode=1, lock_clocks=False, fan_pwm=None):
        assert (
            board.left_over()["before"]["power_mode"]["id"] == 3
        )  # not what the killed one had set
    assert what_counts(board) == before


def test_after_a_reboot_only_the_mode_is_put_back(tree, tmp_path):
    end(prepared_process(tree, tmp_path), signal.SIGKILL)
    tree.put("/proc/sys/kernel/random/boot_id", "22222222-bbbb\n", 0o644)
    commands = Commands()
    board = board_of(tree, tmp_path, commands)
    assert board.restore() is True
    assert not [line for line in commands.seen if "jetson_clocks" in line or "tee" in line]
    assert board.state()["power_mode"]["id"] == 3


def test_two_processes_do_not_prepare_one_board(tree, tmp_path):
    process = prepared_process(tree, tmp_path)
    try:
        with pytest.raises(BoardError, match="another process has prepared"):
            board_of(tree, tmp_path).prepare(mode=1)
        with pytest.raises(BoardError, match="another process has prepared"):
            board_of(tree, tmp_path).restore()
        assert board_of(tree, tmp_path).state()["power_mode"]["id"] == 0
    finally:
        end(process, signal.SIGTERM)


def test_a_damaged_note_is_said(tree, tmp_path):
    board = board_of(tree, tmp_path)
    board.prepare(mode=0)
    with open(str(tmp_path / "state" / "board.json"), "w") as note:
        note.write("{")
    with pytest.raises(BoardError, match="cannot be read"):
        board.restore()


def test_a_note_of_a_newer_joulebird_is_refused(tree, tmp_path):
    os.makedirs(str(tmp_path / "state"))
    with open(str(tmp_path / "state" / "board.json"), "w") as note:
        json.dump({"format": 2}, note)
    with pytest.raises(BoardError) as caught:
        board_of(tree, tmp_path).restore()
    assert "update joulebird" in caught.value.hint


def test_a_workstation_is_no_board(tmp_path):
    assert identify(str(tmp_path)) == {
        "jetson": False,
        "tx2": False,
        "model": None,
        "compatible": [],
        "l4t": None,
        "jetpack": None,
    }
    state = Board(str(tmp_path)).state()
    assert state["power_mode"] is None
    assert state["fan"] is None
    assert state["clocks_locked"] is None
