"""A job: a command that runs on the board without a connection, its folder, and the board's lock.

    jobs/<job id>/job.json  alive  state.json  out.log  exit.json

`alive` is locked while the job runs. `exit.json` is written over room that was reserved at the
start, so that a full disk cannot hide how a job ended. The board's lock allows one measurement at a
time; it names its owner and dies with its holders.
"""

import contextlib
import fcntl
import json
import os
import time
from typing import Any, Dict, Iterator, List, Optional

from joulebird.harness.core import records as record
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.exit_codes import BUSY, UNREACHABLE
from joulebird.harness.core.files import opened

JOB, STATE, EXIT, LOG, ALIVE = "job.json", "state.json", "exit.json", "out.log", "alive"
EXIT_ROOM = 8192  # bytes reserved for exit.json
TAIL = 4000  # bytes of the job's last words kept in exit.json


def folder(workdir: str, job_id: str) -> str:
    """Return the folder of a job."""
    return os.path.join(workdir, "jobs", job_id)


def create(workdir: str, job: Dict[str, Any]) -> str:
    """Make a job's folder with job.json in it and room for its end; return the folder."""
    path = folder(workdir, job["id"])
    os.makedirs(path, exist_ok=True)
    _put_exit(path, b"")
    record.write_json(os.path.join(path, JOB), job)
    return path


def ids(workdir: str) -> List[str]:
    """Return the ids of all jobs on the board, oldest first (an id begins with its time)."""
    return record.folders_with(JOB, os.path.join(workdir, "jobs"))


def take_alive(path: str) -> Optional[int]:
    """Mark the job as running while the returned descriptor is open, here or in a child.

    Return None when it is running already.
    """
    handle = os.open(os.path.join(path, ALIVE), os.O_RDWR | os.O_CREAT, 0o644)
    if grab(handle):
        return handle
    os.close(handle)
    return None


def is_alive(path: str) -> bool:
    """Return whether the job, or a child of it that holds its lock, still runs."""
    return holder(os.path.join(path, ALIVE)) is not None


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


def _read(path: str) -> Dict[str, Any]:
    """Return the object in a file; {} for none and for a damaged one."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.loads(file.read() or "{}")
    except (FileNotFoundError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def open_lock(path: str) -> int:
    """Return a descriptor of the lock file, which all users of the board may use.

    Raises HarnessError when it cannot be opened.
    """
    hint = "choose a lock file that every user of the board may write: lock = under [board.NAME]"
    for flags in (os.O_RDWR, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDONLY):
        try:
            handle = os.open(path, flags, 0o666)
        except OSError as error:
            text = f"{path}: the board's lock cannot be opened ({error.strerror})"
            if not isinstance(error, (FileNotFoundError, FileExistsError, PermissionError)):
                raise HarnessError(text, hint, UNREACHABLE) from None
            continue
        if flags & os.O_CREAT:
            os.fchmod(handle, 0o666)  # the umask would shut colleagues out
        return handle
    raise HarnessError(text, hint, UNREACHABLE)


def try_lock(handle: int, owner: Dict[str, Any]) -> bool:
    """Take the lock and write the owner into it; return False when it is held already.

    The lock belongs to the open file: it is held while this process, or a child that was given the
    descriptor, lives.
    """
    if not grab(handle):
        return False
    # A lock opened for reading only, or a full disk: the lock holds, only the name is lost.
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, (json.dumps(owner) + "\n").encode("utf-8"), 0)
    return True


@contextlib.contextmanager
def locked(path: str, user: str, problem: str, hint: str) -> Iterator[None]:
    """Hold the board's lock; raises HarnessError (75) with these words when it is in use."""
    handle = open_lock(path)
    try:
        if not try_lock(handle, {"user": user}):
            raise HarnessError(problem, hint, BUSY)
        yield
    finally:
        os.close(handle)


def grab(handle: int, patience_s: float = 0.5) -> bool:
    """Take an exclusive lock; return False when it stays held.

    `holder` holds it for a moment to see whether it is free, hence the patience.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)


def holder(path: str) -> Optional[Dict[str, Any]]:
    """Return the owner of the lock, as the owner wrote it; {} if unreadable, None if it is free."""
    try:
        wait_until_free(path, fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    return None


def wait_until_free(path: str, flag: int = 0) -> None:
    """Sleep, without polling, until the lock is free; LOCK_NB raises BlockingIOError instead."""
    with contextlib.suppress(FileNotFoundError), opened(path) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH | flag)
