"""Name files; write those that appear whole or not at all, even after a power cut.

`patiently` waits for a disk that fails for a moment; `writing` words the faults that stay.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import time
from typing import IO, Any, Callable, Dict, Iterator, TypeVar, Union

from joulebird.harness.core.errors import HarnessError, TrainingError
from joulebird.harness.core.exit_codes import TRAINING

MAKE_ROOM = "free some space and give the same command again: no finished stage is lost"
# The faults of a disk by the error's number: words, and the remedy.
FAULTS = {
    errno.ENOSPC: ("the disk is full", MAKE_ROOM),
    errno.EDQUOT: ("the disk is full: your quota is used up", MAKE_ROOM),
    errno.EROFS: (
        "the disk has become read-only",
        "see `dmesg`; mount it for writing (replace a worn card), then run again",
    ),
    **dict.fromkeys(
        (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO),
        (
            "the disk failed ({})",
            "see `dmesg`; check the disk or card and its contacts, then run again",
        ),
    ),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM),
        ("{}", "look at its owner and permissions, and at those of its folder"),
    ),
    errno.EISDIR: ("{}, and a file belongs there", "rename or remove that folder, then run again"),
    errno.EFBIG: (
        "the file is larger than its file system or `ulimit -f` allows",
        "name a folder on another file system, or raise the limit",
    ),
}
PASSING = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EBUSY, errno.ETIMEDOUT)
PAUSES_S = (0.05, 0.2, 0.8)  # before each repetition of a write that failed
Result = TypeVar("Result")


def patiently(path: str, write: Callable[[], Result]) -> Result:
    """Return the result of a function that writes a file; repeat it after a passing fault.

    Raises its last OSError, which then names the file.
    """
    for pause_s in (*PAUSES_S, None):
        try:
            return write()
        except OSError as error:
            error.filename = path
            if pause_s is None or error.errno not in PASSING:
                raise
            time.sleep(pause_s)
    raise AssertionError  # the last repetition returns or raises


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn the faults of a disk into a HarnessError of exit code 5; `path` is the file in hand.

    It is a TrainingError where other runs may go on: a deleted folder, a file that is too large.
    """
    try:
        yield
    except OSError as error:
        folder = os.path.dirname(path) or "."
        lost = folder if not os.path.isdir(folder) else path if error.filename == path else ""
        gone = lost and error.errno == errno.ENOENT
        if gone and os.path.isdir(os.path.dirname(lost) or "."):
            raise TrainingError(
                f"{lost}: was deleted while it was in use",
                "give the same command again: all other folders are kept",
            ) from error
        if error.errno not in FAULTS:
            raise
        problem, remedy = FAULTS[error.errno]
        problem = problem.format(str(error.strerror).lower())
        kind = TrainingError if error.errno == errno.EFBIG else HarnessError
        place = error.filename2 or error.filename or path
        raise kind(f"{place}: {problem}", remedy, TRAINING) from error


@contextlib.contextmanager
def replacing(path: str, sync: bool = True) -> Iterator[str]:
    """Yield the name of a partial file to write; rename it to `path` at the end.

    An error removes it. With `sync`, content and name are on the disk before this returns.
    """
    partial = f"{path}.part-{os.getpid()}"
    try:
        yield partial
        if sync:
            sync_file(partial)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the fault in hand is the one to report
            remove(partial)
        raise
    if sync:
        # not every file system can sync the names in a folder
        with contextlib.suppress(OSError):
            sync_file(os.path.dirname(path) or ".")


def write_whole(path: str, content: Union[str, bytes, memoryview], sync: bool = True) -> None:
    """Write a text (UTF-8) or bytes so that the file appears whole or not at all.

    It is written again after a passing fault of the disk; raises the OSError of one that stays.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content

    def write() -> None:
        with replacing(path, sync) as partial, open(partial, "wb") as file:
            file.write(data)

    patiently(path, write)


def write_json(path: str, data: Dict[str, Any], sync: bool = True) -> None:
    """Write an object as JSON, whole or not at all. Raises ValueError for NaN and infinity."""
    write_whole(path, json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n", sync)


@contextlib.contextmanager
def opened(path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Yield a descriptor of a file and close it at the end."""
    handle = os.open(path, flags, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)


def refuse_endless(file: IO[bytes]) -> None:
    """Raise HarnessError for a device that is no terminal: reading it may never end."""
    if stat.S_ISCHR(os.fstat(file.fileno()).st_mode) and not file.isatty():
        raise HarnessError(f"{file.name}: is a device, not a file", "name a file or a pipe")


def file_hash(path: str) -> str:
    """Return the SHA-256 of one file."""
    total = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()


def sync_file(path: str) -> None:
    """Bring the content of a file to the disk."""
    with opened(path) as handle:
        os.fsync(handle)


def remove(path: str) -> None:
    """Remove a file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def slug(name: str) -> str:
    """Return a name that is safe in a file name.

    >>> slug("mylab.methods:Fluke")
    'mylab-methods-Fluke'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
