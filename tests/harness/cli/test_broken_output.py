"""Progress that cannot be shown never ends a training; a terminal that hangs up ends it after the
epoch.
"""

import contextlib
import errno
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from joulebird.harness.cli.progress import Progress
from joulebird.harness.core.events import attempts
from joulebird.harness.core.records import EVENTS, find_runs, read_events
from tests.harness.runs.test_engine import spec_of

# `joulebird run` with a training that needs no torch
RUN = """
import sys
from joulebird.harness.runs import session
from tests.harness import toy
session.Backend = toy.Backend
from joulebird.harness.cli.main import main
sys.exit(main())
"""
SHORT, LONG = {"epochs": 3}, {"epochs": 20, "options": {"pause_s": 0.05}}


def words(tmp_path, fields, *more):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(spec_of(**fields).to_dict()))
    run = ["run", str(spec), "--runs", str(tmp_path / "runs"), "--source", "none", *more]
    return [sys.executable, "-c", RUN, *run]


def finished(tmp_path):
    return len(list(find_runs(str(tmp_path / "runs")))) == 1


def shell(command, script, **options):
    """Run a command as $@ in a shell's script; gives its exit code and stdout."""
    ran = subprocess.run(
        ["bash", "-c", script, "bash", *command], stdout=subprocess.PIPE, **options
    )
    return ran.returncode, ran.stdout.decode()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('"$@" 2>/dev/full', 0),
        ('"$@" 2>&-', 0),
        ('"$@" >&-', 0),
        ('"$@" <&- >&- 2>&-', 0),
        ('"$@" 2>&1 | head -n 1; exit ${PIPESTATUS[0]}', 0),
        ('"$@" 2> >(exit 0)', 0),
        ('"$@" --json >/dev/full 2>&-', 2),
        ('"$@" --json >&-', 2),
        ('"$@" --json 2>/dev/full | cat >/dev/null; exit ${PIPESTATUS[0]}', 0),
    ],
)
def test_a_training_whose_output_fails_is_finished(tmp_path, script, code):
    assert shell(words(tmp_path, SHORT), script, stderr=subprocess.DEVNULL)[0] == code
    assert finished(tmp_path)


def test_no_file_takes_the_place_of_a_closed_stderr(tmp_path):
    """A library's message to descriptor 2 would land in it."""
    script = (
        "import os\nfrom joulebird.harness.core.terminal import open_standard_streams\n"
        "open_standard_streams()\nhandle = os.open({!r}, os.O_WRONLY | os.O_CREAT)\n"
        "os.write(2, b'a message'); print('more', file=__import__('sys').stderr, flush=True)\n"
        "os._exit(handle)"
    ).format(str(tmp_path / "events.jsonl"))
    code, _ = shell([sys.executable, "-c", script], '"$@" <&- 2>&-')
    assert code > 2
    assert (tmp_path / "events.jsonl").read_bytes() == b""


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full"])
def test_the_exit_code_of_an_error_stays(tmp_path, stream):
    command = [sys.executable, "-m", "joulebird", "rnu"]
    assert shell(command, '"$@" ' + stream)[0] == 2


@pytest.mark.parametrize("verb", ["--help", "--version"])
def test_a_full_disk_behind_stdout_is_one_error(verb):
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "joulebird", verb], stdout=full, stderr=subprocess.PIPE
        )
    assert ran.returncode == 2
    assert ran.stderr.decode().splitlines()[0] == (
        "joulebird: stdout: cannot be written (No space left on device)"
    )


class Breaking(io.StringIO):
    """Fails from the n-th write on, as a terminal or a closed file does."""

    def __init__(self, good, error):
        super().__init__()
        self.good, self.error = good, error

    def write(self, text):
        self.good -= 1
        if self.good < 0:
            raise self.error
        return super().write(text)

    def isatty(self):
        return True


@pytest.mark.parametrize("good", range(6))
@pytest.mark.parametrize(
    "error", [BrokenPipeError(), OSError(errno.EIO, "gone"), ValueError("I/O on closed file")]
)
def test_progress_goes_quiet(good, error):
    stream = Breaking(good, error)
    progress = Progress(stream, environ={"TERM": "xterm"})
    progress.run_begin(1, 1, "run")
    for epoch in range(1, 4):
        progress.epoch(epoch, 3, 0.5, 0.9)
    progress.warn({"text": "warm"})
    progress.close_line()
    assert stream.good == -1  # it did not try again


def test_a_signal_within_a_write_is_no_failure():
    stream = Breaking(1, RuntimeError("reentrant call inside <_io.BufferedWriter>"))
    progress = Progress(stream, environ={})
    progress.say("one")
    progress.say("lost")
    stream.good = 9
    progress.say("three")
    assert stream.getvalue() == "one\nthree\n"


def epochs(tmp_path):
    """The attempts at the first stage."""
    paths = (tmp_path / "runs" / "stages").glob("*/" + EVENTS)
    first = min(paths, key=lambda path: read_events(str(path))[0]["wall_s"])
    return attempts(read_events(str(first)))


def wait_for_epoch(tmp_path):
    """Return once a training has committed an epoch."""
    for _ in range(2000):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if any(one.epochs for one in epochs(tmp_path)):
                return
        time.sleep(0.01)
    raise AssertionError("no epoch within 20 s")


def on_a_terminal(command, folder):
    """Start a command in a folder, on a terminal of its own; gives its id and the other end."""
    process, terminal = pty.fork()
    if not process:
        os.chdir(str(folder))
        os.execv(command[0], command)
    return process, terminal


def test_a_terminal_that_hangs_up_ends_the_training_after_the_epoch(tmp_path):
    process, terminal = on_a_terminal(words(tmp_path, LONG), tmp_path)
    wait_for_epoch(tmp_path)
    os.close(terminal)  # the kernel sends SIGHUP, and each write fails
    assert os.waitpid(process, 0)[1] >> 8 == 130
    (cut,) = epochs(tmp_path)
    assert len(cut.epochs) >= 1
    assert cut.epochs[-1]["checkpoint"]
    code, _ = shell(words(tmp_path, LONG), '"$@"', stderr=subprocess.DEVNULL)
    assert code == 0
    begins = [one.first["from_epoch"] for one in epochs(tmp_path)]
    assert begins == [0, len(cut.epochs)]


def test_a_hang_up_under_nohup_is_ignored(tmp_path):
    process, terminal = on_a_terminal(["/usr/bin/nohup", *words(tmp_path, LONG)], tmp_path)
    wait_for_epoch(tmp_path)
    os.close(terminal)
    assert os.waitpid(process, 0)[1] == 0
    assert finished(tmp_path)


def test_sighup_is_a_request_to_stop(tmp_path):
    process = subprocess.Popen(words(tmp_path, LONG), stderr=subprocess.PIPE)
    wait_for_epoch(tmp_path)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    errors = process.communicate()[1].decode()
    assert process.returncode == 130
    assert "stopping after this epoch" in errors
    assert "Traceback" not in errors
