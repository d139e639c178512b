"""Log a board's health once a second into a stage's `events.jsonl`, from a process of its own.

    with HealthLog("events.jsonl"): train()

Each line is an event (docs/formats.md): `health`, and when it begins each trouble: `throttle`,
`mode_change`, `limits_change`, `swap`, `supply_sag`. A line is one write at the file's end, so that
it never falls into the middle of another one.
"""

import json
import os
import select
import sys
import time
from typing import Any, Dict, Optional

from joulebird.devices.health.compare import Diary
from joulebird.devices.health.read import Health
from joulebird.devices.util.line_child import LineChild
from joulebird.harness.core.process import python_command

START_S = 5.0  # a board under load needs a second to start a Python
# The last of a disk is for the training: a line cut short would spoil the one after it.
SPARE_BYTES = 1 << 20


def line_of(name: str, facts: Dict[str, Any]) -> bytes:
    r"""Return one event as a line; the name comes first, so that readers can skip it unparsed.

    >>> line_of("swap", {"t_s": 1.5, "pages": 3})
    b'{"event": "swap", "t_s": 1.5, "pages": 3}\n'
    """
    rest = {key: facts[key] for key in facts if key != "t_s"}
    texts = (
        json.dumps({"event": name, "t_s": round(facts["t_s"], 6)}),
        json.dumps(rest, sort_keys=True),
    )
    inside = ", ".join(text[1:-1] for text in texts if text != "{}")
    return f"{{{inside}}}\n".encode()


def append(handle: int, name: str, facts: Dict[str, Any]) -> bool:
    """Write one event at the end of a file; return False, unwritten, when the disk is almost full.

    The file must be open for appending.
    """
    disk = os.fstatvfs(handle)
    if disk.f_bavail * disk.f_frsize < SPARE_BYTES:
        return False
    os.write(handle, line_of(name, facts))
    return True


class HealthLog:
    """Append events to `path` every `period_s` from a process that ends with this one.

    A context manager. Leaving takes one last sample, and returns when nothing more is written.
    """

    def __init__(self, path: str, root: str = "/", period_s: float = 1.0) -> None:
        self._arguments = [os.path.abspath(path), root, repr(period_s)]
        self._child: Optional[LineChild] = None

    def __enter__(self) -> "HealthLog":
        command = python_command("joulebird.devices.health.log:main", *self._arguments)
        self._child = LineChild(command)
        self._child.lines(timeout_s=START_S)  # keep the energy of its start out of the stage
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._child is not None:
            self._child.stop(patience_s=2.0)
            self._child = None

    @property
    def ended(self) -> Optional[str]:
        """The reason why the process has ended by itself; None while it runs."""
        if self._child is None or self._child.ended() is None:
            return None
        return self._child.errors() or f"its process ended with status {self._child.ended()}"


def main() -> int:
    """Append events to a file until stdin closes: the arguments are path, root, period in s."""
    path, root, period_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
    os.nice(5)  # the training goes first
    health, diary = Health(root), Diary()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    next_s, begun, stopped = time.monotonic(), False, False
    while not stopped:
        stopped = bool(select.select([0], [], [], max(0.0, next_s - time.monotonic()))[0])
        next_s = max(next_s + period_s, time.monotonic())
        for name, facts in diary.events(health.sample()):
            append(handle, name, facts)
        if not begun:
            begun = bool(os.write(1, b"begun\n"))
    return 0
