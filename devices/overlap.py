"""Let the measurements of one machine know of each other: each one's joules are the machine's.

A measurement that runs has a locked file in the temporary folder. One that ends beside others
leaves a line in a log of its user, which those that still run read. Only files that belong to the
user in their name are believed. A fault of these files costs the knowledge, never a measurement.
"""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import sys
import tempfile
import threading
import time
from typing import Any, Dict, List, NamedTuple, Tuple

from joulebird.devices.util.processes import printable, processes
from joulebird.harness.core import lock
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.jsonfile import parse

RUNS, ENDED = "runs", "ended"
MOST_BYTES = 1 << 20  # of a log that is read at once
COMMAND_LETTERS = 120
Fact = Dict[str, Any]


class Overlap(NamedTuple):
    """Another measurement's part of a window, in seconds of CLOCK_MONOTONIC."""

    pid: int
    command: str
    begin_s: float
    seconds: float


def shared_s(overlaps: List[Overlap]) -> float:
    """Return the seconds in which at least one other measurement ran.

    >>> shared_s([Overlap(1, "a", 0.0, 2.0), Overlap(2, "b", 1.0, 2.0), Overlap(3, "c", 5.0, 1.0)])
    4.0
    """
    total_s, until_s = 0.0, -math.inf
    for _, _, begin_s, seconds in sorted(overlaps, key=lambda overlap: overlap.begin_s):
        total_s += max(begin_s + seconds - max(begin_s, until_s), 0.0)
        until_s = max(until_s, begin_s + seconds)
    return total_s


def shared_text(count: int, seconds: float, own: str) -> str:
    """Return the sentence beside a shared number; `own` is the code that was measured."""
    return (
        f"shared with {count} other measurement{'s' * (count > 1)} for {seconds:.1f} s: "
        f"the joules are the machine's, not this {own}'s alone"
    )


class Presence:
    """The registration of one measurement, as a context manager; nothing in it raises."""

    def __init__(self, command: str = "", lock: str = "") -> None:
        """Prepare; `command` is shown to the others (default: this process's command line).

        `lock` is the file whose lock this measurement holds, for `holder`.
        """
        self._lock = os.path.realpath(lock) if lock else ""
        self._command = command or " ".join(map(str, getattr(sys, "argv", ())))
        self._me: Fact = {}
        self._path, self._handle = "", -1

    def __enter__(self) -> "Presence":
        """Register: an empty file belongs to a measurement that is about to lock it."""
        self._me = {
            "pid": os.getpid(),
            "thread": threading.get_ident(),
            "ancestors": ancestors(os.getpid()),
            "command": self._command[:COMMAND_LETTERS],
            "begin_s": time.monotonic(),
            "lock": self._lock,
        }
        with contextlib.suppress(OSError):
            self._handle, self._path = _created(RUNS)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            os.write(self._handle, _line(self._me))
        return self

    def mark(self) -> Dict[str, int]:
        """Return what `since` needs, at the beginning of a window.

        The lengths of the logs, and the files of killed measurements.
        """
        return {
            path: facts.st_size
            for kind in (ENDED, RUNS)
            for path, facts, _ in lock.believed(_prefix(kind))
            if kind == ENDED or (facts.st_size and not _runs(path))
        }

    def since(self, mark: Dict[str, int], begin_s: float, end_s: float) -> List[Overlap]:
        """Return the other measurements within a window, the longest common time first.

        Measurements around this one, or started by it, are its own. One that was killed counts
        until it is found.
        """
        found: Dict[str, Fact] = {}
        for kind in (RUNS, ENDED):  # in this order: one that ends meanwhile is in either
            for path, facts, handle in lock.believed(_prefix(kind)):
                at = mark.get(path, 0)
                if kind == ENDED or path not in mark:
                    data = os.pread(handle, MOST_BYTES, at if at <= facts.st_size else 0)
                    for fact in _facts(data):
                        found["{pid} {thread} {begin_s!r}".format(**fact)] = fact
        overlaps = []
        for fact in found.values():
            first_s, last_s = max(fact["begin_s"], begin_s), min(fact.get("end_s", end_s), end_s)
            if first_s < last_s and not related(fact, self._me):
                command = printable(fact["command"])[:COMMAND_LETTERS]
                overlaps.append(Overlap(fact["pid"], command, first_s, last_s - first_s))
        return sorted(overlaps, key=lambda overlap: -overlap.seconds)

    def __exit__(self, *exc: Any) -> None:
        """Leave a line for the measurements that still run; without any, remove all traces."""
        if self._handle < 0 or os.getpid() != self._me["pid"]:
            return
        others = [path for path in lock.temporary(_prefix(RUNS)) if path != self._path]
        useless = [self._path]
        if any(map(_runs, others)):
            with contextlib.suppress(OSError):
                _append(_line(dict(self._me, end_s=time.monotonic())))
        else:
            useless += others + lock.temporary(_prefix(ENDED))
        for path in useless:
            with contextlib.suppress(OSError):  # another user's
                os.remove(path)
        os.close(self._handle)


def holder(path: str) -> str:
    """Return the measurement under way that names this lock, "" if none does.

    It shows a holder whose lock file was deleted: a file made anew has a lock of its own.
    """
    for name, _, handle in lock.believed(_prefix(RUNS)):
        for fact in _facts(os.pread(handle, MOST_BYTES, 0)) if _runs(name) else []:
            if fact.get("lock") == os.path.realpath(path):
                return printable(f"process {fact['pid']}, {fact['command']}")[:COMMAND_LETTERS]
    return ""


def ancestors(pid: int) -> List[int]:
    """Return the processes above one, its parent first; [] where /proc does not show them."""
    found: List[int] = []
    with contextlib.suppress(OSError, ValueError, LookupError):
        while pid > 1:
            pid = processes(names=[str(pid)])[pid].parent
            found.append(pid)
    return found


def related(one: Fact, other: Fact) -> bool:
    """Return whether two measurements nest: one's process, or its thread, contains the other's."""
    if one["pid"] == other["pid"]:
        return bool(one["thread"] == other["thread"])
    return one["pid"] in other["ancestors"] or other["pid"] in one["ancestors"]


def _prefix(kind: str) -> str:
    """Return the beginning of the files' names: one for each machine's lock."""
    return f"joulebird-{kind}-{hashlib.sha256(lock.machine().encode('utf-8')).hexdigest()[:12]}-"


def _created(kind: str) -> Tuple[int, str]:
    """Return a new file of this user's, under a name that others cannot foresee."""
    handle, path = tempfile.mkstemp(prefix=f"{_prefix(kind)}{os.getuid()}-")
    os.fchmod(handle, 0o644)
    return handle, path


def _runs(path: str) -> bool:
    """Return whether the measurement of a file still runs: its lock is held."""
    try:
        lock.wait_until_free(path, fcntl.LOCK_NB)
        return False
    except (OSError, HarnessError) as error:
        return isinstance(error, BlockingIOError)


def _line(fact: Fact) -> bytes:
    return json.dumps(fact).encode("utf-8") + b"\n"


def _facts(data: bytes) -> List[Fact]:
    """Return the facts in lines that another user may have written."""
    found = []
    for line in data.split(b"\n"):
        with contextlib.suppress(ValueError, LookupError, TypeError):
            fact = parse(line)
            numbers = [fact["begin_s"], fact.get("end_s", 0.0), fact["pid"], *fact["ancestors"]]
            if all(isinstance(number, (int, float)) for number in numbers):
                found.append(dict(fact, command=str(fact["command"]), thread=fact["thread"]))
    return found


def _append(line: bytes) -> None:
    """Add a line to a log of this user's, which is made if there is none."""
    mine = os.getuid(), 1  # and no link to another file of the user's
    own = (
        path
        for path, facts, _ in lock.believed(_prefix(ENDED))
        if (facts.st_uid, facts.st_nlink) == mine
    )
    path = next(own, "")
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | lock.SAFELY) if path else _created(ENDED)[0]
    os.write(handle, line)
    os.close(handle)
