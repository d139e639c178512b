"""Own and foreign processor time: exact numbers from a made /proc, and real processes."""

import os
import subprocess
import sys
import time
import types

import pytest

from joulebird.devices import nvml
from joulebird.devices.foreign import Neighbours, between

TICK = os.sysconf("SC_CLK_TCK")
BURN = "import time\nwhile time.process_time() < %f: pass"


class Proc:
    """A folder like /proc of a board with eight cores; times are in seconds."""

    def __init__(self, root):
        self.root = str(root)
        names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
        self.cpu = dict.fromkeys((*names, "guest", "guest_nice"), 0.0)
        self.processes = {}

    def set(self, pid, parent=1, own=0.0, children=0.0, start=100, name="python3"):
        self.processes[pid] = (parent, own, children, start, name)

    def neighbours(self, pid=10, **options):
        options.setdefault("gpu_users", lambda: None)
        return Neighbours(self.root, pid, **options)

    def look(self, neighbours, t_s=0.0):
        lines = ["cpu  " + " ".join(str(round(seconds * TICK)) for seconds in self.cpu.values())]
        lines += [f"cpu{core} 0 0 0 0 0 0 0 0 0 0" for core in range(8)] + ["intr 1", ""]
        for pid in os.listdir(self.root):
            if pid.isdigit():
                os.unlink(os.path.join(self.root, pid, "stat"))
        with open(os.path.join(self.root, "stat"), "w") as file:
            file.write("\n".join(lines))
        for pid, (parent, own, children, start, name) in self.processes.items():
            user, rest = round(0.75 * own * TICK), round(own * TICK)
            facts = [pid, f"({name})", "S", parent] + [0] * 9
            facts += [user, rest - user, round(children * TICK), 0, 20, 0, 4, 0, start, 0]
            os.makedirs(os.path.join(self.root, str(pid)), exist_ok=True)
            with open(os.path.join(self.root, str(pid), "stat"), "wb") as file:
                file.write(" ".join(map(str, facts)).encode("latin-1"))
        return neighbours.look()._replace(t_s=t_s)


@pytest.fixture
def board(tmp_path):
    made = Proc(tmp_path)
    made.set(1, parent=0, name="systemd")
    made.set(10, own=3.0)
    made.set(20, own=50.0, name="Xorg")
    return made


def test_own_total_and_foreign_are_exact(board):
    neighbours = board.neighbours()
    before = board.look(neighbours)
    board.set(10, own=7.0)  # threads count in their process
    board.set(11, parent=10, own=2.0)
    board.set(20, own=51.0, name="Xorg")
    board.cpu.update(user=5.0, nice=0.5, system=1.0, irq=0.25, softirq=0.25)
    load = between(before, board.look(neighbours, 10.0))
    assert load.facts() == {
        "own_cpu_s": 6.0,
        "total_cpu_s": 7.0,
        "foreign_cores": 0.1,
        "cores": 8,
        "gpu_others": None,
    }
    assert load.others == (("Xorg (20)", 1.0),)
    assert not load.exceeds
    assert load.complaint == ""


def test_idle_and_iowait_are_not_busy_and_guests_count_once(board):
    neighbours = board.neighbours()
    before = board.look(neighbours)
    board.cpu.update(idle=70.0, iowait=9.0, user=4.0, guest=4.0, nice=2.0, guest_nice=2.0)
    load = between(before, board.look(neighbours, 10.0))
    assert load.facts()["total_cpu_s"] == 6.0
    assert load.complaint.endswith(" cores: kernel and unseen processes 6.00 s")


def test_time_that_a_hypervisor_took_is_foreign(board):
    neighbours = board.neighbours()
    before = board.look(neighbours)
    board.cpu.update(steal=4.0)
    load = between(before, board.look(neighbours, 10.0))
    assert load.foreign_cores == pytest.approx(0.4)
    assert load.exceeds
    assert load.complaint == "others took 0.40 of 8 cores: hypervisor 4.00 s"


def test_the_three_busiest_are_named_with_their_seconds(board):
    neighbours = board.neighbours()
    before = board.look(neighbours)
    names = {31: "make", 32: "a\x1b[2J) b", 33: "cc1plus", 34: "sshd"}
    for pid, name in names.items():
        board.set(pid, own=float(pid - 30), name=name)
    board.cpu.update(user=10.0)
    load = between(before, board.look(neighbours, 10.0))
    assert load.complaint.endswith(
        " cores: sshd (34) 4.00 s, cc1plus (33) 3.00 s, a?[2J) b (32) 2.00 s"
    )


def test_a_child_that_ended_is_own_and_counts_once(board):
    neighbours = board.neighbours()
    board.set(11, parent=10, own=100.0)
    board.set(12, parent=11, own=10.0)
    before = board.look(neighbours)
    del board.processes[11], board.processes[12]
    board.set(10, own=3.5, children=118.0)  # eight seconds since the look, of both
    board.cpu.update(user=9.0)
    load = between(before, board.look(neighbours, 10.0))
    assert load.facts()["own_cpu_s"] == 8.5
    assert load.facts()["foreign_cores"] == 0.05


def test_a_grandchild_stays_own_when_its_parent_ends(board):
    neighbours = board.neighbours()
    board.set(11, parent=10)
    board.set(12, parent=11, own=4.0)
    before = board.look(neighbours)
    del board.processes[11]
    board.set(12, parent=1, own=9.0)
    board.cpu.update(user=5.0)
    load = between(before, board.look(neighbours, 10.0))
    assert load.facts()["own_cpu_s"] == 5.0


def test_another_process_of_the_same_number_is_not_own(board):
    neighbours = board.neighbours()
    board.set(11, parent=10, own=4.0)
    before = board.look(neighbours)
    board.set(11, parent=1, own=5.0, start=999, name="stress")
    board.cpu.update(user=5.0)
    load = between(before, board.look(neighbours, 10.0))
    assert load.complaint.endswith(" cores: stress (11) 5.00 s")


def test_an_idle_board_with_desktop_and_jtop_stays_below_the_limit(board):
    """An idle TX2 has 0.08 core for its desktop, and up to 0.1 for jtop's service."""
    neighbours = board.neighbours()
    before = board.look(neighbours)
    board.set(20, own=54.8, name="Xorg")
    board.set(21, own=6.0, name="jtop")
    board.cpu.update(user=10.8)
    load = between(before, board.look(neighbours, 60.0))
    assert load.foreign_cores == pytest.approx(0.18)
    assert not load.exceeds
    board.cpu.update(user=16.0)
    assert between(before, board.look(neighbours, 60.0)).exceeds


def test_a_few_ticks_in_a_short_window_are_no_evidence(board):
    neighbours = board.neighbours()
    before = board.look(neighbours)
    board.cpu.update(user=0.05)
    assert not between(before, board.look(neighbours, 0.02)).exceeds
    board.cpu.update(user=0.06)
    assert between(before, board.look(neighbours, 0.02)).exceeds


@pytest.mark.parametrize("content", [None, "", "cpu\n", "cpu a b\n"])
def test_without_processor_times_the_load_is_unknown(board, content):
    neighbours = board.neighbours()
    before = board.look(neighbours)
    stat = os.path.join(board.root, "stat")
    os.unlink(stat)
    if content is not None:
        with open(stat, "w") as file:
            file.write(content)
    load = between(before, neighbours.look())
    assert load.foreign_cores is None
    assert load.facts()["foreign_cores"] is None
    assert "no true processor times" in load.facts()["unknown"]
    assert not load.exceeds
    assert load.complaint == ""


def test_a_sandbox_whose_processor_times_stand_still_is_unknown(board):
    neighbours = board.neighbours()
    before = board.look(neighbours)
    board.set(10, own=7.0)
    assert between(before, board.look(neighbours, 10.0)).facts()["foreign_cores"] is None


def test_others_on_a_gpu_are_named(board):
    users = [("GPU0", 10, 900.0), ("GPU0", 20, 512.4), ("GPU1", 11, None)]
    neighbours = board.neighbours(gpu_users=lambda: users)
    board.set(11, parent=10)
    before = board.look(neighbours)
    users[1] = ("GPU0", 10, 1.0)
    load = between(before, board.look(neighbours, 10.0))
    assert load.facts()["gpu_others"] == [
        {"gpu": "GPU0", "pid": 20, "name": "Xorg", "memory_mb": 512}
    ]
    assert load.complaint == "others used the GPU: Xorg (20)"
    assert between(before, before._replace(t_s=1.0)).gpu_others == before.gpu_others


def test_processes_of_a_gpu_that_are_out_of_sight_are_unknown(board):
    neighbours = board.neighbours(gpu_users=lambda: [("GPU0", 10, 9.0), ("GPU0", 4711, 9.0)])
    assert board.look(neighbours).gpu_others is None


def test_the_driver_is_asked_for_the_processes_on_each_card(monkeypatch):
    made = types.ModuleType("pynvml")
    made.NVMLError = type("NVMLError", (Exception,), {})
    user = types.SimpleNamespace(pid=7, usedGpuMemory=3 * 2**20)
    bare = types.SimpleNamespace(pid=8, usedGpuMemory=None)
    made.nvmlInit = lambda: None
    made.nvmlDeviceGetCount = lambda: 2
    made.nvmlDeviceGetHandleByIndex = lambda index: index
    made.nvmlDeviceGetComputeRunningProcesses = lambda card: [[user], [user, bare]][card]
    monkeypatch.setitem(sys.modules, "pynvml", made)
    users = nvml.gpu_users
    nvml._nvml_here.cache_clear()
    assert users() == [("GPU0", 7, 3.0), ("GPU1", 7, 3.0), ("GPU1", 8, None)]

    def lost(card):
        raise made.NVMLError("GPU is lost")

    made.nvmlDeviceGetComputeRunningProcesses = lost
    assert users() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    nvml._nvml_here.cache_clear()
    assert users() is None
    nvml._nvml_here.cache_clear()


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="LOUD: no /proc here")
def test_own_children_that_burn_are_not_foreign():
    """Real ones: some have ended, one still runs."""
    neighbours = Neighbours("/proc", gpu_users=lambda: None)
    before = neighbours.look()
    for _ in range(2):
        subprocess.check_call([sys.executable, "-c", BURN % 0.7])
    last = subprocess.Popen([sys.executable, "-c", BURN % 1000.0])
    try:
        limit = time.monotonic() + 60.0
        while time.monotonic() < limit:
            load = between(before, neighbours.look())
            if load.own_cpu_s >= 2.1:
                break
            time.sleep(0.05)
        assert load.own_cpu_s >= 2.1
        assert not [name for name, _ in load.others if name.endswith(f"({last.pid})")]
        assert load.total_cpu_s >= 0.9 * load.own_cpu_s  # counted by two clocks
    finally:
        last.kill()
        last.wait()
