"""The recorder as a real process: beside a busy training, through kills, hangs, bugs and full
disks.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from joulebird.devices.powerlog_read import read_log
from joulebird.devices.recorder.parent import Recorder
from joulebird.devices.util.line_child import LineChild
from joulebird.harness.core.errors import SourceError
from tests.harness.command import refused
from tests.packed import pack

FAULTY = "tests.devices.faulty:"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "power.csv")


@pytest.fixture
def recorder():
    """Makes recorders; ends them."""
    made = []

    def make(*args, **options):
        made.append(Recorder(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def rows_of(path):
    return [row for segment in read_log(path) for row in segment.rows]


def wait_for(condition, seconds=30.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"waited {seconds:.0f} s in vain"
        time.sleep(0.02)


def gone(pid):
    """Whether a process has ended (a zombie has)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False


def test_edges_are_rows_and_the_header_says_who_measured(recorder, path):
    one = recorder("simulated", {"cores": 1}).start()
    one.open(path)
    begin_s = one.sample()
    time.sleep(0.5)
    end_s = one.sample()
    told = one.close_log()
    (segment,) = read_log(path)
    assert segment.rows[0].t_s == pytest.approx(begin_s, abs=1e-6)
    assert any(
        row.t_s == pytest.approx(end_s, abs=1e-6) for row in segment.rows[-3:]
    )  # one more may come before the close
    assert told["rows"] == len(segment.rows) > 2
    assert told["failed"] == 0
    assert told["path"] == path
    assert segment.source == json.loads(json.dumps(one.describe()))
    assert segment.source["name"] == "simulated"
    assert segment.source["recorder"]["period_s"] == 0.033
    assert segment.source["simulated"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rails", "A"),
        ("rails", ["A", "A"]),
        ("rails", ["a b", "a_b", "A"]),
        ("total", ["A", "A"]),
        ("total", ["B"]),
        ("total", None),
        ("real", 1),
        ("sensor", 5),
        ("accuracy", {"gain": -0.1}),
        ("accuracy", {"offset_mw": {"A": -1}}),
        ("range_w", "NaN"),
        ("range_w", -1),
        ("range_w", "set"),
    ],
)
def test_an_odd_description_is_refused_before_anything_begins(tmp_path, field, value):
    mark = tmp_path / "ran"
    options = ["--source", FAULTY + "Odd", "--source-option", "facts=" + json.dumps({field: value})]
    said = refused(4, ["measure", *options, "--", "touch", mark], FAULTY + "Odd")
    assert repr(field) in said or f"'{field}." in said or value == "set"
    assert not mark.exists()


def test_an_accuracy_in_words_is_a_description(recorder):
    words = {"accuracy": "1 % of reading", "range_w": 5.0}
    assert recorder(FAULTY + "Odd", {"facts": words}).start().check() is None


def test_one_recorder_serves_many_logs(recorder, tmp_path):
    one = recorder(FAULTY + "Script").start()
    assert one.close_log() == {}
    times = []
    for name in ("a", "b", "a"):
        one.open(str(tmp_path / name))
        times.append(one.sample())
    one.close_log()
    first = {
        name: [segment.rows[0].t_s for segment in read_log(str(tmp_path / name))]
        for name in ("a", "b")
    }
    assert first["a"] == pytest.approx([times[0], times[2]], abs=1e-6)
    assert first["b"] == pytest.approx([times[1]], abs=1e-6)


BURN = """
import threading, time
def burn():
    while True: sum(range(1000))
for _ in range(4): threading.Thread(target=burn, daemon=True).start()
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("seconds", [10.0])
def test_it_holds_20_hz_beside_processes_that_use_every_core(recorder, path, seconds):
    """Two processes of four threads each keep every core and their interpreter locks busy, and so
    does this one for a while.
    """
    busy = [
        subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(max(2, os.cpu_count() or 2))
    ]
    try:
        one = recorder("simulated").start()
        one.open(path)
        begin_s = one.sample()
        while time.monotonic() - begin_s < seconds:
            sum(range(1000))
        end_s = one.sample()
        one.close_log()
    finally:
        for process in busy:
            process.kill()
            process.wait()
    rows = rows_of(path)
    gaps = [b.t_s - a.t_s for a, b in zip(rows, rows[1:])]
    rate = (len(rows) - 1) / (end_s - begin_s)
    print(f"achieved {rate:.2f} Hz, worst gap {1e3 * max(gaps):.1f} ms")
    assert rate >= 18.0
    assert all(row.status == "ok" for row in rows)
    assert max(gaps) <= 20 * 0.05  # twenty periods: what is integrated across without a hole


@pytest.mark.parametrize(
    ("source", "options", "said", "hint"),
    [
        ("nothing", {}, "unknown source 'nothing'", "known: "),
        ("simulate", {}, "unknown source 'simulate'", "did you mean 'simulated'?"),
        ("simulated", {"core": 2}, "no option 'core'", "did you mean 'cores'?"),
        ("simulated", {"pid": 2**22 + 1}, "no process", "leave the option out"),
        ("tests.devices.nowhere:X", {}, "cannot import", "check the name"),
        ("tests.devices.faulty:time", {}, "is no power source", "derive it"),
        (FAULTY + "Refusing", {}, "no meter at /dev/ttyUSB7", "plug it in"),
        (FAULTY + "Broken", {}, "failed to open: KeyError: 'firmware'", "a bug of that source"),
    ],
)
def test_a_source_that_cannot_be_opened_is_told_before_anything_runs(
    recorder, source, options, said, hint
):
    one = recorder(source, options)
    with pytest.raises(SourceError) as caught:
        one.start()
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert not one.alive


def test_a_python_that_does_not_exist(recorder):
    with pytest.raises(SourceError, match="cannot start the recorder"):
        recorder("simulated", python="/nowhere/python").start()


@pytest.mark.parametrize("period_s", [0.0, -1.0])
def test_a_period_that_cannot_be(recorder, period_s):
    with pytest.raises(SourceError, match="cannot be sampled"):
        recorder("simulated", period_s=period_s).start()


def test_a_source_that_hangs_in_opening_is_given_up(recorder):
    one = recorder(FAULTY + "Hanging", {"where": "open"}, start_timeout_s=1.0)
    with pytest.raises(SourceError, match="hangs"):
        one.start()
    assert not one.alive


def test_a_source_that_hangs_in_reading_does_not_hang_the_training(recorder, path):
    one = recorder(FAULTY + "Hanging", reply_timeout_s=1.0).start()
    one.open(path)
    pid = one.pid
    with pytest.raises(SourceError, match="hangs"):
        one.sample()
    begin = time.monotonic()
    one.stop()
    assert time.monotonic() - begin < 30.0
    assert gone(pid)


def test_a_call_before_the_start(recorder):
    with pytest.raises(SourceError, match="not started"):
        recorder("simulated").sample()


def test_failed_readings_are_rows_and_raise_nothing(recorder, path):
    script = ["ok", "EAGAIN", "EAGAIN", "ok", "SOURCE", "SOURCE", "ok", "BUG"]  # each is retried
    one = recorder(FAULTY + "Script", {"script": script}, period_s=0.01).start()
    one.open(path)
    for _ in range(6):
        one.sample()
        time.sleep(0.02)
    told = one.close_log()
    rows = rows_of(path)
    words = {row.status for row in rows}
    assert words == {"ok", "EAGAIN", "UNREADABLE", "ZeroDivision"}
    assert told["failed"] == sum(row.status != "ok" for row in rows) > 0
    assert all(b.t_s > a.t_s for a, b in zip(rows, rows[1:]))


def test_a_clock_that_jumps_never_bends_the_log(recorder, path):
    one = recorder(
        FAULTY + "Script", {"script": ["ok", "FUTURE", "ok", "PAST", "ok", "OLD"]}, period_s=0.01
    ).start()
    one.open(path)
    for _ in range(12):
        one.sample()
        time.sleep(0.02)
    one.close_log()
    rows = rows_of(path)
    assert {row.status for row in rows} == {"ok", "CLOCK"}
    assert all(0 < b.t_s - a.t_s < 10.0 for a, b in zip(rows, rows[1:]))


def test_a_meter_that_pushes_gives_each_reading_once(recorder, path):
    one = recorder(FAULTY + "Rare", period_s=0.02).start()
    one.open(path)
    time.sleep(2.0)
    one.close_log()
    times = [row.t_s for row in rows_of(path)]
    assert len(times) == len(set(times)) >= 8
    assert all(abs(t_s / 0.2 - round(t_s / 0.2)) < 1e-3 for t_s in times)


def test_a_slow_meter_covers_a_short_stage(recorder, tmp_path):
    """The reading before its begin and the one after its end are in the log, so that nothing of the
    stage is lost.
    """
    one = recorder(FAULTY + "Rare", period_s=0.02).start()
    for name in ("first", "second"):
        one.open(str(tmp_path / name))
        begin_s = one.sample()
        time.sleep(0.25)
        end_s = one.sample()
        one.close_log()
        times = [row.t_s for row in rows_of(str(tmp_path / name))]
        assert times[0] <= begin_s + 1e-6
        assert times[-1] >= end_s - 1e-6
        assert all(b > a for a, b in zip(times, times[1:]))


def test_what_a_driver_prints_does_not_mix_with_the_answers(recorder, path):
    one = recorder(FAULTY + "Chatty").start()
    one.open(path)
    assert one.sample() > 0.0
    assert one.close_log()["failed"] == 0


# kills


def test_killed_in_mid_run_it_leaves_a_readable_prefix_and_says_so(recorder, path):
    one = recorder("simulated", {"cores": 1}).start()
    one.open(path)
    one.sample()
    time.sleep(0.3)
    os.kill(one.pid, signal.SIGKILL)
    wait_for(lambda: not one.alive)
    for call in (one.sample, lambda: one.open(path), one.close_log):
        with pytest.raises(SourceError, match="recorder has ended") as caught:
            call()
        assert "start it again" in caught.value.hint
    before = len(rows_of(path))
    assert before > 3
    one.start()  # and on: a new segment
    one.open(path)
    one.sample()
    one.close_log()
    segments = read_log(path)
    assert len(segments) == 2
    assert len(segments[0].rows) == before
    assert segments[1].rows
    assert not segments[0].damaged


def test_its_last_words_come_with_the_error(recorder, path):
    one = recorder(FAULTY + "Dying", period_s=60.0).start()  # it dies at its first reading
    one.open(path)
    with pytest.raises(SourceError) as caught:
        one.sample()
    assert "exit status 9" in caught.value.message
    assert "the driver crashed" in caught.value.message


PARENT = """
import os, sys, time
from joulebird.devices.recorder.parent import Recorder
recorder = Recorder("simulated", {"cores": 1}).start()
recorder.open(sys.argv[1])
recorder.sample()
print(recorder.pid, flush=True)
if len(sys.argv) > 2 and os.fork() == 0:
    time.sleep(60)
time.sleep(60)
"""


@pytest.mark.parametrize("holder", [False, True])
def test_a_killed_parent_takes_it_along(path, holder):
    """Even if a worker that the parent forked still holds the pipe open."""
    command = [sys.executable, "-c", PARENT, path] + (["holder"] if holder else [])
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        pid = int(parent.stdout.readline())
        time.sleep(0.5)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        wait_for(lambda: gone(pid))
        rows = rows_of(path)
        assert len(rows) > 4
        assert all(row.status == "ok" for row in rows)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.stdout.close()


def test_ctrl_c_does_not_reach_it(recorder, path):
    one = recorder("simulated", {"cores": 1}).start()
    one.open(path)
    assert os.getpgid(one.pid) != os.getpgid(0)
    os.kill(one.pid, signal.SIGINT)
    time.sleep(0.2)
    assert one.alive
    assert one.sample() > 0.0


def test_terminated_it_closes_its_source(recorder, path, tmp_path):
    """SIGTERM, as a shutdown sends it: the simulated board's files are removed, as a meter's port
    would be released.
    """
    root = recorder("simulated", {"cores": 1}).start()
    folder = root.describe()["root"]
    assert os.path.isdir(folder)
    os.kill(root.pid, signal.SIGTERM)
    wait_for(lambda: not root.alive)
    assert not os.path.exists(folder)


def test_stop_ends_the_process_and_may_be_called_twice(recorder, path):
    one = recorder("simulated", {"cores": 1}).start()
    pid = one.pid
    one.open(path)
    one.sample()
    one.stop()
    one.stop()
    assert gone(pid)
    assert not one.alive
    assert rows_of(path)


# disks


@pytest.mark.skipif(
    not os.path.exists("/dev/full"),
    reason="LOUD: no /dev/full here, so no file that is always full",
)
def test_a_full_disk_at_the_beginning(recorder, path):
    one = recorder("simulated", {"cores": 1}).start()
    with pytest.raises(SourceError, match="No space left") as caught:
        one.open("/dev/full")
    assert "make room" in caught.value.hint
    assert one.alive
    one.open(path)  # elsewhere there is room
    one.sample()
    assert one.close_log()["rows"] >= 1


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
import time
from joulebird.harness.core.errors import SourceError
from joulebird.devices.recorder.parent import Recorder
with Recorder("tests.devices.faulty:Script", period_s=0.002) as recorder:
    recorder.open(sys.argv[1])
    recorder.sample()
    time.sleep(1.5)
    try:
        recorder.sample()
    except SourceError as error:
        print(error.message)
    print(recorder.alive)
"""


def test_a_disk_that_fills_up_is_said_and_the_log_stays_readable(path):
    """A file that may not grow beyond 6,000 bytes stands for the full disk.

    The recorder lives on.
    """
    done = subprocess.run([sys.executable, "-c", LIMITED, path], stdout=subprocess.PIPE, timeout=60)
    said = done.stdout.decode().splitlines()
    assert "cannot write the power log" in said[0]
    assert said[1] == "True"
    (segment,) = read_log(path)
    assert len(segment.rows) > 50
    assert segment.damaged <= 1
    assert os.path.getsize(path) <= 6000


# how it is started


def test_it_imports_no_torch(recorder):
    code = (
        "import sys, joulebird.devices.recorder.child, joulebird.devices.simulated\n"
        "print([name for name in ('torch', 'numpy', 'serial', 'jtop') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code]).split() == [b"[]"]


APP = """
import sys
from joulebird.devices.recorder.parent import Recorder
with Recorder("simulated", {"cores": 1}) as recorder:
    recorder.open(sys.argv[1])
    recorder.sample()
    print(recorder.close_log()["rows"])
"""


def test_it_starts_from_a_zipapp(tmp_path):
    """On a board the packages come as one archive, and nothing is installed."""
    app, log = str(tmp_path / "app.pyz"), str(tmp_path / "power.csv")
    pack(app, APP)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, app, log],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=str(tmp_path),
        env=clean,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) >= 1
    assert rows_of(log)


def test_a_source_of_the_users_own_beside_the_script(tmp_path):
    shutil.copy(os.path.join(ROOT, "tests", "devices", "faulty.py"), str(tmp_path / "mylab.py"))
    script = tmp_path / "script.py"
    script.write_text(
        "from joulebird.devices.recorder.parent import Recorder\nwith Recorder('mylab:Script') as "
        "r:\n    print(r.describe()['name'])\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        cwd="/",
        env=dict(os.environ, PYTHONPATH=ROOT),
    )
    assert done.stdout.split() == [b"faulty"]


@pytest.mark.parametrize(
    ("options", "given", "period_s"),
    [
        ({"averaging": True}, None, 0.033),
        ({"averaging": False}, None, 0.02),
        ({"averaging": False}, 0.1, 0.1),
    ],
)
def test_the_period_is_the_sources_unless_one_is_given(recorder, options, given, period_s):
    one = recorder("simulated", dict(options, profile=[[1.0, 5.0]]), period_s=given).start()
    assert one.describe()["recorder"]["period_s"] == period_s


def test_a_child_that_outlives_its_kill_does_not_end_the_training(recorder, path, monkeypatch):
    """A source that hangs in the kernel dies only when the kernel lets it."""
    parent = recorder("simulated").start()
    stop = LineChild.stop

    def hangs(child, patience_s=0.0):
        stop(child, patience_s)
        raise subprocess.TimeoutExpired("recorder", 5.0)

    monkeypatch.setattr(LineChild, "stop", hangs)
    parent.stop()
    assert not parent.alive
