"""Let the measurements of one machine know of each other: each one's joules are the machine's.

A measurement that runs has a locked file in the temporary folder. One that ends beside others
leaves a line in a log of its user, which those that still run read. Only files that belong to the
user in their name are believed. A fault of these files costs the knowledge, never a measurement.
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import math
import os
import stat
import sys
import tempfile
import threading
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from joulebird.harness.core import lock
from joulebird.harness.core.files import remove
from joulebird.harness.core.jsonfile import parse

MOST_BYTES = 1 << 20  # of a log that is read at once
MOST_ANCESTORS = 64
COMMAND_LETTERS = 120
Fact = Dict[str, Any]


class Overlap(NamedTuple):
    """Another measurement's part of a window, in seconds of CLOCK_MONOTONIC."""

    pid: int
    command: str
    begin_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """Length of the common time."""
        return self.end_s - self.begin_s

    def as_dict(self) -> Dict[str, Any]:
        """Return the fields for JSON."""
        return {"pid": self.pid, "command": self.command, "seconds": self.seconds}


def shared_s(overlaps: List[Overlap]) -> float:
    """Return the seconds in which at least one other measurement ran.

    >>> shared_s([Overlap(1, "a", 0.0, 2.0), Overlap(2, "b", 1.0, 3.0), Overlap(3, "c", 5.0, 6.0)])
    4.0
    """
    total_s, until_s = 0.0, -math.inf
    for _, _, begin_s, end_s in sorted(overlaps, key=lambda overlap: overlap.begin_s):
        total_s += max(end_s - max(begin_s, until_s), 0.0)
        until_s = max(until_s, end_s)
    return total_s


def shared_text(count: int, seconds: float, own: str) -> str:
    """Return the sentence beside a shared number; `own` is the code that was measured."""
    return (
        f"shared with {count} other measurement{'s' * (count > 1)} for {seconds:.1f} s: "
        f"the joules are the machine's, not this {own}'s alone"
    )


class Mark(NamedTuple):
    """The state at the beginning of a window: killed measurements, and the length of each log."""

    dead: Tuple[str, ...] = ()
    sizes: Dict[str, int] = {}


class Presence:
    """The registration of one measurement, from `enter` to `leave`; nothing in it raises."""

    def __init__(self, command: str = "") -> None:
        """Prepare; `command` is shown to the others (default: this process's command line)."""
        self._command = command or " ".join(map(str, getattr(sys, "argv", ())))
        self._me: Fact = {}
        self._path, self._handle = "", -1

    def enter(self) -> "Presence":
        """Register from now on."""
        pid, thread = os.getpid(), threading.get_ident()
        self._me = {
            "pid": pid,
            "thread": thread,
            "ancestors": ancestors(pid),
            "command": printable(self._command),
            "begin_s": time.monotonic(),
        }
        with contextlib.suppress(OSError):
            hidden, handle = _created("joulebird-begins-")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.write(handle, json.dumps(self._me).encode("utf-8"))
                os.fchmod(handle, 0o644)
                path = f"{_prefix('runs')}{os.getuid()}-{hidden.rpartition('-')[2]}"
                os.rename(hidden, path)
            except OSError:
                os.close(handle)
                remove(hidden)
            else:
                self._path, self._handle = path, handle
        return self

    def mark(self) -> Mark:
        """Return what `since` needs, at the beginning of a window."""
        with contextlib.suppress(OSError):
            dead = tuple(path for path in _files("runs") if not _runs(path))
            sizes = {path: facts.st_size for path, facts, _ in _opened("ended")}
            return Mark(dead, sizes)
        return Mark()

    def since(self, mark: Mark, begin_s: float, end_s: float) -> List[Overlap]:
        """Return the other measurements within a window, the longest common time first.

        Measurements around this one, or started by it, are its own. One that was killed counts
        until it is found.
        """
        found: Dict[str, Fact] = {}
        with contextlib.suppress(OSError):
            for path, _, handle in _opened("runs"):
                if path != self._path and path not in mark.dead:
                    found.update(
                        (_key(fact), fact) for fact in _facts(os.pread(handle, MOST_BYTES, 0))
                    )
            for path, facts, handle in _opened("ended"):
                size = mark.sizes.get(path, 0)
                tail = os.pread(handle, MOST_BYTES, size if size <= facts.st_size else 0)
                found.update((_key(fact), fact) for fact in _facts(tail))
        overlaps = [
            Overlap(
                fact["pid"],
                printable(fact["command"]),
                max(fact["begin_s"], begin_s),
                min(fact.get("end_s", end_s), end_s),
            )
            for key, fact in found.items()
            if key != _key(self._me) and not related(fact, self._me)
        ]
        ours = [overlap for overlap in overlaps if overlap.seconds > 0.0]
        return sorted(ours, key=lambda overlap: -overlap.seconds)

    def leave(self) -> None:
        """End the registration: leave a line for the measurements that still run."""
        path, self._path = self._path, ""
        if not path or os.getpid() != self._me["pid"]:
            return
        with contextlib.suppress(OSError):
            others = [other for other in _files("runs") if other != path]
            beside = [other for other in others if _runs(other)]
            if beside:
                _append(dict(self._me, end_s=time.monotonic()))
            for useless in [path] + ([] if beside else others + _files("ended")):
                with contextlib.suppress(OSError):  # another user's
                    os.remove(useless)
        os.close(self._handle)

    def __enter__(self) -> "Presence":
        return self.enter()

    def __exit__(self, *exc: Any) -> None:
        self.leave()


def printable(text: str) -> str:
    """Return the beginning of a text without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:COMMAND_LETTERS])


def ancestors(pid: int) -> List[int]:
    """Return the processes above one, its parent first; [] where /proc does not show them."""
    found: List[int] = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        while pid > 1 and len(found) < MOST_ANCESTORS:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
            found.append(pid)
    return found


def related(one: Fact, other: Fact) -> bool:
    """Return whether two measurements nest: one's process, or its thread, contains the other's."""
    if one["pid"] == other["pid"]:
        return bool(one["thread"] == other["thread"])
    return one["pid"] in other["ancestors"] or other["pid"] in one["ancestors"]


def _prefix(kind: str) -> str:
    """Return the beginning of the files' names: one for each machine's lock."""
    machine = hashlib.sha256(lock.machine().encode("utf-8")).hexdigest()[:12]
    return os.path.join(tempfile.gettempdir(), f"joulebird-{kind}-{machine}-")


def _files(kind: str) -> List[str]:
    return glob.glob(glob.escape(_prefix(kind)) + "*")


def _created(prefix: str) -> Tuple[str, int]:
    """Return a new file of this user's under a name that cannot be foreseen, and its descriptor."""
    handle, path = tempfile.mkstemp(prefix=prefix)
    return path, handle


def _opened(kind: str) -> Iterator[Tuple[str, os.stat_result, int]]:
    """Yield the files of a kind that belong to the user in their name: path, facts, descriptor."""
    prefix = _prefix(kind)
    for path in _files(kind):
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | lock.SAFELY)
            try:
                facts = os.fstat(handle)
                owner = path[len(prefix) :].partition("-")[0]
                if stat.S_ISREG(facts.st_mode) and owner == str(facts.st_uid):
                    yield path, facts, handle
            finally:
                os.close(handle)


def _runs(path: str) -> bool:
    """Return whether the measurement of a file still runs: its lock is held."""
    try:
        lock.wait_until_free(path, fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _facts(data: bytes) -> List[Fact]:
    """Return the facts in the whole lines of a file that another user may have written."""
    found = []
    for line in data.split(b"\n"):
        with contextlib.suppress(ValueError, LookupError, TypeError):
            fact = parse(line)
            numbers = [fact["begin_s"], fact.get("end_s", 0.0), fact["pid"], *fact["ancestors"]]
            if all(isinstance(number, (int, float)) for number in numbers):
                found.append(dict(fact, command=str(fact["command"]), thread=fact["thread"]))
    return found


def _key(fact: Fact) -> str:
    return "{pid} {thread} {begin_s!r}".format(**fact)


def _append(fact: Fact) -> None:
    """Add a line to a log of this user's, which is made if there is none."""
    line = json.dumps(fact).encode("utf-8") + b"\n"
    for path, facts, _ in list(_opened("ended")):
        if facts.st_uid == os.getuid() and facts.st_nlink == 1:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | lock.SAFELY)
            break
    else:
        path, handle = _created(os.path.basename(f"{_prefix('ended')}{os.getuid()}-"))
        os.fchmod(handle, 0o644)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)
