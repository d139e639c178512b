"""Record a power source into `power.csv` in a process of its own, undisturbed by the training.

    with Recorder("ina3221") as recorder:
        recorder.open("power.csv")
        begin_s = recorder.sample()
        train()
        end_s = recorder.sample()

`joulebird.devices.recorder.child` is the child. It reads commands as JSON lines from stdin and
answers on stdout; when stdin closes, because the parent ended or was killed, it ends too.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List, Optional

from joulebird.devices.util.line_child import LineChild
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.process import python_command, user_paths


class Recorder:
    """A recording process for one source.

    It samples from `open` to `close_log`, at `period_s` on average; by default at the source's
    `usual_period_s`: 20 ms for snapshots, 33 ms for averages, 50 ms for counters.

    `source`: a name of devices.SOURCES or package.module:Class; `options`: its options, JSON
    values. When the process dies, `alive` is false and every call raises SourceError with its last
    words; `start` then begins anew, and `open` adds a segment to the log. Nothing that happens to
    it reaches the caller otherwise: a failed reading is a row of the log.
    """

    def __init__(
        self,
        source: str = "ina3221",
        options: Optional[Dict[str, Any]] = None,
        period_s: Optional[float] = None,
        python: Optional[str] = None,
        start_timeout_s: float = 30.0,
        reply_timeout_s: float = 10.0,
    ) -> None:
        self.source, self.options, self.period_s = source, dict(options or {}), period_s
        self._python = python or sys.executable
        self._start_timeout_s, self._reply_timeout_s = start_timeout_s, reply_timeout_s
        self._child: Optional[LineChild] = None
        self._lock = threading.Lock()
        self._number = 0
        self._description: Dict[str, Any] = {}

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.ended() is None

    @property
    def pid(self) -> Optional[int]:
        """The id of the process, or None before `start`."""
        return self._child.pid if self._child is not None else None

    def start(self) -> "Recorder":
        """Start the process and wait until its source is open; harmless when it runs.

        Raises SourceError with the source's own message.
        """
        if self.alive:
            return self
        self.stop()
        command = python_command("joulebird.devices.recorder.child:main", python=self._python)
        try:
            self._child = LineChild(command)
        except OSError as error:
            raise SourceError(
                f"cannot start the recorder with {self._python}: {error}",
                "check that this Python exists",
            ) from error
        # Where the child looks for a source of the user's own: another Python must not see this
        # one's libraries.
        own = self._python == sys.executable
        try:
            self._description = self._ask(
                "start",
                self._start_timeout_s,
                source=self.source,
                options=self.options,
                period_s=self.period_s,
                paths=user_paths() if own else user_paths()[:1] + [os.getcwd()],
            )
        except BaseException:
            self.stop()
            raise
        return self

    def check(self) -> None:
        """Raise SourceError if the total cannot be read within about 2 s.

        Call before opening the first log.
        """
        self._ask("check", self._start_timeout_s)

    def open(self, path: str) -> None:
        """Sample into this file from now on: a new one, or a new segment of one that exists."""
        self._ask("open", path=os.path.abspath(path))

    def sample(self) -> float:
        """Take one sample now, for an edge.

        Returns its time in seconds of CLOCK_MONOTONIC (the present, if the source has nothing new).

        Raises SourceError when the process has died, does not answer, or could not write rows since
        the last call. A failed reading is a row and raises nothing.
        """
        return float(self._ask("sample")["t_s"])

    def settle(self) -> None:
        """Wait until the last `sample` is covered by a reading: some seconds with a slow meter."""
        self._ask("settle")

    def close_log(self) -> Dict[str, Any]:
        """Settle, and end the present log.

        Returns its path, rows, failed, missed ticks and worst lateness ({} when none was open).
        """
        return self._ask("close")

    def describe(self) -> Dict[str, Any]:
        """Return the source's description, with `recorder`: mean period and jitter.

        It is in every log's header.
        """
        return dict(self._description)

    def stop(self) -> None:
        """End the process; harmless when there is none."""
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # hangs in the kernel, killed
                child.stop(patience_s=2.0)  # it takes a hint, unless its source hangs

    def __enter__(self) -> "Recorder":
        return self.start()

    def __exit__(self, *exc: Any) -> None:
        self.stop()

    def _ask(self, command: str, timeout_s: Optional[float] = None, **facts: Any) -> Dict[str, Any]:
        """Send a command and wait for its answer."""
        with self._lock:
            child = self._child
            if child is None:
                raise SourceError("the recorder is not started", "call start() first")
            self._number += 1
            deadline_s = time.monotonic() + (timeout_s or self._reply_timeout_s)
            try:
                child.say(json.dumps(dict(facts, id=self._number, do=command)))
            except OSError as error:
                raise self._dead(child) from error
            while True:
                for answer in self._answers(child, deadline_s):
                    if answer.get("id") != self._number:
                        continue  # the late answer to a command that was given up
                    if "error" in answer:
                        raise SourceError(answer["error"], answer["hint"])
                    return dict(answer["answer"])

    def _answers(self, child: LineChild, deadline_s: float) -> List[Dict[str, Any]]:
        """Return the answers that have come; waits for at least one.

        Raises SourceError at the deadline or when the process has ended.
        """
        lines = child.lines(deadline_s - time.monotonic())
        if not lines and child.ended() is not None:
            raise self._dead(child)
        if not lines:
            raise SourceError(
                f"the recorder does not answer: its source ({self.source}) hangs",
                child.errors() or "unplug and replug the meter, or restart its service",
            )
        return [json.loads(line) for line in lines]

    def _dead(self, child: LineChild) -> SourceError:
        code = child.ended()
        return SourceError(
            "the recorder has ended (exit status {}): {}".format(
                "unknown" if code is None else code, child.errors() or "it said nothing"
            ),
            "its rows are kept; start it again to go on",
        )
