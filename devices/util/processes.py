"""Measure the processor time of a process and its children, from /proc or else `ps`."""

import contextlib
import os
import re
import subprocess
import time
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional

LIST_EVERY_S = 0.5  # looking for new children costs a walk over all processes, or a `ps`
PS_LINE = re.compile(r"\s*(\d+)\s+(\d+)\s+(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)\s*$")


class Process(NamedTuple):
    """A process at one look: its parent, and its processor seconds.

    `tree_s` includes the children that ended and were waited for. `start` (ticks since boot) and
    the pid together are its identity.
    """

    parent: int
    cpu_s: float
    tree_s: float = 0.0
    start: int = 0
    name: str = ""


Table = Dict[int, Process]


class ProcessLoad:
    """The processor time of a process tree.

    `without`: a process to leave out, with its children (the recorder itself).
    """

    def __init__(
        self,
        pid: int,
        without: Optional[int] = None,
        proc: str = "/proc",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pid, self._without, self._proc, self._clock = pid, without, proc, clock
        self._has_proc = os.path.exists(f"{proc}/{os.getpid()}/stat")
        self._listed_s = float("-inf")
        self._pids: List[int] = []
        self._table: Table = {}
        self._seen: Dict[int, float] = {}
        self._total_s = 0.0

    def seconds(self) -> float:
        """Return processor seconds of the tree since the first call.

        They never decrease, and stand still when the process is gone.
        """
        now_s, began = self._clock(), bool(self._seen)
        if now_s - self._listed_s >= LIST_EVERY_S:
            self._listed_s = now_s
            self._table = processes(self._proc) if self._has_proc else _ps()
            self._pids = descendants(self._table, [self.pid], self._without)
        elif self._has_proc:
            self._table = processes(self._proc, map(str, self._pids))
        for pid in set(self._pids).intersection(self._table):
            used_s = self._table[pid].cpu_s
            if began:  # a process that is new since the last look started from nothing
                self._total_s += max(0.0, used_s - self._seen.get(pid, 0.0))
            self._seen[pid] = used_s
        return self._total_s


def descendants(table: Table, roots: Iterable[int], without: Optional[int] = None) -> List[int]:
    """Return some processes and all their descendants.

    >>> family = ((2, 1), (3, 2), (4, 1), (5, 4), (9, 8))
    >>> descendants({pid: Process(parent, 0.0) for pid, parent in family}, [1], without=4)
    [1, 2, 3]
    """
    children: Dict[int, List[int]] = {}
    for child, process in table.items():
        children.setdefault(process.parent, []).append(child)
    out, todo = [], list(roots)
    while todo:
        here = todo.pop(0)
        if here != without and here not in out:
            out.append(here)
            todo += sorted(children.get(here, []))
    return out


def processes(proc: str = "/proc", names: Optional[Iterable[str]] = None) -> Table:
    """Return the processes of some of the folders in `proc`, by default of all.

    Source of the fields: proc(5), /proc/[pid]/stat. Raises OSError where there is no such folder.
    """
    table, tick_s = {}, 1.0 / os.sysconf("SC_CLK_TCK")
    for pid in map(int, filter(str.isdigit, os.listdir(proc) if names is None else names)):
        # one that has ended meanwhile has no file, or an empty one
        with contextlib.suppress(OSError, IndexError), open(f"{proc}/{pid}/stat", "rb", 0) as file:
            head, _, rest = file.read().rpartition(b")")  # the name before it may hold any byte
            fields = rest.split()
            own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
            name = printable(head.partition(b"(")[2].decode("utf-8", "replace"))
            table[pid] = Process(
                int(fields[1]), own * tick_s, (own + children) * tick_s, int(fields[19]), name
            )
    return table


def printable(name: str) -> str:
    """Return a name that can be printed.

    >>> printable("python3"), printable("a" + chr(27) + "[2J")
    ('python3', 'a?[2J')
    """
    return name if name.isprintable() else "".join(c if c.isprintable() else "?" for c in name)


def _ps() -> Table:
    try:
        done = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,time="],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse_ps(done.stdout.decode("ascii", "replace").splitlines())


def parse_ps(lines: Iterable[str]) -> Table:
    """Return the processes in the lines of `ps -o pid=,ppid=,time=`.

    A time is "[[days-]hours:]minutes:seconds[.hundredths]".

    >>> table = parse_ps(["  42  1 0:01.25", " 43 42 01:02:03", "44 42 1-00:00:00"])
    >>> [(pid, process.parent, process.cpu_s) for pid, process in table.items()]
    [(42, 1, 1.25), (43, 42, 3723.0), (44, 42, 86400.0)]
    """
    rows = (match.groups() for match in map(PS_LINE.match, lines) if match)
    return {
        int(pid): Process(
            int(parent),
            float(seconds) + 60 * int(minutes) + 3600 * int(hours or 0) + 86400 * int(days or 0),
        )
        for pid, parent, days, hours, minutes, seconds in rows
    }
