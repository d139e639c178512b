"""One measurement at a time on a board: a lock that names its owner and dies with its holders."""

import fcntl
import json
import os
import time
from typing import Any, Dict, Optional

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.exit_codes import UNREACHABLE


def open_lock(path: str) -> int:
    """Return a descriptor of the lock file, which all users of the board may use.

    Raises HarnessError when it cannot be opened.
    """
    hint = "choose a lock file that every user of the board may write: lock = under [board.NAME]"
    for flags in (os.O_RDWR, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDONLY):
        try:
            handle = os.open(path, flags, 0o666)
        except (FileNotFoundError, FileExistsError, PermissionError) as error:
            reason = error.strerror
            continue
        except OSError as error:
            problem = f"{path}: the board's lock cannot be opened ({error.strerror})"
            raise HarnessError(problem, hint, UNREACHABLE) from None
        if flags & os.O_CREAT:
            os.fchmod(handle, 0o666)  # the umask would shut colleagues out
        return handle
    raise HarnessError(f"{path}: the board's lock cannot be opened ({reason})", hint, UNREACHABLE)


def try_lock(handle: int, owner: Dict[str, Any]) -> bool:
    """Take the lock and write the owner into it; return False when it is held already.

    The lock belongs to the open file: it is held while this process, or a child that was given the
    descriptor, lives.
    """
    if not grab(handle):
        return False
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, (json.dumps(owner) + "\n").encode("utf-8"), 0)
    except OSError:
        pass  # opened for reading only, or a full disk: the lock holds, only the name is lost
    return True


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
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return _owner(handle)
    finally:
        os.close(handle)


def wait_until_free(path: str) -> None:
    """Sleep, without polling, until the lock is free."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _owner(handle: int) -> Dict[str, Any]:
    try:
        owner = json.loads(os.pread(handle, 65536, 0).decode("utf-8"))
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}
