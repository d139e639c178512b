"""Joules of code and of commands, nested windows, exit codes and signals."""

import os
import signal
import subprocess
import sys
import time

import pytest

from joulebird.devices.foreign import Neighbours
from joulebird.devices.measure import CommandError, joules, measure_command
from joulebird.devices.powerlog_read import read_log
from joulebird.harness.core.errors import SourceError
from tests.devices.test_foreign import Proc

FLAT = {"profile": [[1.0, 10.0]]}  # VDD_IN at 10 W, in the simulated chip's steps
STEPS = {"profile": [[0.5, 12.0], [0.5, 4.0]], "averaging": False}


def test_joules_are_watts_times_seconds():
    with joules("simulated", **FLAT) as m:
        time.sleep(0.6)
    assert m.seconds == pytest.approx(0.6, abs=0.3)
    assert m.joules == pytest.approx(10.0 * m.seconds, rel=0.005)
    assert m.watts_mean["VDD_IN"] == pytest.approx(10.0, abs=0.03)
    assert m.watts_peak["VDD_IN"] == pytest.approx(10.0, abs=0.03)
    assert m.coverage == pytest.approx(1.0, abs=1e-4)
    assert m.worst_gap_s < 0.5
    assert m.problem == ""
    assert set(m.watts_mean) == set(m.source["rails"])
    assert m.total.mean_w == m.watts_mean["VDD_IN"]
    assert "not measured" in str(m)
    assert "simulated" in str(m)
    assert " J in " in str(m)


def test_windows_nest_and_add_up():
    with joules("simulated", **STEPS) as outer:
        time.sleep(0.25)
        with outer.window() as first:
            time.sleep(0.7)
            with first.window() as inner:
                time.sleep(0.2)
        with outer.window() as second:
            time.sleep(0.4)
    assert 0 < inner.joules < first.joules < outer.joules
    assert second.joules < outer.joules
    assert inner.seconds < first.seconds < outer.seconds
    assert first.joules + second.joules < outer.joules


def test_a_nested_measurement_of_its_own_works_too():
    with joules("simulated", **FLAT) as outer, joules("simulated", **FLAT) as inner:
        time.sleep(0.2)
    assert inner.joules == pytest.approx(10.0 * inner.seconds, rel=0.005)
    assert outer.seconds > inner.seconds


def test_a_later_window_reads_only_the_end_of_the_log(tmp_path, monkeypatch):
    """So that a window an epoch costs nothing in a ten-hour run."""
    import joulebird.devices.measurement

    log = str(tmp_path / "power.csv")
    read = []
    real = joulebird.devices.measurement.read_rows
    monkeypatch.setattr(
        joulebird.devices.measurement,
        "read_rows",
        lambda *args: read.append(real(*args)) or read[-1],
    )
    with joules("simulated", log=log, period_s=0.002, **FLAT) as m:
        time.sleep(1.0)
        with m.window() as w:
            time.sleep(0.1)
        count = len(read_log(log)[-1].rows)
    assert count > 200
    assert len(read[0]) < 200
    assert len(read[1]) > 200
    assert w.joules == pytest.approx(10.0 * w.seconds, rel=0.005)
    assert m.joules == pytest.approx(10.0 * m.seconds, rel=0.005)


def test_the_log_can_be_kept(tmp_path, monkeypatch):
    log = tmp_path / "logs" / "power.csv"
    monkeypatch.chdir(str(tmp_path))
    with joules("simulated", log="logs/power.csv", **FLAT) as m:
        os.chdir("/")  # as a script may
        time.sleep(0.1)
    assert m.joules
    assert read_log(str(log))[0].rows


def test_it_is_asked_too_early():
    with joules("simulated", **FLAT) as m, pytest.raises(SourceError, match="has not ended"):
        _ = m.joules


def test_an_exception_of_the_code_goes_through():
    with pytest.raises(ZeroDivisionError), joules("simulated", **FLAT) as m:  # noqa: PT012
        time.sleep(0.1)
        raise ZeroDivisionError()
    assert m.joules > 0.0


def test_a_decorator(capsys):
    @joules("simulated", **FLAT)
    def train(a, b=1):
        "Train it."
        time.sleep(0.1)
        return a + b

    assert train(1, b=2) == 3
    assert train.__doc__ == "Train it."
    first = train.measured
    assert first.joules > 0.9
    assert capsys.readouterr().err.startswith("train: ")
    assert train(1) == 2
    assert train.measured is not first
    got = []
    assert joules("simulated", report=got.append, **FLAT)(lambda: 5)() == 5
    assert got[0].seconds >= 0.0


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (["EIO"], "only 0.0 %"),
        (["ok"] * 4 + ["EIO"] * 1000, "of the window was recorded"),
    ],
)
def test_what_could_not_be_read_has_no_energy(script, said):
    with joules("tests.devices.faulty:Script", script=script) as m:
        time.sleep(0.3)
    assert m.joules is None
    assert m.watts_mean["A"] is None
    assert said in m.problem
    assert m.seconds > 0.25
    assert "no energy" in str(m)


def test_a_slow_meter_measures_a_short_window():
    with joules("tests.devices.faulty:Rare") as m:
        time.sleep(0.3)
    assert m.coverage == pytest.approx(1.0, abs=1e-4)
    assert m.joules == pytest.approx(m.seconds, rel=1e-3)


def test_a_recorder_that_dies_leaves_the_code_alone():
    with joules("simulated", **FLAT) as m:
        os.kill(m._recorder.pid, signal.SIGKILL)
        time.sleep(0.1)
    assert m.joules is None
    assert "recorder has ended" in m.problem


def test_a_source_without_a_total(tmp_path):
    with joules("simulated", total=[], rails=["VDD_SYS_CPU"], **FLAT) as m:
        time.sleep(0.2)
    assert m.joules is None
    assert m.watts_mean["VDD_SYS_CPU"] > 0.0
    assert "no total" in m.problem


def test_a_source_that_cannot_be_used():
    with pytest.raises(SourceError, match="unknown source 'wattmeter'"), joules("wattmeter"):
        raise AssertionError("must not run")


# commands


@pytest.mark.parametrize(
    ("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
def test_the_exit_code_goes_through(command, code):
    found = measure_command(["sh", "-c", "sleep 0.2; " + command], "simulated", **FLAT)
    assert found.exit_code == code
    assert found.measurement.joules == pytest.approx(10.0 * found.measurement.seconds, rel=0.005)
    assert found.measurement.seconds >= 0.2


def test_a_command_that_cannot_be_run(tmp_path):
    with pytest.raises(CommandError, match="no such command") as caught:
        measure_command(["no-such-command-here"], "simulated")
    assert caught.value.exit_code == 2
    assert "PATH" in caught.value.hint
    with pytest.raises(CommandError):
        measure_command([], "simulated")
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x00\x01")
    broken.chmod(0o755)
    with pytest.raises(CommandError, match="cannot run"):
        measure_command([str(broken)], "simulated", **FLAT)


CHILD = "trap 'echo got %s; exit 5' %s; echo ready; while true; do sleep 0.05; done"
MEASURE = """
import sys
from joulebird.devices.measure import measure_command
found = measure_command(["sh", "-c", sys.argv[1]], "simulated", profile=[[1.0, 10.0]])
print("joules %.2f" % found.measurement.joules, flush=True)
sys.exit(found.exit_code)
"""


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1"])
def test_signals_go_on_to_the_command(name):
    """The command decides the effect of a signal; its energy until then is still printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", MEASURE, CHILD % (name, name)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.2)
    process.send_signal(getattr(signal, "SIG" + name))
    out = process.stdout.read()
    process.stdout.close()
    assert process.wait() == 5
    assert out.startswith(b"got %s\n" % name.encode())
    assert b"joules" in out


@pytest.mark.parametrize("busy", [False, True])
def test_a_measurement_beside_other_work_has_the_word(tmp_path, monkeypatch, busy):
    proc = Proc(tmp_path)
    proc.set(os.getpid())
    monkeypatch.setenv("JOULEBIRD_PROC", str(tmp_path))
    proc.look(Neighbours())
    with joules("simulated") as m:
        proc.cpu["user"] = 1000.0 if busy else 0.0
        proc.look(Neighbours())
    assert m.load.exceeds == ("foreign load" in m.words) == ("foreign load" in str(m)) == busy
