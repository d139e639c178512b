"""A job: a command that runs on the board without a connection, and its folder.

    jobs/<job id>/job.json  alive  state.json  out.log  exit.json

`alive` is locked while the job runs. `exit.json` is written over room that was reserved at the
start, so that a full disk cannot hide how a job ended.
"""

import json
import os
import time
from typing import Any, Dict, List, Optional

from joulebird.harness.core import lock, records
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import opened

JOB, STATE, EXIT, LOG, ALIVE = "job.json", "state.json", "exit.json", "out.log", "alive"
EXIT_ROOM = 8192  # bytes reserved for exit.json
STATUS_HINT = "see `joulebird board status`"
TAIL = 4000  # bytes of the job's last words kept in exit.json


def folder(workdir: str, job_id: str) -> str:
    """Return the folder of a job."""
    return os.path.join(workdir, "jobs", job_id)


def create(workdir: str, job: Dict[str, Any]) -> str:
    """Make a job's folder with job.json in it and room for its end; return the folder."""
    path = folder(workdir, job["id"])
    os.makedirs(path, exist_ok=True)
    _put_exit(path, b"")
    records.write_json(os.path.join(path, JOB), job)
    return path


def ids(workdir: str) -> List[str]:
    """Return the ids of all jobs on the board, oldest first (an id begins with its time)."""
    return records.folders_with(JOB, os.path.join(workdir, "jobs"))


def is_alive(path: str) -> bool:
    """Return whether the job, or a child of it that holds its lock, still runs."""
    return lock.holder(os.path.join(path, ALIVE)) is not None


def write_exit(path: str, code: int, tail: bytes) -> None:
    """Write how the job ended into the room reserved for it; `code` is negative for a signal."""
    data = {
        "code": code,
        "wall_s": time.time(),
        "t_s": time.monotonic(),
        "boot_id": boot_id(),
        "tail": tail[-TAIL:].decode("utf-8", "replace"),
    }
    text = json.dumps(data).encode("utf-8")
    if len(text) > EXIT_ROOM:
        text = json.dumps(dict(data, tail="")).encode("utf-8")
    _put_exit(path, text)


def _put_exit(path: str, text: bytes) -> None:
    with opened(os.path.join(path, EXIT), os.O_WRONLY | os.O_CREAT) as handle:
        os.pwrite(handle, text.ljust(EXIT_ROOM), 0)
        os.fsync(handle)


def read(path: str) -> Dict[str, Any]:
    """Return a job's request (`job`), state, status ("running", "ended" or "lost") and exit.

    A lost job ended without writing its end: it was killed, or the board lost power (then
    `rebooted` is true).
    """
    state = _read(os.path.join(path, STATE))
    ended = _read(os.path.join(path, EXIT))
    return {
        "job": _read(os.path.join(path, JOB)),
        "state": state,
        "status": "running" if is_alive(path) else "ended" if ended else "lost",
        "exit": ended,
        "rebooted": bool(state) and state.get("boot_id") != boot_id(),
    }


def find(workdir: str, run_id: Optional[str]) -> str:
    """Return the folder of the newest job, or of the newest with this run (or this job id).

    Raises HarnessError when there is none.
    """
    for job_id in reversed(ids(workdir)):
        path = folder(workdir, job_id)
        if run_id in (None, job_id) or run_id in read(path)["job"].get("runs", []):
            return path
    raise HarnessError(
        f"no job on the board has the run {run_id}" if run_id else "no job on the board yet",
        STATUS_HINT,
    )


def _read(path: str) -> Dict[str, Any]:
    """Return the object in a file; {} for none and for a damaged one."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.loads(file.read() or "{}")
    except (FileNotFoundError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
