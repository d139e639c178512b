"""The board's lock: it allows one measurement at a time, names its owner, dies with its holders.

A job's `alive` is such a lock too.
"""

import contextlib
import fcntl
import json
import os
import time
from typing import Any, Dict, Iterator, Optional

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.exit_codes import BUSY, UNREACHABLE
from joulebird.harness.core.files import opened


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
        return read_object(path)
    return None


def wait_until_free(path: str, flag: int = 0) -> None:
    """Sleep, without polling, until the lock is free; LOCK_NB raises BlockingIOError instead."""
    with contextlib.suppress(FileNotFoundError), opened(path) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH | flag)


def read_object(path: str) -> Dict[str, Any]:
    """Return the object in a file; {} for none and for a damaged one."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.loads(file.read() or "{}")
    except (FileNotFoundError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
