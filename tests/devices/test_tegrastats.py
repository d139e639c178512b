"""tegrastats lines, real ones and those of the fake board's tool."""

import os
import time

import pytest

from joulebird.devices.ina3221.source import Ina3221Source
from joulebird.devices.tegrastats import TegrastatsSource, parse_line
from joulebird.harness.core.errors import SourceError
from tests.devices.fake_tx2_tree import FakeTX2

# 60 lines, a second apart, of a real TX2 under load: data of the public repository
# ssaraff98/tegrastats_parser
LOG = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "data", "tegrastats_tx2_load_60s.txt"
)
JETPACK3 = (
    "RAM 707/7854MB (lfb 1659x4MB) CPU [0%@345,off,off,0%@345,0%@345,0%@345] BCPU@30C MCPU@30C "
    "GPU@28.5C PLL@30C Tboard@26C "
    "Tdiode@27.5C PMIC@100C thermal@29.4C VDD_IN 1038/1134 VDD_CPU 153/153 VDD_GPU 153/153 "
    "VDD_SOC 384/384 "
    "VDD_WIFI 38/124 VDD_DDR 192/192"
)
JETPACK4 = (
    "RAM 1004/7852MB (lfb 7x2MB) CPU [0%@350,4%@345,2%@499,1%@341,1%@349,0%@345] EMC_FREQ 17%@40 "
    "GR3D_FREQ 0%@114 APE 150 "
    "MTS fg 0% bg 0% PLL@34C MCPU@34C PMIC@100C Tboard@28C GPU@32C BCPU@34C thermal@33.2C "
    "Tdiode@30.5C VDD_SYS_GPU 153/153 "
    "VDD_SYS_SOC 383/383 VDD_4V0_WIFI 0/0 VDD_IN 1876/1876 VDD_SYS_CPU 229/229 VDD_SYS_DDR 134/134"
)
LOADED = (
    "RAM 4722/7844MB (lfb 1x512kB) CPU [91%@2035,off,off,9%@2035] SWAP 149/1024MB (cached 7MB) "
    "EMC_FREQ 2%@1866 GR3D_FREQ 99%@1300 "
    "APE 150 MTS fg 0% bg 0% VDD_IN 14025/14416 VDD_CPU 2209/2538 VDD_GPU 6854/6903 VDD_SOC "
    "1371/1370 VDD_WIFI 19/19 NVENC 716 "
    "NVDEC 716 VDD_DDR 2702/2702"
)
LATER = (
    "06-03-2023 10:11:12 RAM 2345/15523MB (lfb 1x4MB) IRAM 0/252kB(lfb 252kB) CPU [1%@729] "
    "GR3D_FREQ 0% cv0@-256C "
    "VDD_GPU_SOC 2401mW/2401mW VDD_CPU_CV 400mW/410mW VIN_SYS_5V0 3102mW/3102mW NC 0mW/0mW "
    "VDDQ_VDD2_1V8AO 402mW/402mW"
)


@pytest.mark.parametrize(
    ("line", "rails", "some"),
    [
        (JETPACK3, 6, {"VDD_IN": 1.038, "VDD_WIFI": 0.038}),
        (JETPACK4, 6, {"VDD_IN": 1.876, "VDD_4V0_WIFI": 0.0}),
        (LOADED, 6, {"VDD_IN": 14.025, "VDD_DDR": 2.702}),
        (LATER, 4, {"VIN_SYS_5V0": 3.102, "VDDQ_VDD2_1V8AO": 0.402}),
    ],
)
def test_lines_of_every_release(line, rails, some):
    watts = parse_line(line)
    assert len(watts) == rails
    assert {rail: watts[rail] for rail in some} == some


def test_a_line_without_rails_gives_nothing():
    assert parse_line("Tue Jan 26 18:22:31 UTC 2021") == {}
    assert parse_line("RAM 707/7854MB (lfb 1659x4MB) CPU [0%@345]") == {}


def test_a_minute_of_a_real_board():
    with open(LOG) as log:
        samples = [parse_line(line) for line in log]
    assert len(samples) == 60
    assert all(set(watts) == set(samples[0]) for watts in samples)
    assert all(
        watts["VDD_IN"] > sum(watts.values()) - watts["VDD_IN"] for watts in samples
    )  # the others nest inside it


@pytest.fixture
def board(tmp_path, monkeypatch):
    tree = FakeTX2(str(tmp_path / "tree"), state="train")
    tree.build()
    monkeypatch.setenv("FAKE_ROOT", tree.root)
    yield tree
    tree.close()


def test_the_tool_is_read_line_by_line(board):
    with TegrastatsSource(interval_s=0.05, tool=board.p("usr/bin/tegrastats")) as source:
        assert source.total == ("VDD_IN",)
        assert len(source.rails) == 6
        first = source.read()
        assert first.watts["VDD_IN"] == 14.034
        board.set_rails({"VDD_IN": 3.0})
        deadline = time.monotonic() + 5
        while source.read().watts["VDD_IN"] > 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert source.read().watts["VDD_IN"] == pytest.approx(3.0, abs=0.04)
        assert source.read().t_s > first.t_s
        child = source._child._process
    assert child.poll() is not None


def test_it_states_the_sensor_and_the_errors_of_the_chips_behind_its_lines(board):
    with Ina3221Source(root=board.root) as direct:
        expected = direct.describe()
    with TegrastatsSource(tool=board.p("usr/bin/tegrastats"), root=board.root) as source:
        facts = source.describe()
    assert [facts[key] for key in ("accuracy", "range_w", "sensor")] == [
        expected[key] for key in ("accuracy", "range_w", "sensor")
    ]


def test_a_tool_that_dies_is_started_again(board):
    with TegrastatsSource(interval_s=0.05, tool=board.p("usr/bin/tegrastats")) as source:
        before = source.read()
        source._child._process.kill()
        source._child._process.wait()
        deadline, failures, after = time.monotonic() + 5, [], before
        while after.t_s == before.t_s and time.monotonic() < deadline:
            try:
                after = source.read()
            except SourceError as error:
                failures.append(error)
            time.sleep(0.02)
        assert failures
        assert all("ended" in error.message and error.hint for error in failures)
        assert after.t_s > before.t_s


def script(tmp_path, text):
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("while :; do echo 'RAM 1/2MB CPU [0%@345]'; sleep 0.02; done", "no power rails"),
        ("while :; do echo 'VDD_CPU 1/1 VDD_GPU 2/2'; sleep 0.02; done", "rails nest"),
        ("echo 'Error: needs root' >&2; exit 1", "needs root"),
        ("exec sleep 60", "does not answer"),
    ],
)
def test_why_it_cannot_be_used(tmp_path, text, reason):
    found = TegrastatsSource.probe(tool=script(tmp_path, text), start_timeout_s=1.0)
    assert not found.usable
    assert reason in found.reason
    assert found.hint


def test_a_machine_without_the_tool():
    found = TegrastatsSource.probe(tool="no-such-tegrastats")
    assert not found.usable
    assert "cannot be started" in found.reason
    assert "L4T" in found.hint


def test_a_line_that_lacks_the_total_is_marked(tmp_path):
    tool = script(
        tmp_path,
        "echo 'VDD_IN 5000/5000 VDD_SYS_CPU 300/300'; sleep 0.3\n"
        "while :; do echo 'VDD_SYS_CPU 300/300'; sleep 0.02; done",
    )
    with TegrastatsSource(tool=tool) as source:
        deadline = time.monotonic() + 5
        while source.read().error is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert source.read().error == "MISSING"
        assert source.read().watts == {"VDD_SYS_CPU": 0.3}
