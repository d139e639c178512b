"""Look at jobs from a connection that may break: status, log, waiting. Costs the board nothing between two looks."""

import fcntl
import os
import signal
import sys
import threading
from typing import Any, Callable, Dict, List, Optional

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.onboard import files, lock, machine
from joulebird.harness.onboard import job as jobs

CHUNK = 65536


def status(workdir: str, lock_path: str) -> Dict[str, Any]:
    """The board now: who holds it, its jobs (newest last, ten at most), which runs are done, and the machine's facts."""
    found = [_brief(workdir, job_id) for job_id in jobs.ids(workdir)[-10:]]
    return {
        "holder": lock.holder(lock_path),
        "jobs": found,
        "done": files.finished(os.path.join(workdir, "runs")),
        "machine": machine.facts(workdir),
    }


def find(workdir: str, run_id: Optional[str]) -> str:
    """The folder of the newest job, or of the newest that was given this run; raises HarnessError when there is none."""
    for job_id in reversed(jobs.ids(workdir)):
        path = jobs.folder(workdir, job_id)
        if run_id is None or run_id == job_id or run_id in jobs.read(path)["job"].get("runs", []):
            return path
    which = (
        f"no job on the board was given the run {run_id}" if run_id else "no job on the board yet"
    )
    raise HarnessError(which, "see `joulebird board status` for what is there")


def log(path: str, offset: int = 0, limit: int = 16 * CHUNK) -> Dict[str, Any]:
    """A job's log from a byte offset on: {"text", "next"}."""
    try:
        with open(os.path.join(path, jobs.LOG), "rb") as file:
            file.seek(offset)
            data = file.read(limit)
    except FileNotFoundError:
        data = b""
    return {"text": data.decode("utf-8", "replace"), "next": offset + len(data)}


def follow(
    path: str,
    offset: int,
    every_s: float,
    emit: Callable[[Dict[str, Any]], None],
    is_gone: Callable[[], None],
) -> None:
    """Emit what there is, then what the job writes, at most once in `every_s` seconds, and its end as soon as it comes.

    Between two looks this process sleeps: the end wakes it through the job's lock, the loss of the connection by the return of `is_gone`.
    """
    wake = threading.Event()
    reasons = []  # type: List[str]
    for wait, reason in ((lambda: _wait_end(path), "ended"), (is_gone, "gone")):
        threading.Thread(target=_wake, args=(wait, reason, reasons, wake), daemon=True).start()
    first = True  # the first answer, empty or not, tells the other side that we are here
    while "gone" not in reasons:
        ended = "ended" in reasons
        part = log(path, offset)
        if part["text"] or first:
            first = False
            offset = part["next"]
            emit(part)
        if ended and not part["text"]:
            runs = os.path.join(os.path.dirname(os.path.dirname(path)), "runs")
            emit({"end": dict(jobs.read(path), progress=files.progress(runs))})
            return
        if not ended:
            wake.wait(every_s)


def stop(workdir: str, run_id: Optional[str]) -> Dict[str, Any]:
    """Ask the running job to stop: once after its epoch, twice at once. Raises HarnessError when no such job runs."""
    path = find(workdir, run_id)
    found = jobs.read(path)
    if found["status"] != "running" or found["rebooted"]:
        raise HarnessError("nothing to stop: the job has ended", "see `joulebird board status`")
    for key in ("supervisor", "pid"):  # the job itself when its supervisor was killed
        pid = found["state"].get(key)
        if pid and _lives(pid):
            os.kill(pid, signal.SIGTERM)
            return found
    raise HarnessError("the job's processes are gone", "see `joulebird board status`")


def _lives(pid: int) -> bool:
    """Whether a process exists and is more than an entry that nobody has collected."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def input_ends() -> None:
    """Return when whoever started this process has gone: its input then ends."""
    while os.read(sys.stdin.fileno(), CHUNK):
        pass


def _wake(wait: Callable[[], None], reason: str, reasons: List[str], wake: threading.Event) -> None:
    wait()
    reasons.append(reason)
    wake.set()


def _wait_end(path: str) -> None:
    """Sleep until nobody holds the job's lock any more."""
    handle = os.open(os.path.join(path, jobs.ALIVE), os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _brief(workdir: str, job_id: str) -> Dict[str, Any]:
    path = jobs.folder(workdir, job_id)
    found = jobs.read(path)
    words = [
        line for line in log(path, max(0, _size(path) - 2000))["text"].splitlines() if line.strip()
    ]
    return {
        "id": job_id,
        "status": found["status"],
        "rebooted": found["rebooted"],
        "runs": found["job"].get("runs", []),
        "owner": found["job"].get("owner", {}),
        "code": found["exit"].get("code"),
        "since_wall_s": found["state"].get("wall_s"),
        "last": words[-1] if words else "",
    }


def _size(path: str) -> int:
    try:
        return os.path.getsize(os.path.join(path, jobs.LOG))
    except FileNotFoundError:
        return 0
