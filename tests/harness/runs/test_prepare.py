"""A session that prepares a fake TX2: before anything is measured, until all is measured, and
back however it ends.
"""

import io
import os
import signal
import subprocess
import sys
import time

import pytest

from joulebird.devices.board.control import Board
from joulebird.devices.board.note import BoardError
from joulebird.devices.util.command import Ran, run_command
from joulebird.harness.cli.progress import Progress
from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.runs.prepare import preparation
from joulebird.harness.runs.session import Session, run_all
from joulebird.harness.runs.spec import from_dict
from joulebird.harness.runs.stage import Interrupted
from tests.devices.fake_tx2_tree import FakeTX2
from tests.harness import toy
from tests.test_layers import ROOT

AS_ROOT = [] if os.geteuid() == 0 else ["unshare", "-Ur"]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    made = FakeTX2(str(tmp_path / "tree"), mode=3).build()
    made.put("/proc/sys/kernel/random/boot_id", "11111111-aaaa\n", 0o644)
    made.put("/sys/devices/pwm-fan/target_pwm", "80\n", 0o644)
    monkeypatch.setenv("FAKE_ROOT", made.root)
    yield made
    made.close()


class Hasty:
    """Makes boards of a tree whose minutes pass at once, and which notes down what it is asked
    to run.
    """

    def __init__(self, folder, run=run_command, sudo=None):
        self.folder, self.run, self.sudo, self.now_s, self.made = str(folder), run, sudo, 0.0, None

    def __call__(self, root, sleep):
        def nap(seconds):
            sleep(0.0)
            self.now_s += seconds

        self.made = Board(
            root,
            self.folder,
            self.run,
            AS_ROOT if self.sudo is None else self.sudo,
            lambda: self.now_s,
            nap,
        )
        return self.made


def state_of(tree):
    state = Board(tree.root).state()
    return {key: state[key] for key in ("power_mode", "clocks_locked", "clock_limits_hz", "fan")}


def spec(method="tests.harness.toy:only_grow"):
    return from_dict(
        {"method": method, "model": "vgg16", "dataset": "digits", "prune_ratio": 0.5, "epochs": 4},
        "test",
    )


def session(root, tree, make, mode="MAXN", talk=None):
    talk = talk or io.StringIO()
    progress = Progress(talk, environ={})
    return Session(
        str(root),
        Recorders({}),
        progress,
        backend=toy.Backend(),
        board_root=tree.root,
        prepare=preparation(mode, progress.say, tree.root, make),
    )


def test_the_board_is_prepared_while_stages_run_and_put_back_after(tmp_path, tree):
    before, make, talk = state_of(tree), Hasty(tmp_path / "state"), io.StringIO()
    with session(tmp_path / "runs", tree, make, talk=talk) as one:
        assert state_of(tree) == before  # nothing is touched before a stage has to be done
        (done,), failures = run_all(one, [spec()])
        assert not failures
        assert state_of(tree)["power_mode"] == {"id": 0, "name": "MAXN"}
    assert state_of(tree) == before
    assert make.made.left_over() is None
    prepared = done.environment["prepared"]
    assert prepared["power_mode"] == "MAXN"
    assert prepared["clocks_locked"] is True
    assert prepared["fan"] == {"target_pwm": 255, "temp_control": 0}
    assert prepared["settled"] is True
    assert prepared["waited_s"] >= 60
    assert prepared["temps_c"]["GPU-therm"] == 32.0
    assert done.environment["power_mode"] == "MAXN"
    assert done.environment["clocks_locked"] is True
    assert "mode MAXN" in talk.getvalue()
    assert "putting the board back" in talk.getvalue()


def test_what_is_done_needs_no_board(tmp_path, tree):
    with session(tmp_path / "runs", tree, Hasty(tmp_path / "state")) as one:
        run_all(one, [spec()])
    make = Hasty(tmp_path / "state")
    with session(tmp_path / "runs", tree, make) as one:
        run_all(one, [spec()])
    assert make.made is None


@pytest.mark.parametrize("method", ["breaks", "buggy"])
def test_a_session_that_fails_puts_the_board_back(tmp_path, tree, method):
    before, make = state_of(tree), Hasty(tmp_path / "state")
    failures = []
    try:
        with session(tmp_path / "runs", tree, make) as one:
            failures = run_all(one, [spec("tests.harness.toy:" + method)])[1]
    except TypeError as error:
        failures = [error]
    assert len(failures) == 1
    assert make.made is not None
    assert state_of(tree) == before
    assert make.made.left_over() is None


def test_without_root_it_ends_with_the_line_to_paste_before_anything_is_trained(tmp_path, tree):
    def refused(command, text):
        return (
            Ran(1, "", "sudo: a password is required")
            if command[0] == "sudo"
            else run_command(command, text)
        )

    with pytest.raises(BoardError) as caught, session(
        tmp_path / "runs", tree, Hasty(tmp_path / "state", refused, ["sudo", "-n"])
    ) as one:
        run_all(one, [spec()])
    assert caught.value.exit_code == 6
    assert "/etc/sudoers.d/joulebird" in caught.value.hint
    assert (
        "ALL=(root) NOPASSWD: /usr/sbin/nvpmodel, /usr/bin/jetson_clocks, /usr/bin/tee "
        "/sys/devices/pwm-fan/" in caught.value.hint
    )
    assert not os.path.exists(str(tmp_path / "runs" / "stages"))


def test_a_stop_while_the_board_settles_ends_the_wait_and_puts_it_back(tmp_path, tree):
    before, make = state_of(tree), Hasty(tmp_path / "state")
    clock = [0]

    def stop_while_it_settles():
        with session(tmp_path / "runs", tree, make) as one:
            one._signals.stopping = False
            make_nap = one._nap

            def nap(seconds):
                clock[0] += 1
                if clock[0] == 3:
                    os.kill(os.getpid(), signal.SIGTERM)
                make_nap(seconds)

            one._nap = nap
            run_all(one, [spec()])

    with pytest.raises(Interrupted):
        stop_while_it_settles()
    assert clock[0] == 3
    assert state_of(tree) == before
    assert not record.is_done(str(tmp_path / "runs" / spec().id))


@pytest.mark.parametrize(
    ("mode", "known"),
    [("MAXX", "0 MAXN"), ("7", "4 MAXP_CORE_DENVER"), ("smoke", "a STUDY goes before --prepare")],
)
def test_a_mode_that_the_board_has_not(tree, mode, known):
    with pytest.raises(HarnessError) as caught:
        preparation(mode, print, tree.root)
    assert known in caught.value.hint
    assert caught.value.exit_code == 2


def test_another_machine_is_not_prepared(tmp_path):
    with pytest.raises(HarnessError, match="not a Jetson") as caught:
        preparation("", print, str(tmp_path))
    assert caught.value.exit_code == 6


SCRIPT = """
import io, sys
sys.path.insert(0, %r)
from tests.devices.fake_tx2_tree import FakeTX2
from tests.harness.runs.test_prepare import Hasty, run_all, session, spec
class Tree:
    root = %r
with session(%r, Tree, Hasty(%r)) as one:
    run_all(one, [spec("tests.harness.runs.test_prepare:slow")])
"""


def slow(task, run):
    """Long enough to be killed in."""
    return run.stage("dense", toy.grow, task._replace(epochs=400), pause_s=0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_a_training_puts_the_board_back(tmp_path, tree, number):
    before, runs = state_of(tree), tmp_path / "runs"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT % (ROOT, tree.root, str(runs), str(tmp_path / "state"))],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list(runs.glob("stages/*/epochs.csv")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert state_of(tree)["power_mode"]["id"] == 0
    process.send_signal(number)
    assert process.wait(timeout=60) != 0
    assert state_of(tree) == before
