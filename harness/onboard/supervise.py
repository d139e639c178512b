"""Start a job so that it outlives the connection, and stay with it until it ends.

Its supervisor holds its locks, keeps its output, forwards requests to stop, and writes its exit.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from typing import Any, Dict, List

from joulebird.harness.core import lock, records
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import BUG, BUSY, UNREACHABLE, HarnessError
from joulebird.harness.core.process import ROOT, python_command
from joulebird.harness.onboard import jobs, machine

START_TIMEOUT_S = 30.0
SILENT: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)


def start(workdir: str, job: Dict[str, Any]) -> Dict[str, Any]:
    """Start a job detached and wait until it holds the board's lock.

    Return `job.read` of it, or {"busy": its holder}. `job` has id, argv, env, cwd, lock, owner and
    runs. With lingering on it is a unit of the user's systemd, else a session of its own.
    """
    held = lock.holder(job["lock"])
    if held is not None:
        return {"busy": held}
    path = jobs.create(workdir, job)
    command = python_command("joulebird.harness.onboard.verbs:main", "supervise", path)
    if not (machine.lingers() and _by_systemd(job, command)):
        # in a session of its own, with no descriptor of the connection left open
        subprocess.Popen(command, start_new_session=True, **SILENT)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        present = jobs.read(path)
        if present["exit"].get("code") == BUSY and not present["state"]:
            return {"busy": lock.holder(job["lock"]) or {}}
        if present["state"] or present["exit"]:
            return present
        time.sleep(0.02)
    raise HarnessError(
        f"the job did not start within {START_TIMEOUT_S:.0f} s",
        f"look on the board: {os.path.join(path, jobs.LOG)}",
        UNREACHABLE,
    )


def composed(workdir: str, job: Dict[str, Any]) -> Dict[str, Any]:
    """Return a job with its whole command line: paths absolute, the launcher first."""
    paths = [
        machine.home(part) for part in job["env"].get("PYTHONPATH", "").split(os.pathsep) if part
    ]
    if paths:
        job["env"]["PYTHONPATH"] = os.pathsep.join(paths)
    if job["launcher"]:  # a container has its own environment: say everything again inside
        variables = [f"{name}={value}" for name, value in sorted(job["env"].items())]
        job["argv"] = job["launcher"] + ["env"] + variables + job["argv"]
    names = {
        "{workdir}": workdir,
        "{home}": os.path.expanduser("~"),
        "{code}": ROOT,
        "{python}": job["python"],
    }
    for name, path in names.items():
        job["argv"] = [word.replace(name, path) for word in job["argv"]]
    return job


def once(workdir: str, job: Dict[str, Any]) -> Dict[str, Any]:
    """Run a short command in a job's environment; return its exit code and output."""
    job = composed(workdir, job)
    done = subprocess.run(
        job["argv"],
        env=dict(os.environ, **job["env"]),
        cwd=os.path.expanduser("~"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return {
        "code": done.returncode,
        "out": done.stdout.decode("utf-8", "replace"),
        "err": done.stderr.decode("utf-8", "replace"),
    }


def _by_systemd(job: Dict[str, Any], command: List[str]) -> bool:
    """Start as a transient unit; return False when systemd refuses.

    The unit gets our whole environment: the user's manager has another one.
    """
    argv = ["systemd-run", "--user", "--collect", "--quiet", f"--unit=joulebird-{job['id']}", "--"]
    argv += ["env"] + [f"{name}={value}" for name, value in os.environ.items()] + command
    return subprocess.run(argv, **SILENT).returncode == 0


GRACE_S = 20.0  # from the second request to stop until the job is killed


def supervise(path: str) -> int:
    """Run the job in this folder to its end; return its exit code.

    Hold the locks, keep its output, forward requests to stop, and write how it ended.
    """
    job = records.read_json(os.path.join(path, jobs.JOB))
    alive = lock.take(os.path.join(path, jobs.ALIVE))  # held as long as this process, or the job
    if alive < 0:
        return BUSY
    owner = dict(
        job["owner"],
        job=job["id"],
        runs=job["runs"],
        workdir=os.path.dirname(os.path.dirname(path)),
        since_wall_s=time.time(),
    )
    board = lock.take(job["lock"], owner)
    if board < 0:
        jobs.write_exit(path, BUSY, b"the board is busy")
        return BUSY
    # the job is a training, which takes this lock again
    job["env"].update({lock.MACHINE: job["lock"], lock.HELD: lock.identity(board)})
    keeper = _Keeper(path)
    try:
        code = keeper.run(job, (alive, board))
    except Exception as error:  # the folder must say how the job ended, after any failure
        keeper.keep(f"{type(error).__name__}: {error}\n".encode())
        code = BUG
    jobs.write_exit(path, code, keeper.tail)
    return code


class _Keeper:
    """One running job: its process, its output, and the requests to stop it."""

    def __init__(self, path: str) -> None:
        self.path, self.tail, self.stops = path, b"", 0
        self.process: Any = None

    def run(self, job: Dict[str, Any], locks: Any) -> int:
        """Run the command; return its exit code (negative: the signal)."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.process = subprocess.Popen(
            job["argv"],
            env=dict(os.environ, **job["env"]),
            cwd=job["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=locks,
            start_new_session=True,
        )
        self.keep(f"$ {' '.join(map(shlex.quote, job['argv']))}\n".encode())
        state = {
            "pid": self.process.pid,
            "supervisor": os.getpid(),
            "boot_id": boot_id(),
            "wall_s": time.time(),
            "t_s": time.monotonic(),
        }
        records.write_json(os.path.join(self.path, jobs.STATE), state)
        if self.stops:  # asked to stop while starting
            self.process.send_signal(signal.SIGTERM)
        pump = threading.Thread(target=self._pump, daemon=True)
        pump.start()
        code: int = self.process.wait()
        pump.join(5.0)  # a grandchild may keep the pipe open: do not wait for it for ever
        return code

    def keep(self, data: bytes) -> None:
        """Add to the job's log, and to the tail for its end; a full disk loses the log."""
        try:
            with open(os.path.join(self.path, jobs.LOG), "ab", 0) as file:
                file.write(data)
        except OSError as error:
            data += f"[the log could not be written: {error.strerror}]\n".encode()
        self.tail = (self.tail + data)[-jobs.TAIL :]

    def _pump(self) -> None:
        for data in iter(lambda: os.read(self.process.stdout.fileno(), 65536), b""):
            self.keep(data)

    def _stop(self, number: int, frame: Any) -> None:
        """Forward a request: once ends after the epoch, twice at once, then kill after a while."""
        self.stops += 1
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM if self.stops == 1 else signal.SIGINT)
            if self.stops == 2:
                threading.Thread(target=self._kill_later, daemon=True).start()

    def _kill_later(self) -> None:
        time.sleep(GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
