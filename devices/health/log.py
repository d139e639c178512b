"""A board's health once a second in a stage's `events.jsonl`, written by a process of its own.

    with HealthLog("events.jsonl"): train()

Each line is an event (ARCHITECTURE.md, "events.jsonl"): `health`, and at its beginning each trouble: `throttle`, `mode_change`,
`limits_change`, `swap`, `supply_sag`. A line is one write at the file's end, so that it never falls into the middle of another one.
"""

import json
import os
import select
import sys
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

from joulebird.devices.health.compare import compare
from joulebird.devices.health.read import Health
from joulebird.devices.util.line_child import LineChild
from joulebird.harness.core.process import python_command

# The events of the warnings of `joulebird.devices.health.compare.compare`; a restarted machine has ended this process.
EVENTS = {
    "throttled": "throttle",
    "mode_changed": "mode_change",
    "limits_changed": "limits_change",
    "swapped": "swap",
    "supply_sagged": "supply_sag",
}
SELDOM = (
    "boot_id",
    "limits",
    "clocks_locked",
    "swap",
)  # written only when they differ from the line before
START_S = 5.0  # a board under load needs a second to start a Python
SPARE_BYTES = (
    1 << 20
)  # the last of a disk is for the training: a line cut short would spoil the one after it


class Diary:
    """Turns samples into events: what changes seldom stands in the first line and where it changed; each trouble is told as it begins."""

    def __init__(self) -> None:
        self._first: Optional[Dict[str, Any]] = None
        self._last: Dict[str, Any] = {}
        self._going_on: List[str] = []

    def events(self, sample: Dict[str, Any]) -> Iterator[Tuple[str, Dict[str, Any]]]:
        """The events of one sample of `Health`, by name and facts; the time `t_s` is among them.

        >>> diary, sample = Diary(), {"t_s": 1.0, "boot_id": "a", "temps_c": {"GPU-therm": 40.5}, "cooling": {}, "limits": {}, "volts": {},
        ...                           "power_mode": 0, "swap": {}, "clocks_hz": {}, "clocks_locked": True, "gpu_load": 0.5}
        >>> [name for name, _ in diary.events(sample)], [name for name, _ in diary.events(dict(sample, cooling={"gpu-balanced 2": 3}))]
        (['health'], ['health', 'throttle'])
        """
        if self._first is None:
            self._first = sample
        last, self._last = self._last, sample
        yield (
            "health",
            {
                key: value
                for key, value in sample.items()
                if key not in SELDOM or last.get(key) != value
            },
        )
        found = compare(self._first, sample)
        for name, facts in found:
            if name in EVENTS and name not in self._going_on:
                yield EVENTS[name], dict(facts, t_s=sample["t_s"])
        self._going_on = [name for name, _ in found]


def line_of(name: str, facts: Dict[str, Any]) -> bytes:
    """One event as a line; the name comes first, so that readers tell these lines without parsing them.

    >>> line_of("swap", {"t_s": 1.5, "pages": 3})
    b'{"event": "swap", "t_s": 1.5, "pages": 3}\\n'
    """
    rest = json.dumps({key: facts[key] for key in sorted(facts) if key != "t_s"}, sort_keys=True)
    head = '{{"event": {}, "t_s": {}'.format(json.dumps(name), json.dumps(round(facts["t_s"], 6)))
    return (head + (", " + rest[1:] if rest != "{}" else "}") + "\n").encode("utf-8")


def append(handle: int, name: str, facts: Dict[str, Any]) -> bool:
    """Write one event at the end of a file opened to append; false, with nothing written, when the disk is all but full."""
    disk = os.fstatvfs(handle)
    if disk.f_bavail * disk.f_frsize < SPARE_BYTES:
        return False
    os.write(handle, line_of(name, facts))
    return True


class HealthLog:
    """A context manager: a process of its own appends events to `path` every `period_s`, for as long as this process lives.

    `ended` gives the reason when it has ended by itself. Leaving returns when it writes no more.
    """

    def __init__(self, path: str, root: str = "/", period_s: float = 1.0) -> None:
        self._arguments = [os.path.abspath(path), "--root", root, "--period-s", repr(period_s)]
        self._child: Optional[LineChild] = None

    def __enter__(self) -> "HealthLog":
        self._child = LineChild(
            python_command("joulebird.devices.health.log:main", *self._arguments)
        )
        self._child.lines(timeout_s=START_S)  # starting costs energy: not in what is measured next
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._child is not None:
            self._child.stop(patience_s=2.0)
            self._child = None

    @property
    def ended(self) -> Optional[str]:
        """Why the process has ended though nobody asked it to; None while it runs, or when it was never started."""
        if self._child is None or self._child.ended() is None:
            return None
        return self._child.errors() or f"its process ended with status {self._child.ended()}"


def main(argv: Optional[List[str]] = None) -> int:
    """Append events to a file until stdin closes."""
    path, root, period_s = _arguments(sys.argv[1:] if argv is None else argv)
    os.nice(5)  # the training goes first
    health, diary = Health(root), Diary()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    next_s, begun = time.monotonic(), False
    while True:
        for name, facts in diary.events(health.sample()):
            append(handle, name, facts)
        if not begun:
            begun = bool(os.write(1, b"begun\n"))
        next_s = max(next_s + period_s, time.monotonic())
        if select.select([0], [], [], max(0.0, next_s - time.monotonic()))[0]:
            return 0


def _arguments(argv: List[str]) -> Tuple[str, str, float]:
    options = dict(zip(argv[1::2], argv[2::2]))
    return argv[0], options.get("--root", "/"), float(options.get("--period-s", "1"))
