"""Every check of the doctor, on a fake TX2 that is well and on one that is not."""

import os
import re
import types

import pytest

from joulebird.devices.util.command import Ran, run_command
from joulebird.harness.doctor import CHECKS
from joulebird.harness.doctor.check import BAD, OK, SKIP, WARN, Context, as_facts, as_text, examine
from tests.devices.fake_tx2_tree import FakeTX2

GPU = "/sys/devices/17000000.gp10b/devfreq/17000000.gp10b/"
TORCH = (
    '{"version": "1.10.0", "cuda": "10.2", "available": true, "file": "/x/torch/__init__.py", '
    '"device": "NVIDIA Tegra X2"}'
)
NOW_S = 1800000000.0
AS_ROOT = [] if os.geteuid() == 0 else ["unshare", "-Ur"]
BY_NAME = {check.name: check for check in CHECKS}


class Commands:
    """What the board's commands answer; those of the tree are really run. `answers`: a piece of
    the command line -> how it ends.
    """

    def __init__(self):
        self.answers = {
            "version_info": Ran(0, "3.6.9\n", ""),
            "numpy": Ran(0, "1.19.5\n", ""),
            "import json, torch": Ran(0, TORCH + "\n", ""),
            "dmesg": Ran(0, "[1.0] all is well\n", ""),
            "sudo -n -l": Ran(0, "/usr/sbin/nvpmodel\n", ""),
        }

    def __call__(self, command, text):
        line = " ".join(command)
        for piece, answer in self.answers.items():
            if piece in line:
                return answer
        return run_command(command, text)


class Patient:
    """A fake TX2 that is well in every respect, and its context."""

    def __init__(self, folder, **facts):
        self.tree = FakeTX2(str(folder / "tree"), **facts).build()
        self.commands, self.state = Commands(), str(folder / "state")
        self.environ = {"OPENBLAS_CORETYPE": "ARMV8"}
        self.machine, self.now_s, self.sudo = "aarch64", NOW_S, AS_ROOT
        tree = self.tree
        tree.put_all(GPU, 0o644, min_freq=1300500000, cur_freq=1300500000)
        for core in range(6):
            tree.put_all(
                f"/sys/devices/system/cpu/cpu{core}/cpufreq", 0o644, scaling_min_freq=2035200
            )
        tree.put_all("/sys/devices/pwm-fan", 0o644, temp_control=0, target_pwm=255)
        self.memory()
        tree.put("/run/systemd/timesync/synchronized", "")
        tree.put("/proc/1/comm", "systemd\n")

    def memory(self, available=6000000, swapped=0):
        self.tree.put(
            "/proc/meminfo",
            f"MemTotal: 8040000 kB\nMemAvailable: {available} kB\nSwapTotal: 4000000 "
            f"kB\nSwapFree: {4000000 - swapped} kB\n",
            0o644,
        )

    def running(self, *names):
        for number, name in enumerate(names):
            self.tree.put(f"/proc/{100 + number}/comm", name + "\n")

    def context(self):
        return Context(
            self.tree.root,
            run=self.commands,
            environ=self.environ,
            python="python3",
            machine=self.machine,
            folder=self.tree.root,
            wall=lambda: self.now_s,
            state_folder=self.state,
            sudo=self.sudo,
        )

    def look(self, name):
        return BY_NAME[name].look(self.context())


@pytest.fixture
def patient(tmp_path, monkeypatch):
    made = Patient(tmp_path)
    monkeypatch.setenv("FAKE_ROOT", made.tree.root)
    yield made
    made.tree.close()


def test_a_board_that_is_well(patient):
    results = examine(patient.context(), CHECKS)
    assert [(result.name, result.found) for result in results if result.status in (BAD, WARN)] == []
    assert [result.name for result in results if result.status == SKIP] == ["jtop"]
    assert as_facts(results)["wrong"] == 0


def test_a_workstation_is_not_judged_as_a_board(tmp_path):
    results = examine(
        Context(str(tmp_path), run=Commands(), folder=str(tmp_path), wall=lambda: NOW_S), CHECKS
    )
    assert not [result for result in results if result.status == BAD]
    assert {"board", "power mode", "rails", "sudo"} <= {
        result.name for result in results if result.status == SKIP
    }


def no_release(p):
    os.unlink(p.tree.p("etc/nv_tegra_release"))


def old_release(p):
    p.tree.put("/etc/nv_tegra_release", "# R28 (release), REVISION: 1.0, GCID: 1, BOARD: t186ref\n")


def other_board(p):
    p.tree.put("/sys/firmware/devicetree/base/compatible", "nvidia,jetson-nano\0nvidia,tegra210\0")


def no_nvpmodel(p):
    os.unlink(p.tree.p("usr/sbin/nvpmodel"))


def unlocked(p):
    p.tree.put_all(GPU, 0o644, min_freq=114750000)


def no_clocks(p):
    os.rename(p.tree.p("sys/devices/system/cpu"), p.tree.p("sys/devices/system/gone"))
    os.unlink(p.tree.p("sys/class/devfreq/17000000.gp10b"))


def governed_fan(p):
    p.tree.put_all("/sys/devices/pwm-fan", 0o644, temp_control=1)


def password(p):
    p.sudo = ["sudo", "-n"]
    p.commands.answers["sudo -n -l"] = Ran(1, "", "sudo: a password is required\n")


def warm(p):
    p.tree.put("/sys/devices/virtual/thermal/thermal_zone2/temp", "85000\n")


def hot(p):
    p.tree.put("/sys/devices/virtual/thermal/thermal_zone2/temp", "96000\n")


def throttled(p):
    p.tree.put_all("/sys/class/thermal/cooling_device1", 0o644, type="gpu-balanced", cur_state=2)


def alarm(p):
    p.commands.answers["dmesg"] = Ran(0, "[9.1] soctherm: OC ALARM 0x00000001\n", "")


def no_vdd_in(p):
    folder, channel = p.tree.rails["VDD_IN"][:2]
    p.tree.put(f"{folder}/rail_name_{channel}", "(null)\n", 0o644)


def twin_rails(p):
    folder, channel = p.tree.rails["VDD_SYS_SOC"][:2]
    p.tree.put(f"{folder}/rail_name_{channel}", "VDD_SYS_GPU\n", 0o644)


def no_monitor(p):
    for path in ("sys/bus/i2c", "sys/bus/iio", "sys/devices/3160000.i2c"):
        os.rename(p.tree.p(path), p.tree.p(path + "-gone"))


def absurd_power(p):
    p.tree.set_rails({"VDD_IN": 70.0})


def nothing_drawn(p):
    p.tree.set_rails({"VDD_IN": 0.0})


def high_supply(p):
    folder, channel = p.tree.rails["VDD_IN"][:2]
    p.tree.put(f"{folder}/ui_input_{channel}", "24000 500\n", 0o644)


def foreign_shunt(p):
    p.tree.put(
        "/sys/firmware/devicetree/base/i2c@3160000/ina3221x@41/channel@0/ti,shunt-resistor-mohm",
        b"\0\0\0\x05",
    )


def triggered(p):
    p.tree.put(
        os.path.dirname(p.tree.rails["VDD_IN"][0]) + "/iio:device1/running_mode", "0\n", 0o644
    )


def no_device_tree(p):
    os.rename(p.tree.p("sys/firmware/devicetree/base/i2c@3160000"), p.tree.p("sys/firmware/gone"))
    os.unlink(p.tree.p(p.tree.rails["VDD_IN"][0] + "/running_mode"))


def others_read(p):
    p.running("tegrastats", "jtop")


def old_python(p):
    p.commands.answers["version_info"] = Ran(0, "3.5.2\n", "")


def new_python(p):
    p.commands.answers["version_info"] = Ran(0, "3.8.10\n", "")


def no_python(p):
    p.commands.answers["version_info"] = Ran(
        None, "", "python3 cannot be run: No such file or directory"
    )


def numpy_crashes(p):
    p.commands.answers["numpy"] = Ran(-4, "", "")


def no_numpy(p):
    p.commands.answers["numpy"] = Ran(1, "", "ModuleNotFoundError: No module named 'numpy'\n")


def no_openblas(p):
    p.environ = {}


def no_torch(p):
    p.commands.answers["import json, torch"] = Ran(
        1, "", "ModuleNotFoundError: No module named 'torch'\n"
    )


def torch_of_pypi(p):
    answer = '{"version": "1.10.0", "cuda": null, "available": false, "file": "/home/u/torch"}'
    p.commands.answers["import json, torch"] = Ran(0, answer, "")


def torch_without_gpu(p):
    p.commands.answers["import json, torch"] = Ran(
        0, '{"version": "1.10.0", "cuda": "10.2", "available": false, "file": "/x"}\n', ""
    )


def little_memory(p):
    p.memory(available=1500000)


def swapped(p):
    p.memory(swapped=900000)


def wrong_date(p):
    p.now_s = 1517000000.0


def not_synchronised(p):
    os.unlink(p.tree.p("run/systemd/timesync/synchronized"))


def desktop(p):
    p.running("lightdm", "Xorg")


def chores(p):
    p.running("unattended-upgr")


ILLS = [
    ("board", no_release, WARN, "without /etc/nv_tegra_release", "JetPack"),
    ("board", old_release, WARN, "L4T 28.1.0", "32.7.1"),
    ("board", other_board, OK, "not a TX2", ""),
    ("power mode", no_nvpmodel, BAD, "does not say", "nvpmodel -q"),
    ("clocks", unlocked, WARN, "not locked", "jetson_clocks"),
    ("clocks", no_clocks, BAD, "no clock limits", "throttling"),
    ("fan", governed_fan, WARN, "governed", "temp_control"),
    ("sudo", password, WARN, "password is required", "NOPASSWD: /usr/sbin/nvpmodel"),
    ("temperature", warm, WARN, "85.0 C", "cool"),
    ("temperature", hot, BAD, "96.0 C at most (GPU-therm)", "cool"),
    ("throttling", throttled, BAD, "gpu-balanced 1 (state 2)", "power mode"),
    ("kernel log", alarm, WARN, "OC ALARM", "19 V"),
    ("rails", no_vdd_in, BAD, "no VDD_IN", "dmesg"),
    ("rails", twin_rails, BAD, "VDD_SYS_GPU", "rails="),
    ("rails", no_monitor, BAD, "no power monitor", "mount /sys"),
    ("reading", absurd_power, BAD, "does not draw that", "shunt"),
    ("reading", nothing_drawn, BAD, "0.00 W", "meter"),
    ("reading", high_supply, BAD, "24.00 V", "supply"),
    ("reading", no_monitor, BAD, "no INA3221", "Jetson"),
    ("sampling", foreign_shunt, WARN, "5 mohm", "meter"),
    ("sampling", triggered, WARN, "triggered", "running_mode"),
    ("sampling", no_device_tree, WARN, "shunt unknown", "/proc/device-tree"),
    ("sampling", no_vdd_in, SKIP, "no VDD_IN", ""),
    ("speed", no_vdd_in, SKIP, "no VDD_IN", ""),
    ("other clients", others_read, WARN, "tegrastats, jtop", "systemctl stop jtop"),
    ("source", no_monitor, BAD, "no power sensor", "--source simulated"),
    ("python", old_python, BAD, "3.5.2", "3.6"),
    ("python", new_python, WARN, "3.8.10", "18.04"),
    ("python", no_python, BAD, "does not run", "apt"),
    ("numpy", numpy_crashes, BAD, "illegal instruction", "OPENBLAS_CORETYPE=ARMV8"),
    ("numpy", no_numpy, BAD, "No module", "pip3"),
    ("openblas", no_openblas, WARN, "not set", "ARMV8"),
    ("torch", no_torch, BAD, "No module", "NVIDIA's wheel"),
    ("torch", torch_of_pypi, BAD, "hides NVIDIA's (/home/u/torch)", "pip3 uninstall"),
    ("torch", torch_without_gpu, BAD, "no GPU", "video"),
    ("memory", little_memory, WARN, "1.4 of 7.7 GiB", "multi-user"),
    ("swap", swapped, WARN, "0.86 GiB", "swapoff"),
    ("clock", wrong_date, BAD, "2018-01-26", "date -s"),
    ("clock", not_synchronised, WARN, "not synchronised", "set-ntp"),
    ("desktop", desktop, WARN, "Xorg, lightdm", "multi-user"),
    ("chores", chores, WARN, "unattended-upgr", "apt-daily"),
]


@pytest.mark.parametrize(
    ("name", "fall_ill", "status", "found", "remedy"),
    ILLS,
    ids=[f"{ill[0]}: {ill[1].__name__}" for ill in ILLS],
)
def test_each_ill_is_found_and_has_its_remedy(patient, name, fall_ill, status, found, remedy):
    fall_ill(patient)
    finding = patient.look(name)
    assert finding.status == status
    assert found in finding.found
    assert remedy in finding.remedy
    assert finding.remedy or status in (OK, SKIP)


def test_every_check_has_an_ill():
    """`disk`, `access` and `left over` are below; what only reports cannot be wrong."""
    assert set(BY_NAME) - {ill[0] for ill in ILLS} == {
        "disk",
        "access",
        "left over",
        "jtop",
        "lingering",
        "transfer",
    }


def test_a_full_disk(patient, monkeypatch):
    for free, status in ((1 << 30, WARN), (1 << 20, BAD), (1 << 34, OK)):
        monkeypatch.setattr(
            "shutil.disk_usage", lambda folder, free=free: types.SimpleNamespace(free=free)
        )
        assert patient.look("disk").status == status


def test_closed_files_are_opened_by_fix(patient, monkeypatch):
    real, opened = os.access, []
    folder, channel = patient.tree.rails["VDD_IN"][:2]
    closed = [patient.tree.p(f"{folder}/in_power{channel}_input")]
    monkeypatch.setattr(
        "os.access",
        lambda path, mode: (
            path in opened or path not in closed if mode == os.R_OK else real(path, mode)
        ),
    )

    def chmod(command, text):
        assert command[-3:-1] == ["chmod", "a+r"]
        opened.extend(command[-1:])
        return Ran(0, "", "")

    context = patient.context()
    finding = BY_NAME["access"].look(context)
    assert finding.status == BAD
    assert "sudo chmod a+r " + closed[0] in finding.remedy
    context.run = lambda command, text: Ran(1, "", "sudo: a password is required")
    assert examine(context, [BY_NAME["access"]], fix=True)[0].fixed.startswith(
        "could not be fixed: chmod a+r failed"
    )
    context.run = chmod
    result = examine(context, [BY_NAME["access"]], fix=True)[0]
    assert result.status == OK
    assert "may be read by all" in result.fixed


def test_a_board_left_by_a_killed_run_is_put_back_by_fix(patient):
    from joulebird.devices.board.control import Board

    board = Board(patient.tree.root, folder=patient.state, sudo=AS_ROOT)
    board.prepare(mode=2)
    board._note.release()  # what the system does when the process is killed
    assert patient.look("left over").status == BAD
    assert patient.look("power mode").found == "2 MAXP_CORE_ALL"
    results = examine(patient.context(), [BY_NAME["left over"], BY_NAME["power mode"]], fix=True)
    assert [(result.status, result.found) for result in results] == [
        (OK, "nothing to put back"),
        (OK, "0 MAXN"),
    ]
    assert "as it was" in results[0].fixed


def test_a_run_that_still_holds_the_board_is_no_left_over(patient):
    from joulebird.devices.board.control import Board

    board = Board(patient.tree.root, folder=patient.state, sudo=AS_ROOT)
    board.prepare(mode=2)
    patient.tree.put(f"/proc/{os.getpid()}/comm", "python3\n")
    assert patient.look("left over").status == OK
    board.restore()


def test_a_closed_kernel_log_is_not_judged(patient):
    patient.commands.answers["dmesg"] = Ran(1, "", "dmesg: Operation not permitted\n")
    assert patient.look("kernel log").status == SKIP


def test_a_carrier_that_measures_nothing_is_said(tmp_path):
    patient = Patient(tmp_path, carrier=False)
    assert "6 rails, the module's only" in patient.look("rails").found
    patient.tree.close()


def test_the_text_for_people(patient):
    unlocked(patient)
    hot(patient)
    text = as_text(examine(patient.context(), CHECKS))
    assert re.search(r"^!      clocks +not locked.*\n +do: sudo jetson_clocks", text, re.MULTILINE)
    assert re.search(r"^WRONG  temperature +96.0 C", text, re.MULTILINE)
    assert text.endswith("do not apply: jtop\n1 wrong, 1 warnings, 26 fine")
    assert "\x1b" not in text
    assert "\x1b[31mWRONG" in as_text(examine(patient.context(), CHECKS), colour=True)
