"""Find the machine's other work: processor time that a window's own processes did not take.

    neighbours = Neighbours()
    before = neighbours.look()
    ...
    load = between(before, neighbours.look())
    print(load.foreign_cores, load.exceeds, load.complaint)

Own are this process, its threads and its children, also those that ended. All other busy time is
foreign, the kernel's and a hypervisor's (steal) too. Source: proc(5), /proc/stat.
"""

import contextlib
import os
import time
from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Set, Tuple

from joulebird.devices.nvml import gpu_users
from joulebird.devices.util.processes import Process, Table, descendants, processes

# An idle TX2 with its desktop shows 8 % of one core (tegrastats: 0, 4, 2, 1, 1, 0 % of six), and
# jtop's service at 1 Hz takes 5 to 10 %: together below 0.2 core. The services and kernel threads
# of a virtual machine of two cores took 0.04. Machines above 12 cores have more of them.
LIMIT_CORES = 0.25
LIMIT_SHARE = 0.02
# Times are counted in ticks of 10 ms, by several counters: five ticks too many are no evidence.
LEAST_CPU_S = 0.05
UNKNOWN = "this system shows no true processor times in /proc"
BUSY = (0, 1, 2, 5, 6, 7)  # user nice system, irq softirq steal; user and nice include the guests
STEAL = 7


class Look(NamedTuple):
    """The machine at one instant. `busy_s` is None where it is unknown."""

    t_s: float
    cores: int
    busy_s: Optional[float] = None
    steal_s: float = 0.0
    table: Table = {}
    own: FrozenSet[int] = frozenset()
    gpu_others: Optional[List[Dict[str, Any]]] = None


class Load(NamedTuple):
    """The load of a window of `seconds`; processor times are None where they are unknown.

    `others` are the processor seconds of the foreign processes, the busiest first.
    """

    seconds: float
    cores: int
    own_cpu_s: Optional[float] = None
    total_cpu_s: Optional[float] = None
    others: Tuple[Tuple[str, float], ...] = ()
    gpu_others: Optional[List[Dict[str, Any]]] = None

    @property
    def foreign_cores(self) -> Optional[float]:
        """Return the mean number of cores that others kept busy; None where it is unknown."""
        if self.own_cpu_s is None or self.total_cpu_s is None:
            return None
        return max(0.0, self.total_cpu_s - self.own_cpu_s) / max(self.seconds, 1e-6)

    @property
    def exceeds(self) -> bool:
        """Return whether others kept more cores busy than the services of an idle machine do."""
        return (self.foreign_cores or 0.0) > max(
            LIMIT_CORES, LIMIT_SHARE * self.cores, LEAST_CPU_S / max(self.seconds, 1e-6)
        )

    @property
    def complaint(self) -> str:
        """Return the load that makes an energy wrong, in words; "" for an idle machine's.

        It names the three busiest others with their processor seconds.
        """
        busiest = ", ".join(f"{name} {cpu_s:.2f} s" for name, cpu_s in self.others[:3])
        cpu = f"others took {self.foreign_cores or 0.0:.2f} of {self.cores} cores: {busiest}"
        users = ", ".join(f"{user['name']} ({user['pid']})" for user in self.gpu_others or ())
        return "; ".join([cpu] * self.exceeds + ["others used the GPU: " + users] * bool(users))

    def facts(self) -> Dict[str, Any]:
        """Return the fields of a record."""
        known = self.foreign_cores is not None
        times = {"own_cpu_s": self.own_cpu_s, "total_cpu_s": self.total_cpu_s} if known else {}
        return dict(
            {name: round(value or 0.0, 2) for name, value in times.items()},
            foreign_cores=round(self.foreign_cores, 3) if self.foreign_cores is not None else None,
            cores=self.cores,
            gpu_others=self.gpu_others,
            **({} if known else {"unknown": UNKNOWN}),
        )


class Neighbours:
    """Looks at this process's tree and at the machine beside it.

    A process that was seen in the tree stays own when its parent ends. `proc` is the folder to
    read, by default the environment's JOULEBIRD_PROC or /proc; `pid` is the root of the tree, by
    default this process; `gpu_users` lists (rail, pid, MiB) of the GPU, or returns None.
    """

    def __init__(
        self,
        proc: str = "",
        pid: Optional[int] = None,
        gpu_users: Callable[[], Any] = gpu_users,
    ) -> None:
        self._proc = proc or os.environ.get("JOULEBIRD_PROC") or "/proc"
        self._pid = pid or os.getpid()
        self._gpu_users = gpu_users
        self._known: Set[Tuple[int, int]] = set()

    def look(self) -> Look:
        """Return the present state; it costs about 20 us for each process of the machine."""
        t_s, cores = time.monotonic(), os.cpu_count() or 1
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(os.path.join(self._proc, "stat"), "rb", 0) as file:
                lines = file.read().split(b"\n")
            cores = sum(line.startswith(b"cpu") for line in lines) - 1
            ticks = [int(field) for field in lines[0].split()[1:]]
            tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
            table = processes(self._proc)
            if self._pid in table:
                busy_s, own = sum(ticks[i] for i in BUSY) * tick_s, self._own(table)
                others = self._gpu_others(table, own)
                return Look(t_s, cores, busy_s, ticks[STEAL] * tick_s, table, own, others)
        return Look(t_s, cores)

    def _own(self, table: Table) -> FrozenSet[int]:
        roots = [pid for pid, start in self._known if pid in table and table[pid].start == start]
        own = descendants(table, [self._pid, *roots])
        self._known = {(pid, table[pid].start) for pid in own if pid in table}
        return frozenset(own)

    def _gpu_others(self, table: Table, own: FrozenSet[int]) -> Optional[List[Dict[str, Any]]]:
        """Return the foreign processes on a GPU; None when the driver does not show them all."""
        users = self._gpu_users()
        if users is None or any(pid not in table for _, pid, _ in users):  # of another namespace
            return None
        return [
            {"gpu": rail, "pid": pid, "name": table[pid].name, "memory_mb": mb and round(mb)}
            for rail, pid, mb in users
            if pid not in own
        ]


def between(before: Look, after: Look) -> Load:
    """Return the load between two looks of one `Neighbours`."""
    seconds, gpu_others = after.t_s - before.t_s, after.gpu_others
    if gpu_others is not None:
        present = [user["pid"] for user in gpu_others]
        gpu_others = gpu_others + [
            user for user in before.gpu_others or () if user["pid"] not in present
        ]
    if before.busy_s is None or after.busy_s is None:
        return Load(seconds, after.cores, gpu_others=gpu_others)
    used = spent(before.table, after.table)
    total_s, steal_s = after.busy_s - before.busy_s, after.steal_s - before.steal_s
    own_s = sum(used[pid] for pid in after.own)
    if own_s > 1.25 * total_s + 0.1:  # a sandbox whose /proc/stat stands still
        return Load(seconds, after.cores, gpu_others=gpu_others)
    others = {
        f"{after.table[pid].name} ({pid})": cpu_s
        for pid, cpu_s in used.items()
        if pid not in after.own
    }
    others["kernel and unseen processes"] = total_s - own_s - steal_s - sum(others.values())
    others["hypervisor"] = steal_s
    busy = ((name, round(cpu_s, 2)) for name, cpu_s in others.items() if cpu_s >= 0.005)
    busiest = tuple(sorted(busy, key=lambda item: -item[1]))
    return Load(seconds, after.cores, own_s, total_s, busiest, gpu_others)


def spent(before: Table, after: Table) -> Dict[int, float]:
    """Return the processor seconds of each present process since an earlier look.

    A child that ended leaves all its time to its parent; the part that was there before is taken
    off, so that nothing counts twice.

    >>> early = {1: Process(0, 2.0, 2.0), 2: Process(1, 5.0, 5.0)}
    >>> spent(early, {1: Process(0, 2.5, 8.5), 3: Process(1, 0.25, 0.25)})
    {1: 1.5, 3: 0.25}
    """
    same = {pid for pid, now in after.items() if pid in before and before[pid].start == now.start}
    gone: Dict[int, float] = {}
    for pid in set(before) - same:
        heir = before[pid].parent
        while heir in before and heir not in same:
            heir = before[heir].parent
        gone[heir] = gone.get(heir, 0.0) + before[pid].tree_s
    used = {}
    for pid, now in after.items():
        was = before[pid] if pid in same else Process(0, 0.0)
        ended_s = (now.tree_s - now.cpu_s) - (was.tree_s - was.cpu_s) - gone.get(pid, 0.0)
        used[pid] = now.cpu_s - was.cpu_s + max(0.0, ended_s)
    return used
