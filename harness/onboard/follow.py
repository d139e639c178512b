"""Follow jobs over a connection that may break; between two looks this costs the board nothing."""

import os
import signal
import sys
import threading
from typing import Any, Callable, Dict, List, Optional

from joulebird.harness.core import lock, records
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.onboard import files, jobs, machine

CHUNK = 65536


def status(workdir: str, lock_path: str) -> Dict[str, Any]:
    """Return the board's holder, its ten newest jobs (oldest first), its runs and the machine."""
    return {
        "holder": lock.holder(lock_path),
        "jobs": [_brief(workdir, job_id) for job_id in jobs.ids(workdir)[-10:]],
        "done": records.folders_with(records.RECORD, os.path.join(workdir, "runs")),
        "machine": machine.facts(workdir),
    }


def log(path: str, offset: int = 0) -> Dict[str, Any]:
    """Return a job's log from a byte offset on: {"text", "next"}."""
    try:
        with open(os.path.join(path, jobs.LOG), "rb") as file:
            file.seek(offset)
            data = file.read(16 * CHUNK)
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
    """Emit the log so far, then its growth every `every_s` seconds, and the job's end at once.

    In between this process sleeps. The job's lock wakes it at the end; it ends when `is_gone` does.
    """
    wake, alive = threading.Event(), os.path.join(path, jobs.ALIVE)
    reasons: List[str] = []
    for wait, reason in ((lambda: lock.wait_until_free(alive), "ended"), (is_gone, "gone")):
        threading.Thread(target=_wake, args=(wait, reason, reasons, wake), daemon=True).start()
    first = True  # the first answer, empty or not, shows the other side that we are here
    while "gone" not in reasons:
        ended = "ended" in reasons
        part = log(path, offset)
        if part["text"] or first:
            first, offset = False, part["next"]
            emit(part)
        if ended and not part["text"]:
            runs = os.path.join(os.path.dirname(os.path.dirname(path)), "runs")
            emit({"end": dict(jobs.read(path), progress=files.progress(runs))})
            return
        if not ended:
            wake.wait(every_s)


def stop(workdir: str, run_id: Optional[str]) -> Dict[str, Any]:
    """Ask the running job to stop: once after its epoch, twice at once.

    Raises HarnessError when no such job runs.
    """
    job = jobs.read(jobs.find(workdir, run_id))
    if job["status"] != "running" or job["rebooted"]:
        raise HarnessError("nothing to stop: the job has ended", jobs.STATUS_HINT)
    for key in ("supervisor", "pid"):  # the job itself when its supervisor was killed
        pid = job["state"].get(key)
        if pid and _lives(pid):
            os.kill(pid, signal.SIGTERM)
            return job
    raise HarnessError("the job's processes are gone", jobs.STATUS_HINT)


def _lives(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def input_ends() -> None:
    """Return when the process that started this one has gone: the input then ends."""
    while os.read(sys.stdin.fileno(), CHUNK):
        pass


def _wake(wait: Callable[[], None], reason: str, reasons: List[str], wake: threading.Event) -> None:
    wait()
    reasons.append(reason)
    wake.set()


def _brief(workdir: str, job_id: str) -> Dict[str, Any]:
    path = jobs.folder(workdir, job_id)
    job = jobs.read(path)
    log_path = os.path.join(path, jobs.LOG)
    size = os.path.getsize(log_path) if os.path.exists(log_path) else 0
    words = log(path, max(0, size - 2000))["text"].splitlines()
    return {
        "id": job_id,
        "status": job["status"],
        "rebooted": job["rebooted"],
        "runs": job["job"].get("runs", []),
        "owner": job["job"].get("owner", {}),
        "code": job["exit"].get("code"),
        "since_wall_s": job["state"].get("wall_s"),
        "last": ([""] + [line for line in words if line.strip()])[-1],
    }
