"""The simulated TX2: the chip's own rounding and averaging, the load of a process, and a tree that
others can read.
"""

import os
import subprocess
import sys
import tempfile
import time

import pytest

from joulebird.devices.ina3221.source import Ina3221Source
from joulebird.devices.simulated.board import BOARD, IDLE_W, TRAIN_W
from joulebird.devices.simulated.source import SimulatedSource
from joulebird.harness.core.errors import SourceError

IDLE = [[1.0, IDLE_W]]
TRAIN = [[1.0, TRAIN_W]]
BURN = "while True: pass"


class Clock:
    """A clock that the test sets."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


def test_it_is_read_by_the_driver_for_real_boards():
    with SimulatedSource(profile=TRAIN) as source:
        mine = source.read()
        with Ina3221Source(root=source.root) as plain:
            assert plain.read().watts == mine.watts
            assert plain.rails == source.rails
            assert plain.sampling == source.sampling


@pytest.mark.parametrize(("profile", "inner_share"), [(IDLE, 0.61), (TRAIN, 0.94)])
def test_its_rails_are_those_of_real_lines(profile, inner_share):
    """Of VDD_IN, the rails inside it make 61 % when idle with locked clocks and 94 % under load."""
    with SimulatedSource(profile=profile) as source:
        watts = source.read().watts
    assert watts["VDD_IN"] == pytest.approx(profile[0][1], abs=0.02)
    assert sum(w for rail, w in watts.items() if rail != "VDD_IN") / watts[
        "VDD_IN"
    ] == pytest.approx(inner_share, abs=0.01)


def test_every_reading_is_one_the_chip_can_give():
    """Amperes in steps of 40 uV over the shunt, volts in steps of 8 mV."""
    clock = Clock()
    shunts = {rail.name: rail.shunt_mohm for rail in BOARD}
    with SimulatedSource(profile=[[0.3, 14.0], [0.2, 5.0]], total="board", clock=clock) as source:
        for _ in range(100):
            clock.now_s += 0.013
            source.read()
            for rail in source.rails:
                folder, number = (
                    source.describe()["channels"][rail][key] for key in ("path", "number")
                )
                with open(f"{folder}/ui_input_{number}") as file:
                    mv, ma = (int(word) for word in file.read().split())
                with open(f"{folder}/in_power{number}_input") as file:
                    assert int(file.read()) == mv * ma // 1000
                assert mv % 8 == 0
                assert (ma * shunts[rail]) % 40 == 0


def test_averaging_is_a_first_order_lag_of_54_ms():
    clock = Clock()
    with SimulatedSource(profile=[[1.0, IDLE_W], [1.0, TRAIN_W]], clock=clock) as source:
        assert source.sampling == "average"
        clock.now_s += 1.0
        source.read()
        clock.now_s += 0.05376
        share = (source.read().watts["VDD_IN"] - IDLE_W) / (TRAIN_W - IDLE_W)
        assert share == pytest.approx(0.635, abs=0.01)
        clock.now_s += 0.161 - 0.05376
        assert (source.read().watts["VDD_IN"] - IDLE_W) / (TRAIN_W - IDLE_W) == pytest.approx(
            0.95, abs=0.01
        )


def test_the_lag_does_not_depend_on_how_often_it_is_read():
    readings = []
    for parts in (1, 3, 40):
        clock = Clock()
        with SimulatedSource(profile=[[0.07, 14.0], [0.03, 6.0]], clock=clock) as source:
            for _ in range(parts):
                clock.now_s += 0.48 / parts
                watts = source.read().watts["VDD_IN"]
            readings.append(watts)
    assert max(readings) - min(readings) < 0.039  # one step


def test_without_averaging_a_reading_is_the_instant():
    clock = Clock()
    with SimulatedSource(
        profile=[[0.07, 14.0], [0.03, 6.0]], averaging=False, clock=clock
    ) as source:
        assert source.sampling == "snapshot"
        for cycle in range(5):
            for phase_s, watts in ((0.01, 14.0), (0.06, 14.0), (0.08, 6.0)):
                clock.now_s = 100.0 + 0.1 * cycle + phase_s
                assert source.read().watts["VDD_IN"] == pytest.approx(watts, abs=0.02)


@pytest.mark.parametrize("profile", [[], [[0.0, 5.0]], [[1.0]]])
def test_a_profile_that_is_none(profile):
    with pytest.raises(SourceError, match="a profile is a list") as caught:
        SimulatedSource(profile=profile).open()
    assert "for example" in caught.value.hint


def test_it_follows_a_process_and_its_children():
    """Idle while the process waits; full when a child of it keeps one of one core busy."""
    shell = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\nsys.stdin.readline()\n"
            f"subprocess.run([sys.executable, '-c', '{BURN}'])",
        ],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        with SimulatedSource(pid=shell.pid, cores=1) as source:
            time.sleep(1.0)  # its start is load, too
            source.read()
            time.sleep(0.5)
            idle = [(time.sleep(0.12), source.read().watts["VDD_IN"])[1] for _ in range(5)]
            shell.stdin.write(b"\n")
            shell.stdin.flush()
            limit, peak = time.monotonic() + 30.0, 0.0
            while peak < IDLE_W + 0.2 * (TRAIN_W - IDLE_W) and time.monotonic() < limit:
                time.sleep(0.12)
                peak = max(peak, source.read().watts["VDD_IN"])
        assert min(idle) == pytest.approx(IDLE_W, abs=0.02)
        assert peak >= IDLE_W + 0.2 * (
            TRAIN_W - IDLE_W
        )  # a shared machine need not give it a whole core
    finally:
        os.killpg(shell.pid, 9)
        shell.wait()
        shell.stdin.close()


def test_a_process_that_does_not_exist():
    with pytest.raises(SourceError, match="no process 4194305") as caught:
        SimulatedSource(pid=2**22 + 1).open()
    assert "leave the option out" in caught.value.hint


def test_its_files_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = SimulatedSource(profile=IDLE)
    source.open()
    assert [str(path) for path in tmp_path.iterdir()] == [source.root]
    source.close()
    source.close()
    assert not list(tmp_path.iterdir())
    with pytest.raises(SourceError, match="not open"):
        source.read()
    with pytest.raises(SourceError):
        SimulatedSource(profile=IDLE, rails=["VDD_NONE"]).open()
    assert not list(tmp_path.iterdir())


KILLED = """
import os
from joulebird.devices.simulated.source import SimulatedSource
source = SimulatedSource()
source.open()
print(source.root, flush=True)
os.kill(os.getpid(), 9)
"""


def test_files_of_a_killed_one_are_removed_by_the_next(tmp_path, monkeypatch):
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        stdout=subprocess.PIPE,
        env=dict(os.environ, TMPDIR=str(tmp_path)),
    )
    folder = done.stdout.decode().strip()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert done.returncode == -9
    assert os.path.isdir(folder)
    with SimulatedSource(profile=IDLE) as first:
        assert os.path.isdir(folder)  # too young: its process might be about to lock it
        for path in (folder, first.root):
            os.utime(path, (1.0, 1.0))
        with SimulatedSource(profile=IDLE):
            assert not os.path.exists(folder)
            assert os.path.isdir(first.root)


def test_files_that_were_asked_for_stay(tmp_path):
    for _ in range(2):
        with SimulatedSource(profile=TRAIN, root=str(tmp_path)):
            pass
    with Ina3221Source(root=str(tmp_path)) as source:
        assert source.read().watts["VDD_IN"] == pytest.approx(TRAIN_W, abs=0.02)


def test_options_that_change_its_numbers_make_another_sensor():
    options = [{}, {"profile": IDLE}, {"profile": TRAIN}, {"cores": 1}, {"averaging": False}]
    sensors = []
    for given in options + options:
        with SimulatedSource(**given) as source:
            sensors.append(source.describe()["sensor"])
    assert sensors[0] == "simulated"
    assert sensors[:5] == sensors[5:]
    assert len(set(sensors)) == 5


def test_it_is_visible_as_what_it_is():
    with SimulatedSource(profile=IDLE) as source:
        facts = source.describe()
    assert facts["name"] == "simulated"
    assert facts["simulated"] is True
    assert facts["real"] is False
    assert facts["follows"] == "profile"
    assert facts["chips"][0]["averaging_window_s"] == pytest.approx(0.05376)
    assert facts["sensor"].startswith("simulated ")
    assert facts["accuracy"]["gain"] == facts["accuracy"]["offset_mw"] == 0.0
    assert facts["accuracy"]["quantum_mw"]["VDD_IN"] == pytest.approx(38.2)
