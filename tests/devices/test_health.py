"""What a board's files say of its health, and what is made of two such samples."""
import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from devices.health import Health, HealthLog, Witness, compare
from devices.settle import wait_settled
from harness.warnings_table import WARNINGS
from tests.devices.fake_tx2_tree import FakeTX2

GPU = "/sys/devices/17000000.gp10b/devfreq/17000000.gp10b/"


class Board:
    """A fake TX2 whose files a test changes, and whose time runs when somebody sleeps."""

    def __init__(self, folder, **facts):
        self.tree = FakeTX2(str(folder), **facts).build()
        self.now_s, self.drift_c_per_s, self.heat_c = 0.0, 0.0, 0.0
        self.tree.put("/proc/sys/kernel/random/boot_id", "11111111-aaaa\n", 0o644)
        self.tree.put("/proc/vmstat", "nr_free_pages 1\npswpin 10\npswpout 20\n", 0o644)
        self.tree.put("/proc/meminfo", "MemTotal: 8040000 kB\nSwapTotal: 4000000 kB\nSwapFree: 3999000 kB\n", 0o644)
        self.tree.put("/var/lib/nvpmodel/status", "pmode:0000\n", 0o644)
        for number, kind in ((0, "pwm-fan"), (1, "cpu-balanced"), (2, "gpu-balanced")):
            self.cool(number, kind, 0)

    def cool(self, number, kind, state):
        self.tree.put_all("/sys/class/thermal/cooling_device%d" % number, 0o644, type=kind, cur_state=state, max_state=10)

    def clock(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds
        self.heat_c += self.drift_c_per_s * seconds
        self.tree.put("/sys/devices/virtual/thermal/thermal_zone2/temp", "%d\n" % (32000 + 1000 * self.heat_c))


@pytest.fixture
def board(tmp_path):
    made = Board(tmp_path / "tree", state="train")
    yield made
    made.tree.close()


def test_a_sample_of_a_tx2(board):
    sample = Health(board.tree.root, board.clock).sample()
    assert sample["temps_c"]["GPU-therm"] == 32.0 and "PMIC-Die" not in sample["temps_c"] and len(sample["temps_c"]) == 7
    assert sample["limits"]["gpu_max_hz"] == 1300500000 and sample["limits"]["online"] == "0-5"
    assert sample["clocks_hz"]["cpu0"] == 345600000 and sample["clocks_locked"] is False
    assert (sample["power_mode"], sample["boot_id"], sample["cooling"]) == (0, "11111111-aaaa", {})
    assert sample["swap"] == {"pages_in": 10, "pages_out": 20, "used_bytes": 1024000}
    assert sample["volts"] == {"VDD_IN": 19.12}
    json.dumps(sample)


def test_the_hwmon_form_tells_the_supply_too(tmp_path):
    board = Board(tmp_path / "tree", layout="hwmon")
    assert Health(board.tree.root).sample()["volts"] == {"VDD_IN": 19.12}
    board.tree.close()


def test_a_machine_without_any_of_this(tmp_path):
    sample = Health(str(tmp_path)).sample()
    assert sample["temps_c"] == {} and sample["clocks_locked"] is None and sample["volts"] == {}
    assert compare(sample, sample) == []


def lock(board):
    board.tree.put_all(GPU, 0o644, min_freq=1300500000, cur_freq=1300500000)
    for core in range(6):
        board.tree.put_all("/sys/devices/system/cpu/cpu%d/cpufreq" % core, 0o644, scaling_min_freq=2035200)


def throttle_by_heat(board):
    board.cool(2, "gpu-balanced", 3)


def throttle_in_silence(board):
    board.tree.put_all(GPU, 0o644, cur_freq=853000000)
    board.tree.put("/sys/devices/17000000.gp10b/load", "990\n", 0o644)


def change_mode(board):
    board.tree.put("/var/lib/nvpmodel/status", "pmode:0003\n", 0o644)


def change_limit(board):
    board.tree.put_all(GPU, 0o644, max_freq=1134750000)


def swap(board):
    board.tree.put("/proc/vmstat", "pswpin 10\npswpout 1020\n", 0o644)


def sag(board):
    folder, channel = board.tree.rails["VDD_IN"][:2]
    board.tree.put("%s/in_voltage%d_input" % (folder, channel), "17900\n")


def reboot(board):
    board.tree.put("/proc/sys/kernel/random/boot_id", "22222222-bbbb\n", 0o644)


@pytest.mark.parametrize("happen, name, fact", [
    (throttle_by_heat, "throttled", "gpu-balanced 2 (state 3)"), (throttle_in_silence, "throttled", "853 of 1300 MHz"),
    (change_mode, "mode_changed", "3"), (change_limit, "limits_changed", "gpu_max_hz 1300500000 -> 1134750000"),
    (swap, "swapped", "1000"), (sag, "supply_sagged", "6.4"), (reboot, "rebooted", "22222222-bbbb")])
def test_each_trouble_is_one_warning(board, happen, name, fact):
    lock(board)
    health = Health(board.tree.root)
    before = health.sample()
    happen(board)
    found = compare(before, health.sample())
    assert [one for one, _ in found] == [name]
    assert fact in str(found[0][1])


@pytest.mark.parametrize("name", ["throttled", "mode_changed", "limits_changed", "swapped", "supply_sagged", "rebooted"])
def test_each_warning_is_in_the_table_of_texts(name):
    assert name in WARNINGS and WARNINGS[name].remedy


def test_a_fan_that_turns_is_no_throttling(board):
    health = Health(board.tree.root)
    before = health.sample()
    board.cool(0, "pwm-fan", 5)
    assert compare(before, health.sample()) == []


def test_an_idle_gpu_at_a_low_clock_is_no_throttling(board):
    lock(board)
    board.tree.put_all(GPU, 0o644, cur_freq=114750000)
    sample = Health(board.tree.root).sample()
    assert compare(sample, sample) == []


def test_a_witness_tells_each_trouble_once(board):
    witness = Witness(Health(board.tree.root))
    assert witness.poll() == []
    swap(board)
    assert [name for name, _ in witness.poll()] == ["swapped"]
    sag(board)
    assert [name for name, _ in witness.poll()] == ["supply_sagged"]
    assert witness.poll() == []
    assert witness.summary()["lowest_v"] == {"VDD_IN": 17.9} and witness.summary()["samples"] == 5


def lines_of(path, least, alive=lambda: True):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if os.path.exists(path):
            with open(path) as log:
                lines = log.read().splitlines()
            if len(lines) >= least:
                return [json.loads(line) for line in lines]
        time.sleep(0.02)
    raise AssertionError("fewer than %d lines" % least)


def test_the_log_is_written_beside_us(board, tmp_path):
    path = str(tmp_path / "health.jsonl")
    with HealthLog(path, root=board.tree.root, period_s=0.05) as log:
        samples = lines_of(path, 3)
        child = log._child._process
    assert child.returncode == 0
    times = [sample["t_s"] for sample in samples]
    assert times == sorted(times) and abs(times[0] - time.monotonic()) < 60 and samples[0]["volts"] == {"VDD_IN": 19.12}


def test_the_log_ends_with_its_parent(board, tmp_path):
    path = str(tmp_path / "health.jsonl")
    script = ("import sys, time\nfrom devices.health import HealthLog\nlog = HealthLog(%r, root=%r, period_s=0.05).__enter__()\n"
              "print(log._child._process.pid)\nsys.stdout.flush()\ntime.sleep(60)\n" % (path, board.tree.root))
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, universal_newlines=True)
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
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_a_board_that_warms_up_is_waited_for(board):
    board.drift_c_per_s = 0.05
    health = Health(board.tree.root)

    def sleep(seconds):
        board.sleep(seconds)
        if board.now_s > 100:
            board.drift_c_per_s = 0.0
    ended = wait_settled(health, board.clock, sleep)
    assert ended["settled"] and 150 < ended["waited_s"] < 170 and ended["temps_c"]["GPU-therm"] == pytest.approx(37.0, abs=0.2)


def test_a_board_at_rest_is_watched_for_a_minute(board):
    assert 60 <= wait_settled(Health(board.tree.root), board.clock, board.sleep)["waited_s"] < 65


def test_a_board_that_never_settles_is_given_up(board):
    board.drift_c_per_s = 0.02
    ended = wait_settled(Health(board.tree.root), board.clock, board.sleep, limit_s=300)
    assert not ended["settled"] and 300 <= ended["waited_s"] < 305


def test_a_machine_without_temperatures_is_not_waited_for(tmp_path, board):
    ended = wait_settled(Health(str(tmp_path / "empty")), board.clock, board.sleep)
    assert ended == {"settled": False, "waited_s": 0.0, "temps_c": {}}


def test_the_log_is_written_from_a_zipapp_too(board, tmp_path):
    """On a board these packages are one file, and the child must find itself in it."""
    archive, path = str(tmp_path / "joulebird.pyz"), str(tmp_path / "health.jsonl")
    with zipfile.ZipFile(archive, "w") as packed:
        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        for name in sorted(os.listdir(os.path.join(folder, "devices"))):
            if name.endswith(".py"):
                packed.write(os.path.join(folder, "devices", name), "devices/" + name)
    script = ("import sys\nsys.path.insert(0, %r)\nfrom devices.health import HealthLog\n"
              "with HealthLog(%r, root=%r, period_s=0.05):\n    sys.stdin.readline()\n" % (archive, path, board.tree.root))
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, cwd=str(tmp_path), env=environ)
    assert lines_of(path, 2)[0]["power_mode"] == 0
    process.communicate(b"end\n")
    assert process.returncode == 0
