"""`joulebird measure -- COMMAND`: joules of any command, which notices nothing of it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from joulebird.devices import registry
from joulebird.harness.core.errors import SourceError
from tests.devices.fake_tx2_tree import FakeTX2
from tests.harness.command import process

COMMAND = [sys.executable, "-m", "joulebird", "measure"]


@pytest.fixture
def board(tmp_path):
    tree = FakeTX2(str(tmp_path / "tree"), state="train").build()
    yield tree
    tree.close()


def of(board):
    return ["--source", "ina3221", "--source-option", "root=" + board.root]


def measure(*words, **options):
    done = subprocess.run(
        COMMAND + list(words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def test_joules_are_watts_times_seconds(board, tmp_path):
    path = str(tmp_path / "joules.json")
    code, out, errors = measure(
        *(of(board) + ["--json", "-o", path, "--", "sh", "-c", "sleep 0.5; echo done"])
    )
    assert (code, out, errors) == (0, "done\n", "")
    with open(path) as file:
        facts = json.load(file)
    assert facts["joules"] == pytest.approx(14.034 * facts["seconds"], rel=1e-4)
    assert facts["seconds"] >= 0.5
    assert facts["real"] is True
    assert facts["scope"] == "module"
    assert facts["coverage"] > 0.99
    assert facts["problem"] == ""
    assert facts["rails"]["VDD_SYS_GPU"]["peak_w"] == pytest.approx(
        facts["rails"]["VDD_SYS_GPU"]["mean_w"], rel=1e-9
    )
    parts = facts["u_sensor_j"], facts["u_sampling_j"]
    assert facts["u_joules"] == pytest.approx((parts[0] ** 2 + parts[1] ** 2) ** 0.5, rel=0.02)
    assert facts["rails"]["VDD_IN"]["u_joules"] == facts["u_joules"]
    assert 0.005 < facts["u_joules"] / facts["joules"] < 0.05
    assert (facts["overlaps"], facts["shared_s"], facts["words"]) == ([], 0.0, [])
    assert facts["command"] == ["sh", "-c", "sleep 0.5; echo done"]
    assert facts["exit_code"] == 0


def test_an_impossible_reading_is_no_energy(board, tmp_path):
    """`19120 2000000` in one file was once 38,330 J, coverage 100 %."""
    path = "/sys/devices/3160000.i2c/i2c-0/0-0041/iio:device1/ui_input_0"
    board.put(path, "19120 2000000\n")
    log = str(tmp_path / "power.csv")
    code, _, errors = measure(*of(board), "--log", log, "--", "sleep", "0.3")
    assert code == 0
    assert "void J" in errors
    assert "RANGE" in errors
    with open(log) as file:
        assert file.read().count(",       RANGE\n") > 5
    assert sources_of(board)[0] == 4


def sources_of(board):
    """The exit code and the words of `joulebird sources` for this board."""
    command = [sys.executable, "-m", "joulebird", "sources", *of(board)]
    done = subprocess.run(command, stdout=subprocess.PIPE)
    return done.returncode, done.stdout.decode()


def test_without_a_sensor_nothing_is_simulated_unasked(tmp_path):
    try:
        pytest.skip(f"this machine has a sensor: {registry.best()}")
    except SourceError as error:
        reason, ways_out = error.message, error.hint
    for words in (["measure", "--", "touch", "ran"], ["watch", "-n", "1"]):
        code, out, errors = process(*words, cwd=str(tmp_path))
        assert (code, out) == (4, "")
        assert reason in errors
        assert ways_out in errors
    assert not (tmp_path / "ran").exists()


def test_the_result_for_people_goes_to_stderr(board):
    code, out, errors = measure(*(of(board) + ["--", "echo", "hello"]))
    assert code == 0
    assert out == "hello\n"
    assert "joulebird: echo hello" in errors
    assert "source ina3221" in errors
    assert "coverage 100.0 %" in errors
    assert " +- " in errors
    assert "uncertainty (95 %): sensor" in errors
    total = [line for line in errors.splitlines() if line.endswith("total")]
    assert len(total) == 1
    assert total[0].split()[0] == "VDD_IN"
    assert total[0].split()[2:4] == ["14.034", "14.034"]
    assert "simulated" not in errors


def test_a_result_that_cannot_be_written_is_not_lost(board):
    code, _, errors = measure("-o", "/nowhere/x", *of(board), "--", "true")
    assert code == 2
    assert " J " in errors
    assert "/nowhere/x: cannot be written" in errors


def test_simulated_joules_say_so():
    _, out, errors = measure("--source", "simulated", "--", "true")
    assert "J (simulated, not measured) in " in errors
    facts = json.loads(measure("--source", "simulated", "--json", "-o", "-", "--", "true")[1])
    assert facts["real"] is False
    assert facts["source"]["name"] == "simulated"
    assert facts["words"] == ["simulated"]
    assert {tuple(rail["words"]) for rail in facts["rails"].values()} == {("simulated",)}


def test_an_unstated_accuracy_is_named():
    errors = measure("--source", "tests.devices.faulty:Faulty", "--", "sleep", "0.2")[2]
    assert "sampling" in errors
    assert "sensor accuracy not stated" in errors


RUN = """
import io, sys
from joulebird.harness.cli.progress import Progress
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.runs.session import Session
from tests.harness import toy
progress = Progress(io.StringIO(), environ={})
with Session(sys.argv[1], Recorders({}), progress, backend=toy.Backend()):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def test_a_measurement_beside_a_run_and_another_measurement_says_so(board, tmp_path):
    path = tmp_path / "joules.json"
    runs = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "runs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert runs.stdout.readline() == b"locked\n"
    script = "echo begun; read line; echo ended"
    outer = subprocess.Popen(
        COMMAND + of(board) + ["--json", "-o", str(path), "--", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert outer.stdout.readline() == b"begun\n"
    code, _, errors = measure(*(of(board) + ["--", "sleep", "0.3"]))
    runs.communicate(b"\n")
    outer.communicate(b"\n")
    assert code == runs.returncode == outer.returncode == 0
    assert "shared with 2 other measurements for 0." in errors
    assert "the joules are the machine's, not this command's alone" in errors
    assert f"process {outer.pid}, 0." in errors
    assert f"joulebird run: runs in {tmp_path}" in errors
    facts = json.loads(path.read_text())
    found = {one["command"]: one["seconds"] for one in facts["overlaps"]}
    assert set(found) == {"sleep 0.3", f"joulebird run: runs in {tmp_path / 'runs'}"}
    assert 0.3 <= found["sleep 0.3"] <= facts["shared_s"] <= facts["seconds"]
    assert facts["words"] == ["shared"]
    assert facts["rails"]["VDD_IN"]["words"] == ["shared"]


@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("kill -TERM $$", 128 + 15), ("kill -KILL $$", 128 + 9)]
)
def test_the_exit_code_passes_through(board, script, code):
    got, _, errors = measure(*(of(board) + ["--", "sh", "-c", script]))
    assert got == code
    assert f"exit code {code}" in errors


def test_its_own_words_are_the_commands(board):
    code, out, _ = measure(*(of(board) + ["--", "echo", "--json", "--", "-o", "x"]))
    assert code == 0
    assert out == "--json -- -o x\n"
    code, out, _ = measure(*(of(board) + ["echo", "a", "--", "b"]))
    assert out == "a -- b\n"


def test_input_passes_through(board):
    assert measure(*(of(board) + ["--", "cat"]), input="through\n")[1] == "through\n"


def test_a_signal_reaches_the_command(board, tmp_path):
    script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        COMMAND + of(board) + ["--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=30)
    assert out == "caught\n"
    assert process.returncode == 5
    assert " J " in errors


def test_the_readings_can_be_kept(board, tmp_path):
    log = tmp_path / "power.csv"
    assert measure(*(of(board) + ["--log", str(log), "--", "sleep", "0.2"]))[0] == 0
    assert log.read_text().startswith("# joulebird-power-log 1")


def test_a_sensor_that_refuses_gives_a_void_number_not_a_small_one(board):
    folder, channel = board.rails["VDD_IN"][:2]
    path = board.p(f"{folder}/ui_input_{channel}")
    code, _, errors = measure(
        *(of(board) + ["--", "sh", "-c", f"sleep 0.2; : > {path}; sleep 0.6"])
    )
    assert code == 0
    assert "void J" in errors
    assert "of the window was recorded" in errors


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ([], 2, "name a command"),
        (["--"], 2, "name a command"),
        (["--", "no-such-command-here"], 2, "no such command"),
        (["--source", "simulated", "--rail", "", "--", "touch", "ran"], 2, "no rail named"),
        (["--source", "nosuch", "--", "touch", "ran"], 4, "unknown source 'nosuch'"),
        (
            ["--source", "ina3221", "--source-option", "root=/nowhere", "--", "touch", "ran"],
            4,
            "no INA3221",
        ),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path, words, code, text):
    got, out, errors = measure(*words, cwd=str(tmp_path))
    assert got == code
    assert text in errors
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 2
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("raise RuntimeError('no driver')", ["cannot import faulty (RuntimeError: no driver)"]),
        ("def", ["cannot import faulty (SyntaxError: invalid syntax"]),
        ("import no_such_package", ["needs the package 'no_such_package'"]),
        (
            "from joulebird.devices.simulated.source import SimulatedSource\n"
            "class Meter(SimulatedSource):\n"
            "    def __init__(self):\n"
            "        raise RuntimeError('no driver')\n",
            ["the source faulty:Meter cannot be made: RuntimeError: no driver", "a bug of that"],
        ),
    ],
)
@pytest.mark.parametrize("verb", [["measure", "--", "touch", "ran"], ["watch", "-n", "1"]])
def test_a_faulty_source_of_the_users_is_named_with_its_error(tmp_path, text, parts, verb):
    (tmp_path / "faulty.py").write_text(text)
    words = [verb[0], "--source", "faulty:Meter", *verb[1:]]
    code, out, errors = process(*words, cwd=str(tmp_path))
    assert code == 4
    assert len(errors.splitlines()) == 2
    assert all(part in errors for part in parts), errors
    assert not (tmp_path / "ran").exists()


def test_nothing_outlives_a_killed_measure(board):
    process = subprocess.Popen(
        COMMAND + of(board) + ["--", "sleep", "5"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 20
    while len(children(process.pid)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    recorder = [
        pid
        for pid in children(process.pid)
        if "joulebird.devices.recorder.parent" in command_of(pid)
    ]
    sleeping = [pid for pid in children(process.pid) if "sleep" in command_of(pid)]
    process.kill()
    process.communicate()
    for pid in sleeping:
        os.kill(pid, signal.SIGKILL)
    while any("joulebird.devices.recorder.parent" in command_of(pid) for pid in recorder):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read().replace("\0", " ")
    except OSError:
        return ""


@pytest.mark.parametrize("kind", ["fifo", "folder", "text", "another source"])
def test_a_log_that_readings_would_spoil_is_refused_before_the_command_runs(tmp_path, kind):
    log, ran = tmp_path / "log", tmp_path / "ran"
    if kind == "fifo":
        os.mkfifo(str(log))
    elif kind == "folder":
        log.mkdir()
    elif kind == "text":
        log.write_text("dear diary\n")
    else:
        faulty = ["--source", "tests.devices.faulty:Faulty", "--log", str(log)]
        assert measure(*faulty, "--", "true")[0] == 0
        assert measure(*faulty, "--", "true")[0] == 0  # one source's log goes on
    before = log.read_bytes() if log.is_file() else b""
    words = ["--source", "simulated", "--log", str(log), "--", "touch", str(ran)]
    code, out, errors = measure(*words)
    assert (code, out) == (2, ""), errors
    assert str(log) in errors
    assert len(errors.splitlines()) <= 2
    assert not ran.exists()
    assert (log.read_bytes() if log.is_file() else b"") == before
