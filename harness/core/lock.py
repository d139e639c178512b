"""Lock a file: one training at a time on a machine, one trainer in a stage, one writer of a log.

A lock (flock) belongs to the open file: it is held while this process, or a child that was given
the descriptor, lives, and dies with them. The file itself is never written to: the text about its
owner lies in a file of the owner's own.
"""

import contextlib
import errno
import fcntl
import glob
import json
import math
import os
import stat
import tempfile
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

from joulebird.harness.core import jsonfile
from joulebird.harness.core.errors import BUSY, HarnessError
from joulebird.harness.core.files import opened, remove

MACHINE = "JOULEBIRD_MACHINE_LOCK"  # environment: lock this file instead of the machine's
HELD = "JOULEBIRD_LOCK_HELD"  # environment: a parent holds this lock for us, as `identity` names it
# Regular files of every machine that only its administrator can replace, and all may open.
MACHINES = ("/etc/machine-id", "/etc/passwd")
SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # no link of another user's, no FIFO
REMEDY = "name a regular file on a local disk: --lock, or lock = under [board.NAME]"
ROOM = 4096  # bytes of an owner's text, at most


def machine(path: str = "") -> str:
    """Return the file whose lock is this machine's: `path`, else the environment's, else /etc's."""
    usual = [name for name in MACHINES if os.path.isfile(name) and not os.path.islink(name)]
    return path or os.environ.get(MACHINE) or (usual or list(MACHINES))[0]


def open_file(path: str) -> int:
    """Return a descriptor of a lock file, which is made if it is absent.

    Raises HarnessError for a link, a FIFO, a device, and a file that cannot be opened.
    """
    _refuse_link(path)
    problem = "cannot be opened"
    for flags in (os.O_RDWR, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDONLY):
        try:
            handle = os.open(path, flags | SAFELY, 0o666)
        except OSError as error:
            problem = f"cannot be opened ({error.strerror})"
            if error.errno in (errno.ENOENT, errno.EEXIST, errno.EACCES, errno.EPERM, errno.EROFS):
                continue
            break
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            problem = "is no regular file"
            break
        if flags & os.O_CREAT:
            os.fchmod(handle, 0o666)  # the umask would shut other users out
        return handle
    raise HarnessError(f"the lock {path} {problem}", REMEDY)


def _refuse_link(path: str) -> None:
    """Raise HarnessError for a link: who turns it elsewhere lets a second holder in."""
    if os.path.islink(path):
        raise HarnessError(
            f"the lock {path} is a symbolic link, which may be turned to another file",
            f"name the file itself, {os.path.realpath(path)}: --lock, or lock = under [board.NAME]",
        )


def identity(handle: int) -> str:
    """Return a text that identifies an open lock file."""
    facts = os.fstat(handle)
    return f"{facts.st_dev:x}-{facts.st_ino:x}"


def take(path: str, owner: Optional[Dict[str, Any]] = None, patience_s: float = 0.5) -> int:
    """Return a descriptor that holds the lock, or -1 when another process holds it.

    `owner` says to others who holds it, and why. `holder` holds a lock for a moment to see whether
    it is free, hence the patience; an infinite one waits. A lock that a parent holds for this
    process is taken at once.
    Raises HarnessError for a file that cannot be locked.
    """
    deadline = time.monotonic() + patience_s
    while True:
        handle = open_file(path)
        if identity(handle) == os.environ.get(HELD):
            return handle
        if grab(handle, path):
            _say(handle, owner)
            return handle
        os.close(handle)
        if time.monotonic() > deadline:
            return -1
        if math.isinf(patience_s):
            wait_until_free(path)
        time.sleep(0.02)


def grab(handle: int, path: str) -> bool:
    """Lock an open file; return False when another process holds it, or it has been deleted.

    A file that is made anew under the name would have a lock of its own. Raises HarnessError for a
    file that cannot be locked.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError as error:
        os.close(handle)
        raise HarnessError(f"{path}: cannot be locked ({error.strerror})", REMEDY) from None


@contextlib.contextmanager
def locked(
    path: str, owner: Dict[str, Any], problem: str, hint: str, patience_s: float = 0.5
) -> Iterator[int]:
    """Hold a lock; raises HarnessError (75) with these words and its holder when it is in use."""
    handle = take(path, owner, patience_s)
    if handle < 0:
        raise HarnessError(problem.replace("{holder}", holder_text(path)), hint, BUSY)
    try:
        yield handle
    finally:
        os.close(handle)


def holder(path: str) -> Optional[Dict[str, Any]]:
    """Return the facts that the owner gave; {} if they are unreadable, None if the lock is free."""
    try:
        wait_until_free(path, fcntl.LOCK_NB)
    except BlockingIOError:
        with opened(path, os.O_RDONLY | SAFELY) as handle:
            return _owner(handle)
    return None


def holder_text(path: str) -> str:
    """Return the holder of a lock in a few words, without control characters."""
    facts = holder(path) or {}
    words = [f"process {facts.get('pid')}"] if facts.get("pid") else ["another process"]
    words += [str(facts[name]) for name in ("user", "what") if facts.get(name)]
    text = ", ".join(words + ([f"since {facts['since']}"] if facts.get("since") else []))
    return "".join(letter if letter.isprintable() else "?" for letter in text[:300])


def wait_until_free(path: str, flag: int = 0) -> None:
    """Sleep, without polling, until the lock is free; LOCK_NB raises BlockingIOError instead.

    Raises HarnessError for a link.
    """
    _refuse_link(path)
    with contextlib.suppress(FileNotFoundError), opened(path, os.O_RDONLY | SAFELY) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH | flag)


def _say(handle: int, owner: Optional[Dict[str, Any]]) -> None:
    """Write the owner's text under a name of this user's; a failure loses only the text."""
    if owner is None:
        return
    facts = dict(owner, pid=os.getpid(), since=time.strftime("%Y-%m-%d %H:%M:%S"))
    name = f"joulebird-owner-{identity(handle)}-{os.getuid()}"
    path = os.path.join(tempfile.gettempdir(), name)
    with contextlib.suppress(OSError):
        remove(path)
        with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY) as text:
            os.fchmod(text, 0o644)
            os.write(text, json.dumps(facts).encode("utf-8"))


def _owner(handle: int) -> Dict[str, Any]:
    """Return the newest text about a lock's owner; a user's name stands in its file's name."""
    newest: Dict[str, Any] = {}
    newest_s = 0.0
    for _, facts, text in believed(f"joulebird-owner-{identity(handle)}-"):
        with contextlib.suppress(OSError, ValueError):
            if facts.st_mtime > newest_s:
                data = jsonfile.parse(os.read(text, ROOM))
                newest, newest_s = (data if isinstance(data, dict) else {}), facts.st_mtime
    return newest


def believed(prefix: str) -> Iterator[Tuple[str, os.stat_result, int]]:
    """Yield the temporary files that belong to the user in their name: path, facts, descriptor.

    That user's number stands behind `prefix`, up to a hyphen or the end.
    """
    for path in temporary(prefix):
        with contextlib.suppress(OSError), opened(path, os.O_RDONLY | SAFELY) as handle:
            facts = os.fstat(handle)
            owner = os.path.basename(path)[len(prefix) :].partition("-")[0]
            if stat.S_ISREG(facts.st_mode) and owner == str(facts.st_uid):
                yield path, facts, handle


def temporary(prefix: str) -> List[str]:
    """Return the files of the temporary folder whose names begin so; [] where there is none."""
    with contextlib.suppress(OSError):
        return glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), prefix + "*"))
    return []
